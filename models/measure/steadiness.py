"""Flicker: does anything move in the mouth's box that the base video does not move itself?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle
from device.render.mouth import Mouth
from device.render.pixels import Picture, i420_to_bgra, lay_patch, premultiplied_patch
from models.measure.pictures import Bytes, change_per_frame, drawn, opened

Floats = NDArray[np.float32]
REST_S, VOWEL_S = 10, 3
RATE_HZ, CODE_FPS = 16_000, 25
HISS_DB = -75.0
REPEATS = 12
VOWEL = 0.5


def held_code(model: Path, rest: Floats, code: Floats, provider: str = "cpu") -> float:
    """How far apart (grey levels) the pictures are that a renderer makes of one code, again and
    again, with other codes in between; 0 unless the runtime itself is unsteady."""
    session = opened(model, 1, provider)
    made = []
    for i in range(REPEATS):
        made.append(drawn(session, rest, code) * 255)
        drawn(session, rest, code * np.float32(i / REPEATS))
    return float(np.ptp(np.array(made), axis=0).max())


def at_rest(bundle: Bundle, precision: str = "int8", seconds: int = REST_S) -> dict[str, float]:
    """Grey levels a frame by which the mouth's box changes while nobody speaks, through the box's
    own pipeline: of the base video, of what is shown in silence, and in a faint hiss."""
    mouth = Mouth(bundle, precision)
    count = seconds * RATE_HZ
    noise = np.random.default_rng(0).normal(0, 10 ** (HISS_DB / 20), count).astype(np.float32)
    silent, hiss = mouth.codes(np.zeros(count, np.float32)), mouth.codes(noise)
    base, shown, hissed = _motion(bundle, mouth, [None, silent, hiss])
    return {"base": round(base, 4), "shown": round(shown, 4), "shown_in_hiss": round(hissed, 4),
            "added": round(max(shown, hissed) - base, 6), "seconds": seconds}


def held_vowel(bundle: Bundle, precision: str = "int8", seconds: int = VOWEL_S) -> dict[str, float]:
    """Grey levels a frame by which the mouth's box changes while one vowel is held, on the moving
    head, and of the base video there."""
    mouth = Mouth(bundle, precision)
    code = mouth.rest.copy()
    code[bundle.manifest.code.open_index] += VOWEL
    base, shown = _motion(bundle, mouth, [None, np.tile(code, (seconds * CODE_FPS, 1))])
    return {"base": round(base, 4), "shown": round(shown, 4)}


def _motion(bundle: Bundle, mouth: Mouth, tracks: list[Floats | None]) -> list[float]:
    """Mean change a frame of the mouth's box for each code track (None: the base alone)."""
    frames = max(len(t) for t in tracks if t is not None)
    totals = np.zeros(len(tracks))
    before: list[Bytes] = []
    for crops in _crops(bundle, mouth, tracks, frames):
        if before:
            totals += [change_per_frame(np.stack(pair))
                       for pair in zip(before, crops, strict=True)]
        before = crops
    return [float(v) for v in totals / max(frames - 1, 1)]


def _crops(bundle: Bundle, mouth: Mouth, tracks: list[Floats | None], frames: int
           ) -> Iterator[list[Bytes]]:
    """The mouth's box of each frame, composed by the player's own pixel arithmetic."""
    manifest = bundle.manifest
    left, top, right, bottom = mouth_box(bundle)
    with BaseLoop(bundle.base_path, manifest.base.frames) as loop:
        canvas: Picture = np.zeros((loop.size[1], loop.size[0], 4), np.uint8)
        for n in range(frames):
            index, planes = loop.take()
            crops = []
            for track in tracks:
                i420_to_bgra(planes, canvas)
                if track is not None and not np.array_equal(track[n], mouth.rest):
                    patch = premultiplied_patch(mouth.patch(track[n]))
                    lay_patch(canvas, patch, bundle.track.matrix[index])
                crops.append(canvas[top:bottom, left:right, :3].copy())
            yield crops


def mouth_box(bundle: Bundle) -> tuple[int, int, int, int]:
    """left, top, right, bottom in base pixels: all that the mouth patch ever covers."""
    side = bundle.manifest.patch
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]], np.float64)
    spots = np.einsum("nij,cj->nci", bundle.track.matrix.astype(np.float64), corners)
    width, height = bundle.manifest.size
    low = np.floor(spots.min((0, 1))).astype(int)
    high = np.ceil(spots.max((0, 1))).astype(int)
    return (max(0, int(low[0])), max(0, int(low[1])),
            min(width, int(high[0])), min(height, int(high[1])))
