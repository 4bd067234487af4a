"""Plots as SVG text: lines over a common x, with axes, a legend and limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 40
COLOURS = ("#0b6e4f", "#c8553d", "#28527a", "#8a5a9e", "#7a7a7a")


@dataclass(frozen=True)
class Line:
    """One curve: y at each x; dashed where it is a reference."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


def plot(title: str, x_name: str, y_name: str, lines: Sequence[Line],
         limit: float | None = None, marks: Sequence[float] = ()) -> str:
    """An <svg> element. `limit` draws a level line, `marks` upright ones; there is at least
    one point."""
    xs = [float(v) for line in lines for v in line.x]
    ys = [float(v) for line in lines for v in line.y] + ([limit] if limit is not None else [])
    x_low, x_high = min(xs), max(xs)
    y_low, y_high = _padded(min(ys), max(ys))

    def px(x: float) -> float:
        return LEFT + (x - x_low) / max(x_high - x_low, 1e-9) * (WIDTH - LEFT - RIGHT)

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" '
             'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12">',
             f'<text x="{LEFT}" y="16" font-weight="600">{escape(title)}</text>']
    for y in _ticks(y_low, y_high):
        parts.append(f'<path d="M{LEFT} {py(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{py(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in _ticks(x_low, x_high):
        parts.append(f'<text x="{px(x):.1f}" y="{HEIGHT - BOTTOM + 16}" '
                     f'text-anchor="middle">{x:g}</text>')
    for x in marks:
        parts.append(f'<path d="M{px(x):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#bbb"/>')
    if limit is not None:
        parts.append(f'<path d="M{LEFT} {py(limit):.1f}H{WIDTH - RIGHT}" stroke="#b00" '
                     'stroke-dasharray="6 4"/>')
    for line, colour in zip(lines, COLOURS, strict=False):
        points = " ".join(f"{px(float(x)):.1f},{py(float(y)):.1f}"
                          for x, y in zip(line.x, line.y, strict=True))
        dash = ' stroke-dasharray="4 3"' if line.dashed else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                     f'stroke-width="1.6"{dash}/>')
    parts.append(_legend(lines))
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" '
                 f'text-anchor="middle">{escape(x_name)}</text>'
                 f'<text x="14" y="{HEIGHT / 2}" text-anchor="middle" '
                 f'transform="rotate(-90 14 {HEIGHT / 2})">{escape(y_name)}</text></svg>')
    return "\n".join(parts)


def _legend(lines: Sequence[Line]) -> str:
    parts, x = [], WIDTH - RIGHT
    for line, colour in reversed(list(zip(lines, COLOURS, strict=False))):
        x -= 7 * len(line.name) + 34
        parts.append(f'<path d="M{x} 12h18" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{x + 23}" y="16">{escape(line.name)}</text>')
    return "".join(parts)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.06 or max(abs(high) * 0.1, 1.0)
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Four to ten round values inside."""
    rough = max(high - low, 1e-9) / 5
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(m * ten for m in (1, 2, 5, 10) if m * ten >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 9) for i in range(math.floor(high / step) - first + 1)]
