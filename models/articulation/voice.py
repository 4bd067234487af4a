"""Trains the voice network: synthesised speech, varied in many ways, against its mouth tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

from device.render import logmel
from device.render.bundle import Features
from models.articulation.speech import TIMES_LATE_MS
from models.articulation.tracks import PER_FRAME, Piece, code_track, pieces
from models.net import networks, training
from models.person.face import CODE_NAMES

Floats = NDArray[np.float32]
FEATURES = Features("logmel-80", 16_000, 25, 10, 60.0, 7200.0)
VARIANTS = 7
CROP_FRAMES = 75
# How much an error of each code is seen.
WEIGHT = {"jaw_open": 1.6, "lips_together": 0.7, "press": 1.3, "roll_lower": 1.0, "tongue_up": 0.4}
HELD_OUT_EVERY = 9


@dataclass(frozen=True)
class Clip:
    """One spoken line: samples (n,) at 16 kHz, its phonemes as visemes, whose sentence it is."""

    samples: Floats
    timeline: list[Piece]
    held_out: bool
    language: str


def read_clips(folder: Path) -> list[Clip]:
    """The clips that speech.py wrote; every ninth sentence (both voices) is held out."""
    clips = []
    for file in sorted(folder.glob("[0-9]*.npz")):
        if file.name.endswith(".part.npz"):
            continue
        with np.load(file) as z:
            times = [np.maximum(z[k] - TIMES_LATE_MS, 0).tolist() for k in ("starts_ms", "ends_ms")]
            timeline = pieces(z["symbols"].tolist(), *times)
            sentence = int(file.stem) // 2
            clips.append(Clip(z["samples"].astype(np.float32), timeline,
                              sentence % HELD_OUT_EVERY == HELD_OUT_EVERY - 1,
                              str(z["language"])))
    return clips


def features_of(samples: Floats) -> tuple[Floats, Floats]:
    """(mel, levels) exactly as the box computes them for a whole clip."""
    levels = logmel.frame_level_db(samples, 160)
    louder = logmel.normalised(samples, logmel.speech_level_db(levels))
    return logmel.log_mel(louder, FEATURES), levels


def example(clip: Clip, rng: np.random.Generator | None) -> tuple[Floats, Floats]:
    """(4 f, 80) mel and (f, K) codes of the clip; varied where a generator is given."""
    samples, timeline = clip.samples, clip.timeline
    lead = np.zeros(int(16_000 * (0.3 if rng is None else rng.uniform(0.1, 0.5))), np.float32)
    tail = np.zeros(len(lead), np.float32)
    if rng is not None:
        up, down = ((1, 1), (10, 9), (9, 10), (8, 9), (9, 8), (6, 5))[rng.integers(0, 6)]
        samples = resample_poly(samples, up, down).astype(np.float32)
        timeline = [Piece(p.viseme, p.start_s * up / down, p.end_s * up / down) for p in timeline]
    shift = len(lead) / 16_000
    timeline = [Piece(p.viseme, p.start_s + shift, p.end_s + shift) for p in timeline]
    whole = np.concatenate([lead, samples, tail])
    _, levels = features_of(whole)
    codes = code_track(timeline, len(whole) / 16_000, levels)
    heard = whole if rng is None else disturbed(whole, rng)
    mel, _ = features_of(heard)
    frames = min(len(codes), len(mel) // PER_FRAME)
    return mel[: frames * PER_FRAME], codes[:frames]


def disturbed(samples: Floats, rng: np.random.Generator) -> Floats:
    """Other rooms, microphones, codecs and loudness: echo, tilt, band limits, noise, clipping."""
    sound = samples.astype(np.float64)
    if rng.random() < 0.4:
        decay = rng.uniform(0.02, 0.12) * 16_000
        echo = rng.normal(0, 1, int(decay * 4)) * np.exp(-np.arange(int(decay * 4)) / decay)
        echo *= rng.uniform(0.1, 0.5) / np.sqrt((echo**2).sum())
        echo[0] += 1
        sound = fftconvolve(sound, echo)[: len(samples)]
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / 16_000)
    tilt_db = rng.normal(0, 3.5) * np.log2(np.maximum(hz, 100) / 1000)
    tilt_db += rng.normal(0, 2.5) * np.sin(np.log2(np.maximum(hz, 50)) * 2.5 + rng.uniform(0, 6))
    gain = 10 ** (np.clip(tilt_db, -18, 18) / 20)
    if rng.random() < 0.3:
        gain *= 1 / (1 + (hz / rng.uniform(3200, 6500)) ** 8)
    if rng.random() < 0.3:
        gain *= 1 - 1 / (1 + (hz / rng.uniform(80, 250)) ** 6)
    sound = np.fft.irfft(spectrum * gain, len(sound))
    level = np.sqrt(np.mean(sound**2)) + 1e-9
    noise = np.fft.rfft(rng.normal(0, 1, len(sound))) / np.maximum(hz, 60) ** rng.uniform(0, 1)
    hiss = np.fft.irfft(noise, len(sound))
    snr_db = rng.uniform(8, 50)
    sound += hiss / (np.sqrt(np.mean(hiss**2)) + 1e-9) * level * 10 ** (-snr_db / 20)
    if rng.random() < 0.15:
        sound = np.tanh(sound / (2.5 * level)) * 2.5 * level
    return (sound * 10 ** (rng.uniform(-14, 4) / 20)).astype(np.float32)


def batches(clips: list[Clip], size: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Endless random crops of varied training clips, with some noise that says nothing."""
    rng = np.random.default_rng(seed)
    pool = [example(c, rng if i else None) for c in clips for i in range(VARIANTS)]
    hush = [(features_of(disturbed(rng.normal(0, 1e-4, 64_000).astype(np.float32), rng))[0],
             np.zeros((100, len(CODE_NAMES)), np.float32)) for _ in range(len(pool) // 40)]
    pool += hush
    while True:
        mel, code = [], []
        for i in rng.integers(0, len(pool), size):
            m, c = pool[i]
            start = int(rng.integers(0, max(1, len(c) - CROP_FRAMES)))
            part = c[start : start + CROP_FRAMES]
            sound = m[start * PER_FRAME : (start + CROP_FRAMES) * PER_FRAME]
            missing = CROP_FRAMES - len(part)
            quiet = np.float32((np.log(logmel.FLOOR) + 4.0) / 6.0)
            code.append(np.pad(part, ((0, missing), (0, 0))))
            mel.append(np.pad(sound, ((0, CROP_FRAMES * PER_FRAME - len(sound)), (0, 0)),
                              constant_values=quiet))
        yield np.array(mel, np.float32), np.array(code, np.float32)


def train(speech: Path, out: Path, steps: int, threads: int, progress: training.Progress
          ) -> dict[str, float]:
    """Train on the clips in `speech`, write the ONNX `out`; returns held-out figures."""
    clips = read_clips(speech)
    net = networks.voice_network(len(CODE_NAMES))
    spread = np.concatenate([example(c, None)[1] for c in clips]).std(0)
    weight = (np.array([WEIGHT.get(n, 1.0) for n in CODE_NAMES]) / (spread + 0.02)).astype(
        np.float32)
    pool = batches([c for c in clips if not c.held_out], 16, 1)
    training.train_voice(net, pool, weight, steps, threads, progress)
    training.widen(net, pool, most=1.3)
    networks.save(net, out.with_suffix(".pt"))
    networks.export(net, out, {"mel": (1, 400, 80)}, "code",
                    {"mel": {1: "steps"}, "code": {1: "frames"}})
    return measure(out, [c for c in clips if c.held_out])


def measure(model: Path, clips: list[Clip]) -> dict[str, float]:
    """On clips never trained on: mean absolute code error and correlation of the jaw."""
    from device.infer.ort import open_session

    session = open_session(model)
    errors, jaws, silent, press = [], [], [], []
    for clip in clips:
        mel, code = example(clip, None)
        made = session.run({"mel": mel[None]})["code"][0]
        errors.append(np.abs(made - code).mean())
        jaws.append(np.corrcoef(made[:, 0], code[:, 0])[0, 1])
        at = CODE_NAMES.index("press")
        if code[:, at].max() > 0.2:
            press.append(np.corrcoef(made[:, at], code[:, at])[0, 1])
        silent.append(np.abs(made[:3]).max())
    return {"code_error": float(np.mean(errors)), "jaw_correlation": float(np.mean(jaws)),
            "press_correlation": float(np.mean(press)), "rest_error": float(np.mean(silent))}
