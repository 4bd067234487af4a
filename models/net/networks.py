"""The two networks of an avatar and how they are trained; the only importer of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Progress = Callable[[int, int, float], None]
BANDS = 80
STEM = 4
CHANNELS = (48, 96, 128)
MAP = 8
OPSET = 17


def _torch(threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return torch


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


def train_voice(net: Any, batches: Iterator[tuple[Floats, Floats]], weight: Floats, steps: int,
                threads: int, progress: Progress) -> None:
    """Fit to (b, t, 80) -> (b, t/4, codes) batches: weighted squares of the error and of its
    change. Not L1: its median would never close the lips for a rare plosive."""
    torch = _torch(threads)
    scale = torch.from_numpy(weight)
    best = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(best, 3e-3, steps)
    net.train()
    for step in range(steps):
        mel, code = (torch.from_numpy(a) for a in next(batches))
        error = (net(mel) - code) * scale
        loss = error.pow(2).mean() + 0.5 * error.diff(dim=1).pow(2).mean()
        loss = loss + 0.1 * error.abs().mean()
        best.zero_grad()
        loss.backward()
        best.step()
        plan.step()
        if step % 100 == 0 or step == steps - 1:
            progress(step, steps, float(loss.detach()))
    net.eval()


def widen(net: Any, batches: Iterator[tuple[Floats, Floats]], most: float, rounds: int = 12
          ) -> None:
    """A mean over what a sound may be moves less than a mouth does: scale each code of a trained
    voice network up to the spread of the truth, by at most `most`."""
    import torch

    made, wanted = [], []
    with torch.no_grad():
        for _ in range(rounds):
            mel, code = next(batches)
            made.append(net(torch.from_numpy(mel)).numpy().reshape(-1, code.shape[-1]))
            wanted.append(code.reshape(-1, code.shape[-1]))
        spread = np.concatenate(wanted).std(0) / (np.concatenate(made).std(0) + 1e-6)
        gain = torch.from_numpy(np.clip(spread, 1.0, most).astype(np.float32))
        net.last.weight.mul_(gain[:, None, None])
        net.last.bias.mul_(gain)


def renderer_network(codes: int, patch: int, mean: Floats) -> Any:
    """HybUNet: (1, 3, p, p) base and (1, codes) -> (1, 4, p, p).

    A plain UNet on the unmasked base behind a space-to-depth stem; the code becomes a spatial map
    at the bottleneck. The head says per pixel how far to leave the base for `mean` (3, p, p), the
    average picture of the moving mouth, and what to add; RGB comes out blended, A is the matte.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    narrow, middle, deep = CHANNELS

    def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> Any:
        return nn.Sequential(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
                             nn.BatchNorm2d(outputs), nn.ReLU())

    class HybUNet(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.enter = conv(3 * STEM * STEM, narrow)
            self.down1, self.down2 = conv(narrow, middle, 3, 2), conv(middle, deep, 3, 2)
            self.code = nn.Sequential(nn.Linear(codes, 128), nn.ReLU(),
                                      nn.Linear(128, deep * MAP * MAP), nn.ReLU())
            self.mid = nn.Sequential(conv(2 * deep, deep), conv(deep, deep))
            self.up1, self.join1 = conv(deep, middle, 1), conv(2 * middle, middle)
            self.up0, self.join0 = conv(middle, narrow, 1), conv(2 * narrow, narrow)
            self.refine = conv(narrow, narrow)
            # Two heads: colours are small numbers and gates large ones; one INT8 scale fits not.
            self.paint = nn.Conv2d(narrow, 3 * STEM * STEM, 3, 1, 1)
            self.gates = nn.Conv2d(narrow, 2 * STEM * STEM, 3, 1, 1)
            for head in (self.paint, self.gates):
                nn.init.zeros_(head.weight)
                nn.init.zeros_(head.bias)
            self.register_buffer("mean", torch.from_numpy(mean)[None])
            self.grow = patch // STEM // 4 // MAP

        def forward(self, base: Any, code: Any) -> Any:
            fine = self.enter(functional.pixel_unshuffle(base, STEM))
            half = self.down1(fine)
            low = self.down2(half)
            spread = self.code(code).view(-1, deep, MAP, MAP)
            spread = functional.interpolate(spread, scale_factor=self.grow, mode="nearest")
            y = self.mid(torch.cat([low, spread], 1))
            y = functional.interpolate(self.up1(y), scale_factor=2, mode="nearest")
            y = self.join1(torch.cat([y, half], 1))
            y = functional.interpolate(self.up0(y), scale_factor=2, mode="nearest")
            y = self.refine(self.join0(torch.cat([y, fine], 1)))
            added = functional.pixel_shuffle(self.paint(y), STEM)
            gates = torch.sigmoid(functional.pixel_shuffle(self.gates(y), STEM) - 1.5)
            leave, matte = gates[:, :1], gates[:, 1:]
            rgb = base + leave * (self.mean - base) + added
            return torch.cat([rgb.clamp(0, 1), matte], 1)

    return HybUNet()


def train_renderer(net: Any, base: Floats, pictures: NDArray[np.uint8], codes: Floats,
                   mattes: NDArray[np.uint8], weight: Floats, steps: int, threads: int,
                   progress: Progress, batch: int = 8, checkpoint: Path | None = None) -> None:
    """Fit to pictures (n, 3, p, p) uint8 of codes (n, K), drawn over base (3, p, p) 0..1.

    L1 and gradient L1 weighted per pixel by `weight` (p, p), more for large errors (teeth), plus
    the matte (n, p, p) uint8. BF16 with channels last; one thread is the most efficient here.
    """
    torch = _torch(threads)
    net.to(memory_format=torch.channels_last)
    best = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(best, 2.5e-3, steps, pct_start=0.15)
    rng = np.random.default_rng(0)
    still = torch.from_numpy(base)[None].expand(batch, -1, -1, -1).contiguous(
        memory_format=torch.channels_last)
    importance = torch.from_numpy(weight)[None, None]
    net.train()
    for step in range(steps):
        chosen = rng.choice(len(pictures), batch, replace=False)
        want = torch.from_numpy(pictures[chosen]).float() / 255
        matte = torch.from_numpy(mattes[chosen]).float()[:, None] / 255
        with torch.autocast("cpu", torch.bfloat16):
            made = net(still, torch.from_numpy(codes[chosen]))
        made = made.float()
        loss = picture_loss(torch, made[:, :3], want, importance)
        loss = loss + 0.1 * (made[:, 3:] - matte).abs().mean()
        best.zero_grad()
        loss.backward()
        best.step()
        plan.step()
        if step % 100 == 0 or step == steps - 1:
            progress(step, steps, float(loss.detach()))
        if checkpoint is not None and step % 1000 == 999:
            torch.save(net.state_dict(), checkpoint)
    net.eval()


def picture_loss(torch: Any, made: Any, want: Any, importance: Any) -> Any:
    """Weighted L1 and gradient L1; pixels that are far off count up to three times."""
    error = (made - want).abs()
    hard = 1 + 2 * (error.detach() * 8).clamp(0, 1)
    loss = (error * hard * importance).mean()
    for axis in (2, 3):
        loss = loss + ((made.diff(dim=axis) - want.diff(dim=axis)).abs()
                       * importance.narrow(axis, 1, importance.shape[axis] - 1)).mean()
    return loss


def export(net: Any, path: Path, inputs: dict[str, tuple[int, ...]], output: str,
           free: dict[str, dict[int, str]] | None = None) -> None:
    """Write ONNX with the named inputs (shapes of an example) and one output."""
    torch = _torch(1)
    example = tuple(torch.zeros(shape) for shape in inputs.values())
    net.eval()
    torch.onnx.export(net.to(memory_format=torch.contiguous_format), example, str(path),
                      input_names=list(inputs), output_names=[output], opset_version=OPSET,
                      dynamic_axes=free or {}, dynamo=False)


def save(net: Any, path: Path) -> None:
    """Write the weights."""
    import torch

    torch.save(net.state_dict(), path)


def load(net: Any, path: Path) -> None:
    """Read weights that save() wrote."""
    import torch

    net.load_state_dict(torch.load(path, weights_only=True))
    net.eval()
