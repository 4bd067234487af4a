"""The sentence at hand, noted under `run/`, so that a player that died begins it again.

The note is written when a sentence begins and removed at its end and at an ordered end of the
player: one that is found at the start tells of a death, and of what was being said.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from device.conversation.cues import Kind
from device.conversation.events import GoOnWith
from device.conversation.state import State
from device.paths import Places
from ota.errors import VitrineError
from ota.files import read_bounded, write_durable

NOTE_BYTES_MAX = 8192
# Whoever waited longer for the rest of a sentence has left.
AGE_S_MAX = 60.0
DEATHS_MAX = 2


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Which sentence was being said; `deaths` while this very one was said, before now."""

    at_utc_s: float
    programme_id: str
    kind: Kind
    item_id: str
    number: int
    language: str
    text: str = ""
    deaths: int = 0


@dataclass(frozen=True)
class Resumption:
    """How to go on after a death; `fault` is for people, when a sentence is given up."""

    event: GoOnWith
    deaths: int
    fault: str | None = None


def note_of(state: State, now: datetime, deaths: int) -> Note | None:
    """The note for what is said now; None for silence."""
    sentence, line = state.saying, state.line
    if sentence is None or line is None:
        return None
    return Note(
        at_utc_s=now.timestamp(), programme_id=state.script.programme.id, kind=line.kind,
        item_id=line.item_id, number=line.next_number - 1, language=sentence.language,
        text=sentence.text if line.kind == "notice" else "", deaths=deaths)


def resumption(note: Note, programme_id: str, now: datetime) -> Resumption | None:
    """From its first word the first time, from the next sentence when it killed twice.

    None when it is too old, of another programme, or a notice that its sender repeats. Pure.
    """
    age_s = now.timestamp() - note.at_utc_s
    if note.programme_id != programme_id or not 0 <= age_s <= AGE_S_MAX:
        return None
    if note.kind == "notice" and note.item_id == "override":
        return None
    deaths = note.deaths + 1
    number, fault = note.number, None
    if deaths >= DEATHS_MAX:
        number += 1
        fault = (f"The player ended {deaths} times in sentence {note.number + 1} of "
                 f"{note.kind} {note.item_id}; that sentence was left out. Look at its log.")
    event = GoOnWith(note.kind, note.item_id, number, note.language, now, note.text)
    return Resumption(event, deaths, fault)


class Bookmark:
    """The note on the disk. One thread (the director's)."""

    def __init__(self, places: Places) -> None:
        self._path: Path = places.run / "saying.json"
        self._key: str | None = None
        self._again: tuple[str, int] | None = None

    def found(self, programme_id: str, now: datetime) -> Resumption | None:
        """What a player before this one left unsaid, once."""
        note = self._read()
        if note is None or (found := resumption(note, programme_id, now)) is None:
            return None
        self._again = (_name(note), found.deaths)
        return found

    def keep(self, state: State, now: datetime) -> None:
        """Note the sentence that is said now; writes only when it is another one than before."""
        key = state.saying.key if state.saying is not None else None
        if key == self._key:
            return
        self._key = key
        note = note_of(state, now, 0)
        if note is None:
            self.close()
            return
        if self._again is not None and self._again[0] == _name(note):
            note = msgspec.structs.replace(note, deaths=self._again[1])
        self._again = None
        # A full disk costs the resumption, never the sentence.
        with contextlib.suppress(VitrineError, OSError):
            write_durable(self._path, msgspec.json.encode(note))

    def close(self) -> None:
        """An ordered end, or silence: nothing to go on with."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _read(self) -> Note | None:
        try:
            return msgspec.json.decode(read_bounded(self._path, NOTE_BYTES_MAX), type=Note)
        except (OSError, VitrineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


def _name(note: Note) -> str:
    return f"{note.kind}/{note.item_id}/{note.number}/{note.language}/{note.text}"
