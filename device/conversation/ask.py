"""One question through the kiosk's own ear and conversation, without sound or picture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from device.conversation.cues import Count, Say
from device.conversation.events import Heard, Tick
from device.conversation.script import Script
from device.conversation.step import begin, step
from device.programme.lines import Variables, fill, line_key, merged, spoken_lines
from device.programme.load import load, load_index
from device.programme.schema import SCHEMA, Clip, Index, Programme
from device.tts.sentences import split
from ota.errors import Refused


@dataclass(frozen=True)
class Answered:
    """What the kiosk would do: `answer_id` None with a `say` is the fallback line.

    `say` is None when there was nothing to answer (no words were heard).
    """

    transcript: str
    language: str
    answer_id: str | None
    score: float
    say: str | None
    show: str | None
    why: str


def open_script(folder: Path) -> Script:
    """The folder's script; a programme without speech is read as text alone."""
    programme = load(folder)
    try:
        index = load_index(folder)
    except Refused:
        index = unspoken_index(programme)
    return Script.of(programme, index, folder)


def unspoken_index(programme: Programme, variables: Variables | None = None) -> Index:
    """An index whose sentences have no sound: for asking before the first build.

    `variables` are a store's own values.
    """
    values = merged(programme, variables)
    speech: dict[str, Clip] = {}
    for kind, item_id, item in spoken_lines(programme):
        for language, template in item.say.items():
            text = fill(template, programme, values, language)
            for number, sentence in enumerate(split(text, language) if text else []):
                key = line_key(kind, item_id, language, number)
                speech[key] = Clip(
                    file="speech/none.opus", text=sentence, language=language, duration_ms=0
                )
    return Index(schema=SCHEMA, files={}, speech=speech)


def ask(script: Script, text: str, language: str, now: datetime) -> Answered:
    """What the conversation says to `text` at the moment `now`. Pure."""
    state, _ = step(begin(script), Tick(now), 0.0)
    state, cues = step(state, Heard(text, language), 1.0)
    counts = [cue for cue in cues if isinstance(cue, Count) and cue.kind == "asked"]
    said = [cue for cue in cues if isinstance(cue, Say)]
    if not counts:
        return Answered(text, language, None, 0.0, None, None, "nothing was asked")
    detail = counts[0].detail
    line = state.line if said else None
    spoken = None
    if line is not None:
        gap = "" if line.sentences[0].language.startswith("zh") else " "
        spoken = gap.join(sentence.text for sentence in line.sentences)
    answer_id = detail["answer_id"]
    score = detail["score"]
    return Answered(
        transcript=text,
        language=str(detail["language"]),
        answer_id=str(answer_id) if answer_id is not None else None,
        score=float(score) if isinstance(score, int | float) else 0.0,
        say=spoken,
        show=line.show if line else None,
        why=str(detail["why"] or ""),
    )


def ask_any(script: Script, texts: list[tuple[str, str]], now: datetime) -> Answered:
    """The best answer to what was heard in one recording: (text, language) of each utterance.

    A question with a pause in it is heard as two, so all together is tried as well.
    """
    if not texts:
        return Answered("", "", None, 0.0, None, None, "no words were heard")
    whole = (" ".join(text for text, _ in texts), texts[-1][1])
    tries = [ask(script, *each, now) for each in dict.fromkeys([whole, *texts])]
    best = max(tries, key=lambda tried: (tried.answer_id is not None, tried.score))
    return Answered(
        whole[0], best.language, best.answer_id, best.score, best.say, best.show, best.why
    )
