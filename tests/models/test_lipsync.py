"""Does the mouth say what the voice says? On lines that were never trained on, and on people."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import soxr

from device.paths import repository_root
from device.render import logmel
from device.render.bundle import load_bundle
from device.render.mouth import Mouth
from models.articulation.speech import TIMES_LATE_MS
from models.articulation.tracks import code_track, pieces
from ota.clock import utc_now
from tests.sim.speech import voice

LINES = (
    ("zh-CN", "这是我们店里最受欢迎的茉莉花茶，要不要尝一尝？"),
    ("zh-CN", "您好，洗手间在二楼左手边，电梯旁边。"),
    ("en-US", "The jasmine tea is our favourite, would you like to try a cup?"),
    ("en-US", "Please mind your step, the floor over there may be a bit wet."),
)
CLIPS = repository_root() / "tests" / "device" / "clips"


@pytest.fixture(scope="module")
def mouth() -> Mouth:
    return Mouth(load_bundle(repository_root() / "models" / "avatars" / "lin", utc_now()))


@pytest.fixture(scope="module")
def tracks(mouth: Mouth) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per line: the codes heard from the sound, and the codes its phonemes ask for."""
    result = []
    for language, text in LINES:
        speech = voice().synthesise(text, language)
        sound = soxr.resample(speech.samples, speech.sample_rate_hz, 16_000).astype(np.float32)
        heard = mouth.codes(sound)
        symbols, starts, ends = zip(*speech.phonemes, strict=True)
        early = [np.maximum(np.array(t) - TIMES_LATE_MS, 0).tolist() for t in (starts, ends)]
        said = pieces(symbols, *early)
        wanted = code_track(said, len(sound) / 16_000, logmel.frame_level_db(sound, 160))
        count = min(len(heard), len(wanted))
        result.append((heard[:count], wanted[:count]))
    return result


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_the_jaw_follows_the_phonemes_and_not_another_line(
    tracks: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    own, foreign = [], []
    for i, (heard, wanted) in enumerate(tracks):
        own.append(correlation(heard[:, 0], wanted[:, 0]))
        for j, (_, other) in enumerate(tracks):
            if j != i:
                count = min(len(heard), len(other)) - 8
                foreign.append(correlation(heard[4:count, 0], other[4:count, 0]))
    assert min(own) > 0.6, own
    assert np.mean(own) > np.mean(foreign) + 0.4, (own, foreign)


def test_the_mouth_is_neither_early_nor_late(tracks: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """The best alignment of jaw and phonemes is within one frame of none."""
    for heard, wanted in tracks:
        scores = {lag: correlation(np.roll(heard[:, 0], lag), wanted[:, 0])
                  for lag in range(-5, 6)}
        assert abs(max(scores, key=lambda lag: scores[lag])) <= 1, scores


def test_every_code_is_heard(mouth: Mouth, tracks: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Over all lines together, the codes that show most correlate with the truth."""
    heard, wanted = (np.concatenate(part) for part in zip(*tracks, strict=True))
    names = mouth.bundle.manifest.code.names
    for name, least in (("jaw_open", 0.7), ("pucker", 0.5), ("stretch", 0.5), ("funnel", 0.35)):
        at = names.index(name)
        found = correlation(heard[:, at], wanted[:, at])
        assert found > least, f"{name}: {found:.2f}"


@pytest.mark.parametrize("file", sorted(p.name for p in CLIPS.glob("*.flac")))
def test_recordings_of_people_open_the_mouth_on_their_vowels(mouth: Mouth, file: str) -> None:
    samples, rate = soundfile.read(CLIPS / file, dtype="float32")
    sound = soxr.resample(samples, rate, 16_000).astype(np.float32)
    jaw = mouth.codes(sound)[:, mouth.bundle.manifest.code.open_index]
    vowels = vowel_level(sound)
    count = min(len(jaw), len(vowels))
    scores = {lag: correlation(np.roll(jaw[:count], lag), vowels[:count]) for lag in range(-4, 5)}
    assert jaw.max() > 0.3
    assert max(scores.values()) > 0.6, scores
    assert abs(max(scores, key=lambda lag: scores[lag])) <= 1, scores


def vowel_level(sound: np.ndarray) -> np.ndarray:
    """dB above the quiet, 25 a second, of the band where vowels have their first formant."""
    frames = sound[: len(sound) // 640 * 640].reshape(-1, 640) * np.hanning(640)
    band = (np.abs(np.fft.rfft(frames)[:, 12:44]) ** 2).sum(axis=1)
    level = 10 * np.log10(band + 1e-9)
    return np.clip(level - np.quantile(level, 0.95) + 35, 0, 35)
