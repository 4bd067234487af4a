"""The runtime of an imported lip-sync network (Wav2Lip or Ultralight layout) behind one mouth.

Its code is [share, audio window]: how much of the network's picture is shown, and what it hears.
In silence the share is 0, the network does not run and the picture is the idle video bit by bit.

These networks repaint the face they are given, so they must see the crop of the base frame that
they will lie on. The crops of all base frames are made at import, aligned and compressed
(5-30 kB each), and are looked up by the frame's index: the maker of mouths works ahead of the
decoder, and an index is known ahead where pixels are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from device.infer import ort
from device.render import logmel, mouth
from device.render.bundle import Bundle
from device.render.ears import SAMPLES_PER_FRAME, Heard, open_ears
from device.render.layouts import ULTRALIGHT_BLACK, Layout, read_layout
from ota.errors import Refused

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]
GATE_HOP = 160
# The colour of the painted face is brought to that of the base at the edge, at most this far.
COLOUR_STEP_MAX = 0.12


class ForeignMouth:
    """Codes and pictures of one imported avatar's mouth. One thread at a time (see AnyMouth).

    `precision` int8 means the INT8 network where the bundle has one, else the one that was
    brought. Raises Refused for a network or encoder of another layout.
    """

    def __init__(
        self, bundle: Bundle, precision: str = "int8", threads: int = 1, provider: str = "cpu"
    ) -> None:
        manifest = bundle.manifest
        self.bundle = bundle
        self.precision = precision if precision in manifest.renderer else "fp32"
        path = bundle.renderer_path(self.precision)
        # An engine is built for our own networks; these go to CUDA where it is, else to the CPU.
        self._wanted = provider
        self._renderer = ort.open_session(
            path, threads, "cuda" if provider == "auto" else provider)
        self.layout = read_layout(path.name, self._renderer.inputs, self._renderer.types)
        if (self.layout.kind, self.layout.side_px) != (manifest.kind, manifest.patch):
            raise Refused(f"avatar.json of {manifest.id} does not fit its network; import again.")
        encoder = manifest.audio_encoder
        self._ears = open_ears(self.layout, bundle.path_of(encoder) if encoder else None)
        self.rest = np.full(1 + self.layout.numbers, self._ears.silence, np.float32)
        self.rest[0] = 0
        self._crops = Crops.load(bundle.path_of(manifest.crops), manifest.base.frames)
        self._painter = Painter(self.layout, bundle.track.mask)

    @property
    def provider(self) -> str:
        """cpu, cuda or tensorrt: where the renderer really runs."""
        return self._renderer.provider

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why it does not run where it was meant to, as sentences."""
        if self._wanted in ("auto", self.provider):
            return ()
        return (f"The imported avatar's network runs on {self.provider}: {self._wanted} is not on "
                "this machine; install its runtime, or ask for another provider.",)

    def codes(self, samples_16k: Floats) -> WindowCodes:
        """(frames, K) codes of a whole clip of mono sound at 16 kHz, 25 frames a second."""
        samples = np.ascontiguousarray(samples_16k, np.float32)
        frames = -(-len(samples) // SAMPLES_PER_FRAME)
        levels_db = logmel.frame_level_db(samples, GATE_HOP)
        speech_db = logmel.speech_level_db(levels_db)
        gate = logmel.speech_gate(levels_db, speech_db)
        if not gate.any():
            nothing = Heard(np.zeros(0, np.float32), np.zeros(frames, np.int64), 0)
            return WindowCodes(nothing, np.zeros(frames, np.float32), self.rest)
        heard = self._ears.hear(logmel.normalised(samples, speech_db), frames)
        return WindowCodes(heard, mouth.soft_gate(gate, frames), self.rest)

    def code_at(
        self, samples_16k: Floats, frame: int, speech_db: float, gate_db: float
    ) -> Floats:
        """The code of one frame of a stream that is known up to the end of `samples_16k`."""
        samples = np.ascontiguousarray(samples_16k, np.float32)
        gate = logmel.speech_gate(logmel.frame_level_db(samples, GATE_HOP), gate_db)
        share = mouth.soft_gate(gate, max(frame + 1, -(-len(gate) // mouth.STEPS_PER_FRAME)))
        if share[frame] <= 0:
            return self.rest
        heard = self._ears.hear(logmel.normalised(samples, speech_db), frame + 1)
        return WindowCodes(heard, share, self.rest)[frame]

    def patch(
        self, code: Floats, base_patch: Picture | None = None, base_index: int = 0
    ) -> Picture:
        """The mouth picture (p, p, 4) RGBA for one code over the base frame `base_index`.

        `base_patch` (p, p, 3) RGB replaces the crop of that frame. A contains feather and share.
        """
        if base_patch is None:
            crop = self._crops.at(base_index)
        else:
            crop = np.ascontiguousarray(base_patch[..., ::-1])
        if code[0] <= 0:
            return np.dstack([crop[..., ::-1], np.zeros(crop.shape[:2], np.uint8)])
        feeds = {self.layout.face: self._painter.face_input(crop),
                 self.layout.audio: self._ears.as_input(np.asarray(code[1:], np.float32))}
        painted = self._renderer.run(feeds)[self._renderer.outputs[0]]
        return self._painter.rgba(painted[0], crop, float(code[0]))


@dataclass(frozen=True)
class WindowCodes:
    """The codes of one clip, cut out of its features frame by frame (see mouths.Codes)."""

    heard: Heard
    share: Floats
    rest: Floats

    @property
    def nbytes(self) -> int:
        """Memory that keeping them takes."""
        return self.heard.features.nbytes + self.heard.starts.nbytes + self.share.nbytes

    def __len__(self) -> int:
        return len(self.share)

    def __getitem__(self, frame: int, /) -> Floats:
        share = self.share[frame]
        if share <= 0:
            return self.rest
        return np.concatenate([[share], self.heard.window(frame)]).astype(np.float32)


@dataclass(frozen=True)
class Crops:
    """The aligned BGR crops (p, p, 3) of the base frames, each as JPEG.

    data uint8 (bytes end to end); ends (m,) int64; of_base (frames,) int32: which crop a base
    frame has (a loop that runs back has each of them twice).
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    of_base: NDArray[np.int32]

    @classmethod
    def load(cls, path: Path, frames: int) -> Crops:
        """Read the file. Raises Refused when it does not fit a base video of `frames`."""
        with np.load(path, allow_pickle=False) as archive:
            try:
                found = cls(archive["data"], archive["ends"], archive["of_base"])
            except KeyError as error:
                raise Refused(f"{path} is incomplete ({error}); import it again.") from error
        if len(found.of_base) != frames or not len(found.ends) or (
                int(found.of_base.max()) >= len(found.ends)):
            raise Refused(f"{path} does not fit its video; import the avatar again.")
        return found

    def at(self, base_index: int) -> Picture:
        """The crop under a base frame."""
        number = int(self.of_base[base_index % len(self.of_base)])
        start = int(self.ends[number - 1]) if number else 0
        return np.asarray(
            cv2.imdecode(self.data[start : int(self.ends[number])], cv2.IMREAD_COLOR), np.uint8)


class Painter:
    """From a BGR crop to a network's face input, and from its output to a patch."""

    def __init__(self, layout: Layout, mask: Picture) -> None:
        """mask (p, p) uint8: the feather."""
        self._layout = layout
        self._feather = mask.astype(np.float32) / np.float32(255)
        self._input = np.empty((1, 6, layout.side_px, layout.side_px), np.float32)

    def face_input(self, crop: Picture) -> Floats:
        """(1, 6, s, s): Wav2Lip masked then whole, Ultralight whole then masked. Reused."""
        scaled = crop.transpose(2, 0, 1) * np.float32(1 / 255)
        if self._layout.kind == "wav2lip":
            masked, whole = self._input[0, :3], self._input[0, 3:]
            masked[:] = scaled
            masked[:, self._layout.side_px // 2 :] = 0
        else:
            whole, masked = self._input[0, :3], self._input[0, 3:]
            masked[:] = scaled
            rows, columns = ULTRALIGHT_BLACK
            masked[:, rows, columns] = 0
        whole[:] = scaled
        return self._input

    def rgba(self, painted: Floats, crop: Picture, share: float) -> Picture:
        """(p, p, 4) from a network's (3, p, p) BGR 0..1, its colour matched at the mask's edge."""
        colour = painted.transpose(1, 2, 0) + self._step(painted, crop)
        result = np.empty((*crop.shape[:2], 4), np.uint8)
        np.copyto(result[..., :3], np.clip(colour[..., ::-1] * 255 + 0.5, 0, 255.4),
                  casting="unsafe")
        np.copyto(result[..., 3], self._feather * (255 * min(1.0, share)) + 0.5, casting="unsafe")
        return result

    def _step(self, painted: Floats, crop: Picture) -> Floats:
        """How far the painted skin is off at the edge, (3,) BGR, bounded."""
        rows, columns, weights = self._edge
        there = crop[rows, columns] * np.float32(1 / 255)
        off = weights @ (there - painted[:, rows, columns].T)
        return np.clip(off, -COLOUR_STEP_MAX, COLOUR_STEP_MAX).astype(np.float32)

    @cached_property
    def _edge(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Pixels of the feather's outer half, where base and painted face meet, and weights."""
        ring = (self._feather > 0.05) & (self._feather < 0.6)
        rows, columns = np.nonzero(ring)
        weights = np.full(len(rows), 1 / max(1, len(rows)), np.float32)
        return rows, columns, weights

