"""Sound and picture in step (flash and beep), and box and fleet: outbox, bus, programme check,
an idle box's look at the chain, a publish until it is said."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from cli.benches import flash, idle, publish
from cli.benches.figure import Figure, median_ms
from device import messages as m
from device.bus import Bus
from device.paths import repository_root
from device.programme.check import check
from device.sync.outbox import Outbox


def measure(out: Path | None = None) -> list[Figure]:
    """The A/V offset (offset.png goes into `out`); milliseconds an event kept, a message passed,
    a programme checked."""
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder) / "outbox.db")
        numbers = count()

        def keep() -> None:
            number = next(numbers)
            outbox.put(m.Event(id=f"e{number}", at="2026-01-01T00:00:00Z", kind="played"))

        keep_ms = median_ms(keep)
        outbox.close()
        with Bus(Path(folder), "ear") as ear, Bus(Path(folder), "player") as player:

            def pass_on() -> None:
                ear.publish(m.Voice(at_ns=1, speaking=True))
                player.receive(1.0)

            bus_ms = median_ms(pass_on, 0.5)
    check_ms = median_ms(lambda: check(repository_root() / "programmes" / "tea-shop"))
    return [
        *flash.measure(out=out),
        Figure("one event kept durably in the outbox", keep_ms, "ms", 20.0),
        Figure("one message between two processes", bus_ms, "ms", 1.0),
        Figure("one programme checked", check_ms, "ms", 1000.0),
        *idle.measure(),
        *publish.measure(),
    ]
