"""The same line in another language, sentence by sentence: what stands small below a caption."""

from __future__ import annotations

from device.programme.lines import DID_YOU_MEAN, SOLD_OUT, Variables, fill, sold_out_line
from device.programme.schema import Programme
from device.tts.sentences import split


def second_sentence(
    programme: Programme, variables: Variables, key: str, sentences: int,
    over_in: frozenset[str] = frozenset(),
) -> str:
    """What the second caption line says while the sentence of that line key is spoken.

    `sentences` is how many sentences the spoken line has. "" when the line has no other language
    (those of `over_in` do not count) or the key is none of this programme's. Languages with
    another number of sentences are spread over them, so that nothing is left out.
    """
    parts = key.partition("@")[0].split("/")
    if len(parts) != 4 or not parts[3].isdigit() or sentences < 1:
        return ""
    kind, item_id, language, number = parts[0], parts[1], parts[2], int(parts[3])
    texts = {k: v for k, v in _texts(programme, kind, item_id).items() if k not in over_in}
    other = next((each for each in programme.languages if each in texts and each != language), "")
    line = fill(texts[other], programme, variables, other) if other else None
    if line is None:
        return ""
    said, number = split(line, other), min(number, sentences - 1)
    first, last = number * len(said) // sentences, (number + 1) * len(said) // sentences
    glue = "" if other.startswith(("zh", "ja")) else " "
    return glue.join(said[first : max(last, first + 1)])


def _texts(programme: Programme, kind: str, item_id: str) -> dict[str, str]:
    if kind == "segment":
        item = programme.segment(item_id)
        return item.say if item else {}
    if kind == "answer":
        answer = programme.answer(item_id)
        return answer.say if answer else {}
    product = programme.product(item_id) if kind == SOLD_OUT else None
    if product is not None and (line := sold_out_line(programme, product)) is not None:
        return line.say
    if kind == DID_YOU_MEAN:
        return programme.did_you_mean.say if programme.did_you_mean else {}
    return programme.fallback.say if kind == "fallback" else {}
