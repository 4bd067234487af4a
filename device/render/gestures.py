"""Gestures: clips that begin and end in a pose of the idle video, played when asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ota.errors import Refused

# A wish that finds no join within 3 s (at 25 frames a second) comes too late for its words.
WISH_FRAMES_MAX = 75


@dataclass(frozen=True, eq=False)
class Gesture:
    """One clip of an avatar.

    Its frames have the indices `first` .. `first + frames - 1`, behind those of the idle video;
    matrix (frames, 2, 3) float32 and head_box (frames, 4) int32 are as in the bundle's track.
    """

    name: str
    path: Path
    first: int
    frames: int
    matrix: NDArray[np.float32]
    head_box: NDArray[np.int32]


@dataclass(frozen=True)
class Wish:
    """Somebody wants `name`, from frame `not_before` of the row on (counted from its start)."""

    name: str
    not_before: int


class Wishes:
    """Holds at most one wish: the newest wins, and one that waited too long is dropped.

    Thread-safe. `row` is how many frames of the endless row are made: time here is counted in
    frames, so that a film made slowly is the same as the live picture.
    """

    def __init__(self) -> None:
        self._wish: Wish | None = None
        self._lock = threading.Lock()

    def ask(self, wish: Wish | None) -> None:
        """Wait for this one from now on; None forgets the one that waits."""
        with self._lock:
            self._wish = wish

    def waiting(self, row: int) -> Wish | None:
        """The wish that waits."""
        with self._lock:
            if self._wish is not None and row - self._wish.not_before > WISH_FRAMES_MAX:
                self._wish = None
            return self._wish

    def take(self, wish: Wish) -> bool:
        """Take this wish away; False when another or none waits by now."""
        with self._lock:
            if self._wish is not wish:
                return False
            self._wish = None
            return True


def read_gestures(
    folder: Path, archive: Mapping[str, Any], clips: Mapping[str, tuple[str, int]], first: int,
    avatar: str,
) -> tuple[Gesture, ...]:
    """The gestures of a bundle. `clips` names each one's file and frames, `archive` is its track.

    `first` is the number of idle frames. Raises Refused when the track lacks or misfits one.
    """
    found = []
    for name, (file, frames) in clips.items():
        try:
            matrix, head_box = archive[f"matrix_{name}"], archive[f"head_box_{name}"]
        except KeyError as error:
            raise Refused(f"The track of avatar {avatar} is incomplete: {error}.") from error
        if frames < 1 or (matrix.shape, head_box.shape) != ((frames, 2, 3), (frames, 4)):
            raise Refused(
                f"The track of avatar {avatar} does not fit its gesture {name}; make it again.")
        found.append(Gesture(name, folder / file, first, frames, matrix, head_box))
        first += frames
    return tuple(found)


def check_joins(joins: Iterable[int], clips: Iterable[str], idle_frames: int, avatar: str) -> None:
    """Raises Refused when gestures could never begin, or a join is no frame of the idle video."""
    known = list(joins)
    if list(clips) and not known:
        raise Refused(f"avatar.json of {avatar} names gestures but no joins; make it again.")
    if any(not 0 <= join < idle_frames for join in known):
        raise Refused(f"avatar.json of {avatar} names a join outside of its video; make it again.")
