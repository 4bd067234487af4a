"""A scatter of measured points with a line through them, as a picture for a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from device.render.pixels import png_bytes
from device.render.text import BOLD, REGULAR, Board, typeface

WIDTH_PX, HEIGHT_PX, EDGE_PX = 1280, 640, 90
INK, DOT, RED = (40, 44, 48, 255), (52, 120, 90, 255), (200, 40, 40, 255)
LINE_STEPS = 400
MARKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def scatter_png(
    points: Sequence[tuple[float, float]], line: Sequence[tuple[float, float]],
    y_range: tuple[float, float], title: str, words: str,
) -> bytes:
    """PNG of `points` (x from 0), a straight `line` between its two ends, and what they are."""
    board = Board(WIDTH_PX, HEIGHT_PX)
    board.rule((0, 0, WIDTH_PX, HEIGHT_PX), (255, 255, 255, 255))
    x_max = max(1.0, max(x for x, _ in points))
    low, high = y_range
    right, foot = WIDTH_PX - EDGE_PX // 2, HEIGHT_PX - EDGE_PX

    def place(x: float, y: float) -> tuple[int, int]:
        share = min(1.0, max(0.0, (y - low) / (high - low)))
        return (EDGE_PX + round(x / x_max * (right - EDGE_PX)),
                foot - round(share * (foot - EDGE_PX)))

    board.rule((EDGE_PX, foot, right, foot + 2), INK)
    board.rule((EDGE_PX, EDGE_PX, EDGE_PX + 2, foot), INK)
    small = typeface(REGULAR, 20)
    for share in MARKS:
        x, y = place(share * x_max, low + share * (high - low))
        board.text(f"{share * x_max:,.0f}", small, x, foot + 24, INK, "mm")
        board.text(f"{low + share * (high - low):,.0f}", small, EDGE_PX - 12, y, INK, "rm")
    for point in points:
        x, y = place(*point)
        board.rule((x - 2, y - 2, x + 2, y + 2), DOT)
    for row in np.linspace(line[0], line[-1], LINE_STEPS):
        x, y = place(float(row[0]), float(row[1]))
        board.rule((x - 1, y - 1, x + 2, y + 2), RED)
    board.text(title, typeface(BOLD, 26), EDGE_PX, 44, INK)
    board.text(words, small, EDGE_PX, 74, INK)
    picture: npt.NDArray[np.uint8] = board.rgba()[..., [2, 1, 0, 3]].copy()
    return png_bytes(picture)
