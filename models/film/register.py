"""Fine registration of the head: the nose of each frame laid exactly on the nose of all frames.

Landmarks of a face tremble by a pixel and lean with the open mouth; the picture itself does not.
Lucas and Kanade's method (inverse compositional, Baker and Matthews, 2004), four parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from models.film.align import smoothed

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]
# What is compared, in shares of the patch's side: from between the eyes down to the nostrils.
LEFT, TOP, SIDE = 0.2, -0.42, 0.6
CELLS, MARGIN = 96, 8
ROUNDS, SAMPLES = 8, 48
# A frame that needs more than this (cells) is believed to be hidden, not moved.
SHIFT_MAX = 7.0
SMOOTH_FRAMES = 5


def nose_matrix(patch_px: int) -> Doubles:
    """(3, 3) from cell of the compared square (with its margin) to patch pixel."""
    zoom = SIDE * patch_px / CELLS
    return np.array([[zoom, 0, LEFT * patch_px - MARGIN * zoom],
                     [0, zoom, TOP * patch_px - MARGIN * zoom], [0, 0, 1]])


def cut_noses(frames: Iterable[tuple[int, Picture]], matrices: Floats, patch_px: int,
              done: Callable[[int], None]) -> Picture:
    """(n, c, c) grey squares of the compared part, with a margin, of every frame."""
    import cv2

    side = CELLS + 2 * MARGIN
    squares = np.zeros((len(matrices), side, side), np.uint8)
    to_patch = nose_matrix(patch_px)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for number, frame in frames:
        if number >= len(matrices):
            break
        matrix = matrices[number].astype(np.float64) @ to_patch
        more = max(1, round(float(np.hypot(matrix[0, 0], matrix[1, 0]))))
        finer = matrix @ np.diag([1 / more, 1 / more, 1.0])
        grey = cv2.cvtColor(cv2.warpAffine(
            frame, finer, (side * more,) * 2, flags=flags, borderMode=cv2.BORDER_REPLICATE),
            cv2.COLOR_RGB2GRAY)
        squares[number] = grey if more == 1 else cv2.resize(
            grey, (side, side), interpolation=cv2.INTER_AREA)
        done(number)
    return squares


def template_of(squares: Picture) -> Doubles:
    """(CELLS, CELLS): what the noses have in common: a median, of squares laid on each other."""
    chosen = squares[np.unique(np.linspace(0, len(squares) - 1, SAMPLES).astype(int))]
    template = _inner(np.median(chosen, axis=0))
    for _ in range(2):
        moves = motions(chosen, template)
        laid = [_warped(s, m) for s, m in zip(chosen, moves, strict=True)]
        template = np.median(laid, axis=0)
    return np.asarray(template, np.float64)


def motions(squares: Picture, template: Doubles) -> Doubles:
    """(n, 4) for each square: what lays it on the template, as (a, b, x, y): the point p of the
    template lies at p + [[a, -b], [b, a]] p + (x, y) of the square, from its middle. NaN where a
    square does not show the same thing."""
    y, x = np.mgrid[:CELLS, :CELLS] - (CELLS - 1) / 2
    down, across = np.gradient(template)
    steps = np.stack([across * x + down * y, down * x - across * y, across, down], -1)
    flat, wanted = steps.reshape(-1, 4), _levelled(template)
    found = np.zeros((len(squares), 4))
    for i, square in enumerate(squares):
        for _ in range(ROUNDS):
            off = (_levelled(_warped(square, found[i])) - wanted).ravel() * template.std()
            spread = np.median(np.abs(off)) * 1.5 + 1e-6
            weight = 1 / (1 + (off / (2 * spread)) ** 2)
            move = np.linalg.solve(flat.T @ (flat * weight[:, None]) + 1e-3 * np.eye(4),
                                   flat.T @ (off * weight))
            found[i] -= move
            if np.abs(move[2:]).max() < 0.01:
                break
        if np.abs(found[i, 2:]).max() > SHIFT_MAX or np.abs(found[i, :2]).max() > 0.1:
            found[i] = np.nan
    return found


def corrected(matrices: Floats, found: Doubles, patch_px: int) -> Floats:
    """The patch matrices (n, 2, 3) with the motions (n, 4) put right, smoothed a little."""
    calm = np.nan_to_num(found)
    lost = np.isnan(found[:, 0])
    if lost.any() and not lost.all():
        every, seen = np.arange(len(found)), np.flatnonzero(~lost)
        for column in range(4):
            calm[:, column] = np.interp(every, seen, found[seen, column])
    calm = smoothed(calm, SMOOTH_FRAMES)
    to_patch = nose_matrix(patch_px)
    back = np.linalg.inv(to_patch)
    middle = MARGIN + (CELLS - 1) / 2
    results = np.empty_like(matrices)
    for i, (a, b, x, y) in enumerate(calm):
        linear = np.array([[1 + a, -b], [b, 1 + a]])
        move = np.eye(3)
        move[:2, :2] = linear
        move[:2, 2] = np.full(2, middle) - linear @ np.full(2, middle) + (x, y)
        results[i] = (matrices[i].astype(np.float64) @ to_patch @ move @ back).astype(np.float32)
    return results


def _inner(square: NDArray[np.generic]) -> Doubles:
    return np.asarray(square[MARGIN:-MARGIN, MARGIN:-MARGIN], np.float64)


def _levelled(picture: Doubles) -> Doubles:
    """Without its brightness and contrast: light may change."""
    return np.asarray((picture - picture.mean()) / (picture.std() + 1e-6))


def _warped(square: Picture, move: Doubles) -> Doubles:
    import cv2

    a, b, x, y = move
    linear = np.array([[1 + a, -b], [b, 1 + a]])
    middle = (CELLS - 1) / 2
    shift = np.full(2, MARGIN + middle) - linear @ np.full(2, middle) + (x, y)
    matrix = np.concatenate([linear, shift[:, None]], 1)
    moved = cv2.warpAffine(square.astype(np.float32), matrix, (CELLS, CELLS),
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                           borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float64)
