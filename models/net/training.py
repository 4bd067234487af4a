"""How the two networks of an avatar are trained, and tuned to live with INT8."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Progress = Callable[[int, int, float], None]
SAVE_EVERY = 250
TELL_EVERY = 50


@dataclass(frozen=True)
class Lesson:
    """What a renderer learns: pictures (n, 3, p, p) uint8 of codes (n, K), their mattes (n, p, p)
    uint8, and what an error costs at each pixel, weight (p, p)."""

    pictures: NDArray[np.uint8]
    codes: Floats
    mattes: NDArray[np.uint8]
    weight: Floats


def _torch(threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return torch


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
        if step % TELL_EVERY == 0 or step == steps - 1:
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


def train_renderer(net: Any, lesson: Lesson, steps: int, threads: int, progress: Progress,
                   batch: int = 5, checkpoint: Path | None = None, rate: float = 2.5e-3) -> None:
    """Fit a renderer: L1 and gradient L1 weighted per pixel, more for large errors (teeth), plus
    the matte. With a `checkpoint` a stopped training goes on where it was last saved."""
    torch = _torch(threads)
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.to(memory_format=torch.channels_last)
    best = torch.optim.AdamW(net.parameters(), rate * 0.8, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(best, rate, steps, pct_start=0.12)
    importance = torch.from_numpy(lesson.weight)[None, None]
    done = _resume(torch, checkpoint, net, best, plan)
    net.train()
    for step in range(done, steps):
        chosen = np.random.default_rng((step, 1)).choice(len(lesson.pictures), batch)
        want = torch.from_numpy(lesson.pictures[chosen]).float() / 255
        matte = torch.from_numpy(lesson.mattes[chosen]).float()[:, None] / 255
        made = net(torch.from_numpy(lesson.codes[chosen]))
        loss = picture_loss(made[:, :3], want, importance)
        loss = loss + 0.1 * (made[:, 3:] - matte).abs().mean()
        best.zero_grad()
        loss.backward()
        best.step()
        plan.step()
        if step % TELL_EVERY == 0 or step == steps - 1:
            progress(step, steps, float(loss.detach()))
        if checkpoint is not None and step % SAVE_EVERY == SAVE_EVERY - 1:
            _save_state(torch, checkpoint, step + 1, net, best, plan)
    net.eval()


def _resume(torch: Any, path: Path | None, net: Any, best: Any, plan: Any) -> int:
    """Load what a stopped training left; returns the steps that are done."""
    if path is None or not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    best.load_state_dict(state["best"])
    plan.load_state_dict(state["plan"])
    return int(state["step"])


def _save_state(torch: Any, path: Path, step: int, net: Any, best: Any, plan: Any) -> None:
    partial = path.with_suffix(".part")
    torch.save({"step": step, "net": net.state_dict(), "best": best.state_dict(),
                "plan": plan.state_dict()}, partial)
    partial.replace(path)


def picture_loss(made: Any, want: Any, importance: Any) -> Any:
    """Weighted L1 and gradient L1; pixels that are far off count up to three times."""
    error = (made - want).abs()
    hard = 1 + 2 * (error.detach() * 8).clamp(0, 1)
    loss = (error * hard * importance).mean()
    for axis in (2, 3):
        loss = loss + ((made.diff(dim=axis) - want.diff(dim=axis)).abs()
                       * importance.narrow(axis, 1, importance.shape[axis] - 1)).mean()
    return loss


def tune_for_int8(net: Any, lesson: Lesson, steps: int, threads: int, progress: Progress,
                  checkpoint: Path | None = None) -> None:
    """Quantisation-aware fine-tuning in place (Jacob et al., 2018): batch norms are folded, then
    every convolution sees its input and gives its output rounded to 8 bits a tensor, its weights
    to 8 bits a channel, gradients passing straight through. The roundings are taken off again:
    what remains are weights that static quantisation harms less."""
    fold_norms(net)
    wrapped = _wrap(net)
    _measure_ranges(net, wrapped, lesson)
    train_renderer(net, lesson, steps, threads, progress, checkpoint=checkpoint, rate=4e-4)
    _unwrap(net)


def fold_norms(net: Any) -> None:
    """Fold every BatchNorm into the convolution before it (for inference)."""
    from torch import nn
    from torch.nn.utils import fusion

    net.eval()
    for module in net.modules():
        if isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(
                module[1], nn.BatchNorm2d):
            module[0] = fusion.fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()


class _Range:
    """The values a tensor takes, and what 256 steps between them leave of it."""

    def __init__(self) -> None:
        self.low, self.high = 0.0, 1e-3

    def learn(self, x: Any) -> None:
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))

    def rounded(self, torch: Any, x: Any) -> Any:
        scale = (self.high - self.low) / 255
        return torch.fake_quantize_per_tensor_affine(x, scale, round(-self.low / scale), 0, 255)


def _rounded_conv(torch: Any, inner: Any, rectified: bool) -> Any:
    """A convolution that sees and gives what INT8 leaves; `rectified` when a ReLU follows it."""
    from torch import nn

    class Rounded(nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.learning = inner, False
            self.seen, self.given = _Range(), _Range()

        def forward(self, x: Any) -> Any:
            if self.learning:
                self.seen.learn(x)
                out = self.inner(x)
                self.given.learn(out.relu() if rectified else out)
                return out
            w = self.inner.weight
            steps = w.detach().abs().amax((1, 2, 3)).clamp_min(1e-8) / 127
            w = torch.fake_quantize_per_channel_affine(
                w, steps, torch.zeros(len(steps), dtype=torch.int32), 0, -127, 127)
            out = torch.nn.functional.conv2d(self.seen.rounded(torch, x), w, self.inner.bias, 1,
                                             self.inner.padding)
            return self.given.rounded(torch, out)

    return Rounded()


def _wrap(net: Any) -> list[Any]:
    import torch
    from torch import nn

    wrapped = []
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d):
                rounded = _rounded_conv(torch, child, isinstance(module, nn.Sequential))
                setattr(module, name, rounded)
                wrapped.append(rounded)
    return wrapped


def _unwrap(net: Any) -> None:
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ == "Rounded":
                setattr(module, name, child.inner)


def _measure_ranges(net: Any, wrapped: list[Any], lesson: Lesson) -> None:
    import torch

    for each in wrapped:
        each.learning = True
    with torch.no_grad():
        for start in range(0, min(len(lesson.codes), 96), 16):
            net(torch.from_numpy(lesson.codes[start : start + 16]))
    for each in wrapped:
        each.learning = False
