"""The scorer's network (torch): mouths and sounds to points, near where they belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.measure.sync import INPUT, WINDOW, WINDOW_STEPS

Floats = NDArray[np.float32]
Batch = tuple[Floats, Floats]
Progress = Callable[[int, int, float], None]
BANDS, POINT = 80, 64
OPSET = 17


def network() -> Any:
    """(n, 5, 32, 48) and (m, 20, 80) -> (n, POINT) and (m, POINT), unit length each."""
    import torch
    from torch import nn
    from torch.nn import functional

    def picture(inputs: int, outputs: int, size: int) -> list[Any]:
        return [nn.Conv2d(inputs, outputs, size, 2, size // 2), nn.BatchNorm2d(outputs), nn.ReLU()]

    def sound(inputs: int, outputs: int, stride: int) -> list[Any]:
        return [nn.Conv1d(inputs, outputs, 3, stride, 1), nn.BatchNorm1d(outputs), nn.ReLU()]

    class SyncNet(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            area = (INPUT[0] // 8) * (INPUT[1] // 8)
            self.mouth = nn.Sequential(
                *picture(WINDOW, 32, 5), *picture(32, 48, 3), *picture(48, 64, 3), nn.Flatten(),
                nn.Dropout(0.2), nn.Linear(64 * area, 128), nn.ReLU(), nn.Linear(128, POINT))
            self.sound = nn.Sequential(
                *sound(BANDS, 96, 1), *sound(96, 96, 2), *sound(96, 96, 2), nn.Flatten(),
                nn.Dropout(0.2), nn.Linear(96 * (WINDOW_STEPS // 4), 128), nn.ReLU(),
                nn.Linear(128, POINT))
            self.sharpness = nn.Parameter(torch.tensor(2.3))

        def forward(self, mouth: Any, sound: Any) -> Any:
            return (functional.normalize(self.mouth(mouth), dim=1),
                    functional.normalize(self.sound(sound.transpose(1, 2)), dim=1))

    return SyncNet()


def train(batches: Iterator[Batch], steps: int, threads: int, progress: Progress) -> Any:
    """Fit to batches of windows that belong together: each mouth must pick its own sound among
    all of the batch, and the other way round (InfoNCE)."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = network()
    best = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(best, 3e-3, steps, pct_start=0.1)
    net.train()
    for step in range(steps):
        mouth, sound = (torch.from_numpy(a) for a in next(batches))
        points, others = net(mouth, sound)
        likeness = points @ others.T * net.sharpness.clamp(max=4.0).exp()
        own = torch.arange(len(mouth))
        loss = (functional.cross_entropy(likeness, own)
                + functional.cross_entropy(likeness.T, own)) / 2
        best.zero_grad()
        loss.backward()
        best.step()
        plan.step()
        if step % 100 == 0 or step == steps - 1:
            progress(step, steps, float(loss.detach()))
    net.eval()
    return net


def export(net: Any, path: Path) -> None:
    """Write ONNX with inputs mouth, sound and outputs mouth_code, sound_code, any count."""
    import torch

    example = (torch.zeros(2, WINDOW, *INPUT), torch.zeros(2, WINDOW_STEPS, BANDS))
    partial = path.with_suffix(".part.onnx")
    axes = {"mouth": {0: "mouths"}, "sound": {0: "sounds"},
            "mouth_code": {0: "mouths"}, "sound_code": {0: "sounds"}}
    torch.onnx.export(net, example, str(partial), input_names=["mouth", "sound"],
                      output_names=["mouth_code", "sound_code"], opset_version=OPSET,
                      dynamic_axes=axes, dynamo=False)
    partial.replace(path)
