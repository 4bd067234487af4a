"""`vitrine render`: the player's own pipeline, frame by frame into a file instead of a screen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from device.audio.resample import resample
from device.audio.soundfiles import read
from device.audio.speaker import RATE_HZ
from device.conversation.script import Script
from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle, load_bundle
from device.render.compose import Compositor, Overlay
from device.render.lips import Lips
from device.render.mouths import AnyMouth, Codes, open_mouth
from device.render.pixels import Picture, premultiplied_patch, use_one_thread
from device.render.video import MovieWriter
from device.stage.clips import CODE_RATE_HZ, indexed_clips
from device.stage.measure import Figures, report
from device.stage.wardrobe import Wardrobe
from ota.clock import monotonic_s, process_cpu_s, utc_now
from ota.errors import Refused
from ota.files import write_durable

CODE_FPS = 25
SIDE_PX_MIN, SIDE_PX_MAX = 64, 7680
FPS_MIN, FPS_MAX = 1, 120
TAIL_S = 0.4
# Asked for so long before its moment that the decoder, which reads ahead, is not there yet.
GESTURE_LEAD_FRAMES = 25

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What to render; sizes in pixels, `gestures` each a name and its second of the sound."""

    audio: Path
    out: Path
    avatar: Path
    programme: Path | None = None
    size: tuple[int, int] = (1080, 1920)
    fps: int = CODE_FPS
    precision: str = "int8"
    report: Path | None = None
    gestures: tuple[tuple[str, float], ...] = ()


def render(job: Job, progress: Progress) -> dict[str, Any]:
    """Render the whole job; returns the report (B5). Nothing half-written is left on errors.

    Raises Refused for bad sound, avatar, programme, size or place, Retry for a full disk.
    """
    _check(job)
    use_one_thread()
    samples = read(job.audio, RATE_HZ, allow_silence=False)
    bundle = load_bundle(job.avatar, utc_now())
    seconds = len(samples) / RATE_HZ + TAIL_S
    _check_gestures(job, bundle, seconds)
    mouth = open_mouth(bundle, job.precision)
    codes = _shaped(job, bundle, mouth.codes(resample(samples, RATE_HZ, CODE_RATE_HZ)))
    samples = np.concatenate([samples, np.zeros(round(TAIL_S * RATE_HZ), np.float32)])
    frames = int(np.ceil(seconds * job.fps))
    figures = Figures()
    render_ms: list[float] = []
    started_s, cpu_s = monotonic_s(), process_cpu_s()
    figures.note_memory()
    with MovieWriter(job.out, job.size, job.fps, RATE_HZ) as movie:
        movie.sound(samples)
        base = BaseLoop.of(bundle)
        wishes = _GestureWishes(job, bundle, base)
        with base:
            painter = _Painter(job, bundle, mouth, base, wishes, figures, render_ms)
            for n in range(frames):
                movie.picture(painter.frame(n, codes))
                figures.shown(monotonic_s())
                progress(n + 1, frames)
        figures.gestures_shown = base.gestures_shown
    wall_s = max(1e-6, monotonic_s() - started_s)
    found = report(figures, render_ms, mouth.provider, mouth.precision,
                   (process_cpu_s() - cpu_s) / wall_s)
    found["seconds"], found["ai_label_px"] = round(seconds, 3), painter.label_px
    if job.report is not None:
        write_durable(job.report, (json.dumps(found, indent=2) + "\n").encode())
    return found


def _shaped(job: Job, bundle: Bundle, codes: Codes) -> Codes:
    """As the player shapes the lips, where the sound is a clip of the programme."""
    lips = Lips.of(bundle)
    if job.programme is None or lips is None:
        return codes
    clips = indexed_clips(Script.load(job.programme))
    known = {path.resolve(): clip for path, clip in clips.items()}.get(job.audio.resolve())
    return lips.shaped(codes, known.phonemes, known.phonemes_ms) if known else codes


class _GestureWishes:
    """Asks for the film's gestures in their order, each well before its moment."""

    def __init__(self, job: Job, bundle: Bundle, base: BaseLoop) -> None:
        """Asks for the first at once, where it is near: the decoder must not have begun."""
        self._base = base
        self._left = sorted(
            ((round(at_s * bundle.manifest.fps), name) for name, at_s in job.gestures),
            reverse=True)
        self.ask(0)

    def ask(self, taken: int) -> None:
        """`taken` frames of the base were used; one wish waits at a time."""
        while self._left and self._left[-1][0] <= taken + GESTURE_LEAD_FRAMES:
            if self._base.waiting:
                return
            row, name = self._left.pop()
            self._base.ask(name, row)


