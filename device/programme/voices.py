"""The synthesiser as `build` needs it: loaded only when there is something to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from device.audio.soundfiles import Samples
from device.programme.schema import Programme
from device.programme.word_times import Timing
from ota.errors import Refused


class SpeechLike(Protocol):
    """Mono float32 samples in -1..1 at their rate; `words` are (text, start_ms, end_ms)."""

    @property
    def samples(self) -> Samples: ...

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def words(self) -> tuple[Timing, ...]: ...


class VoiceLike(Protocol):
    """`device.tts.kokoro.Voice`, or anything that speaks like it.

    `engine` names the synthesiser and its version: another name means other clips.
    """

    @property
    def engine(self) -> str: ...

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> SpeechLike: ...


def voice_name(programme: Programme, voice: VoiceLike, language: str) -> str:
    """The programme's own choice of a voice, else the synthesiser's for the language."""
    from device.tts.kokoro import VOICES

    chosen = (programme.voices or {}).get(language) or VOICES.get(language)
    if chosen is None:
        raise Refused(
            f"There is no voice for {language}; choose among {', '.join(VOICES)}, "
            "or name one in the programme's voices."
        )
    return chosen


class VoiceOnDemand:
    """The synthesiser, loaded at the first sentence: a build without changes needs no model."""

    def __init__(self, load: Callable[[], VoiceLike], engine: str) -> None:
        self._load = load
        self._loaded: VoiceLike | None = None
        self.engine = engine
        self.synthesised = 0

    @classmethod
    def from_assets(cls, assets: Path, threads: int = 2) -> VoiceOnDemand:
        """Kokoro from the models folder."""
        from device.tts.kokoro import ENGINE, Voice

        return cls(lambda: Voice.load(assets, threads), ENGINE)

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> SpeechLike:
        """As the synthesiser does; the first call takes about 2 s longer."""
        if self._loaded is None:
            self._loaded = self._load()
        self.synthesised += 1
        return self._loaded.synthesise(text, language, speed, voice)
