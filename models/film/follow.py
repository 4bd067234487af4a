"""Follows the face through every frame of the video; can be stopped and goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.film.footage import FPS
from models.film.landmarks import POINTS, Face, FaceTracker
from ota.errors import Refused

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Picture = NDArray[np.uint8]
SAVE_EVERY = 400
# So many frames may miss the face (a hand, a blur): they are bridged and never trained on.
LOST_S_MAX = 1.0
LOST_SHARE_MAX = 0.1


@dataclass(frozen=True)
class Path2D:
    """points (n, 468, 2) pixels of the fitted frames; seen (n,) False where they are bridged;
    size (width, height) of those frames."""

    points: Floats
    seen: Flags
    size: tuple[int, int]


def follow(frames: Iterable[tuple[int, Picture]], tracker: FaceTracker, partial: Path,
           done: Callable[[int], None]) -> Path2D:
    """The face in every frame (number, RGB). `partial` keeps what was found so far.

    Raises Refused, with the time, where the face is away for too long.
    """
    points, size = _read_partial(partial)
    begun = len(points)
    last: Face | None = None
    try:
        for number, picture in frames:
            if number < begun:
                continue
            size = (picture.shape[1], picture.shape[0])
            face = tracker.follow(picture, last) if last is not None else None
            if face is None:
                face = next(iter(tracker.faces(picture)), None)
            last = face
            points.append(face.points if face else np.full((POINTS, 2), np.nan, np.float32))
            if len(points) % SAVE_EVERY == 0:
                _write_partial(partial, points, size)
            done(len(points))
    finally:
        if len(points) > begun:
            _write_partial(partial, points, size)
    whole = np.array(points, np.float32)
    seen = np.isfinite(whole[:, 0, 0])
    check_seen(seen)
    return Path2D(bridged(whole, seen), seen, size)


def check_seen(seen: Flags) -> None:
    """Raises Refused where the face is away for too long or too often."""
    if not seen.any():
        raise Refused("The video shows no face that can be followed; film the person from the "
                      "front, in good light.")
    where = np.flatnonzero(seen)
    edges = np.concatenate([[-1], where, [len(seen)]])
    gap = int(np.diff(edges).argmax())
    lost = int(np.diff(edges)[gap]) - 1
    if lost > LOST_S_MAX * FPS:
        raise Refused(f"The face is lost for {lost / FPS:.1f} s at {(edges[gap] + 1) / FPS:.1f} s "
                      "(turned away, or something before it); cut that out, or film again.")
    if (~seen).mean() > LOST_SHARE_MAX:
        raise Refused(f"The face is lost in {(~seen).mean():.0%} of the video; film it again, "
                      "facing the camera, with nothing before the mouth.")


def bridged(points: Floats, seen: Flags) -> Floats:
    """The points with straight lines across the frames that were not seen."""
    if seen.all():
        return points
    flat, where = points.reshape(len(points), -1).copy(), np.flatnonzero(seen)
    every = np.arange(len(points))
    for column in flat.T:
        column[:] = np.interp(every, where, column[where])
    return flat.reshape(points.shape)


def _read_partial(path: Path) -> tuple[list[Floats], tuple[int, int]]:
    if not path.is_file():
        return [], (0, 0)
    with np.load(path) as kept:
        return list(kept["points"]), (int(kept["size"][0]), int(kept["size"][1]))


def _write_partial(path: Path, points: list[Floats], size: tuple[int, int]) -> None:
    write_arrays(path, points=np.array(points, np.float32), size=np.array(size))


def write_arrays(path: Path, **arrays: NDArray[np.generic]) -> None:
    """Write an .npz beside its name and rename it."""
    part = path.with_name(path.stem + ".part.npz")
    np.savez(part, **arrays)  # type: ignore[arg-type,unused-ignore]
    part.replace(path)
