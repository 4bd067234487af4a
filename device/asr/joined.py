"""Several recognisers behind one seam: for every language the one that hears it best.

The default (Whisper) is loaded only when a language needs it. Between languages of different
engines Whisper's own language identification decides when it is loaded; without it every
engine decodes and the surer one counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from device.asr.folders import Measured
from device.asr.recogniser import Recogniser, Samples, Streaming, Streams, TakesPhrases, Transcript
from device.asr.whisper import Whisper
from ota.clock import monotonic_s
from ota.errors import Refused, VitrineError


@dataclass(frozen=True)
class Member:
    """One engine, the languages it is there for, and what was measured of it."""

    engine: Recogniser
    languages: Sequence[str]
    measured: Sequence[Measured] = field(default=())

    def speaks(self, language: str) -> bool:
        """True when this model was brought for `language`, whatever its region."""
        return any(_plain(language) == _plain(name) for name in self.languages)

    def error_rate(self, language: str) -> float:
        """Measured, 0..; 1 where nobody measured."""
        rates = [m.error_rate for m in self.measured if _plain(m.language) == _plain(language)]
        return min(rates, default=1.0)


class Joined:
    """See `device.asr.recogniser`; `default` loads the recogniser of all other languages."""

    def __init__(
        self, members: Sequence[Member], default: Callable[[], Whisper], fault: str | None = None
    ) -> None:
        self._members = tuple(members)
        self._load = default
        self._default: Whisper | None = None
        self._no_default = False
        # A programme is learned in one thread while the other one decodes.
        self._loading = threading.Lock()
        self.fault = fault

    @property
    def name(self) -> str:
        """All engines in use."""
        engines = [m.engine.name for m in self._members]
        return " + ".join(engines + ([self._default.name] if self._default else []))

    def warm_up(self) -> None:
        """Each engine once."""
        for member in self._members:
            member.engine.warm_up()

    def prepare(self, languages: Sequence[str]) -> None:
        """Load the default now when one of `languages` needs it (1.3 s)."""
        if any(self._member(name) is None for name in languages):
            self._whisper()

    def knows(self, language: str) -> bool:
        """True when one engine does."""
        if self._member(language) is not None:
            return True
        whisper = self._whisper()
        return whisper is not None and whisper.knows(language)

    def takes_phrases(self, language: str) -> bool:
        """As the engine of that language."""
        engine = self._engine(language)
        return isinstance(engine, TakesPhrases) and engine.takes_phrases(language)

    def stream(
        self, languages: Sequence[str], prompt: Mapping[str, str] | None = None
    ) -> Streaming | None:
        """Of the one engine that hears all of `languages`, where it can listen along."""
        engines = {id(e): e for e in (self._engine(name) for name in languages)}
        engine = next(iter(engines.values()), None)
        if len(engines) != 1 or not isinstance(engine, Streams):
            return None
        return engine.stream(languages, prompt)

    def transcribe(
        self,
        samples_16k: Samples,
        languages: Sequence[str],
        prompt: Mapping[str, str] | None = None,
    ) -> Transcript:
        """By the engine of the language that is spoken; see the protocol."""
        began_s = monotonic_s()
        groups = self._groups(languages)
        if len(groups) > 1 and self._default is not None:
            spoken = self._default.language_of(samples_16k, _known(self._default, languages))
            groups = [g for g in groups if spoken in g[1]] or groups
        heard = [engine.transcribe(samples_16k, names, prompt) for engine, names in groups]
        best = max(heard, key=lambda t: (bool(t.text), t.log_prob))
        return replace(best, took_ms=(monotonic_s() - began_s) * 1000.0)

    def _groups(self, languages: Sequence[str]) -> list[tuple[Recogniser, list[str]]]:
        """Engines with the languages that are theirs, in order."""
        if not languages:
            raise Refused("The recogniser needs at least one language; the programme names none.")
        groups: dict[int, tuple[Recogniser, list[str]]] = {}
        for language in languages:
            engine = self._engine(language)
            if engine is None:
                raise Refused(f"No recogniser here knows the language {language}.")
            groups.setdefault(id(engine), (engine, []))[1].append(language)
        return list(groups.values())

    def _engine(self, language: str) -> Recogniser | None:
        member = self._member(language)
        if member is not None:
            return member.engine
        whisper = self._whisper()
        return whisper if whisper is not None and whisper.knows(language) else None

    def _member(self, language: str) -> Member | None:
        able = [m for m in self._members if m.speaks(language) and m.engine.knows(language)]
        return min(able, key=lambda m: m.error_rate(language), default=None)

    def _whisper(self) -> Whisper | None:
        """The default, loaded once; None and a fault where it cannot be."""
        with self._loading:
            if self._default is None and not self._no_default:
                try:
                    self._default = self._load()
                except VitrineError as error:
                    self._no_default = True
                    self.fault = " ".join(filter(None, (self.fault, str(error))))
            return self._default


def _known(whisper: Whisper, languages: Sequence[str]) -> list[str]:
    return [name for name in languages if whisper.knows(name)]


def _plain(language: str) -> str:
    return language.split("-")[0].lower()
