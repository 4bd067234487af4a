"""What an imported network hears: sound as the audio windows of its layout.

Windows of neighbouring frames overlap, so a clip keeps its features once and cuts windows out
when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device.infer import ort
from device.render import fbank, melspec
from device.render.layouts import FLOAT, Layout, Window
from ota.errors import Refused

Floats = NDArray[np.float32]
FPS = 25
SAMPLES_PER_FRAME = melspec.RATE_HZ // FPS
# HuBERT sees 400 samples for each step of 320; long sounds go in blocks, as it was trained.
HUBERT_STEP, HUBERT_SEEN, HUBERT_BLOCK_STEPS = 320, 400, 1000
STEPS_PER_FRAME_MAX = 4
MEL_BATCH = 64
# wenet hears 67 steps of 10 ms: from 320 ms before a frame to 370 ms after it.
WENET_STEPS, WENET_BEFORE, WENET_SEEN, WENET_STRIDE = 67, 5120, 11_040, 800
WENET_CACHES = {"att_cache": (3, 8, 16, 128), "cnn_cache": (3, 1, 512, 14)}
WENET_OFFSET = 100
ENCODERS = ("(1,T) samples at 16 kHz -> (1,T/320,1024) as HuBERT; mel (N,1,80,16) -> (N,512); "
            "wenet's chunk (1,1,67,80) with offset, att_cache (3,8,16,128), cnn_cache "
            "(3,1,512,14) -> (1,16,512)")


@dataclass(frozen=True)
class Heard:
    """A clip's features end to end, and where each frame's window of `size` numbers begins."""

    features: Floats
    starts: NDArray[np.int64]
    size: int

    def window(self, frame: int) -> Floats:
        """The (size,) numbers that this frame hears."""
        start = int(self.starts[frame])
        return self.features[start : start + self.size]


class Ears(Protocol):
    """`silence` is what the network hears when nobody speaks, one number for all."""

    silence: float

    def hear(self, samples_16k: Floats, frames: int) -> Heard:
        """The windows of `frames` frames of 1/25 s."""

    def as_input(self, window: Floats) -> Floats:
        """One window in the shape of the network's audio input, batch 1."""


class MelEars:
    """Wav2Lip's: 16 mel steps from the frame on (200 ms ahead)."""

    silence = -melspec.LIMIT

    def hear(self, samples_16k: Floats, frames: int) -> Heard:
        """See Ears."""
        steps = melspec.mel_steps(samples_16k)
        short = max(0, melspec.WINDOW_STEPS - len(steps))
        steps = np.pad(steps, ((0, short), (0, 0)), constant_values=self.silence)
        starts = melspec.window_starts(frames, len(steps)) * melspec.BANDS
        return Heard(steps.reshape(-1), starts, melspec.WINDOW_STEPS * melspec.BANDS)

    def as_input(self, window: Floats) -> Floats:
        """(1, 1, 80, 16)."""
        return np.ascontiguousarray(window.reshape(melspec.WINDOW_STEPS, melspec.BANDS).T)[
            None, None]


