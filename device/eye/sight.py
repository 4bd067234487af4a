"""From a camera to one number: how large is what moves before a still scene. Imports OpenCV.

OpenCV's own background subtraction (Apache-2.0, no model): it finds movement, not people - a
trolley is somebody too. Pictures live in this process's memory until the next look.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ota.errors import Retry

LOOKS_PER_S = 3
WIDTH_PX, HEIGHT_PX = 160, 120
_CAPTURE_PX = (320, 240)
# Of the scene's memory: a chair that was moved is part of the shop after some two minutes.
_HISTORY_LOOKS, _LEARN, _RELEARN = 360, 0.004, 0.5
_VARIANCE, _MOVES = 30.0, 200
# More than this share at once is the light, not a person.
_LIGHT_SHARE = 0.75
# Both give up on a camera that hangs.
_OPEN_MS, _READ_MS = 3000, 2000

Grey = NDArray[np.uint8]


class Camera:
    """A camera by its number, or a film as if it were one (at its own pace). Close it."""

    def __init__(self, source: str) -> None:
        """Raises Retry when there is none that opens."""
        self._is_film = not source.isdecimal()
        self._capture: Any = cv2.VideoCapture()
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS,
                  cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
        opened = (self._capture.open(source, cv2.CAP_FFMPEG, limits) if self._is_film
                  else self._capture.open(int(source)))
        if not opened:
            raise Retry(f"The camera {source} does not open; plug it in, or switch off attract.")
        self._skip = 0
        if self._is_film:
            rate = float(self._capture.get(cv2.CAP_PROP_FPS)) or LOOKS_PER_S
            self._skip = max(0, round(rate / LOOKS_PER_S) - 1)
        else:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, _CAPTURE_PX[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _CAPTURE_PX[1])

    def look(self) -> Grey:
        """A small grey picture (HEIGHT_PX, WIDTH_PX). Raises Retry when the camera has gone."""
        for _ in range(self._skip):
            self._capture.grab()
        good, picture = self._capture.read()
        if not good:
            raise Retry("The camera has gone; plug it in again.")
        small = cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)

    def close(self) -> None:
        """Switch it off."""
        self._capture.release()


class Sight:
    """size(picture) for one picture after the other, LOOKS_PER_S of them a second."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._scene = cv2.createBackgroundSubtractorMOG2(_HISTORY_LOOKS, _VARIANCE, True)
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))

    def size(self, picture: Grey) -> float:
        """The largest thing that moved into the scene, as a share of the picture, 0..1."""
        calm = cv2.GaussianBlur(picture, (5, 5), 0)
        moved = self._scene.apply(calm, learningRate=_LEARN)
        _, moved = cv2.threshold(moved, _MOVES, 255, cv2.THRESH_BINARY)
        if cv2.countNonZero(moved) > _LIGHT_SHARE * moved.size:
            self._scene.apply(calm, learningRate=_RELEARN)
            return 0.0
        moved = cv2.morphologyEx(moved, cv2.MORPH_OPEN, self._kernel)
        moved = cv2.morphologyEx(moved, cv2.MORPH_CLOSE, self._kernel, iterations=2)
        count, _, stats, _ = cv2.connectedComponentsWithStats(moved)
        areas = stats[1:count, cv2.CC_STAT_AREA]
        return float(areas.max()) / moved.size if len(areas) else 0.0
