"""Loudness as EBU R128 counts it, on the signals of EBU Tech 3341 in mono and beside ffmpeg."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from device.tts.loudness import (
    MOMENTARY_MAX_LUFS,
    TARGET_LUFS,
    TRUE_PEAK_DBTP,
    limited,
    normalise,
)
from device.tts.r128 import (
    SILENT_LUFS,
    integrated_lufs,
    k_filters,
    momentary_max_lufs,
    oversampled_peaks,
    true_peak_dbtp,
)

RATE_HZ = 48_000
Samples = NDArray[np.float32]


def sine(seconds: float, dbfs: float, hz: float = 1000.0, rate_hz: int = RATE_HZ) -> Samples:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def steps(*parts: tuple[float, float]) -> Samples:
    """(seconds, loudness) one after the other; in mono a sine 3 dB higher is as loud as the
    stereo one of the standard."""
    return np.concatenate([sine(seconds, dbfs + 3.01) for seconds, dbfs in parts])


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (steps((20, -23)), -23.0),
        (steps((20, -33)), -33.0),
        (steps((10, -36), (60, -23), (10, -36)), -23.0),
        (steps((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)), -23.0),
        (steps((20, -26), (20.1, -20), (20, -26)), -23.0),
    ],
    ids=["case 1", "case 2", "case 3", "case 4: both gates", "case 5"],
)
def test_the_standard_signals_measure_as_they_must(signal: Samples, expected: float) -> None:
    assert integrated_lufs(signal, RATE_HZ) == pytest.approx(expected, abs=0.1)


def test_the_filters_are_those_of_the_standard() -> None:
    (shelf_b, shelf_a), (_, high_a) = k_filters(48_000)
    assert shelf_b == pytest.approx((1.53512485958697, -2.69169618940638, 1.19839281085285))
    assert shelf_a == pytest.approx((1.0, -1.69065929318241, 0.73248077421585))
    assert high_a == pytest.approx((1.0, -1.99004745483398, 0.99007225036621))


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100])
def test_every_rate_measures_alike(rate_hz: int) -> None:
    assert integrated_lufs(sine(5, -20, 997, rate_hz), rate_hz) == pytest.approx(-23.0, abs=0.1)


def speechlike(seconds: float, seed: int = 3) -> Samples:
    """Noise in syllables and pauses, as uneven as talk."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE_HZ)
    noise = np.cumsum(rng.standard_normal(n))
    noise = np.diff(noise - np.convolve(noise, np.ones(400) / 400, "same"), prepend=0.0) * 0.05
    beat = np.clip(np.sin(np.arange(n) / RATE_HZ * 9) + rng.uniform(-0.2, 0.2), 0, 1)
    return np.asarray(noise * beat * (np.arange(n) % (3 * RATE_HZ) < 2 * RATE_HZ), np.float32)


def test_ffmpeg_measures_the_same() -> None:
    for samples in (speechlike(12), speechlike(3.3, 5), sine(4, -30, 120)):
        ours, theirs = integrated_lufs(samples, RATE_HZ), ffmpeg_lufs(samples)
        assert ours == pytest.approx(theirs, abs=0.1)


def ffmpeg_lufs(samples: Samples) -> float:
    """The integrated loudness by libavfilter's ebur128."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=RATE_HZ, format="flt", layout="mono", time_base=Fraction(1, RATE_HZ))
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = RATE_HZ, 0
    source.push(frame)
    source.push(None)
    value = SILENT_LUFS
    while True:
        try:
            out = sink.pull()
        except (av.EOFError, BlockingIOError):
            return value
        value = float(out.metadata.get("lavfi.r128.I", value))


def test_the_peak_between_two_samples_is_seen() -> None:
    n = np.arange(4800)
    hidden = (0.5 * np.sin(np.pi / 2 * n + np.pi / 4)).astype(np.float32)  # samples at 0.354 only
    assert 20 * np.log10(np.abs(hidden).max()) == pytest.approx(-9.03, abs=0.01)
    middle = oversampled_peaks(hidden)[100:-100].max()
    assert 20 * np.log10(middle) == pytest.approx(-6.02, abs=0.2)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_a_clip_ends_at_the_target_and_under_the_peak(rate_hz: int) -> None:
    for seconds in (0.3, 1.0, 6.0):
        clip = speechlike(seconds)[:: RATE_HZ // rate_hz]
        clip[len(clip) // 4] = 0.9  # a click far over the speech
        out = normalise(clip, rate_hz)
        loudest = momentary_max_lufs(out, rate_hz)
        level = integrated_lufs(out, rate_hz)
        assert level == pytest.approx(TARGET_LUFS, abs=0.1) or loudest == pytest.approx(
            MOMENTARY_MAX_LUFS, abs=0.1)
        assert level < TARGET_LUFS + 0.1 and loudest < MOMENTARY_MAX_LUFS + 0.1
        assert true_peak_dbtp(out) < TRUE_PEAK_DBTP + 0.3


def test_one_shout_does_not_stay_a_shout() -> None:
    clip = np.concatenate([speechlike(6) * 0.3, speechlike(0.5)])
    out = normalise(clip.astype(np.float32), RATE_HZ)
    assert momentary_max_lufs(out, RATE_HZ) == pytest.approx(MOMENTARY_MAX_LUFS, abs=0.2)


def test_the_limiter_turns_down_around_a_peak_and_bends_nothing() -> None:
    clip = sine(1.0, -12, 200)
    clip[24_000:24_040] *= 6
    out = limited(clip, RATE_HZ)
    far = np.r_[0:23_000, 25_500:48_000]
    assert np.array_equal(out[far], clip[far])
    assert true_peak_dbtp(out) < TRUE_PEAK_DBTP + 0.3
    gain = out[23_000:25_500] / np.where(clip[23_000:25_500] == 0, 1, clip[23_000:25_500])
    assert np.abs(np.diff(gain[clip[23_000:25_500] != 0])).max() < 0.01


@pytest.mark.parametrize("clip", [np.zeros(0, np.float32), np.zeros(48_000, np.float32)])
def test_silence_stays_silence(clip: Samples) -> None:
    assert integrated_lufs(clip, RATE_HZ) == SILENT_LUFS
    assert np.array_equal(normalise(clip, RATE_HZ), clip)


def test_hiss_is_not_made_loud() -> None:
    hiss = (np.random.default_rng(1).standard_normal(RATE_HZ * 2) * 1e-3).astype(np.float32)
    out = normalise(hiss, RATE_HZ)
    assert integrated_lufs(out, RATE_HZ) < integrated_lufs(hiss, RATE_HZ) + 24.1 < TARGET_LUFS
