"""Captions word by word: what is said lights up, what is to come stays dim. For the deaf.

Everything is drawn once, when the sentence is placed: a panel with all words dim, and each
line again in full light. A frame lays the lit lines over it, the last one up to the word that
is being said; nothing is drawn while frames are presented.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from device.programme.word_times import words
from device.render.cards import Look
from device.render.linebreak import balanced, shortened, typeset
from device.render.pixels import Sprite
from device.render.text import BOLD, REGULAR, Board, Type

T = TypeVar("T")
PANEL = (10, 14, 14, 204)
DIM, SECOND_DIM = 150, 205
PAGES_MAX, CHARACTERS_MAX = 12, 600
_BLEED_PX = 6  # glyphs reach a little over their advance
_RIGHT_TO_LEFT = ("R", "AL")


@dataclass(frozen=True)
class Part:
    """A sprite of a caption, at its place from the caption's top left corner."""

    sprite: Sprite
    x: int
    y: int


@dataclass(frozen=True)
class View:
    """A caption at one moment: its parts from the lowest to the topmost."""

    width_px: int
    height_px: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Track:
    """The views of one sentence; view i is shown from picture frame `begins[i]` on."""

    begins: tuple[int, ...]
    views: tuple[View, ...]

    def at(self, n: int) -> View | None:
        """The view of frame `n`; None before the first."""
        place = bisect_right(self.begins, n) - 1
        return self.views[place] if place >= 0 else None


@dataclass(frozen=True)
class Room:
    """How much a caption may hold: widths and sizes in design pixels, lines a page."""

    width: int = 936
    size: int = 50
    latin_size: int = 44
    lines: int = 2
    latin_lines: int = 3
    second_size: int = 32
    second_lines: int = 3

    @classmethod
    def of(cls, look: Look) -> Room:
        """Across the picture in portrait; a column beside the face in landscape, as wide as the
        card where it lies under the words."""
        if look.beside and not look.side_card:
            return BESIDE
        return LANDSCAPE if look.landscape else cls()


LANDSCAPE = Room(width=520, size=42, latin_size=36, lines=4, latin_lines=5,
                 second_size=28, second_lines=5)
BESIDE = Room(width=886)


@dataclass(frozen=True)
class Row:
    """One line: its text, and where (px from its left edge) each of its words ends."""

    text: str
    words: tuple[tuple[int, int], ...]


def track(
    text: str, second: str, starts_frames: Sequence[int], look: Look, first_frame: int
) -> Track:
    """The caption of one sentence, with the same in another language below ("" for none).

    `starts_frames` holds one picture frame for each word of `text` (`word_times.words`),
    counted from `first_frame`.
    """
    room = Room.of(look)
    text, second = text[:CHARACTERS_MAX], second[:CHARACTERS_MAX]
    kind = caption_type(text, look)
    rows = _rows(text, kind, look.px(room.width - 96))
    small = look.face(REGULAR, room.second_size, second)
    below = balanced(small.drawable(typeset(second)), look.px(room.width - 96), small.width_px)
    lines_max = room.latin_lines if text.isascii() else room.lines
    begins: list[int] = []
    views: list[View] = []
    for page, page_below in _paged(rows, below if second else [], lines_max, room.second_lines):
        shown = _Page(page, [shortened(row, look.px(room.width - 96), small.width_px)
                             for row in page_below], kind, small, look)
        for word, view in shown.views():
            begin = starts_frames[word] if word < len(starts_frames) else 0
            if not begins and begin > 0:
                begins.append(first_frame)
                views.append(shown.unlit)
            begins.append(max([first_frame + begin, *begins[-1:]]))
            views.append(view)
    return Track(tuple(begins), tuple(views))


def caption_type(text: str, look: Look) -> Type:
    """The type of a caption's main line."""
    room = Room.of(look)
    return look.face(BOLD, room.latin_size if text.isascii() else room.size, text)


