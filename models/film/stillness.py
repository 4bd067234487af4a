"""The idle video out of the film: the calmest stretch, its mouth at rest, without a seam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.film import shots
from models.film.footage import FPS

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Picture = NDArray[np.uint8]
SECONDS_MIN, SECONDS_MAX = 4.0, 12.0
# An opening up to this counts as shut, and so much of any other number as a calm mouth (a smile,
# a swallow): the rest picture is laid over it anyway. Both are means over CALM_FRAMES.
SHUT, CALM, CALM_FRAMES = 0.12, 0.5, 9
FADE_FRAMES = 10
# A pose difference (pixels of the patch's corners) that a cross-fade hides.
FADE_PX = 2.0


@dataclass(frozen=True)
class Idle:
    """rows (n,): which frame of the film each idle frame shows; with a cross-fade the last `fade`
    of them turn into the frames before the first. quiet: False when nobody was silent so long."""

    rows: NDArray[np.int64]
    fade: int
    quiet: bool

    @property
    def first(self) -> int:
        """The first film frame that is needed."""
        return int(self.rows.min()) - self.fade

    @property
    def last(self) -> int:
        """The last film frame that is needed."""
        return int(self.rows.max())


def choose(codes: Floats, speaking: Flags, seen: Flags, matrices: Floats) -> Idle:
    """The stretch that becomes the idle video: the longest where the mouth is shut and nobody
    speaks; else the calmest of the shortest allowed length."""
    still = shut(codes) & ~speaking & seen
    start, length = longest(still)
    quiet = length >= SECONDS_MIN / 2 * FPS
    if not quiet:
        start, length = calmest(codes, seen, round(SECONDS_MIN / 2 * FPS))
    most = round(SECONDS_MAX * FPS)
    if length > most:
        start, length = start + (length - most) // 2, most
    return loop(start, length, corners_px(matrices), quiet)


def shut(codes: Floats) -> Flags:
    """(n,) where the mouth (n, K) is shut and calm; single frames that tremble do not count."""
    kernel = np.ones(CALM_FRAMES) / CALM_FRAMES
    padded = np.pad(codes, ((CALM_FRAMES // 2,) * 2, (0, 0)), mode="edge")
    calm = np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)
    return np.asarray((calm[:, 0] <= SHUT) & (calm[:, 1:].max(1) <= CALM))


def longest(flags: Flags) -> tuple[int, int]:
    """(start, length) of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    at = int((ends - starts).argmax())
    return int(starts[at]), int(ends[at] - starts[at])


def calmest(codes: Floats, seen: Flags, length: int) -> tuple[int, int]:
    """(start, length) of the window in which the mouth is open least."""
    cost = codes.max(1) + 10.0 * ~seen
    total = np.convolve(cost, np.ones(length), "valid")
    return int(total.argmin()), length


def corners_px(matrices: Floats) -> Floats:
    """(n, 4): two corners of the patch in each frame, to compare poses by."""
    points = np.array([[0, 0, 1], [255, 255, 1]], np.float32)
    placed = np.einsum("nij,kj->nki", matrices, points)
    return np.asarray(placed.reshape(len(matrices), 4), np.float32)


def loop(start: int, length: int, pose: Floats, quiet: bool) -> Idle:
    """Forwards with a cross-fade where two frames far enough apart show the same pose, else
    forwards and backwards."""
    end = start + length
    best, pair = FADE_PX, None
    if length >= SECONDS_MIN * FPS + FADE_FRAMES:
        for a in range(start + FADE_FRAMES, end - round(SECONDS_MIN * FPS)):
            apart = np.abs(pose[a + round(SECONDS_MIN * FPS) : end] - pose[a]).max(1)
            # Longer is better: a tenth of a pixel for each second.
            cost = apart - np.arange(len(apart)) / FPS * 0.1
            at = int(cost.argmin())
            if apart[at] < FADE_PX and cost[at] < best:
                best, pair = float(cost[at]), (a, a + round(SECONDS_MIN * FPS) + at)
    if pair is not None:
        return Idle(np.arange(pair[0], pair[1]), FADE_FRAMES, quiet)
    rows = np.arange(start, end)
    there_and_back = np.concatenate([rows, rows[-2:0:-1]])
    return Idle(there_and_back, 0, quiet)


def fade_weights(idle: Idle) -> Floats:
    """(n,) share of the earlier frame that each idle frame fades to, 0 without a fade."""
    weights = np.zeros(len(idle.rows), np.float32)
    if idle.fade:
        ramp = (np.arange(idle.fade) + 1) / (idle.fade + 1)
        weights[-idle.fade :] = ramp * ramp * (3 - 2 * ramp)
    return weights


def idle_matrices(idle: Idle, matrices: Floats) -> Floats:
    """(n, 2, 3) of the idle frames; in the fade, the mean of both poses."""
    weights = fade_weights(idle)[:, None, None]
    before = np.clip(idle.rows - len(idle.rows), 0, None)
    return np.asarray((1 - weights) * matrices[idle.rows] + weights * matrices[before], np.float32)


def idle_frames(idle: Idle, film: Iterable[tuple[int, Picture]], matrices: Floats,
                rest: Picture, mask: Picture) -> Iterator[Picture]:
    """The idle video: one light in all frames, the mouth replaced by the rest picture."""
    where, weights = shots.ring(len(rest)), fade_weights(idle)
    wanted = shots.light_of(rest, where)
    kept, gains = {}, {}
    for number, frame in _between(film, idle.first, idle.last):
        patch = shots.crop(frame, matrices[number], len(rest))
        gains[number] = shots.gain_to(shots.light_of(patch, where), wanted)
        kept[number] = _pressed(frame)
    placed = idle_matrices(idle, matrices)
    for i, row in enumerate(idle.rows):
        picture = shots.in_light(_unpressed(kept[int(row)]), _calm_gain(gains, int(row)))
        if weights[i]:
            before = int(row) - len(idle.rows)
            other = shots.in_light(_unpressed(kept[before]), _calm_gain(gains, before))
            mixed = picture * (1 - weights[i]) + other * weights[i]
            picture = np.asarray(np.rint(mixed), np.uint8)
        yield paste(picture, rest, mask, placed[i])


def _between(film: Iterable[tuple[int, Picture]], first: int, last: int
             ) -> Iterator[tuple[int, Picture]]:
    for number, frame in film:
        if number > last:
            return
        if number >= first:
            yield number, frame


def _pressed(frame: Picture) -> Picture:
    """The frame as a JPEG that shows no loss: twelve seconds of raw frames are two gigabytes."""
    import cv2

    done, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert done
    return np.asarray(data, np.uint8)


def _unpressed(data: Picture) -> Picture:
    import cv2

    picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(picture[..., ::-1])


def _calm_gain(gains: dict[int, Floats], row: int, reach: int = 6) -> Floats:
    """The gain of a frame, averaged over its neighbours: light changes slowly, noise does not."""
    near = [gains[n] for n in range(row - reach, row + reach + 1) if n in gains]
    return np.asarray(np.mean(near, axis=0), np.float32)


def paste(frame: Picture, patch: Picture, mask: Picture, matrix: Floats) -> Picture:
    """The frame with the patch (p, p, 3) laid on it through the mask (p, p) by matrix (2, 3)."""
    import cv2

    size = (frame.shape[1], frame.shape[0])
    over = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)
    part = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    part = part[..., None]
    return np.asarray(np.rint(frame * (1 - part) + over * part), np.uint8)
