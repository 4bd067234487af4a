"""Vosk by its real library and a real Korean model: open, by grammar, and listening along."""

from __future__ import annotations

import numpy as np
import pytest

from device.asr.along import along
from device.asr.decoder import GIVEN_UP, Decoder
from device.asr.partials import Partials, Sketching
from device.asr.recogniser import Samples, Streams
from device.asr.vosk import Vosk, Words, _decode, judge, pcm16, read_words, written
from device.audio.soundfiles import read
from ota.clock import Deadline, sleep_s
from ota.errors import Refused
from tests.sim.speech import CLIPS, noise
from tests.sim.vosk_korean import vosk_korean

KO = ("ko-KR",)
ORDER = {"ko-KR": "나에게 커피를 줘\n바나나 줘\n커피"}


@pytest.fixture(scope="module")
def korean() -> Vosk:
    return Vosk.load(vosk_korean(), KO)


def clip(name: str) -> Samples:
    return read(CLIPS / f"{name}.flac", 16_000)


def test_an_order_is_heard_as_the_programme_has_it(korean: Vosk) -> None:
    assert korean.name == "vosk-ko" and korean.takes_phrases("ko-KR")
    by_grammar = korean.transcribe(clip("coffee-ko"), KO, ORDER)
    assert by_grammar.text == "나 에게 커피 를 줘" and by_grammar.log_prob > -0.5
    assert by_grammar.language == "ko-KR" and by_grammar.end_ms > 2700


def test_what_the_programme_does_not_have_is_heard_openly(korean: Vosk) -> None:
    found = korean.transcribe(clip("sidestep-ko"), KO, ORDER)
    assert "커피" not in found.text and "줘" not in found.text
    assert found.text.endswith("옆으로 걸어갔 다")


def test_partial_words_come_while_it_is_said(korean: Vosk) -> None:
    assert isinstance(korean, Streams)
    stream = korean.stream(KO, ORDER)
    assert stream is not None
    order = np.concatenate([clip("coffee-ko"), np.zeros(16_000, np.float32)])
    texts = [stream.partial(order[i : i + 1600]) for i in range(0, len(order), 1600)]
    assert texts[0] == "" and texts[-1] == "나 에게 커피 를 줘"
    assert any("커피" in text for text in texts[: len(texts) // 2 + 3]), texts
    stream.reset()
    assert stream.partial(np.zeros(1600, np.float32)) == ""
    assert korean.stream(("ko-KR", "en-US")) is None


def test_the_ear_is_shown_the_words_of_a_turn_while_it_goes_on(korean: Vosk) -> None:
    looks = along(korean)
    assert looks is not None and isinstance(looks, Sketching)
    order = np.concatenate([clip("coffee-ko"), np.zeros(16_000, np.float32)])
    turn, never = [order[: int(16_000 * s)] for s in (0.8, 1.7, 2.6)], bool
    whole = korean.stream(KO)
    assert whole is not None
    for at in range(0, len(turn[1]), 3200):
        whole_text = whole.partial(turn[1][at : at + 3200])
    partials, shown, texts = Partials(), [], []
    for so_far in turn:
        found = looks.sketch(so_far, KO, never)
        assert found is not None and found.language == "ko-KR"
        texts.append(found.text)
        shown.append(partials.saw(found.text, found.language, found.took_ms))
    assert "커피" in texts[-1] and any("커피" in text for text in shown if text)
    assert texts[1] == whole_text, "every sample once, and in order"
    # Another turn: nothing of the one before is heard into it; a look that nobody wants ends.
    other = looks.sketch(noise(0.8, 0.0001), KO, never)
    assert other is not None and "커피" not in other.text
    assert looks.sketch(order, KO, lambda: True) is None
    assert looks.sketch(order, ("ko-KR", "en-US"), never) is None, "it has no stream for both"


def test_a_look_that_an_utterance_interrupts_tells_no_language(korean: Vosk) -> None:
    decoder = Decoder(korean)
    assert decoder.sketch(np.tile(clip("coffee-ko"), 8), KO)
    assert decoder.submit(1, clip("coffee-ko"), KO, ORDER)
    deadline, found = Deadline(60.0), []
    while len(found) < 2 and not deadline.passed:
        found += decoder.finished()
        sleep_s(0.01)
    decoder.close()
    look, order = found
    assert look.number is None and look.transcript.rejected == GIVEN_UP
    assert look.transcript.language == "", "what was not heard is in no language"
    assert order.transcript.text == "나 에게 커피 를 줘"


def test_noise_and_english_are_none_of_the_orders(korean: Vosk) -> None:
    made = korean._grammar(ORDER["ko-KR"], "ko-KR")
    assert made is not None
    for sound in (noise(2.0, 0.1), noise(1.0, 0.02, seed=3), clip("go-forward-en")):
        forced = _decode(korean._recogniser(made), pcm16(sound))
        assert not made.could_say(forced.words), forced
    ten_minutes = np.zeros(9_600_000, np.float32)
    assert korean.transcribe(ten_minutes, KO, ORDER).rejected == "empty"


def test_another_language_is_not_for_it(korean: Vosk) -> None:
    assert korean.knows("ko") and not korean.knows("zh-CN")
    with pytest.raises(Refused, match="ko-KR only"):
        korean.transcribe(noise(1.0, 0.1), ("zh-CN",))


def test_confidences_and_length_tell_words_from_noise() -> None:
    result = """{"text": "a", "result": [
      {"word": "커피", "conf": 1.0, "start": 0.2, "end": 0.7},
      {"word": "[4]", "conf": 0.1, "start": 0.7, "end": 0.9},
      {"word": "줘", "conf": 0.5, "start": 0.9, "end": 1.1}]}"""
    words = read_words(result)
    assert words.words == ("커피", "줘") and -0.36 < words.log_prob < -0.34
    assert judge(words, 1.4, "ko-KR").text == "커피 줘"
    assert judge(words, 9.0, "ko-KR").rejected == "noise"
    assert judge(Words(("a", "b"), (0.2, 0.5), 1.0), 1.4, "en-US").rejected == "noise"
    assert judge(read_words('{"text": ""}'), 1.4, "ko-KR").rejected == "empty"


def test_chinese_words_are_written_without_spaces() -> None:
    assert written(["龍井", "多少", "錢"], "zh-CN") == "龙井多少钱"
    assert written(["要", "iced", "tea", "吗"], "zh-CN") == "要iced tea吗"
    assert written(["how", "much"], "en-US") == "how much"
