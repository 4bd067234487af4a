"""Lines with placeholders, filled in: `{store_name}`, `{longjing.price}`, `{longjing.name}`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import msgspec

from device.programme.prices import spoken_price
from device.programme.schema import (
    PLACEHOLDER,
    Answer,
    Clip,
    Fallback,
    Index,
    Product,
    Programme,
    Segment,
)
from device.programme.variables import Plain, kind_of, values
from device.tts.sentences import sayable

Variables = Mapping[str, Plain]
SOLD_OUT = "sold-out"
DID_YOU_MEAN = "did-you-mean"
# In the line that says so: the product that was asked for.
_ASKED_FOR = "{product."


def merged(programme: Programme, overrides: Variables | None) -> dict[str, Plain]:
    """The store's values over the programme's own defaults; see `variables.values`."""
    return values(programme, overrides)


def spoken_lines(
    programme: Programme,
) -> Iterator[tuple[str, str, Segment | Answer | Fallback]]:
    """(kind, id, item) of everything that is said: the first two parts of its line keys."""
    for segment in programme.segments:
        yield "segment", segment.id, segment
    for answer in programme.answers:
        yield "answer", answer.id, answer
    yield "fallback", "fallback", programme.fallback
    for product in programme.products if programme.sold_out is not None else ():
        line = sold_out_line(programme, product)
        if line is not None:
            yield SOLD_OUT, product.id, line
    if programme.did_you_mean is not None:
        yield DID_YOU_MEAN, DID_YOU_MEAN, programme.did_you_mean


def sold_out_line(programme: Programme, product: Product) -> Fallback | None:
    """What is said when a store has none of that product; None where nothing is written."""
    if programme.sold_out is None or product.stock is None:
        return None
    say = {language: text.replace(_ASKED_FOR, f"{{{product.id}.")
           for language, text in programme.sold_out.say.items()}
    return msgspec.structs.replace(programme.sold_out, say=say)


def in_language(texts: Mapping[str, str], language: str) -> str | None:
    """The text of a language, or of another region of the same language (en-GB for en-US)."""
    if language in texts:
        return texts[language]
    family = language.split("-")[0]
    return next((texts[key] for key in texts if key.split("-")[0] == family), None)


def card_price_text(
    product: Product, programme: Programme, variables: Variables, language: str
) -> str | None:
    """The price as the card shows it; None for none, or when the store has no value for it."""
    if product.price is None:
        return None
    return fill(product.price, programme, variables, language, spoken=False)


def fill(
    text: str, programme: Programme, variables: Variables, language: str, spoken: bool = True
) -> str | None:
    """`text` with every placeholder filled in; None when one has no value.

    A kiosk must never say a brace, nor a name it does not know: such a line is left out.
    `spoken`: a price is put as people say it, else as it is written.
    """
    out: list[str] = []
    end = 0
    for found in PLACEHOLDER.finditer(text):
        value = _value(found[1].strip(), programme, variables, language, spoken)
        if value is None:
            return None
        out += [text[end : found.start()], value]
        end = found.end()
    out.append(text[end:])
    return "".join(out).strip()


def _value(
    name: str, programme: Programme, variables: Variables, language: str, spoken: bool
) -> str | None:
    product_id, dot, what = name.partition(".")
    if dot:
        product = programme.product(product_id)
        if product is None or what not in ("price", "name", "unit"):
            return None
        if what == "price":
            price = card_price_text(product, programme, variables, language)
            return spoken_price(price, language) if price else None
        texts = product.name if what == "name" else product.unit or {}
        return in_language(texts, language)
    value = variables.get(name)
    if isinstance(value, dict):
        return in_language(value, language)
    if value is not None and spoken and kind_of(programme, name) == "price":
        return spoken_price(value, language)
    return value


def spoken_pieces(
    text: str, language: str, recordings: tuple[str, ...] = ()
) -> list[tuple[str, str | None]]:
    """(what is said, its recording or None) of a filled-in line; one file says the whole line."""
    said = sayable(text, language)
    if len(recordings) == 1 and len(said) > 1:
        return [(text, recordings[0])]
    if len(recordings) != len(said):
        return [(each, None) for each in said]
    return list(zip(said, recordings, strict=True))


def line_key(kind: str, item_id: str, language: str, number: int) -> str:
    """The index's key of a sentence: kind is one of those of `spoken_lines`."""
    return f"{kind}/{item_id}/{language}/{number}"


def variant_suffix(text: str) -> str:
    """Ends the keys of a line that was also built with other values of the variables."""
    return f"@{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def line_clips(
    index: Index, kind: str, item_id: str, language: str, text: str
) -> tuple[tuple[str, Clip], ...]:
    """(line key, clip) of every sentence of a filled-in line; () when it was not built.

    The clips must say exactly `text`: a clip with another price or name is no clip.
    """
    wanted = _squeezed(text)
    for suffix in ("", variant_suffix(text)):
        clips: list[tuple[str, Clip]] = []
        while (key := line_key(kind, item_id, language, len(clips)) + suffix) in index.speech:
            clips.append((key, index.speech[key]))
        if clips and _squeezed("".join(clip.text for _, clip in clips)) == wanted:
            return tuple(clips)
    return ()


def _squeezed(text: str) -> str:
    return "".join(text.split())
