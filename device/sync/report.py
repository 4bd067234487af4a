"""What the box says of itself: reported, telemetry, status and error sentences. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from device.hal.base import Readings
from device.messages import (
    Desired,
    EarState,
    PlayerState,
    ProgrammeWanted,
    Reported,
    Settings,
    Status,
)
from device.sync.plan import Actual

ERRORS_MAX = 8
ERROR_CHARS_MAX = 600


@dataclass
class Faults:
    """Standing errors by their source ("content", "desired", ...): one sentence each."""

    by_source: dict[str, str] = field(default_factory=dict)

    def set(self, source: str, sentence: str) -> None:
        """Note what is wrong there now."""
        self.by_source[source] = sentence[:ERROR_CHARS_MAX]

    def clear(self, source: str) -> None:
        """That source is well again."""
        self.by_source.pop(source, None)

    def sentences(self) -> list[str]:
        """All that stands, a bounded list."""
        return list(self.by_source.values())[:ERRORS_MAX]


def iso(moment: datetime) -> str:
    """UTC, ISO 8601, milliseconds."""
    return moment.isoformat(timespec="milliseconds")


def status(online: bool, session: str, since: datetime) -> bytes:
    """`status`: birth, and the last will."""
    return msgspec.json.encode(Status(online=online, session=session, since=iso(since)))


def reported(
    desired: Desired | None,
    actual: Actual,
    errors: list[str],
    player: PlayerState | None,
    ear: EarState | None,
    release: tuple[str | None, str | None],
    update: dict[str, Any] | None = None,
) -> bytes:
    """`reported`: the shape of desired, as found. `programme` is what the player really plays.

    `release` is (version, slot). Counters that change all the time stay in telemetry, so that
    this retained document changes only when something happened.
    """
    played = actual.played
    return msgspec.json.encode(
        Reported(
            desired_seq=-1 if desired is None else desired.seq,
            programme=_playing(player),
            avatar=player.avatar if player and player.avatar else None,
            release=release[0],
            slot=release[1],
            settings=played.settings if played else Settings(),
            variables=played.variables if played else {},
            override=actual.notice,
            errors=errors,
            player=_player_facts(player),
            ear=_ear_facts(ear),
            update=update or {},
        )
    )


def telemetry(
    at: datetime,
    readings: Readings,
    player: PlayerState | None,
    ear: EarState | None,
    counters: dict[str, int],
    faults: frozenset[str],
) -> bytes:
    """`telemetry`: one look at everything that is measured; None (null) for unreadable."""
    body: dict[str, Any] = {
        "at": iso(at),
        "health": asdict(readings),
        "faults": sorted(faults),
        "player": None if player is None else msgspec.to_builtins(player),
        "ear": None if ear is None else msgspec.to_builtins(ear),
        "agent": counters,
    }
    return msgspec.json.encode(body)


def _playing(player: PlayerState | None) -> ProgrammeWanted | None:
    if player is None or not player.programme_id:
        return None
    target = f"programmes/{player.programme_id}/{player.programme_version}.json"
    return ProgrammeWanted(target=target, version=player.programme_version)


def _player_facts(player: PlayerState | None) -> dict[str, Any]:
    if player is None:
        return {}
    return {
        "ready": player.ready, "saying": player.saying, "showing": player.showing,
        "state": player.state, "ai_label": player.ai_label, "ai_label_px": player.ai_label_px,
        "avatar": player.avatar, "provider": player.provider, "precision": player.precision,
        "programme_version": player.programme_version, "fault": player.fault,
    }


def _ear_facts(ear: EarState | None) -> dict[str, Any]:
    if ear is None:
        return {}
    return {"ready": ear.ready, "recogniser": ear.recogniser, "fault": ear.fault}
