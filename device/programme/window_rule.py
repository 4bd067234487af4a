"""The rules that what is scheduled can be played: it holds then, and there is the time for it.

Only for who writes the programme: a box plays what it can of what was published once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

from device.programme import times
from device.programme.lines import fill, line_clips, merged
from device.programme.load import load_index
from device.programme.playable import local_zone, products_named
from device.programme.problems import Fault
from device.programme.rules import Checked
from device.programme.schema import Index, Product, Segment, Slot, Valid
from device.tts.sentences import sayable
from ota.errors import Refused

# Seconds a Han character, another one, a comma, a sentence: fitted to the 78 clips of the tea
# shop (2.7 s each), which they miss by 0.1 s (Chinese) and 0.3 s (English) in the mean.
_ZH_S, _EN_S = (0.22, 0.27, 0.15, 0.25), (0.22, 0.08, 0.0, 0.1)
SENTENCE_PAUSE_S, SEGMENT_PAUSE_S = 0.25, 1.0


@dataclass(frozen=True)
class Window:
    """From when until when something holds; None: without an end on that side."""

    starts: datetime | None = None
    until: datetime | None = None

    def within(self, other: Window) -> Window:
        """What lies in both."""
        starts = [each for each in (self.starts, other.starts) if each is not None]
        ends = [each for each in (self.until, other.until) if each is not None]
        return Window(max(starts, default=None), min(ends, default=None))

    @property
    def is_empty(self) -> bool:
        """Does it end before it begins?"""
        return self.starts is not None and self.until is not None and self.until <= self.starts


def window(valid: Valid | None, zone: tzinfo) -> Window:
    """A validity as a window; what cannot be read limits nothing."""
    def moment(text: str | None) -> datetime | None:
        try:
            return times.instant(text, zone) if text is not None else None
        except times.BadTime:
            return None

    return Window(moment(valid.starts), moment(valid.until)) if valid is not None else Window()


def scheduled(checked: Checked) -> Iterator[Fault]:
    """A segment or its product that is over before its part of the schedule begins."""
    programme = checked.programme
    zone = local_zone(programme)
    whole = window(programme.valid, zone)
    told: set[object] = set()
    for slot in programme.schedule or (None,):
        base = whole if slot is None else _slot_window(checked, slot, whole, zone)
        if base.is_empty:
            if slot is not None and not whole.is_empty:
                yield Fault(checked.path(slot), "这一段排在有效期或假日之外,永远不会播放",
                            "this entry lies outside its validity or holiday and never plays")
            continue
        names = slot.play if slot is not None else [each.id for each in programme.segments]
        for name in dict.fromkeys(names):
            segment = programme.segment(name)
            if segment is not None:
                for fault in _segment(checked, segment, base, zone):
                    if fault not in told:
                        told.add(fault)
                        yield fault


def _slot_window(checked: Checked, slot: Slot, whole: Window, zone: tzinfo) -> Window:
    found = whole.within(window(slot.valid, zone))
    days = []
    for holiday in checked.programme.holidays:
        if holiday.id in slot.only_on:
            try:
                begins = times.calendar_day(holiday.starts)
                ends = times.calendar_day(holiday.until or holiday.starts)
            except times.BadTime:
                return found
            # A night that begins on the last day ends on the next.
            days += [begins, ends + timedelta(days=2)]
    if not days:
        return found
    first, last = (datetime.combine(day, time(), zone) for day in (min(days), max(days)))
    return found.within(Window(first, last))


def _segment(checked: Checked, segment: Segment, base: Window, zone: tzinfo) -> Iterator[Fault]:
    own = window(segment.valid, zone)
    if segment.valid is not None and base.within(own).is_empty and not own.is_empty:
        yield Fault(
            checked.path(segment.valid),
            f"段落“{segment.id}”的有效期和排播的时间没有重叠,不会播放",
            f'the segment "{segment.id}" does not hold when it is scheduled and never plays')
        return
    base = base.within(own)
    shown = products_named(segment) | ({segment.show} if segment.show else set())
    for product in checked.programme.products:
        if product.id in shown and product.valid is not None:
            yield from _product(checked, product, segment, base, zone)


def _product(
    checked: Checked, product: Product, segment: Segment, base: Window, zone: tzinfo
) -> Iterator[Fault]:
    own = window(product.valid, zone)
    if own.is_empty or not base.within(own).is_empty:
        return
    over = own.until is not None and base.starts is not None and own.until <= base.starts
    yield Fault(
        checked.path(product.valid, "until" if over else "from"),
        f"商品“{product.id}”在段落“{segment.id}”排播"
        + ("之前就已过期,永远不会出现" if over else "结束之后才开始有效,永远不会出现"),
        f'the product "{product.id}" '
        + ("expires before" if over else "becomes valid only after")
        + f' its segment "{segment.id}" is scheduled, and is never shown')


def speech(checked: Checked) -> Iterator[Fault]:
    """More to say than the part of the day is long, in the language that takes longest."""
    try:
        index = load_index(checked.folder) if checked.folder is not None else None
    except Refused:
        index = None
    for slot in checked.programme.schedule:
        try:
            starts, until = times.slot_minutes(slot)
        except times.BadTime:
            continue
        length_s, longest_s = 60.0 * (until - starts), 0.0
        said = [each for each in map(checked.programme.segment, slot.play) if each is not None]
        for language in checked.programme.languages:
            each_s = [_seconds(checked, each, language, index) for each in said]
            # What is drawn need not all be said.
            drawn = any(each.weight is not None for each in said)
            longest_s = max(longest_s, max(each_s, default=0.0) if drawn else sum(each_s))
        if longest_s > length_s:
            zh, en = _minutes(longest_s), _minutes(length_s)
            yield Fault(
                checked.path(slot, "play"),
                f"这些段落说完约需 {zh} 分钟,这一段时间只有 {en} 分钟",
                f"these segments take about {zh} minutes to say, the entry has {en}")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}".removesuffix(".0")


def _seconds(checked: Checked, segment: Segment, language: str, index: Index | None) -> float:
    """How long a segment takes: as it was built, else by its characters."""
    template = segment.say.get(language)
    programme = checked.programme
    text = fill(template, programme, merged(programme, None), language) if template else None
    if text is None:
        return 0.0
    clips = line_clips(index, "segment", segment.id, language, text) if index else ()
    if clips:
        spoken_s = sum(clip.duration_ms for _, clip in clips) / 1000
        return spoken_s + SENTENCE_PAUSE_S * (len(clips) - 1) + SEGMENT_PAUSE_S
    sentences = sayable(text, language)
    each_s = sum(estimated_s(each) for each in sentences)
    return each_s + SENTENCE_PAUSE_S * max(0, len(sentences) - 1) + SEGMENT_PAUSE_S


def estimated_s(sentence: str) -> float:
    """How long a sentence takes to say, from its characters alone."""
    han = sum("\u4e00" <= c <= "\u9fff" for c in sentence)
    others = sum(c.isalnum() for c in sentence) - han
    han_s, other_s, comma_s, once_s = _ZH_S if han > others else _EN_S
    commas = sum(c in "，,、" for c in sentence)
    return han * han_s + others * other_s + commas * comma_s + once_s
