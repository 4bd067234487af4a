"""A visitor's words as they are shown: names heard by their sound, written as the shop does.

A recogniser writes 容警 for 龙井; the matcher hears through that, but who reads it on the screen
feels misunderstood. Chinese only: an English name that sounds alike is mostly read alike, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from device.conversation import syllables
from device.conversation.reading import ALIAS_FLOOR
from device.programme.names import called
from device.programme.schema import Programme

_RUN = re.compile(r"[\u3400-\u9fff]+")
_HAN_ONLY = re.compile(r"[\u3400-\u9fff]{2,}")


@dataclass(frozen=True)
class Spelling:
    """Chinese names, longest first."""

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, programme: Programme) -> Spelling:
        """The names by which people call its products."""
        return cls.from_names(name for each in called(programme).values() for name in each)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Spelling:
        """Of these the Chinese ones."""
        found = {name for name in names if _HAN_ONLY.fullmatch(name)}
        return cls(tuple(sorted(found, key=lambda name: (-len(name), name))))

    def spelt(self, text: str) -> str:
        """`text` with the names put right; as long as before."""
        return _RUN.sub(lambda run: self._run_spelt(run[0]), text) if self.names else text

    @cached_property
    def _sounds(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Not before the first question: the dictionaries of syllables take 0.4 s to load."""
        return tuple((name, syllables.syllables(name)) for name in self.names)

    def _run_spelt(self, run: str) -> str:
        sounds = syllables.syllables(run)
        if len(sounds) != len(run):
            return run
        taken = [False] * len(run)
        written = list(run)
        for is_exact in (True, False):
            for name, wanted in self._sounds:
                for start in range(len(run) - len(name) + 1):
                    place = slice(start, start + len(name))
                    if any(taken[place]):
                        continue
                    if run[place] == name or (
                            not is_exact and _alike(sounds[place], wanted)):
                        taken[place] = [True] * len(name)
                        written[place] = name
        return "".join(written)


def _alike(heard: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    alike = [syllables.likeness(one, other) for one, other in zip(heard, wanted, strict=True)]
    return min(alike) > 0.0 and sum(alike) / len(alike) >= ALIAS_FLOOR["zh"]
