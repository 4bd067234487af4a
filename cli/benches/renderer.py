"""The mouth: our INT8 network against our own FP32, and the audio front end, one thread."""

from __future__ import annotations

import numpy as np

from cli.benches.figure import Figure, median_ms
from device.paths import repository_root
from device.render.bundle import load_bundle
from device.render.mouth import Floats, Mouth
from ota.clock import utc_now

AVATAR = "lin"
SPEECH_S = 4


def measure() -> list[Figure]:
    """Milliseconds a mouth patch, the gain of INT8, and the cost of a second of sound."""
    bundle = load_bundle(repository_root() / "models" / "avatars" / AVATAR, utc_now())
    code = np.array(bundle.manifest.code.rest, np.float32)
    code[bundle.manifest.code.open_index] += 0.5
    whole = Mouth(bundle, "fp32", threads=1)
    small = Mouth(bundle, "int8", threads=1)
    fp32_ms = median_ms(lambda: whole.patch(code), 2.0)
    int8_ms = median_ms(lambda: small.patch(code), 2.0)
    sound = noisy_speech(SPEECH_S)
    front_ms = median_ms(lambda: small.codes(sound), 1.0) / SPEECH_S
    quality = bundle.manifest.quality
    side = f"{bundle.manifest.patch} px, one thread"
    figures = [
        Figure("mouth patch, INT8", int8_ms, "ms", 7.0, note=side),
        Figure("mouth patch, FP32", fp32_ms, "ms", note=side),
        Figure("INT8 faster than FP32", fp32_ms / int8_ms, "x", 2.0, at_least=True),
        Figure("sound to mouth codes, a second of sound", front_ms, "ms", 15.0),
    ]
    loss = quality.get("int8_loss_db")
    if isinstance(loss, (int, float)):
        figures.append(Figure("PSNR lost by INT8", float(loss), "dB", 0.3, note="from the bundle"))
    return figures


def noisy_speech(seconds: int) -> Floats:
    """Sound at 16 kHz that opens the gate: noise with a syllable's rhythm."""
    rate_hz = 16000
    time_s = np.arange(seconds * rate_hz) / rate_hz
    noise = np.random.default_rng(1).normal(0, 0.1, len(time_s))
    return (noise * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))).astype(np.float32)
