"""Looks at a talking video before any long work: is it long enough, is there one whole face."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import movie
from models.film.landmarks import Face
from ota.errors import Refused

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
FPS = 25
SECONDS_MIN, SECONDS_GOOD, SECONDS_MAX = 20.0, 180.0, 1200.0
FACE_PX_MIN = 160.0
# A second face counts when it is at least this share of the first one's width.
SECOND_FACE = 0.35
SAMPLE_EVERY = 2 * FPS
LONG_SIDE_PX_MAX = 1920
SOUND_HZ = 16_000
SILENT_PEAK = 1e-3


def check_film(path: Path) -> movie.Film:
    """The video's facts. Raises Refused when it cannot be used whoever is in it."""
    film = movie.open_film(path)
    if film.seconds < SECONDS_MIN:
        raise Refused(f"{path} is only {film.seconds:.0f} s long; at least {SECONDS_MIN:.0f} s of "
                      f"talking are needed, and {SECONDS_GOOD / 60:.0f} minutes are good.")
    if film.seconds > SECONDS_MAX:
        raise Refused(f"{path} is {film.seconds / 60:.0f} minutes long; cut it to its best three.")
    if 0 < film.fps < FPS - 3:
        raise Refused(f"{path} has only {film.fps:.0f} pictures a second; record at {FPS} or more.")
    return film


def check_sound(path: Path) -> Floats:
    """The sound (n,) at 16 kHz. Raises Refused when it is silent."""
    from device.audio.resample import resample

    samples, rate_hz = movie.sound_of(path)
    if float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK:
        raise Refused(f"The sound of {path} is silent; record it again with the microphone on.")
    return resample(samples, rate_hz, SOUND_HZ)


def check_faces(path: Path, frames: Iterable[tuple[int, Picture]],
                faces: Callable[[Picture], list[Face]], seen: Callable[[int], None]) -> None:
    """Look at sampled frames (number at 25 a second, picture). Raises Refused with the time of the
    first one that does not show one whole face, large enough."""
    for number, picture in frames:
        fault = fault_of(faces(picture), picture.shape[1], picture.shape[0])
        if fault:
            raise Refused(f"{path} at {number / FPS:.1f} s: {fault}")
        seen(number)


def fault_of(found: list[Face], width: int, height: int) -> str | None:
    """What is wrong with the faces of one picture, and what to do; None when nothing is."""
    if not found:
        return ("there is no face to be seen; film the person from the front, in good light, and "
                "cut away what comes before and after.")
    first = found[0].box
    others = [f for f in found[1:] if f.box[2] >= SECOND_FACE * first[2]]
    if others:
        return (f"there are {1 + len(others)} faces; film one person alone, without pictures or "
                "mirrors behind.")
    x, y, wide, high = first
    if x < 0 or y < 0 or x + wide > width or y + high > height:
        return "the face is cut by the edge of the picture; keep it well inside."
    if wide < FACE_PX_MIN:
        return (f"the face is only {wide:.0f} pixels wide; film nearer or larger (at least "
                f"{FACE_PX_MIN:.0f} pixels).")
    return None


def fitted(picture: Picture) -> Picture:
    """The picture with its long side at most 1920 pixels and both sides even, as all later stages
    see it: the base video must be decoded on a small box."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, LONG_SIDE_PX_MAX / max(height, width))
    size = (int(width * scale) // 2 * 2, int(height * scale) // 2 * 2)
    if size == (width, height):
        return picture
    if scale == 1.0:
        return np.ascontiguousarray(picture[: size[1], : size[0]])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def frames_of(path: Path, every: int = 1) -> Iterable[tuple[int, Picture]]:
    """(number, picture) at 25 frames a second, fitted."""
    return ((number, fitted(p)) for number, p in movie.frames_at(path, FPS, every))
