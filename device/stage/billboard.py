"""What stands over everything but the AI label: emergency notices and the brand's moment.

An emergency notice of the console ends at its moment by the box's own clock, with or without a
network. While it stands, no bumper is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from device.programme import times
from device.programme.playable import local_zone
from device.programme.schema import Programme
from device.stage.stage import FPS, Stage
from device.stage.wardrobe import Wardrobe

BUMPER_S = 2.6
BUMPER_LEAVES_S = 0.4  # it fades while the first words begin


@dataclass(frozen=True)
class Ordered:
    """The console's notice: its words a language, a product to show, and when it ends."""

    texts: Mapping[str, str]
    show: str | None
    until: datetime | None


class Billboard:
    """One thread (the director's)."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._console: Ordered | None = None
        self._pinned: str | None = None
        self._segment_id: str | None = None
        self._was_open: bool | None = None
        self._shown: object = None

    @property
    def pinned(self) -> str | None:
        """The product whose card the console wants to stay on screen."""
        return self._pinned

    def order(
        self, texts: Mapping[str, str] | None, show: str | None, until: datetime | None
    ) -> None:
        """The console's notice, or its end; `until` None: until it is taken back."""
        self._console = Ordered(dict(texts or {}), show, until) if texts or show else None

    def look_after(self, wardrobe: Wardrobe, now: datetime, speaks: bool) -> None:
        """Show what holds at `now`: the console's notice before that of the segment that is said.

        `speaks`: is there a sentence on the timeline?
        """
        if self._console is not None and is_over(self._console.until, now):
            self._console = None
        self._pinned = self._console.show if self._console is not None else None
        own = self._own(wardrobe) if speaks else None
        texts = self._console.texts if self._console is not None else own
        wanted = (texts, wardrobe) if texts else None
        if wanted != self._shown:
            self._shown = wanted
            sprite = wardrobe.notice(texts) if texts else None
            self._stage.change_at(self._stage.now(), "notice", sprite)

    def lead_s(self, key: str, wardrobe: Wardrobe, now: datetime) -> float:
        """The sentence of that line key is next: show its brand moment; seconds to wait for it."""
        segment = wardrobe.segment(key)
        begins = segment is not None and segment.id != self._segment_id
        self._segment_id = segment.id if segment is not None else None
        opens = self._opens(wardrobe, now)
        self.look_after(wardrobe, now, speaks=True)
        asked = opens or (begins and segment is not None and segment.bumper)
        sprite = wardrobe.bumper() if asked and self._shown is None else None
        if sprite is None:
            return 0.0
        first = self._stage.now()
        self._stage.change_at(first, "bumper", sprite)
        self._stage.change_at(first + round(BUMPER_S * FPS), "bumper", None)
        return BUMPER_S + BUMPER_LEAVES_S

    def hush(self) -> None:
        """Somebody speaks: the brand gives way at once."""
        self._stage.change_at(self._stage.now(), "bumper", None)

    def _own(self, wardrobe: Wardrobe) -> Mapping[str, str] | None:
        """The notice of the segment that is said."""
        if self._segment_id is None or wardrobe.script is None:
            return None
        segment = wardrobe.script.programme.segment(self._segment_id)
        return segment.notice if segment is not None else None

    def _opens(self, wardrobe: Wardrobe, now: datetime) -> bool:
        """Has the shop opened since the last sentence (or is this the first one of the day)?"""
        if wardrobe.script is None:
            return False
        was, self._was_open = self._was_open, is_open(wardrobe.script.programme, now)
        wanted = wardrobe.script.programme.theme.bumper_at_opening
        return wanted and self._was_open and was is not True


def is_over(until: datetime | None, now: datetime) -> bool:
    """Is a notice's moment past? None never is."""
    return until is not None and now >= until


def is_open(programme: Programme, now: datetime) -> bool:
    """Is the shop open at the aware moment `now`? Always, when it names no hours."""
    local = now.astimezone(local_zone(programme))
    hours = programme.opening_hours
    return not hours or any(times.is_on(each, local, programme.holidays) for each in hours)
