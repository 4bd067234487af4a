"""Lines with placeholders, filled in: `{store_name}`, `{longjing.price}`, `{longjing.name}`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from device.programme.prices import spoken_price
from device.programme.schema import PLACEHOLDER, Clip, Index, Programme, VariableValue
from device.tts.sentences import sayable

Variables = Mapping[str, VariableValue]


def merged(programme: Programme, overrides: Variables | None) -> dict[str, VariableValue]:
    """The store's values over the programme's own defaults."""
    return {**programme.variables, **(overrides or {})}


def in_language(texts: Mapping[str, str], language: str) -> str | None:
    """The text of a language, or of another region of the same language (en-GB for en-US)."""
    if language in texts:
        return texts[language]
    family = language.split("-")[0]
    return next((texts[key] for key in texts if key.split("-")[0] == family), None)


def fill(text: str, programme: Programme, variables: Variables, language: str) -> str | None:
    """`text` with every placeholder filled in; None when one has no value.

    A kiosk must never say a brace, nor a name it does not know: such a line is left out.
    """
    out: list[str] = []
    end = 0
    for found in PLACEHOLDER.finditer(text):
        value = _value(found[1].strip(), programme, variables, language)
        if value is None:
            return None
        out += [text[end : found.start()], value]
        end = found.end()
    out.append(text[end:])
    return "".join(out).strip()


def _value(name: str, programme: Programme, variables: Variables, language: str) -> str | None:
    product_id, dot, what = name.partition(".")
    if dot:
        product = programme.product(product_id)
        if product is None or what not in ("price", "name", "unit"):
            return None
        if what == "price":
            price = product.price and fill(product.price, programme, variables, language)
            return spoken_price(price, language) if price else None
        texts = product.name if what == "name" else product.unit or {}
        return in_language(texts, language)
    value = variables.get(name)
    if value is None or isinstance(value, str):
        return value
    return in_language(value, language)


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
    """The index's key of a sentence: kind is segment, answer or fallback."""
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