class _Painter:
    """Composes frame `n` of the clip."""

    def __init__(
        self, job: Job, bundle: Bundle, mouth: AnyMouth, base: BaseLoop, wishes: _GestureWishes,
        figures: Figures, render_ms: list[float],
    ) -> None:
        self._fps, self._mouth, self._base, self._wishes = job.fps, mouth, base, wishes
        self._base_fps = bundle.manifest.fps
        self._figures, self._render_ms = figures, render_ms
        self._matrices = bundle.matrices
        self._compositor = Compositor(*job.size, base.size, bundle.head_middle)
        self._canvas: Picture = np.zeros((job.size[1], job.size[0], 4), np.uint8)
        self._overlay = _overlay(job, self._compositor)
        self._index, self._planes = base.take()
        self._taken = 1
        self.label_px = self._compositor.label.text_px

    def frame(self, n: int, codes: Codes) -> Picture:
        """The canvas with frame `n` on it; valid until the next call."""
        while self._taken <= n * self._base_fps / self._fps:
            self._index, self._planes = self._base.take()
            self._taken += 1
            self._wishes.ask(self._taken)
        code = code_at(codes, n / self._fps, self._mouth.rest)
        patch: Picture | None = None
        started_s = monotonic_s()
        if not np.array_equal(code, self._mouth.rest):
            patch = premultiplied_patch(self._mouth.patch(code, base_index=self._index))
            self._render_ms.append((monotonic_s() - started_s) * 1e3)
        composed_s = monotonic_s()
        self._compositor.frame(
            self._canvas, self._planes, patch, self._matrices[self._index], self._overlay)
        self._figures.compose_ms.append((monotonic_s() - composed_s) * 1e3)
        return self._canvas


def code_at(
    codes: Codes, at_s: float,
    rest: Floats,
) -> Floats:
    """The mouth code at `at_s` of the clip: between two codes they are mixed; rest outside."""
    place = at_s * CODE_FPS
    low = int(np.floor(place + 1e-9))
    share = place - low
    first = codes[low] if 0 <= low < len(codes) else rest
    if share < 1e-6:
        return first
    second = codes[low + 1] if 0 <= low + 1 < len(codes) else rest
    mixed: Floats = (
        first + (second - first) * np.float32(share)).astype(np.float32)
    return mixed


def _overlay(job: Job, compositor: Compositor) -> Overlay:
    """The programme's brand and its first product, where a programme is given."""
    if job.programme is None:
        return Overlay()
    script = Script.load(job.programme)
    compositor.wear(Wardrobe(compositor.look, script).look)
    wardrobe = Wardrobe(compositor.look, script)
    shown = next((each.show for each in script.programme.segments if each.show), None)
    return Overlay(card=wardrobe.card(shown), brand=wardrobe.brand())


def _check_gestures(job: Job, bundle: Bundle, seconds: float) -> None:
    known = [each.name for each in bundle.gestures]
    for name, at_s in job.gestures:
        if name not in known:
            raise Refused(
                f"The avatar {bundle.manifest.id} has no gesture {name!r}; "
                + (f"it has {', '.join(known)}." if known else "it has none at all."))
        if not 0 <= at_s < seconds:
            raise Refused(f"The gesture {name} at {at_s:g} s lies outside of the sound, which is "
                          f"{seconds:.1f} s long; choose a moment within it.")


def _check(job: Job) -> None:
    if any(side % 2 or not SIDE_PX_MIN <= side <= SIDE_PX_MAX for side in job.size):
        raise Refused(
            f"A picture of {job.size[0]}x{job.size[1]} cannot be made: both sides must be even "
            f"and between {SIDE_PX_MIN} and {SIDE_PX_MAX} pixels.")
    if not FPS_MIN <= job.fps <= FPS_MAX:
        raise Refused(f"{job.fps} frames a second cannot be made; use {FPS_MIN} to {FPS_MAX}.")
    if job.out.suffix.lower() != ".mp4":
        raise Refused(f"{job.out} must end in .mp4; only that kind of file is written.")
    if job.out.is_dir() or not job.out.parent.is_dir():
        raise Refused(f"{job.out} cannot be written: its folder does not exist; make it first.")
