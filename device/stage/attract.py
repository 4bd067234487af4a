"""Attract mode: when does somebody who comes near get a greeting? Pure but for its own memory."""

from __future__ import annotations

from dataclasses import dataclass

from device.programme.schema import Programme

# Shares of the camera's picture: something is there, it is near, it has gone.
THERE, NEAR, GONE = 0.03, 0.10, 0.015
# Near things were farther away before; somebody who passes by keeps their size.
GROWN = 1.4
STAYS_S, GONE_S = 1.0, 3.0
GREET_EVERY_S = 180.0
# Said at the end of the sentence that sounds; later it would be a greeting to nobody.
WAITS_S_MAX = 12.0
SEGMENTS = ("attract", "greeting", "welcome")


@dataclass
class Attract:
    """Feed `see` with every size; `take` says once that the greeting is due now."""

    on: bool = False
    _first_size: float | None = None
    _near_since_s: float | None = None
    _gone_since_s: float | None = None
    _greeted: bool = False
    _greeted_at_s: float = -1e9
    _wish_at_s: float | None = None

    def see(self, size: float, now_s: float, busy: bool) -> None:
        """One look. `busy`: somebody is being talked to, or a notice is said."""
        if not self.on:
            self._forget()
            return
        if size < GONE:
            self._gone_since_s = now_s if self._gone_since_s is None else self._gone_since_s
            self._near_since_s = None
            if now_s - self._gone_since_s >= GONE_S:
                self._forget()
            return
        self._gone_since_s = None
        if self._first_size is None and size >= THERE:
            self._first_size = size
        if self._first_size is None or size < max(NEAR, GROWN * self._first_size):
            self._near_since_s = None
            return
        self._near_since_s = now_s if self._near_since_s is None else self._near_since_s
        if now_s - self._near_since_s >= STAYS_S and not self._greeted:
            # Who is being talked to needs no greeting afterwards either.
            self._greeted = True
            if not busy and now_s - self._greeted_at_s >= GREET_EVERY_S:
                self._wish_at_s = now_s

    def take(self, now_s: float, busy: bool) -> bool:
        """Is a greeting due? Then it counts as given."""
        wish_at_s = self._wish_at_s
        if wish_at_s is None:
            return False
        if busy or now_s - wish_at_s > WAITS_S_MAX:
            self._wish_at_s = None
            return False
        self._wish_at_s, self._greeted_at_s = None, now_s
        return True

    def _forget(self) -> None:
        self._first_size = self._near_since_s = self._gone_since_s = None
        self._greeted, self._wish_at_s = False, None


def greeting_of(programme: Programme) -> str | None:
    """The segment to greet with: `attract`, else a greeting by its name or its gesture."""
    ids = [segment.id for segment in programme.segments]
    named = next((name for name in SEGMENTS if name in ids), None)
    waving = (segment.id for segment in programme.segments if segment.gesture == "greet")
    return named or next(waving, None)
