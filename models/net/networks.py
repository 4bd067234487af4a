"""The two networks of an avatar, and their way into ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BANDS = 80
OPSET = 17


def voice_network(codes: int, width: int = 96) -> Any:
    """(1, t, 80) log-mel at 100 Hz -> (1, t/4, codes). Convolutions only, so that it runs on a
    block of any length; about 0.3 M parameters."""
    import torch
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
            self.norm = nn.BatchNorm1d(width)
            self.mix = nn.Conv1d(width, width, 1)

        def forward(self, x: Any) -> Any:
            return x + self.mix(torch.relu(self.norm(self.conv(x))))

    class VoiceToCode(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv1d(BANDS, width, 5, padding=2)
            self.fine = nn.Sequential(Block(1), Block(2))
            self.down = nn.Conv1d(width, width, 4, stride=4)
            self.coarse = nn.Sequential(Block(1), Block(2), Block(1), Block(2))
            self.last = nn.Conv1d(width, codes, 1)

        def forward(self, mel: Any) -> Any:
            x = torch.relu(self.first(mel.transpose(1, 2)))
            x = self.coarse(torch.relu(self.down(self.fine(x))))
            return self.last(x).transpose(1, 2)

    return VoiceToCode()


# How far a code sees to each side of its own 40 ms: 2 + 1 + 2 fine steps of 10 ms, 6 coarse of 40.
VOICE_CONTEXT_MS = 10 * 5 + 40 * 6


@dataclass(frozen=True)
class Shape:
    """The sizes of a renderer: the patch's side, `stem` pixels of it a cell of the finest level,
    channels of the three levels, and the side of the map that the code becomes."""

    patch_px: int
    stem: int = 4
    channels: tuple[int, int, int] = (48, 96, 128)
    map: int = 8

    @property
    def cells(self) -> int:
        """Side of the finest level."""
        return self.patch_px // self.stem


# Sides that were measured: the coarsest level is twice the map in each.
SHAPES = {192: Shape(192, map=6), 256: Shape(256), 384: Shape(384, stem=6)}


def renderer_network(codes: int, shape: Shape, mean: Floats, rest: Floats) -> Any:
    """(1, codes) -> (1, 4, p, p): RGB 0..1 of the mouth drawn over `rest` (3, p, p), A the matte.

    What never changes is not computed: the picture at rest is a constant, and what an encoder
    would see in it are three learned maps (`still`), one a level. The code becomes a spatial map;
    dense 3x3 convolutions bring it to `cells`, where each cell paints stem x stem pixels: how far
    to leave the rest for `mean` (3, p, p), the average moving mouth, and what to add to that.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    narrow, middle, deep = shape.channels
    cells, stem = shape.cells, shape.stem

    def conv(inputs: int, outputs: int, size: int = 3) -> Any:
        return nn.Sequential(nn.Conv2d(inputs, outputs, size, 1, size // 2, bias=False),
                             nn.BatchNorm2d(outputs), nn.ReLU())

    def cellwise(picture: Floats) -> Any:
        cells_of = functional.pixel_unshuffle(torch.from_numpy(picture)[None], stem)
        return cells_of.view(1, 3, stem**2, cells, cells)

    def spread_cells(x: Any) -> Any:
        """pixel_shuffle of (n, k, stem^2, cells, cells), written as two transpositions of one
        axis: ONNX Runtime's DepthToSpace moves every number by itself and takes thrice as long."""
        planes = x.shape[1]
        x = x.reshape(-1, planes * stem, stem, cells**2).transpose(2, 3)
        x = x.reshape(-1, planes, stem, cells, cells * stem).transpose(2, 3)
        return x.reshape(-1, planes, cells * stem, cells * stem)

    class Renderer(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.code = nn.Sequential(nn.Linear(codes, 128), nn.ReLU(),
                                      nn.Linear(128, deep * shape.map**2), nn.ReLU())
            self.mid1, self.mid2 = conv(deep, deep), conv(deep, deep)
            self.up1, self.join1 = conv(deep, middle, 1), conv(middle, middle)
            self.up0, self.join0 = conv(middle, narrow, 1), conv(narrow, narrow)
            self.refine = conv(narrow, narrow)
            self.still2 = nn.Parameter(torch.zeros(1, deep, cells // 4, cells // 4))
            self.still1 = nn.Parameter(torch.zeros(1, middle, cells // 2, cells // 2))
            self.still0 = nn.Parameter(torch.zeros(1, narrow, cells, cells))
            # Heads of their own: colours are small numbers and gates large ones; one INT8 scale
            # fits not.
            self.paint = nn.Conv2d(narrow, 3 * stem**2, 3, 1, 1)
            self.leave = nn.Conv2d(narrow, stem**2, 1)
            self.matte = nn.Conv2d(narrow, stem**2, 1)
            for head, start in ((self.paint, 0.0), (self.leave, -1.5), (self.matte, -1.5)):
                nn.init.zeros_(head.weight)
                nn.init.constant_(head.bias, start)  # begin near the rest
            self.register_buffer("rest", cellwise(rest))
            self.register_buffer("away", cellwise(mean - rest))

        def forward(self, code: Any) -> Any:
            spread = self.code(code).view(-1, deep, shape.map, shape.map)
            y = functional.interpolate(spread, scale_factor=cells // 4 // shape.map, mode="nearest")
            y = self.mid2(self.mid1(y) + self.still2)
            y = functional.interpolate(self.up1(y), scale_factor=2, mode="nearest")
            y = self.join1(y + self.still1)
            y = functional.interpolate(self.up0(y), scale_factor=2, mode="nearest")
            y = self.refine(self.join0(y + self.still0))
            leave = torch.sigmoid(self.leave(y))[:, None]
            matte = torch.sigmoid(self.matte(y))[:, None]
            paint = self.paint(y).view(-1, 3, stem**2, cells, cells)
            rgb = (self.rest + leave * self.away + paint).clamp(0, 1)
            return torch.cat([spread_cells(rgb), spread_cells(matte)], 1)

    return Renderer()


def export(net: Any, path: Path, inputs: dict[str, tuple[int, ...]], output: str,
           free: dict[str, dict[int, str]] | None = None) -> None:
    """Write ONNX with the named inputs (shapes of an example) and one output."""
    import torch

    torch.set_num_threads(1)
    example = tuple(torch.zeros(shape) for shape in inputs.values())
    net.eval()
    torch.onnx.export(net.to(memory_format=torch.contiguous_format), example, str(path),
                      input_names=list(inputs), output_names=[output], opset_version=OPSET,
                      do_constant_folding=True, dynamic_axes=free or {}, dynamo=False)


def save(net: Any, path: Path) -> None:
    """Write the weights."""
    import torch

    torch.save(net.state_dict(), path)


def inherit(net: Any, path: Path) -> None:
    """Begin with the layers of another size's saved renderer that have the same shapes."""
    import torch

    known = torch.load(path, weights_only=True)
    own = net.state_dict()
    fits = {k: v for k, v in known.items() if k in own and own[k].shape == v.shape
            and k not in ("rest", "away")}
    net.load_state_dict({**own, **fits})


def load(net: Any, path: Path) -> None:
    """Read weights that save() wrote."""
    import torch

    net.load_state_dict(torch.load(path, weights_only=True))
    net.eval()
