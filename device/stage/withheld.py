"""What this store's screen does not say because a value is missing, malformed or too old."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from device.conversation.script import Script
from device.programme.variables import withheld

Detail = dict[str, str | int]
_WHY = {
    "malformed": "不是这种类型的值 / is no value of its type",
    "stale": "已过期 / is too old",
    "not set": "没有设置 / is not set",
}


@dataclass
class WithheldNews:
    """Remembers what the console was told. One thread (the director's)."""

    _told: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def news(self, script: Script, now: datetime) -> list[Detail]:
        """An event's detail for every variable that is not said since the last look."""
        store = script.store
        found = frozenset(
            (each.name, each.why)
            for each in withheld(script.whole, store.variables, store.until, now))
        new, self._told = found - self._told, found
        return [
            {"variable": name, "why": why, "what": f"{name}: {_WHY[why]}",
             "programme": script.whole.id, "version": script.whole.version}
            for name, why in sorted(new)
        ]
