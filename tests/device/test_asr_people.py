"""What people and the voice say is understood; what nobody said is not heard."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from device.asr.recogniser import SAMPLE_RATE_HZ, Transcript
from device.asr.script import without_repeats
from device.asr.utterances import hear, hear_file, utterances
from device.asr.whisper import Whisper
from device.audio.resample import resample
from device.audio.soundfiles import write_wav
from ota.errors import Refused
from tests.sim.speech import BOTH, CLIPS, hum, noise, spoken_16k, vad, whisper


def heard(samples: np.ndarray, prompt: dict[str, str] | None = None) -> list[Transcript]:
    return hear(samples, BOTH, prompt, whisper(), vad())


def plain(text: str) -> str:
    return re.sub(r"[^\w]", "", text).lower()


@pytest.mark.parametrize(
    ("clip", "language", "words"),
    [
        ("go-forward-en", "en-US", "goforward10meters"),
        ("amiable-en", "en-US", "hemightevenhavebeenmadeamiablehimself"),
        ("banana-zh", "zh-CN", "给我一个香蕉"),
    ],
)
def test_people_are_understood_in_their_language(clip: str, language: str, words: str) -> None:
    (transcript,) = hear_file(CLIPS / f"{clip}.flac", BOTH, None, whisper(), vad())
    assert transcript.language == language
    assert plain(transcript.text) == words
    assert transcript.log_prob > -0.9
    assert 0 <= transcript.start_ms < transcript.end_ms


def test_a_homophone_may_differ_but_the_sound_does_not() -> None:
    (transcript,) = hear_file(CLIPS / "own-foot-zh.flac", BOTH, None, whisper(), vad())
    assert plain(transcript.text)[1:] == "自己的脚"  # 砸 is written 扎 or 砸


def test_the_voice_is_understood_back_in_chinese() -> None:
    prompt = {"zh-CN": "明前龙井、碧螺春、铁观音。龙井多少钱？"}
    (transcript,) = heard(spoken_16k("请问明前龙井多少钱一盒？", "zh-CN", "zm_yunxi"), prompt)
    assert plain(transcript.text) == "请问明前龙井多少钱一盒"


def test_the_voice_is_understood_back_in_english() -> None:
    (transcript,) = heard(spoken_16k("How much is the green tea?", "en-US", "am_michael"))
    assert plain(transcript.text) == "howmuchisthegreentea"
    assert transcript.language == "en-US"


def test_two_questions_with_a_break_are_two_utterances() -> None:
    question = spoken_16k("How much is the green tea?", "en-US", "am_michael")
    twice = np.concatenate([question, np.zeros(SAMPLE_RATE_HZ, np.float32), question])
    spans = [(start, end) for _, start, end in utterances(twice, vad())]
    assert len(spans) == 2
    assert spans[0][1] < spans[1][0]


def test_only_the_programmes_languages_are_considered() -> None:
    transcripts = hear_file(CLIPS / "banana-zh.flac", ("en-US",), None, whisper(), vad())
    assert all(t.language == "en-US" for t in transcripts)


@pytest.mark.parametrize(
    "nothing",
    [
        np.zeros(64_000, np.float32),
        noise(5, 0.003),
        noise(5, 0.1),
        hum(5),
        np.concatenate([np.zeros(16_000), noise(0.05, 0.5), np.zeros(16_000)]).astype(np.float32),
    ],
    ids=["silence", "hiss", "loud noise", "a fridge", "a clap"],
)
def test_nobody_speaking_is_not_heard(nothing: np.ndarray) -> None:
    assert heard(nothing) == []


def test_even_past_the_voice_detector_noise_is_none_of_the_questions_in_the_prompt() -> None:
    asked = "how much is the longjing? how much is the tieguanyin? what are your opening hours?"
    prompt = {"zh-CN": "龙井多少钱？铁观音多少钱？你们几点开门？", "en-US": asked}
    for nothing in (noise(1, 0.02), noise(3, 0.1), noise(2, 0.05, seed=3), hum(2)):
        transcript = whisper().transcribe(nothing, BOTH, prompt)
        assert transcript.text == "" and transcript.rejected


def test_a_short_question_that_is_known_at_once_is_not_looked_at_again() -> None:
    question = spoken_16k("请问龙井多少钱", "zh-CN")
    asked: list[str] = []

    def known(text: str, language: str) -> bool:
        asked.append(text)
        return "多少钱" in text

    prompt = {"zh-CN": "铁观音多少钱？龙井多少钱？"}
    found = whisper().transcribe_unless(question, BOTH, prompt, lambda: False, known)
    assert found is not None and asked == [found.text]
    # What is not known is looked at with the programme's words at hand, as ever.
    proper = whisper().transcribe_unless(question, BOTH, prompt, lambda: False, lambda *_: False)
    assert proper is not None and proper.text == whisper().transcribe(
        question, BOTH, prompt).text


def test_a_question_written_twice_is_said_once() -> None:
    assert without_repeats("莫莉龙珠怎么卖？莉龙珠怎么卖") == "莫莉龙珠怎么卖？"
    assert without_repeats("Is it open? Is it open?") == "Is it open?"
    for whole in ("龙井多少钱？铁观音呢？", "It costs 1.50. OK.", "好。好。", "", "..."):
        assert without_repeats(whole) == whole


def test_a_telephone_recording_at_8_khz_is_understood(tmp_path: Path) -> None:
    samples = resample(
        spoken_16k("How much is the green tea?", "en-US", "am_michael"), 16_000, 8_000
    )
    write_wav(tmp_path / "phone.wav", samples, 8_000)
    (transcript,) = hear_file(tmp_path / "phone.wav", BOTH, None, whisper(), vad())
    assert plain(transcript.text) == "howmuchisthegreentea"


def test_a_missing_or_damaged_recogniser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="fetch"):
        Whisper.load(tmp_path)
    folder = tmp_path / "whisper-base"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_bytes(b"not a model")
    with pytest.raises(Refused, match="damaged"):
        Whisper.load(tmp_path)
    with pytest.raises(Refused, match="language"):
        whisper().transcribe(noise(1, 0.1), ("xx-YY",))
