"""Do the lips shut at p, b and m? As the mouth hears the sound, and with the phonemes' times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cli.benches.figure import Figure
from device.audio.resample import resample
from device.paths import repository_root
from device.programme.word_times import phoneme_times
from device.render.bundle import load_bundle
from device.render.lips import FRAME_MS, SIGNS, Lips
from device.render.mouth import Mouth
from device.tts.kokoro import Voice
from ota.clock import utc_now

EAR_HZ = 16_000
LINES = {
    "zh-CN": ("妈妈买菠菜包饼，爸爸陪妹妹爬山坡。", "八百标兵奔北坡，炮兵并排北边跑。",
              "面包和苹果都卖完了，明天补上。"),
    "en-US": ("Baby people make maple butter.",
              "My mother bought a beautiful purple umbrella, maybe by mistake.",
              "Please put the pepper and the jam in a paper bag.",
              "Both bamboo boxes may be empty before midnight."),
}
# How far each number at 1 parts Lin's inner lips, in % of her mouth's width: from her mesh
# (models.measure.landmarks), where the rest is -0.5 %. Under SHUT_PERCENT they touch.
PARTS_PERCENT = {
    "jaw_open": 38.5, "lips_together": -43.4, "funnel": 24.1, "pucker": -0.8, "smile": 0.4,
    "stretch": -0.5, "upper_up": 9.7, "lower_down": 10.4, "press": -2.6, "roll_lower": -2.3,
}
REST_PERCENT, SHUT_PERCENT = -0.5, 0.8
# A closure is looked for in the frames whose middle is so near to it.
NEAR_MS = 25.0

Floats = npt.NDArray[np.float32]


def lips_shut(voice: Voice) -> list[Figure]:
    """A figure a language: in how many of its closures some frame shows shut lips."""
    bundle = load_bundle(repository_root() / "models" / "avatars" / "lin", utc_now())
    mouth, lips = Mouth(bundle), Lips.of(bundle)
    assert lips is not None
    figures = []
    for language, lines in LINES.items():
        heard: list[bool] = []
        shaped: list[bool] = []
        for line in lines:
            speech = voice.synthesise(line, language)
            phonemes, starts_ms = phoneme_times(speech.phonemes)
            codes = mouth.codes(resample(speech.samples, speech.sample_rate_hz, EAR_HZ))
            names = bundle.manifest.code.names
            heard += shut(gaps(codes, names), phonemes, starts_ms)
            moved = np.asarray(lips.shaped(codes, phonemes, starts_ms))
            shaped += shut(gaps(moved, names), phonemes, starts_ms)
        figures.append(Figure(
            f"lips shut at p, b, m, {language}", 100 * float(np.mean(shaped)), "%", 98.0,
            at_least=True, note=f"n={len(shaped)}; of sound alone {100 * np.mean(heard):.0f} %"))
    return figures


def gaps(codes: Floats, names: list[str]) -> Floats:
    """(n,) how far apart the inner lips are for codes (n, K), % of the mouth's width."""
    parts = np.array([PARTS_PERCENT.get(name, 0.0) for name in names], np.float32)
    result: Floats = codes @ parts + np.float32(REST_PERCENT)
    return result


def shut(gap_percent: Floats, phonemes: str, starts_ms: tuple[int, ...]) -> list[bool]:
    """Of each p, b and m: do the lips touch in a frame near it?"""
    middles_ms = (np.arange(len(gap_percent)) + 0.5) * FRAME_MS
    found = []
    for sign, at_ms in zip(phonemes, starts_ms, strict=True):
        near = np.abs(middles_ms - at_ms) <= NEAR_MS
        if sign in SIGNS["closed"] and near.any():
            found.append(bool(gap_percent[near].min() <= SHUT_PERCENT))
    return found
