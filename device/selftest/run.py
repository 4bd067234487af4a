"""All checks in order, each timed, none able to stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from device.hal import Hal
from device.paths import Places
from device.selftest import checks
from device.selftest.finding import Finding
from ota.clock import monotonic_s
from ota.errors import Refused, VitrineError

NAMES = ("screen", "sound", "microphone", "echo", "recogniser", "network", "disk", "clock")


def run_checks(places: Places, hal: Hal, only: Sequence[str] = ()) -> list[Finding]:
    """Findings of the wanted checks (all, when `only` is empty). Raises Refused: unknown name."""
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise Refused(f"There is no check {unknown[0]!r}; there are {', '.join(NAMES)}.")
    wanted = only or NAMES
    parts: tuple[tuple[tuple[str, ...], Callable[[], Finding | list[Finding]]], ...] = (
        (("screen",), partial(checks.check_screen, hal)),
        (("sound", "microphone"), _sound),
        (("echo",), _echo),
        (("recogniser",), checks.check_recogniser),
        (("network",), partial(checks.check_network, places)),
        (("disk",), partial(checks.check_disk, places)),
        (("clock",), partial(checks.check_clock, places)),
    )
    found: list[Finding] = []
    for names, check in parts:
        if any(name in wanted for name in names):
            found += [item for item in _timed(names, check) if item.id in wanted]
    return found


def _sound() -> list[Finding]:
    from device.selftest.sound import check_sound

    return check_sound()


def _echo() -> list[Finding]:
    from device.selftest.echo import check_echo

    return [check_echo()]


def _timed(
    names: tuple[str, ...], check: Callable[[], Finding | list[Finding]]
) -> list[Finding]:
    began_s = monotonic_s()
    try:
        result = check()
    except (VitrineError, OSError, RuntimeError, ImportError) as error:
        result = [_broken(name, error) for name in names]
    took_ms = round((monotonic_s() - began_s) * 1e3 / len(names), 1)
    findings = result if isinstance(result, list) else [result]
    return [msgspec.structs.replace(item, took_ms=took_ms) for item in findings]


def _broken(name: str, error: BaseException) -> Finding:
    return Finding(
        id=name, ok=False, facts={"fault": f"{type(error).__name__}: {error}"},
        zh=f"“{name}”检查本身失败了。", en=f"The check of the {name} itself failed.",
        next_zh="请把这份报告发给技术支持。", next_en="Send this report to support.",
    )
