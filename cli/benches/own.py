"""Our renderer's graph at any size with random weights: measured where no avatar has that size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cli.benches.graphs import Graph, Wire
from cli.benches.peers import Size
from models.net.networks import Shape

CODES = 11


def ours(shape: Shape, path: Path, codes: int = CODES) -> Size:
    """Write the graph of `models.net.networks.renderer_network`, as its exporter would."""
    g = Graph(f"ours_{shape.patch_px}")
    narrow, middle, deep = shape.channels
    cells = shape.cells
    spread = g.dense(g.dense(g.input("code", 1, codes), 128), deep * shape.map**2)
    y = g.grow(g.reshape(spread, 1, deep, shape.map, shape.map), cells // 4 // shape.map)
    y = g.conv(_still(g, g.conv(y, deep)), deep)
    y = g.conv(_still(g, g.grow(g.conv(y, middle, 1), 2)), middle)
    y = g.conv(_still(g, g.grow(g.conv(y, narrow, 1), 2)), narrow)
    y = g.conv(y, narrow)
    inside = shape.stem**2
    # The names are those of the exporter: the quantiser knows by them where blending begins.
    added = g.conv(y, 3 * inside, relu=False, gain=0.05, name="/paint/Conv")
    gates = [g.conv(y, inside, 1, relu=False, gain=0.5, name=f"/{name}/Conv")
             for name in ("leave", "matte")]
    g.save(path, _blend(g, added, gates, shape), "patch")
    return Size(g.parameters, g.macs)


def _still(g: Graph, y: Wire) -> Wire:
    """A learned map of what stands still is added to the level."""
    return g.add(y, _stored(g, y.shape))


def _stored(g: Graph, shape: tuple[int, ...]) -> Wire:
    values: NDArray[np.float32] = np.random.default_rng(shape[1]).random(shape, np.float32)
    return Wire(g.constant(values), shape)


def _blend(g: Graph, added: Wire, gates: list[Wire], shape: Shape) -> Wire:
    """From the rest towards the mean, plus colours; in cells, then back to pixels."""
    inside, cells = shape.stem**2, shape.cells
    late = g.constant(np.array(1.5, np.float32))
    leave, matte = (g.reshape(g.sigmoid(g.layer("Sub", [gate.name, late], gate.shape)),
                              1, 1, inside, cells, cells) for gate in gates)
    colours = (1, 3, inside, cells, cells)
    rest, away = _stored(g, colours), _stored(g, colours)
    moved = g.layer("Mul", [leave.name, away.name], colours)
    rgb = g.add(g.add(rest, moved), g.reshape(added, *colours))
    limits = [g.constant(np.array(v, np.float32)) for v in (0, 1)]
    rgb = g.layer("Clip", [rgb.name, *limits], colours)
    return g.concat(*(_spread_cells(g, part, shape) for part in (rgb, matte)))


def _spread_cells(g: Graph, x: Wire, shape: Shape) -> Wire:
    """Cells become pixels by two transpositions."""
    planes, stem, cells = x.shape[1], shape.stem, shape.cells
    x = g.reshape(x, 1, planes * stem, stem, cells**2)
    x = g.layer("Transpose", [x.name], (1, planes * stem, cells**2, stem), perm=[0, 1, 3, 2])
    x = g.reshape(x, planes, stem, cells, cells * stem)
    x = g.layer("Transpose", [x.name], (planes, cells, stem, cells * stem), perm=[0, 2, 1, 3])
    return g.reshape(x, 1, planes, shape.patch_px, shape.patch_px)
