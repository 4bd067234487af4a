"""The voice itself: every word is there, on time, as loud as the last one, the same each time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from device.tts.kokoro import SAMPLE_RATE_HZ, Voice
from device.tts.loudness import TARGET_LUFS, TRUE_PEAK_DBTP, block_rms
from device.tts.r128 import integrated_lufs, true_peak_dbtp
from ota.errors import Refused
from tests.sim.speech import voice


def test_a_price_in_digits_sounds_like_the_price_in_words() -> None:
    digits = voice().synthesise("龙井¥128一盒。", "zh-CN")
    words = voice().synthesise("龙井一百二十八元一盒。", "zh-CN")
    assert np.array_equal(digits.samples, words.samples)


def test_timings_follow_the_sound() -> None:
    speech = voice().synthesise("欢迎光临。Good tea, 请坐。", "zh-CN")
    spans = [(a, b) for _, a, b in speech.phonemes]
    assert all(a <= b for a, b in spans)
    assert all(before[1] <= after[0] + 0.01 for before, after in pairwise(spans))
    assert spans[-1][1] <= speech.duration_ms + 0.01
    assert [word for word, _, _ in speech.words] == ["欢迎光临", "Good", "tea", "请", "坐"]
    # Between the two sentences it is quiet; within the first word it is not.
    loud = block_rms(speech.samples, SAMPLE_RATE_HZ)
    first_end_ms, second_start_ms = speech.words[0][2], speech.words[1][1]
    gap = loud[int(first_end_ms / 20) + 3 : int(second_start_ms / 20) - 3]
    within = loud[int(speech.words[0][1] / 20) + 2 : int(first_end_ms / 20)]
    assert gap.size and gap.min() < 0.02 * within.max()


def test_all_voices_are_equally_loud_and_never_clip() -> None:
    names = [name for each in voice().voices.values() for name in each]
    assert len(names) >= 5
    for name in names:
        samples = voice().synthesise("欢迎光临。", "zh-CN", voice=name).samples
        assert integrated_lufs(samples, SAMPLE_RATE_HZ) == pytest.approx(TARGET_LUFS, abs=0.3)
        assert true_peak_dbtp(samples) < TRUE_PEAK_DBTP + 0.3


def test_sound_starts_at_once() -> None:
    samples = voice().synthesise("你好。", "zh-CN").samples
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    assert loud[0] / SAMPLE_RATE_HZ < 0.15


def test_a_long_line_is_said_whole() -> None:
    line = "我们的龙井茶来自杭州，" * 17
    speech = voice().synthesise(line[:-1] + "。", "zh-CN", speed=2.0)
    assert sum(word == "龙井茶" or word == "龙井" for word, _, _ in speech.words) == 17


@pytest.mark.parametrize(
    ("text", "language", "by"),
    [("", "zh-CN", None), ("。。。", "zh-CN", None), ("hi", "fr-FR", None),
     ("hi", "en-US", "nobody"), ("长" * 2001, "zh-CN", None)],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(text: str, language: str, by: str | None) -> None:
    with pytest.raises(Refused):
        voice().synthesise(text, language, voice=by)


def test_missing_models_name_the_way_out(tmp_path: object) -> None:
    with pytest.raises(Refused, match="fetch"):
        Voice.load(tmp_path)  # type: ignore[arg-type]
