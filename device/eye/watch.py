"""The eye process: camera on only while the player asks for it, a size three times a second.

It is a process of its own because a camera's driver may hang or crash. It writes no file, logs
no picture and sends none: `Seen` holds a number.
"""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable
from typing import Protocol

from device import messages as m
from device.bus import Bus
from device.hal.notify import Notifier
from device.paths import Places, notify_socket
from ota.clock import Deadline, monotonic_ns
from ota.errors import VitrineError

LOOK_S = 1.0 / 3.0
IDLE_S = 1.0
# A player that is silent for so long does not show that the camera is on: then it is off.
STALE_S = 5.0
RETRY_S = 10.0


class Looking(Protocol):
    """An opened camera and what it sees."""

    def size(self) -> float:
        """The size now, 0..1. Raises a VitrineError when the camera has gone."""

    def close(self) -> None:
        """Switch the camera off."""


class Eye:
    """`step` waits at most a second; `look` opens the camera and is called only when wanted."""

    def __init__(self, bus: Bus, look: Callable[[], Looking]) -> None:
        self._bus, self._look = bus, look
        self._looking: Looking | None = None
        self._wanted = Deadline(0.0)
        self._again = Deadline(0.0)
        self._next = Deadline(0.0)

    def step(self) -> None:
        """Hear what is wanted; open, look, or close."""
        looks = self._looking is not None
        message = self._bus.receive(self._next.left_s if looks else IDLE_S)
        while message is not None:
            if isinstance(message, m.PlayerState):
                on = message.attract and message.ready
                self._wanted = Deadline(STALE_S if on else 0.0)
            message = self._bus.receive(0.0)
        if self._wanted.passed:
            self._shut(None)
        elif self._looking is None and self._again.passed:
            self._open()
        elif self._looking is not None and self._next.passed:
            self._next = Deadline(LOOK_S)
            self._see(self._looking)

    def close(self) -> None:
        """Switch the camera off."""
        self._shut(None)

    def _open(self) -> None:
        # First the mark on the screen, then the camera.
        self._say(on=True)
        try:
            self._looking = self._look()
            self._next = Deadline(LOOK_S)
        except VitrineError as error:
            self._again = Deadline(RETRY_S)
            self._say(on=False, fault=str(error))

    def _see(self, looking: Looking) -> None:
        try:
            self._say(on=True, size=round(looking.size(), 4))
        except VitrineError as error:
            self._again = Deadline(RETRY_S)
            self._shut(str(error))

    def _shut(self, fault: str | None) -> None:
        if self._looking is not None:
            self._looking.close()
            self._looking = None
            self._say(on=False, fault=fault)

    def _say(self, on: bool, size: float = 0.0, fault: str | None = None) -> None:
        self._bus.publish(m.Seen(at_ns=monotonic_ns(), on=on, size=size, fault=fault))


class _Camera:
    """OpenCV is loaded with the camera: an eye that is off stays small."""

    def __init__(self, source: str) -> None:
        sight = importlib.import_module("device.eye.sight")
        self._camera = sight.Camera(source)
        self._sight = sight.Sight()

    def size(self) -> float:
        return float(self._sight.size(self._camera.look()))

    def close(self) -> None:
        self._camera.close()


def run(places: Places, source: str) -> int:
    """The process, until SIGTERM. Exit code 0."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    notifier = Notifier(notify_socket())
    with Bus(places.run, "eye") as bus:
        eye = Eye(bus, lambda: _Camera(source))
        notifier.ready()
        while not stop.is_set():
            eye.step()
            notifier.alive()
        notifier.stopping()
        eye.close()
    return 0
