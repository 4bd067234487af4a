"""Voice and ear: what a second of sound costs, and the whole way from a question to its answer.

By ear (`answers`), turn-taking (`turns`), the echo (`echo`), hours of noise in a few minutes
(`babble`), and what is understood (`understand`): ten minutes in all.
"""

from __future__ import annotations

from cli.benches import answers, babble, echo, turns, understand
from cli.benches.figure import Figure, median_ms
from device.asr.vocabulary import vocabulary
from device.asr.whisper import Whisper
from device.audio.resample import resample
from device.conversation.match import Matcher
from device.paths import assets_dir, repository_root
from device.programme.load import load
from device.tts.kokoro import Voice

SPOKEN, ORDERS = 24, 100
QUESTION, LANGUAGE = "请问龙井多少钱?", "zh-CN"
EAR_HZ = 16000


def measure() -> list[Figure]:
    """All of it; what is spoken and heard is kept in memory only."""
    people = repository_root() / "models" / "recordings" / "orders"
    return [*costs(), *answers.measure(), *turns.measure(people), *echo.measure(),
            *babble.measure(), *understand.measure(SPOKEN, ORDERS)]


def costs() -> list[Figure]:
    """Real-time factors of voice and recogniser, and the matcher's time."""
    programme = load(repository_root() / "programmes" / "tea-shop")
    voice = Voice.load(assets_dir(), threads=1)
    speech = voice.synthesise(QUESTION, LANGUAGE)
    speak_ms = median_ms(lambda: voice.synthesise(QUESTION, LANGUAGE), 4.0)
    heard = resample(speech.samples, speech.sample_rate_hz, EAR_HZ)
    ear = Whisper.load(assets_dir(), threads=1)
    ear.warm_up()
    prompt = vocabulary(programme)
    hear_ms = median_ms(lambda: ear.transcribe(heard, programme.languages, prompt), 4.0)
    matcher = Matcher.of(programme)
    match_ms = median_ms(lambda: matcher.match(QUESTION, LANGUAGE))
    return [
        Figure("voice: work for a second of speech", speak_ms / speech.duration_ms, "s/s", 1.5),
        Figure("ear: one question, one thread", hear_ms, "ms", 800.0),
        Figure("ear: work for a second of speech", hear_ms / speech.duration_ms, "s/s"),
        Figure("question to answer, matching", match_ms, "ms", 20.0),
    ]
