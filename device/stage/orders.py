"""The console's orders to the player that need no words: screenshot, volume, restart, selftest."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from device import messages as m
from device.audio.speaker import Speaker
from device.render.dirty import Box
from device.render.pixels import Picture, jpeg_bytes, resize_into
from device.stage.discretion import veil
from ota.errors import Refused

SHOT_SIDE_PX = 384
SHOT_BYTES_MAX = 11_000
SHOT_WAIT_S = 1.0


class Orders:
    """Callable with a Command: (ok, result). Runs in the director's thread."""

    def __init__(self, speaker: Speaker, leave: Callable[[], None]) -> None:
        self._speaker, self._leave = speaker, leave
        self._wanted = threading.Event()
        self._taken = threading.Event()
        self._shot: Picture | None = None

    def __call__(self, command: m.Command) -> tuple[bool, dict[str, Any]]:
        """Carry out one order; raises Refused for what the player does not know."""
        match command.name:
            case "screenshot":
                return self._screenshot()
            case "volume":
                self.set_volume(command.args.get("volume"))
                return True, {"volume": self._speaker.volume}
            case "restart":
                self._leave()
                return True, {}
            case "selftest":
                sound = self._speaker.state()
                return sound.running, {"sound": sound.device, "fault": sound.fault}
        raise Refused(f"The player does not know the order {command.name!r}.")

    def set_volume(self, volume: object) -> None:
        """0 is silent, 1 full scale. Raises Refused for anything else."""
        if not isinstance(volume, (int, float)) or not 0.0 <= volume <= 1.0:
            raise Refused("The volume must be a number from 0 to 1.")
        self._speaker.volume = float(volume)

    def presented(self, canvas: Picture, private: Sequence[Box] = ()) -> None:
        """Called for each frame by the present loop; small work, and only when asked."""
        if self._wanted.is_set():
            self._wanted.clear()
            scale = SHOT_SIDE_PX / max(canvas.shape[:2])
            shot = np.empty((round(canvas.shape[0] * scale), round(canvas.shape[1] * scale), 4),
                            np.uint8)
            resize_into(canvas, shot)
            veil(shot, private, scale)
            self._shot = shot
            self._taken.set()

    def _screenshot(self) -> tuple[bool, dict[str, Any]]:
        self._taken.clear()
        self._wanted.set()
        if not self._taken.wait(SHOT_WAIT_S) or self._shot is None:
            return False, {"error": "no frame was presented"}
        for quality in (75, 60, 45, 30):
            data = jpeg_bytes(self._shot, quality)
            if len(data) <= SHOT_BYTES_MAX:
                return True, {"jpeg_base64": base64.b64encode(data).decode()}
        return False, {"error": "the picture is too large for the bus"}
