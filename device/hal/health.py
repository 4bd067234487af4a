"""When a reading is a fault: pure rules with hysteresis, so that a value on the edge is calm."""

from __future__ import annotations

from dataclasses import dataclass

from device.hal.base import Readings

_GIBI = float(1 << 30)


@dataclass(frozen=True)
class Rule:
    """A fault begins beyond `enter` and ends on the good side of `leave`."""

    fault: str
    reading: str
    enter: float
    leave: float

    @property
    def high_is_bad(self) -> bool:
        """Temperatures: yes. Free space: no."""
        return self.enter > self.leave


RULES: tuple[Rule, ...] = (
    Rule("too-hot", "hottest_c", enter=90.0, leave=80.0),
    Rule("disk-low", "disk_free_bytes", enter=0.5 * _GIBI, leave=1.0 * _GIBI),
    Rule("memory-low", "memory_free_bytes", enter=0.15 * _GIBI, leave=0.3 * _GIBI),
)


def judge(
    faults: frozenset[str], readings: Readings, rules: tuple[Rule, ...] = RULES
) -> frozenset[str]:
    """The faults that stand after this look; an unreadable value changes nothing."""
    standing = set(faults)
    for rule in rules:
        value = _value(readings, rule.reading)
        if value is None:
            continue
        sign = 1.0 if rule.high_is_bad else -1.0
        if sign * value >= sign * rule.enter:
            standing.add(rule.fault)
        elif sign * value <= sign * rule.leave:
            standing.discard(rule.fault)
    return frozenset(standing)


def _value(readings: Readings, name: str) -> float | None:
    if name != "memory_free_bytes":
        value: float | None = getattr(readings, name)
        return value
    if readings.memory_total_bytes is None or readings.memory_used_bytes is None:
        return None
    return readings.memory_total_bytes - readings.memory_used_bytes