def _rows(text: str, kind: Type, width_px: int) -> list[Row]:
    """The lines of the text, and which word ends where in them."""
    owner = [0] * len(text)
    for number, (start, end) in enumerate(words(text)):
        owner[start:end] = [number] * (end - start)
    kept = [(drawn, n) for c, n in zip(typeset(text), owner, strict=True)
            if (drawn := kind.drawable(c))]
    owners = iter([n for c, n in kept if not c.isspace()])
    return [
        _row(line, owners, kind)
        for line in balanced("".join(c for c, _ in kept), width_px, kind.width_px) if line]


def _row(line: str, owners: Iterator[int], kind: Type) -> Row:
    ends: dict[int, int] = {}
    for place, character in enumerate(line, start=1):
        if not character.isspace():
            ends[next(owners)] = place
    if any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in line):
        # Read from the right: the whole line lights up with its first word.
        ends = {next(iter(ends)): len(line)}
    return Row(line, tuple((n, round(kind.width_px(line[:end]))) for n, end in ends.items()))


def _paged(
    rows: list[Row], below: list[str], lines_max: int, below_max: int
) -> list[tuple[list[Row], list[str]]]:
    """Pages of both languages: as many as the longer one needs, both spread evenly."""
    count = max(-(-len(rows) // lines_max), -(-len(below) // below_max))
    count = min(count, len(rows), PAGES_MAX)
    if count < 1:
        return []
    rows, below = rows[: count * lines_max], below[: count * below_max]
    return list(zip(_spread(rows, count), _spread(below, count), strict=True))


def _spread(items: list[T], count: int) -> list[list[T]]:
    """`count` runs of about equal length; the first ones are the longer."""
    edges = [-(-len(items) * n // count) for n in range(count + 1)]
    return [items[a:b] for a, b in pairwise(edges)]


class _Page:
    """The sprites of one page: the dim panel, and every line in full light."""

    def __init__(
        self, rows: list[Row], below: list[str], kind: Type, small: Type, look: Look
    ) -> None:
        self._rows = rows
        line_px, second_px = round(kind.size_px * 1.36), round(small.size_px * 1.42)
        pad_x, pad_y = look.px(44), look.px(22)
        gap = look.px(12) if below else 0
        widths = [kind.width_px(row.text) for row in rows]
        inner = round(max([*widths, *(small.width_px(each) for each in below)]))
        self._size = (inner + 2 * pad_x,
                      line_px * len(rows) + gap + second_px * len(below) + 2 * pad_y)
        board = Board(*self._size)
        board.panel((0, 0, *self._size), look.px(28), PANEL)
        self._lit: list[Part] = []
        for number, (row, width) in enumerate(zip(rows, widths, strict=True)):
            x, y = pad_x + round((inner - width) / 2), pad_y + line_px * number
            board.text(row.text, kind, x, y + line_px // 2, (255, 255, 255, DIM), "lm")
            light = Board(round(width) + 2 * _BLEED_PX, line_px)
            light.text(row.text, kind, _BLEED_PX, line_px // 2, (255, 255, 255, 255), "lm")
            self._lit.append(Part(light.sprite(), x - _BLEED_PX, y))
        y = pad_y + line_px * len(rows) + gap + second_px // 2
        for each in below:
            board.text(each, small, self._size[0] // 2, y, (255, 255, 255, SECOND_DIM), "mm")
            y += second_px
        self._panel = Part(board.sprite(), 0, 0)
        self.unlit = View(*self._size, (self._panel,))

    def views(self) -> Iterator[tuple[int, View]]:
        """(word, the page from the moment on at which that word is said)."""
        for number, row in enumerate(self._rows):
            whole = self._lit[number]
            for word, end_px in row.words:
                last = word == row.words[-1][0]
                part = whole if last else replace(
                    whole, sprite=_left_of(whole.sprite, end_px + _BLEED_PX))
                yield word, View(
                    *self._size, (self._panel, *self._lit[:number], part))


def _left_of(sprite: Sprite, width_px: int) -> Sprite:
    """The sprite's left part, sharing its pixels."""
    return Sprite(sprite.colour[:, :width_px], sprite.inverse[:, :width_px])
