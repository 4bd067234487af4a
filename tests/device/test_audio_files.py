"""Sound files as people bring them: any rate, any channels, broken, empty or silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from device.audio.resample import Resampler, mono, resample
from device.audio.soundfiles import read, write_opus, write_wav
from ota.errors import Refused, Retry


def tone(rate_hz: int, seconds: float = 1.0, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(
        np.float32
    )


def pitch_hz(samples: np.ndarray, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * rate_hz / len(samples))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000, 96_000])
def test_any_rate_comes_out_at_the_one_that_is_wanted(tmp_path: Path, rate_hz: int) -> None:
    write_wav(tmp_path / "a.wav", tone(rate_hz), rate_hz)
    samples = read(tmp_path / "a.wav", 16_000)
    assert abs(len(samples) - 16_000) <= 2
    assert abs(pitch_hz(samples, 16_000) - 440) < 2


def test_a_stereo_card_with_one_dead_side_keeps_its_level(tmp_path: Path) -> None:
    both = np.stack([tone(48_000), np.zeros(48_000, np.float32)], axis=1)
    write_wav(tmp_path / "b.wav", both, 48_000)
    assert np.abs(read(tmp_path / "b.wav", 48_000)).max() > 0.45
    assert np.abs(mono(np.stack([tone(8_000)] * 2, axis=1))).max() > 0.45


def test_opus_and_flac_are_read_back(tmp_path: Path) -> None:
    write_opus(tmp_path / "a.opus", tone(24_000), 24_000)
    write_opus(tmp_path / "b.opus", tone(44_100), 44_100)
    soundfile.write(tmp_path / "a.flac", tone(16_000), 16_000)
    for name in ("a.opus", "b.opus", "a.flac"):
        samples = read(tmp_path / name, 48_000)
        assert abs(len(samples) - 48_000) < 500
        assert abs(pitch_hz(samples, 48_000) - 440) < 2


def test_what_is_no_sound_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    whole = tmp_path / "whole.wav"
    write_wav(whole, tone(16_000), 16_000)
    (tmp_path / "torn.wav").write_bytes(whole.read_bytes()[:20])
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000, np.float32), 16_000)
    broken = np.full(1600, np.nan, np.float32)
    soundfile.write(tmp_path / "nan.wav", broken, 16_000, subtype="FLOAT")
    for name, word in (
        ("text.wav", "not a sound file"), ("torn.wav", "not a sound file"), ("empty.wav", "zero"),
        ("silent.wav", "silent"), ("nan.wav", "no sound"), ("absent.wav", "no sound file"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=word) as error:
            read(tmp_path / name, 16_000, allow_silence=False)
        assert "\n" not in str(error.value)
    assert len(read(tmp_path / "silent.wav", 16_000)) == 16_000


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Retry):
        write_wav(tmp_path / "no" / "a.wav", tone(16_000), 16_000)


def test_a_stream_resampled_in_pieces_is_the_clip_resampled_whole() -> None:
    source = tone(44_100, 2.0, 1000.0)
    stream = Resampler(44_100, 16_000)
    pieces = [stream.feed(p) for p in np.array_split(source, 63)]
    pieces.append(stream.feed(np.zeros(0, np.float32), last=True))
    joined, whole = np.concatenate(pieces), resample(source, 44_100, 16_000)
    assert len(joined) == len(whole)
    assert np.abs(joined - whole).max() < 1e-3


@pytest.mark.parametrize("rate_hz", [48_000, 32_000])
def test_a_whole_part_of_the_rate_holds_back_one_millisecond(rate_hz: int) -> None:
    source = tone(rate_hz, 1.0, 1000.0)
    stream, heard = Resampler(rate_hz, 16_000), 0
    blocks = np.array_split(source, 97)
    joined = []
    for number, block in enumerate(blocks):
        joined.append(stream.feed(block, last=number == len(blocks) - 1))
        heard += len(block)
        held_ms = heard * 1e3 / rate_hz - sum(len(each) for each in joined) / 16.0
        assert -0.1 < held_ms <= 1.1
    found, whole = np.concatenate(joined), resample(source, rate_hz, 16_000)
    assert len(found) == len(whole)
    assert np.abs(found - whole)[16:-16].max() < 1e-3


def test_what_a_lower_rate_cannot_hold_is_not_folded_into_it() -> None:
    stream = Resampler(48_000, 16_000)
    loud = [float(np.abs(stream.feed(tone(48_000, 0.5, hz))[200:-200]).max())
            for hz in (6000.0, 8600.0, 10_000.0, 15_000.0)]
    assert loud[0] > 0.98 * float(np.abs(tone(48_000, 0.5, 6000.0)).max())
    assert max(loud[1:]) < 0.002
