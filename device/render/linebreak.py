"""Line breaking for Chinese and Latin text, as a typesetter would do it (pure).

Between two Han characters a line may break, inside a word or number it may not. Kinsoku
(GB/T 15834, JIS X 4051): closing marks never begin a line, opening marks never end one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

NEVER_FIRST = frozenset("、。，．：；？！）］｝〕〉》」』】”’…—～·・ー々％℃°%,.:;?!)]}>")
NEVER_LAST = frozenset("（［｛〔〈《「『【“‘([{<￥¥$＄£€")
_MARKS = "".join(NEVER_FIRST)
UNITS = frozenset("元块角分克斤两盒袋罐杯瓶件折度年月日号点时秒℃%％")
FULL_WIDTH = {",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；"}
ELLIPSIS = "…"

Measure = Callable[[str], float]


def pieces(text: str) -> Iterator[str]:
    """Cut text into the smallest parts that must stay on one line.

    Spaces stay with the part before them; joining the parts gives the text back.
    """
    part = ""
    for character in text:
        if part and _may_break(part, character):
            yield part
            part = ""
        part += character
    if part:
        yield part


def lines(text: str, width_px: float, measure: Measure) -> list[str]:
    """Break text into lines no wider than `width_px`; `measure` gives the width of a string.

    A single part wider than the line (a long word) is cut between characters. The last
    line never holds one lonely Han character, with or without its full stop.
    """
    done: list[str] = []
    for paragraph in text.splitlines() or [""]:
        done += _paragraph(list(pieces(paragraph)), width_px, measure)
    return done


def balanced(text: str, width_px: float, measure: Measure) -> list[str]:
    """The lines of `lines`, no more of them, but of about the same length: for centred text."""
    found = lines(text, width_px, measure)
    narrow, wide = 0.0, width_px
    while len(found) > 1 and wide - narrow > max(1.0, width_px / 64):
        middle = (narrow + wide) / 2
        tried = lines(text, middle, measure)
        if len(tried) > len(found) or max(map(measure, tried)) > middle:
            narrow = middle
        else:
            wide, found = middle, tried
    return found


def typeset(text: str) -> str:
    """Half-width marks that follow a Han character, as people type them, made full-width."""
    out = ""
    for character in text:
        wide = FULL_WIDTH.get(character)
        out += wide if wide and out and _is_written_wide(out[-1]) else character
    return out


def shortened(text: str, width_px: float, measure: Measure) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    if measure(text) <= width_px:
        return text
    kept = text
    while kept and measure(kept.rstrip() + ELLIPSIS) > width_px:
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS


def _paragraph(parts: list[str], width_px: float, measure: Measure) -> list[str]:
    done: list[str] = []
    line: list[str] = []
    for part in parts:
        if line and measure("".join([*line, part]).rstrip()) > width_px:
            done.append("".join(line).strip())
            line = []
        line += _fitting(part, width_px, measure, done)
    last = "".join(line).strip()
    if done and len(last.rstrip(_MARKS)) == 1 and not last.isascii():
        previous = list(pieces(done[-1]))
        if len(previous) > 2:
            done[-1], last = "".join(previous[:-1]).rstrip(), previous[-1] + last
    if last or not done:
        done.append(last)
    return done


def _fitting(part: str, width_px: float, measure: Measure, done: list[str]) -> list[str]:
    """Cut a part that is wider than a whole line; finished lines go to `done`."""
    while len(part) > 1 and measure(part.rstrip()) > width_px:
        fit = len(part) - 1
        while fit > 1 and measure(part[:fit]) > width_px:
            fit -= 1
        done.append(part[:fit])
        part = part[fit:]
    return [part]


def _may_break(before: str, after: str) -> bool:
    last = before[-1]
    if after.isspace() or after in NEVER_FIRST or _is_mark(after):
        return False
    if before.rstrip() and before.rstrip()[-1] in NEVER_LAST:
        return False
    if last.isspace():
        return True
    if last.isdigit() and after in UNITS:
        return False
    return _is_wide(last) or _is_wide(after)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _is_written_wide(character: str) -> bool:
    """A wide letter or mark; an emoji is wide too, but the text around it is not."""
    return _is_wide(character) and unicodedata.category(character)[0] in "LNP"


def _is_mark(character: str) -> bool:
    """Combining marks and joiners belong to the character before them."""
    return unicodedata.combining(character) != 0 or character in "\u200d\ufe0e\ufe0f"
