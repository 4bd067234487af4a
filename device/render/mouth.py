"""The runtime of an avatar's two networks: sound -> mouth codes, code -> mouth picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.infer import ladder, ort
from device.render import logmel
from device.render.bundle import Bundle
from device.render.pixels import rgba_from_planes

Floats = NDArray[np.float32]
STEPS_PER_FRAME = 4  # log-mel frames (100 Hz) for each mouth code (25 Hz)
# How far the mouth opens before and closes after the gate, in 100 Hz steps.
RISE_STEPS, FALL_STEPS = 8, 12
# Codes nearer to the rest than this are the rest: a mouth must not tremble.
DEADZONE = 0.03
BLOCK_FRAMES = 250
# So many frames before a stream's frame are heard with it; more than the network's history.
CONTEXT_FRAMES = 9


class Mouth:
    """Codes and pictures of one avatar's mouth. One thread at a time.

    `precision` is int8 or fp32, `threads` those of the renderer. Raises Refused when the bundle
    lacks that precision or a network cannot be loaded.
    """

    def __init__(
        self, bundle: Bundle, precision: str = "int8", threads: int = 1, provider: str = "cpu"
    ) -> None:
        manifest = bundle.manifest
        self.bundle = bundle
        self.precision = precision
        self.rest = np.array(manifest.code.rest, np.float32)
        self._features = manifest.features
        self._hop = self._features.sample_rate_hz * self._features.hop_ms // 1000
        source = bundle.renderer_path(ladder.source_precision(precision))
        self._renderer = ladder.open_renderer(source, precision, threads, provider)
        self._voice = ort.open_session(bundle.voice_path, 1, "cpu")
        self._look_steps = bundle.voice.lookahead_ms // manifest.features.hop_ms
        self._past_steps = bundle.voice.history_ms // manifest.features.hop_ms
        self._rest_input = as_network_input(bundle.track.rest_patch)
        self._still = np.dstack(
            [bundle.track.rest_patch, np.zeros(bundle.track.mask.shape, np.uint8)]
        )
        self._feather = bundle.track.mask.astype(np.float32)

    @property
    def provider(self) -> str:
        """cpu, cuda or tensorrt: where the renderer really runs."""
        return self._renderer.provider

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why the renderer does not run where it was meant to, as sentences; grows while playing
        when a runtime fails."""
        return self._renderer.degraded

    def codes(self, samples_16k: Floats) -> Floats:
        """(frames, K) codes of a whole clip of mono sound at 16 kHz, 25 frames a second.

        Frame i is the mouth at the middle of i/25 .. (i+1)/25 s; ceil(duration * 25) frames. Where
        nobody speaks the code is exactly `rest`.
        """
        samples = np.ascontiguousarray(samples_16k, np.float32)
        hop = self._hop
        frames = -(-len(samples) // (hop * STEPS_PER_FRAME))
        if frames == 0:
            return np.zeros((0, len(self.rest)), np.float32)
        levels_db = logmel.frame_level_db(samples, hop)
        speech_db = logmel.speech_level_db(levels_db)
        gate = logmel.speech_gate(levels_db, speech_db)
        if not gate.any():
            return np.tile(self.rest, (frames, 1))
        mel = logmel.log_mel(logmel.normalised(samples, speech_db), self._features)
        return self._gated(self._predict(mel, frames), gate)

    def code_at(
        self, samples_16k: Floats, frame: int, speech_db: float, gate_db: float
    ) -> Floats:
        """(K,) the code of `frame` of a stream, of which `samples_16k` is what is known.

        `speech_db` is the running level of speech, `gate_db` what the gate takes for it. Where the
        network would hear further than is known, the last known sound goes on: with 100 ms ahead
        the codes are those of `codes` to 0.98 (with silence instead to 0.92; see docs/stage.md).
        """
        samples = np.ascontiguousarray(samples_16k, np.float32)
        levels_db = logmel.frame_level_db(samples, self._hop)
        gate = logmel.speech_gate(levels_db, gate_db)
        weight = soft_gate(gate, max(frame + 1, -(-len(gate) // STEPS_PER_FRAME)))[frame]
        if weight <= 0:
            return self.rest
        mel = logmel.log_mel(logmel.normalised(samples, speech_db), self._features)
        missing = (frame + 1) * STEPS_PER_FRAME + self._look_steps - len(mel)
        if missing > 0:
            # The last one sees half a window of nothing: the one before is whole.
            known = mel[: max(1, len(mel) - 1)]
            mel = np.concatenate([known, np.repeat(known[-1:], missing + 1, axis=0)])
        first = max(0, frame - CONTEXT_FRAMES)
        code = self._predict(mel[first * STEPS_PER_FRAME :], frame - first + 1)[-1:]
        faded: Floats = self._faded(code, weight[None])[0]
        return faded

    def _predict(self, mel: Floats, frames: int) -> Floats:
        """Run the voice network in blocks with its full history and look-ahead around each."""
        past = -(-self._past_steps // STEPS_PER_FRAME) * STEPS_PER_FRAME
        ahead = -(-self._look_steps // STEPS_PER_FRAME) * STEPS_PER_FRAME
        silence = np.float32((np.log(logmel.FLOOR) + 4.0) / 6.0)
        whole = np.full((past + frames * STEPS_PER_FRAME + ahead, logmel.BANDS), silence)
        known = mel[: len(whole) - past]
        whole[past : past + len(known)] = known
        parts = []
        for first in range(0, frames, BLOCK_FRAMES):
            count = min(BLOCK_FRAMES, frames - first)
            start = first * STEPS_PER_FRAME
            window = whole[start : start + past + count * STEPS_PER_FRAME + ahead]
            code = self._voice.run({"mel": window[None].astype(np.float32)})["code"][0]
            parts.append(code[past // STEPS_PER_FRAME :][:count])
        return np.concatenate(parts).astype(np.float32)

    def _gated(self, codes: Floats, gate: NDArray[np.bool_]) -> Floats:
        """Fade to the rest where the gate is shut; clamp; what is almost the rest is the rest."""
        return self._faded(codes, soft_gate(gate, len(codes)))

    def _faded(self, codes: Floats, weight: Floats) -> Floats:
        """Codes (n, K) faded to the rest by weights (n,)."""
        moved = np.clip(codes - self.rest, -0.2, 1.1) * weight[:, None]
        moved[np.abs(moved).max(axis=1) < DEADZONE] = 0
        result: Floats = (self.rest + moved).astype(np.float32)
        return result

    def patch(
        self, code: Floats, base_patch: NDArray[np.uint8] | None = None, base_index: int = 0
    ) -> NDArray[np.uint8]:
        """The mouth picture (p, p, 4) RGBA for one code, in canonical patch pixels.

        A already contains the track's feather: composite RGB over the base with A alone. At the
        rest code A is 0 everywhere and the network does not run. A network with an input `base`
        draws over `base_patch` (p, p, 3) RGB, by default the bundle's rest patch; ours have that
        picture inside. `base_index`, the base frame it will lie on, does not matter to them.
        """
        if np.array_equal(code, self.rest):
            return self._still.copy()
        feeds = {"code": code[None].astype(np.float32)}
        if "base" in self._renderer.inputs:
            feeds["base"] = (
                self._rest_input if base_patch is None else as_network_input(base_patch))
        return rgba_from_planes(self._renderer.run(feeds)["patch"][0], self._feather)


def as_network_input(patch: NDArray[np.uint8]) -> Floats:
    """(p, p, 3) uint8 RGB as (1, 3, p, p) float32 0..1."""
    scaled = patch.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled)


def soft_gate(gate: NDArray[np.bool_], frames: int) -> Floats:
    """(frames,) weight 0..1 of each code: rises ahead of the gate, falls after it."""
    steps = np.zeros(frames * STEPS_PER_FRAME, np.float32)
    steps[: len(gate)] = gate[: len(steps)]
    distance_back = _steps_since(steps[::-1])[::-1]
    distance_on = _steps_since(steps)
    weight = np.maximum(1 - distance_back / RISE_STEPS, 1 - distance_on / FALL_STEPS)
    smooth = np.clip(weight, 0, 1)
    result: Floats = smooth.reshape(frames, STEPS_PER_FRAME).mean(axis=1).astype(np.float32)
    return result


def _steps_since(steps: Floats) -> Floats:
    """How many steps ago `steps` was last 1 (large where never)."""
    index = np.arange(len(steps))
    last = np.maximum.accumulate(np.where(steps > 0, index, -10_000))
    return (index - last).astype(np.float32)