class EncoderEars:
    """Ultralight's: features of the audio encoder that was brought with the network.

    Raises Refused (on opening, or when it runs) when the encoder does not fit the layout.
    """

    silence = 0.0

    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout, self._window, self._name = layout, layout.window, path.name
        self._session = ort.open_session(path, 1, "cpu")
        self.way = encoder_way(path.name, self._session, layout)

    def hear(self, samples_16k: Floats, frames: int) -> Heard:
        """See Ears."""
        window = self._window
        rows = -(-frames * window.rate_hz // FPS) + 1
        ways = {"samples": self._from_samples, "mel": self._from_mel, "wenet": self._from_wenet}
        found = ways[self.way](samples_16k, rows)
        half = window.frames // 2
        whole = np.zeros((rows + window.frames, window.width), np.float32)
        whole[half : half + len(found)] = found[: rows + half]
        at = np.floor(np.arange(frames) * window.rate_hz / FPS + 0.5).astype(np.int64)
        return Heard(whole.reshape(-1), at * window.width, window.frames * window.width)

    def as_input(self, window: Floats) -> Floats:
        """(1, c, h, w) of the layout."""
        return window.reshape(1, *self._layout.audio_shape)

    def _from_samples(self, samples: Floats, rows: int) -> Floats:
        """HuBERT: the clip brought to mean 0 and variance 1, `per` steps to a frame."""
        level = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        needed = rows * SAMPLES_PER_FRAME + HUBERT_SEEN - HUBERT_STEP
        level = np.pad(level, (0, max(0, needed - len(level)))).astype(np.float32)
        block = HUBERT_STEP * HUBERT_BLOCK_STEPS
        parts = []
        for start in range(0, needed - HUBERT_SEEN + 1, block):
            piece = level[start : start + block + HUBERT_SEEN - HUBERT_STEP][None]
            if piece.shape[1] >= HUBERT_SEEN:
                parts.append(self._run({self._only: piece}))
        steps = np.concatenate([each.reshape(-1, each.shape[-1]) for each in parts])
        return self._rows(steps, rows)

    def _rows(self, steps: Floats, rows: int) -> Floats:
        width = self._window.width
        per = width // steps.shape[1] if steps.shape[1] else 0
        fits = 1 <= per <= STEPS_PER_FRAME_MAX and per * steps.shape[1] == width
        if not fits or abs(len(steps) - rows * per) > 2 * per:
            wanted = rows * SAMPLES_PER_FRAME // HUBERT_STEP
            raise self._misfit(f"({wanted},{width // 2})", steps.shape)
        steps = steps[: len(steps) // per * per]
        return steps.reshape(-1, width)

    def _from_mel(self, samples: Floats, rows: int) -> Floats:
        """One window of mel steps for each frame."""
        ears = MelEars()
        heard = ears.hear(samples, rows)
        first = self._session.inputs[self._only][0]
        batch = 1 if first == 1 else MEL_BATCH
        windows = np.concatenate([ears.as_input(heard.window(i)) for i in range(rows)])
        parts = [self._run({self._only: windows[i : i + batch]}) for i in range(0, rows, batch)]
        found = np.concatenate([part.reshape(len(part), -1) for part in parts])
        if found.shape != (rows, self._window.width):
            raise self._misfit(f"({rows},{self._window.width})", found.shape)
        return found

    def _from_wenet(self, samples: Floats, rows: int) -> Floats:
        """One chunk every 50 ms, each without memory of the others (as it is used there)."""
        length = (rows - 1) * WENET_STRIDE + WENET_SEEN
        whole = np.zeros(length, np.float32)
        taken = samples[: length - WENET_BEFORE] * np.float32(32767)
        whole[WENET_BEFORE : WENET_BEFORE + len(taken)] = taken
        caches: dict[str, NDArray[Any]] = {
            name: np.zeros(shape, np.float32) for name, shape in WENET_CACHES.items()}
        found = np.empty((rows, self._window.width), np.float32)
        for row in range(rows):
            sound = whole[row * WENET_STRIDE : row * WENET_STRIDE + WENET_SEEN]
            chunk = fbank.fbank(np.trunc(sound))[None, None, :WENET_STEPS]
            value = self._run({"chunk": chunk, "offset": np.array([WENET_OFFSET], np.int64),
                               **caches})
            if value.size != self._window.width:
                raise self._misfit("(1,16,512)", value.shape)
            found[row] = value.reshape(-1)
        return found

    @property
    def _only(self) -> str:
        return next(iter(self._session.inputs))

    def _run(self, feeds: dict[str, NDArray[Any]]) -> Floats:
        value = self._session.run(feeds)[self._session.outputs[0]]
        if not np.isfinite(value).all():
            raise Refused(f"{self._name} gives numbers that are none (NaN); export it again.")
        return np.asarray(value, np.float32)

    def _misfit(self, expected: str, found: tuple[int, ...]) -> Refused:
        window: Window = self._window
        return Refused(
            f"{self._name} does not fit the renderer's audio input {self._layout.audio_shape} "
            f"({window.what}, {window.frames} frames): expected {expected}, found "
            f"{str(found).replace(' ', '')}; bring the encoder that the network was trained with.")


def encoder_way(name: str, session: ort.Session, layout: Layout) -> str:
    """How the encoder is fed: "samples", "mel" or "wenet". Raises Refused for any other."""
    inputs = session.inputs
    floats = {key: kind for key, kind in session.types.items() if key != "offset"}
    shape = next(iter(inputs.values())) if len(inputs) == 1 else ()
    way = ""
    if set(inputs) == {"chunk", "offset", *WENET_CACHES}:
        way = "wenet"
    elif shape[1:] == (1, melspec.BANDS, melspec.WINDOW_STEPS):
        way = "mel"
    elif len(shape) == 2 and not isinstance(shape[1], int):
        way = "samples"
    same_rate = (layout.window.rate_hz == FPS) == (way != "wenet")
    if not way or not same_rate or any(kind != FLOAT for kind in floats.values()):
        found = ", ".join(f"{key} {str(each).replace(' ', '')}" for key, each in inputs.items())
        raise Refused(
            f"{name} cannot feed the renderer's audio input {layout.audio_shape} "
            f"({layout.window.what}): it has the inputs {found}; accepted are float32 {ENCODERS}.")
    return way


def open_ears(layout: Layout, encoder: Path | None) -> Ears:
    """The ears of a layout. Raises Refused when Ultralight's encoder is missing or misfits."""
    if layout.kind == "wav2lip":
        return MelEars()
    if encoder is None:
        raise Refused(
            f"This Ultralight network hears {layout.window.what}, not sound; bring its audio "
            "encoder as ONNX with --audio-encoder.")
    return EncoderEars(encoder, layout)
