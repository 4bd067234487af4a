"""Looks after the screen from a process of its own: plug, mode, turn and light, by the shop's day.

It lives in `vitrine-safe`, which outlives every player: a screen that comes back finds somebody.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from device import messages as m
from device.hal.screen import Screen, Seen
from device.stage.day import ShopDay
from device.stage.screenplan import (
    NOT_TURNED,
    STAYS_OFF,
    STAYS_ON,
    UNPLUGGED,
    WRONG_MODE,
    Known,
    Order,
    Power,
    Wish,
    decide,
)
from ota.clock import utc_now
from ota.errors import Refused
from ota.files import read_bounded, write_durable

MEMORY_BYTES_MAX = 64 << 10
WORDS = {
    UNPLUGGED: "屏幕没有接上,请检查电源线缆 / The screen is unplugged; check power and cable.",
    STAYS_ON: "屏幕关不掉,改为全黑画面 / The screen does not switch off; it shows black instead.",
    STAYS_OFF: "屏幕打不开,请按屏幕电源键 / The screen does not switch on; press its power button.",
    WRONG_MODE: "屏幕不接受所设的模式 / The screen does not take the mode that was set.",
    NOT_TURNED: "屏幕无法旋转到所设方向 / The screen cannot be turned as set.",
}


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What survives a restart: a box without network knows its hours and its screen."""

    settings: m.Settings = m.Settings()
    good: dict[str, str] = {}


@dataclass(frozen=True)
class KeeperParts:
    """`memory` is a file; `tell` brings an event to the console."""

    screen: Screen
    day: ShopDay
    memory: Path
    tell: Callable[[m.Happened], object]


class ScreenKeeper:
    """One thread calls `follow`, `wake` and `turn`; `cover` and `seen` may be read by any."""

    def __init__(self, parts: KeeperParts) -> None:
        self._parts = parts
        self._kept = _recalled(parts.memory)
        self._settings = self._kept.settings
        parts.day.follow(self._settings)
        self._known = Known(good=dict(self._kept.good))
        self.seen = Seen()

    @property
    def cover(self) -> bool:
        """Must a black picture stand over everything?"""
        return self._known.cover

    def take(self, message: m.Message) -> None:
        """Settings and orders from the bus; what is not for the screen is passed over."""
        if isinstance(message, m.ContentReady) and message.settings != self._settings:
            self._settings = message.settings
            self._parts.day.follow(message.settings)
        elif isinstance(message, m.Command) and message.name == "wake":
            try:
                self._parts.day.wake(message.args)
            except Refused:
                return  # the player answers this order, and says so

    def turn(self) -> None:
        """One look: decide, order, tell what changed."""
        settings = self._settings
        wish = Wish(self._parts.day.look().lit, settings.screen_mode, settings.rotation)
        self.seen = self._parts.screen.look()
        before = self._known
        self._known, orders = decide(before, self.seen, wish)
        for order in orders:
            self._obey(order)
        for fault in sorted(self._known.faults - before.faults):
            self._tell("fault", fault)
        for fault in sorted(before.faults - self._known.faults):
            self._tell("fault-over", fault)
        self._remember()

    def _obey(self, order: Order) -> None:
        if isinstance(order, Power):
            done = self._parts.screen.power(order.on)
            self._known = replace(self._known, sent=order.on if done else not order.on)
        else:
            self._parts.screen.configure(order.output, order.mode, order.rotation)

    def _tell(self, kind: str, fault: str) -> None:
        self._parts.tell(m.Happened(
            id=str(uuid.uuid4()), at=utc_now().isoformat(timespec="milliseconds"), kind=kind,
            detail={"from": "screen", "fault": fault, "what": WORDS[fault]}))

    def _remember(self) -> None:
        wanted = _Memory(settings=self._settings, good=self._known.good)
        if wanted != self._kept:
            self._kept = wanted
            try:
                write_durable(self._parts.memory, msgspec.json.encode(wanted))
            except OSError:
                return  # a full disk costs the memory, never the screen


def _recalled(path: Path) -> _Memory:
    try:
        return msgspec.json.decode(read_bounded(path, MEMORY_BYTES_MAX), type=_Memory)
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Memory()
