"""Which recogniser this box has: the models a store brought, else the default. One function.

A model that is missing, altered, damaged or for an engine that is not installed is left out,
and the reason stands in `Recogniser.fault`: the kiosk hears with what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from device.asr.folders import (
    SENSE_VOICE,
    TRANSDUCER,
    VOSK,
    WHISPER,
    Manifest,
    open_folder,
    verify,
)
from device.asr.joined import Joined, Member
from device.asr.proof import prove
from device.asr.recogniser import Recogniser, TakesPhrases
from device.asr.vocabulary import phrases, vocabulary
from device.asr.whisper import Whisper
from device.programme.schema import Programme
from ota.clock import Deadline
from ota.errors import Refused, VitrineError

_LOG = logging.getLogger("vitrine.ear")
_FOLDERS_MAX = 8
# Wall time of all trials, for a machine that has other work; a trial has 60 s of CPU at most.
_TRIALS_S = 180.0
_TRIAL_MIN_S = 1.0


def load(assets: Path, folder: Path, threads: int = 1) -> Recogniser:
    """The recogniser of a box: the models in `folder`, one subfolder each, or the default one.

    assets: where the default (Whisper base) lies. Raises Refused only when nothing at all can
    hear.
    """
    members: list[Member] = []
    faults: list[str] = []
    trials = Deadline(_TRIALS_S)
    for path in brought(folder)[:_FOLDERS_MAX]:
        try:
            manifest = tested(path, trials.left_s)
            engine = open_engine(manifest.engine, path, manifest.languages, threads)
        except VitrineError as error:
            _LOG.warning("%s", error)
            faults.append(str(error))
            continue
        members.append(Member(engine, manifest.languages, manifest.measured))
        _LOG.info("recognising %s with %s", ", ".join(manifest.languages), engine.name)
    fault = " ".join(faults) or None
    if members:
        return Joined(members, lambda: Whisper.load(assets, threads), fault)
    default = Whisper.load(assets, threads)
    default.fault = f"{fault} The default recogniser is used." if fault else None
    return default


def brought(folder: Path) -> list[Path]:
    """The model folders in `folder`, by name; those being written (a dot before) are not."""
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def tested(path: Path, limit_s: float) -> Manifest:
    """A model folder that is whole and has decoded in another process. Raises Refused."""
    if limit_s < _TRIAL_MIN_S:
        raise Refused(f"There was no time to try the model {path.name}; bring fewer or smaller.")
    manifest, pinned = open_folder(path)
    if pinned:
        verify(path, manifest)
    prove(manifest.engine, path, manifest.languages, limit_s)
    return manifest


def open_engine(
    engine: str, path: Path, languages: Sequence[str], threads: int = 1
) -> Recogniser:
    """The engine with the model in `path`. Raises Refused when either is not there or damaged."""
    if engine == WHISPER:
        whisper = Whisper.load(path.parent, threads, path.name)
        whisper.name = path.name
        return whisper
    try:
        if engine == VOSK:
            from device.asr.vosk import Vosk

            return Vosk.load(path, languages)
        if engine in (SENSE_VOICE, TRANSDUCER):
            from device.asr.sherpa import load as load_sherpa

            return load_sherpa(engine, path, languages, threads)
    except ImportError as error:
        raise Refused(
            f"The model {path.name} needs an engine that is not installed here; run "
            "`pip install -r requirements/engines.txt` in this environment."
        ) from error
    raise Refused(f"There is no engine {engine} for the model {path.name}.")


def expected(recogniser: Recogniser, programme: Programme) -> dict[str, str]:
    """By language, what the programme makes likely, as the recogniser of that language takes it."""
    if isinstance(recogniser, Joined):
        recogniser.prepare(programme.languages)
    prompts = vocabulary(programme)
    if isinstance(recogniser, TakesPhrases):
        every = phrases(programme)
        prompts |= {name: every[name] for name in prompts if recogniser.takes_phrases(name)}
    return prompts
