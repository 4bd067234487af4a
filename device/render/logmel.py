"""The audio front end of the mouth: 80 log-mel bands at 100 Hz and the speech gate, in numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from device.render.bundle import Features

Floats = NDArray[np.float32]
BANDS = 80
FFT_SIZE = 512
FLOOR = 1e-5
# Speech of a clip is brought to this level before the network hears it (dBFS, active RMS).
LEVEL_DB = -23.0
GAIN_DB_MAX = 30.0
# The gate, in dB below the clip's own speech level: opens above, closes below after HOLD frames.
OPEN_DB, CLOSE_DB, HOLD_FRAMES = -26.0, -34.0, 14
SILENCE_DB = -58.0


@lru_cache(maxsize=4)
def mel_bank(sample_rate_hz: int, low_hz: float, high_hz: float) -> Floats:
    """(FFT_SIZE/2+1, BANDS) triangular filters on the HTK mel scale, unit peak."""
    def to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = 2595.0 * np.log10(1.0 + hz / 700.0)
        return result
    edges = np.linspace(to_mel(np.array(low_hz)), to_mel(np.array(high_hz)), BANDS + 2)
    bins = to_mel(np.linspace(0, sample_rate_hz / 2, FFT_SIZE // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def log_mel(samples: Floats, features: Features) -> Floats:
    """(t, 80) natural-log mel magnitudes, scaled to about -1..1; t = ceil(n / hop).

    Frame i is centred on sample i * hop, so features carry no delay of their own.
    """
    rate = features.sample_rate_hz
    hop, window = rate * features.hop_ms // 1000, rate * features.window_ms // 1000
    count = -(-len(samples) // hop)
    if count == 0:
        return np.zeros((0, BANDS), np.float32)
    padded = np.zeros(count * hop + window, np.float32)
    padded[window // 2 : window // 2 + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]
    taper = np.hanning(window + 1)[:-1].astype(np.float32)
    bank = mel_bank(rate, features.mel_low_hz, features.mel_high_hz)
    result = np.empty((count, BANDS), np.float32)
    for start in range(0, count, 512):  # blocks: a minute of speech must not cost megabytes
        spectrum = np.abs(np.fft.rfft(frames[start : start + 512] * taper, FFT_SIZE))
        mel = spectrum.astype(np.float32) @ bank
        result[start : start + 512] = (np.log(mel + FLOOR) + 4.0) / 6.0
    return result


def frame_level_db(samples: Floats, hop: int) -> Floats:
    """RMS level in dBFS of each hop (t,), t = ceil(n / hop)."""
    count = -(-len(samples) // hop)
    padded = np.zeros(count * hop, np.float32)
    padded[: len(samples)] = samples
    power = np.mean(padded.reshape(count, hop) ** 2, axis=1)
    return np.asarray(10 * np.log10(power + 1e-12), np.float32)


def speech_level_db(levels_db: Floats) -> float:
    """The level of the loud part of a clip: the mean of its frames within 20 dB of the top."""
    if len(levels_db) == 0:
        return -120.0
    top = float(np.quantile(levels_db, 0.97))
    return float(levels_db[levels_db > top - 20].mean()) if top > SILENCE_DB else -120.0


def normalised(samples: Floats, level_db: float) -> Floats:
    """The clip at LEVEL_DB, so that a quiet recording opens the mouth as far as a loud one."""
    if level_db <= -119:
        return samples
    gain_db = float(np.clip(LEVEL_DB - level_db, -GAIN_DB_MAX, GAIN_DB_MAX))
    return (samples * np.float32(10 ** (gain_db / 20))).astype(np.float32)


def speech_gate(levels_db: Floats, speech_db: float) -> NDArray[np.bool_]:
    """True where somebody speaks: hysteresis around the clip's level, with a hold."""
    gate = np.zeros(len(levels_db), np.bool_)
    if speech_db <= -119:
        return gate
    open_db = max(speech_db + OPEN_DB, SILENCE_DB)
    close_db = max(speech_db + CLOSE_DB, SILENCE_DB - 4)
    speaking, quiet = False, 0
    for i, level in enumerate(levels_db.tolist()):
        if level > open_db:
            speaking, quiet = True, 0
        elif speaking and level < close_db:
            quiet += 1
            if quiet >= HOLD_FRAMES:
                speaking = False
                gate[i - quiet + 1 : i] = False
        elif speaking:
            quiet = 0
        gate[i] = speaking
    return gate
