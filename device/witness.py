"""What the supervisor has seen the processes do since they run from this code, for the updater.

Two small files come of it: `run/health.json` (does the code do its job?) and `run/shop.json` (is
somebody there, is the shop open?). The words are those of player and ear on the bus; what they do
not say is None, so an older player is no bad one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from device import messages as m

# Player and ear speak each second; a word older than this is no proof that they still work.
WORD_AGE_MAX_NS = 10_000_000_000
# Modes of the conversation in which somebody is being served (device.conversation.state).
SERVING = frozenset({"listening", "answering", "fallback"})
LIVE, RESTING = "live", "resting"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What the updater reads to confirm a trial or to go back."""

    code: str
    player_presented: bool = False
    ear_ready: bool = False
    crashes: int = 0
    at_s: float = 0.0
    sound: bool | None = None
    plays: bool | None = None


class Witness:
    """`note` each message; `moved` when the processes run from other code. One thread."""

    def __init__(self) -> None:
        self.player: m.PlayerState | None = None
        self.ear: m.EarState | None = None
        self.crashes_before = 0
        self.since_ns = 0
        self._has_played = False
        # A visitor stays a visitor when the code changes.
        self._visitor_ns: int | None = None

    def moved(self, crashes: int, now_ns: int) -> None:
        """Other code runs now: it has to prove everything anew."""
        self.player = self.ear = None
        self._has_played = False
        self.crashes_before, self.since_ns = crashes, now_ns

    def note(self, message: m.Message) -> None:
        """One message of the bus."""
        if isinstance(message, (m.PlayerState, m.EarState)) and message.at_ns < self.since_ns:
            return  # the last word of the code we moved away from
        if isinstance(message, m.PlayerState):
            self.player = message
            self._has_played |= message.saying is not None
            if message.state in SERVING:
                self._visitor_ns = message.at_ns
        elif isinstance(message, m.EarState):
            self.ear = message
        elif isinstance(message, m.Heard):
            self._visitor_ns = message.at_ns

    def health(self, code: str, crashes: int, now_ns: int) -> Health:
        """For `run/health.json`."""
        player, ear = self._player(now_ns), self.ear
        return Health(
            code=code,
            player_presented=bool(player and player.ready and player.frames_shown > 0),
            ear_ready=bool(ear and ear.ready and ear.at_ns > now_ns - WORD_AGE_MAX_NS),
            crashes=crashes - self.crashes_before,
            at_s=now_ns / 1e9,
            sound=player.tone_passed if player else None,
            plays=self._plays(player),
        )

    def shop(self, now_ns: int) -> dict[str, Any]:
        """For `run/shop.json`: see `ota.box.window.Shop` and `ota.box.seen.read_plays`."""
        player = self._player(now_ns)
        ago_s = None if self._visitor_ns is None else max(0.0, (now_ns - self._visitor_ns) / 1e9)
        return {
            "at_s": now_ns / 1e9,
            "visitor_ago_s": ago_s,
            "takeover": bool(player and player.state == LIVE),
            "open": player.shop_open if player else None,
            "changes_at": player.shop_changes_at if player else None,
            "utc_offset_s": player.shop_utc_offset_s if player else None,
            "programme_schema": (player.programme_schema or None) if player else None,
        }

    def _player(self, now_ns: int) -> m.PlayerState | None:
        player = self.player
        return player if player and player.at_ns > now_ns - WORD_AGE_MAX_NS else None

    def _plays(self, player: m.PlayerState | None) -> bool | None:
        """A sentence was begun, or the shop is closed; None: there is no programme to play."""
        if player is None or not player.programme_id:
            return None
        return self._has_played or player.state == RESTING
