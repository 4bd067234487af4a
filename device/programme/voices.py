"""The synthesiser as `build` needs it: loaded only when there is something to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from device.programme.schema import Programme
from device.tts.engine import Engine, SpeechLike
from device.tts.speakers import Speakers, endpoints
from ota.errors import Refused


def speaker(voice: Engine | Speakers, language: str) -> Engine:
    """The engine that speaks a language."""
    return voice.of(language) if isinstance(voice, Speakers) else voice


def voice_name(programme: Programme, voice: Engine | Speakers, language: str) -> str:
    """The programme's own choice of a voice, else the engine's for the language.

    A choice among the box's own voices says nothing to another engine: that takes its own.
    """
    from device.tts.kokoro import VOICES

    engine = speaker(voice, language)
    names = engine.voices.get(language, ())
    chosen = (programme.voices or {}).get(language)
    own = {name for each in VOICES.values() for name in each}
    if chosen is not None and (chosen in names or chosen not in own or not names):
        return chosen
    if not names:
        raise Refused(
            f"There is no voice for {language}; choose among {', '.join(VOICES)}, "
            "or name one in the programme's voices."
        )
    return names[0]


class VoiceOnDemand:
    """The synthesiser, loaded at the first sentence: a build without changes needs no model."""

    def __init__(
        self, load: Callable[[], Engine], engine: str,
        voices: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:  # fmt: skip
        from device.tts.kokoro import VOICES

        self._load = load
        self._loaded: Engine | None = None
        self.engine = engine
        self.voices = VOICES if voices is None else voices
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


def speakers(own: Engine, settings: Path | None) -> Speakers:
    """The box's own voice, and the servers of the settings file where one is given."""
    return Speakers(own, endpoints(settings) if settings is not None else None)
