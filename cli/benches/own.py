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
    gates = g.conv(y, 2 * inside, 1, relu=False, gain=0.5, name="/gates/Conv")
    g.save(path, _blend(g, added, gates, shape), "patch")
    return Size(g.parameters, g.macs)


def _still(g: Graph, y: Wire) -> Wire:
    """A learned map of what stands still is added to the level."""
    return g.add(y, _stored(g, y.shape))


def _stored(g: Graph, shape: tuple[int, ...]) -> Wire:
    values: NDArray[np.float32] = np.random.default_rng(shape[1]).random(shape, np.float32)
    return Wire(g.constant(values), shape)


def _blend(g: Graph, added: Wire, gates: Wire, shape: Shape) -> Wire:
    """From the rest towards the mean, plus colours; in cells, then one way back to pixels."""
    inside, cells = shape.stem**2, shape.cells
    late = g.constant(np.array(1.5, np.float32))
    gates = g.sigmoid(g.layer("Sub", [gates.name, late], gates.shape))
    leave = g.reshape(g.channels(gates, 0, inside), 1, 1, inside, cells, cells)
    colours = (1, 3, inside, cells, cells)
    rest, away = _stored(g, colours), _stored(g, colours)
    moved = g.layer("Mul", [leave.name, away.name], colours)
    rgb = g.add(g.add(rest, moved), g.reshape(added, *colours))
    limits = [g.constant(np.array(v, np.float32)) for v in (0, 1)]
    rgb = g.reshape(g.layer("Clip", [rgb.name, *limits], colours), 1, 3 * inside, cells, cells)
    picture = g.concat(rgb, g.channels(gates, inside, 2 * inside))
    return g.layer(
        "DepthToSpace", [picture.name], (1, 4, shape.patch_px, shape.patch_px),
        blocksize=shape.stem, mode="CRD")
