"""The renderers we compare with, as graphs of their published shapes.

Only shapes: our own code after the papers and public repositories, random weights, nobody's
pictures. A graph computes nothing useful, it costs what the real one costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.benches.graphs import Graph, Wire

SEPARABLE_CHANNELS = (32, 64, 128, 256, 512)
# A sum of two branches must not grow from block to block.
RESIDUAL_GAIN = 0.3


@dataclass(frozen=True)
class Size:
    """What a network weighs and works."""

    parameters: int
    macs: int


Maker = Callable[[Path], Size]
Block = Callable[[Graph, Wire, int, int], Wire]


def wav2lip_96(path: Path) -> Size:
    """Wav2Lip: two 96x96 faces (6 channels) and 80x16 mel to a 96x96 face; transposed decoder."""
    g = Graph("wav2lip_96")
    mel, face = g.input("mel", 1, 1, 80, 16), g.input("face", 1, 6, 96, 96)
    x = g.conv(face, 16, 7)
    seen = [x]
    for channels, more in ((32, 2), (64, 3), (128, 2), (256, 2), (512, 1)):
        x = _residuals(g, g.conv(x, channels, stride=2), more)
        seen.append(x)
    seen.append(g.conv(g.conv(x, 512, pad=0), 512, 1))
    x = g.conv(_wav2lip_ear(g, mel), 512, 1)
    x = g.concat(x, seen.pop())
    x = g.concat(_residuals(g, g.conv_transpose(x, 512), 1), seen.pop())
    for channels in (512, 384, 256, 128, 64):
        x = _residuals(g, g.conv_transpose(x, channels, stride=2, pad=1, extra=1), 2)
        x = g.concat(x, seen.pop())
    face_out = g.sigmoid(g.conv(g.conv(x, 32), 3, 1, relu=False, gain=0.3))
    g.save(path, face_out, "out")
    return Size(g.parameters, g.macs)


def _wav2lip_ear(g: Graph, mel: Wire) -> Wire:
    """(1, 1, 80, 16) to (1, 512, 1, 1)."""
    x = _residuals(g, g.conv(mel, 32), 2)
    x = _residuals(g, g.conv(x, 64, stride=(3, 1)), 2)
    x = _residuals(g, g.conv(x, 128, stride=3), 2)
    x = _residuals(g, g.conv(x, 256, stride=(3, 2)), 1)
    return g.conv(g.conv(x, 512, pad=0), 512, 1)


def _residuals(g: Graph, x: Wire, count: int) -> Wire:
    for _ in range(count):
        x = g.relu(g.add(g.conv(x, x.shape[1], relu=False, gain=RESIDUAL_GAIN), x))
    return x


def ultralight_160(path: Path) -> Size:
    """Ultralight-Digital-Human with HuBERT features: MobileNetV2 blocks, expansion 2."""
    return _separable_unet("ultralight_160", _inverted, _plain, path)


def feathertalk_160(path: Path) -> Size:
    """FeatherTalk with HuBERT features: MobileOne blocks, re-parameterised to one branch."""
    return _separable_unet("feathertalk_160", _mobile_one, _plain, path)


def _separable_unet(name: str, block: Block, strided: Block, path: Path) -> Size:
    """The UNet both share: two 160x160 faces (6 channels) and 16x32x32 features to a face."""
    g = Graph(name)
    face, sound = g.input("face", 1, 6, 160, 160), g.input("audio", 1, 16, 32, 32)
    c0, c1, c2, c3, c4 = SEPARABLE_CHANNELS
    x = block(g, face, c0, 1)
    seen = [x]
    for channels in (c1, c2, c3, c4):
        x = _double(g, block, x, channels, 2)
        seen.append(x)
    x = g.concat(seen.pop(), _separable_ear(g, block, strided, sound))
    x = _double(g, block, _double(g, block, x, c4, 1), c3, 1)
    for channels in (c3 // 2, c2 // 2, c1 // 2, c0):
        x = _double(g, block, g.concat(g.grow(x, 2, "linear"), seen.pop()), channels, 1)
    face_out = g.sigmoid(g.conv(x, 3, 1, relu=False, gain=0.3))
    g.save(path, face_out, "out")
    return Size(g.parameters, g.macs)


def _separable_ear(g: Graph, block: Block, strided: Block, sound: Wire) -> Wire:
    """(1, 16, 32, 32) features of eight 40 ms frames to (1, 512, 10, 10)."""
    _, c1, c2, c3, c4 = SEPARABLE_CHANNELS
    x = block(g, block(g, sound, c1, 1), c2, 1)
    x = block(g, strided(g, x, c3, 2), c3, 1)
    x = g.conv(x, c4, stride=2, pad=3)
    return block(g, block(g, x, c4, 1), c4, 1)


def _double(g: Graph, block: Block, x: Wire, channels: int, stride: int) -> Wire:
    return block(g, block(g, x, channels, stride), channels, 1)


def _plain(g: Graph, x: Wire, channels: int, stride: int) -> Wire:
    return g.conv(x, channels, stride=stride)


def _inverted(g: Graph, x: Wire, channels: int, stride: int) -> Wire:
    """1x1 to twice the channels, depthwise 3x3, 1x1 back; the sum where the shape stays."""
    inside = 2 * x.shape[1]
    stays = stride == 1 and x.shape[1] == channels
    y = g.conv(g.conv(x, inside, 1), inside, 3, stride, groups=inside)
    y = g.conv(y, channels, 1, relu=False, gain=RESIDUAL_GAIN if stays else 1.0)
    return g.add(x, y) if stays else y


def _mobile_one(g: Graph, x: Wire, channels: int, stride: int) -> Wire:
    """Depthwise 3x3 and 1x1, both with ReLU; the sum where the shape stays."""
    stays = stride == 1 and x.shape[1] == channels
    y = g.conv(x, x.shape[1], 3, stride, groups=x.shape[1])
    y = g.conv(y, channels, 1, gain=RESIDUAL_GAIN if stays else 1.0)
    return g.add(x, y) if stays else y


@dataclass(frozen=True)
class Peer:
    """A published network: what makes it, its published size, the side of its picture, and how
    many times faster ours must be than it at `precision`."""

    name: str
    make: Maker
    published: Size
    side_px: int
    precision: str
    faster: float


PEERS = (
    Peer("Wav2Lip-96", wav2lip_96, Size(36_300_000, 3_970_000_000), 96, "fp32", 20.0),
    Peer("Ultralight-160", ultralight_160, Size(12_200_000, 3_160_000_000), 160, "int8", 7.0),
    Peer("FeatherTalk-160", feathertalk_160, Size(3_760_000, 770_000_000), 160, "int8", 3.0),
)
