"""`programme check`: everything that is wrong with a programme's folder, for its editor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from device.programme import (
    calendar_rule,
    file_rule,
    listen_rule,
    price_rule,
    recording_rule,
    rules,
    store_rule,
)
from device.programme.load import PROGRAMME_BYTES_MAX, read_file
from device.programme.positions import Document, JsonBroken, field_path, parse
from device.programme.problems import Fault, Problem
from device.programme.schema import PROGRAMME_FILE, Programme
from device.programme.shape import Shape
from ota.clock import utc_now
from ota.errors import Refused

PROBLEMS_MAX = 500
Rule = Callable[[rules.Checked], Iterator[Fault]]
# What a box asks of a programme that comes to it.
RULES: tuple[Rule, ...] = (
    *rules.RULES, store_rule.variables, store_rule.types, store_rule.stock, store_rule.groups,
    calendar_rule.holidays, calendar_rule.languages, calendar_rule.summer_time, file_rule.files,
    price_rule.prices, listen_rule.listening, recording_rule.lines, recording_rule.files,
)


@dataclass(frozen=True)
class Presenter:
    """Whose consent is asked: the chain that shows it, and the folder of avatar bundles."""

    avatars: Path
    chain: str | None = None


def check(
    folder: Path, now: datetime | None = None, warnings: bool = False, drawn: bool = True,
    presenter: Presenter | None = None,
) -> list[Problem]:
    """Everything that stops the folder's programme from being published; [] when it is good.

    With `warnings` also what the box copes with: a missing translation, an expired product, an
    unused variable. Without `drawn`, as on a box, nobody looks whether fonts and pictures can be
    drawn with (which needs the drawing libraries), whether answers fight over a question, or what
    is scheduled can be played. With a `presenter` its likeness consent is asked for. In the order
    of the file. Never raises for a bad programme.
    """
    try:
        data = read_file(folder, PROGRAMME_FILE, PROGRAMME_BYTES_MAX)
    except Refused as error:
        return [Problem(PROGRAMME_FILE, 1, "", f"无法读取:{error}", str(error))]
    return check_bytes(data, folder, now, warnings, drawn, presenter)


def check_bytes(
    data: bytes, folder: Path | None, now: datetime | None = None, warnings: bool = False,
    drawn: bool = True, presenter: Presenter | None = None,
) -> list[Problem]:
    """The same for the bytes of a `programme.json`; without a folder its files are not looked at.

    For an editor, which checks before it saves.
    """
    problems = _examined(data, folder, now or utc_now(), drawn, presenter)
    return problems if warnings else [each for each in problems if each.severity == "error"]


def _examined(
    data: bytes, folder: Path | None, now: datetime, drawn: bool, presenter: Presenter | None
) -> list[Problem]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        zh, en = "文件不是 UTF-8 编码,请另存为 UTF-8", "the file is not UTF-8; save it as UTF-8"
        return [Problem(PROGRAMME_FILE, line, "", zh, en)]
    try:
        document = parse(text)
    except JsonBroken as error:
        zh, en = f"JSON 写错了:{error.zh}", f"broken JSON: {error.en}"
        return [Problem(PROGRAMME_FILE, error.line, "", zh, en, column=error.column)]
    shape = Shape()
    programme = shape.build(document.value, Programme)
    faults = list(shape.faults)
    for doubled in document.doubled:
        zh, en = f"字段“{doubled[-1]}”写了两次", f'the field "{doubled[-1]}" is written twice'
        faults.append(Fault(doubled, zh, en, at_key=True))
    checked = rules.Checked(
        programme, shape, folder, now,
        presenter.chain if presenter else None, presenter.avatars if presenter else None)
    for rule in (*RULES, *(_thorough() if drawn else ())):
        faults += [fault for fault in rule(checked) if not _follows(fault, shape.faults)]
    if not any(fault.severity == "error" for fault in faults):
        faults += _strictly_read(data)
    return _placed(document, faults)


def _thorough() -> tuple[Rule, ...]:
    """What needs more than a box has at hand, or is the writer's business alone."""
    from device.programme.consent_rule import consent
    from device.programme.drawing_rule import drawing
    from device.programme.rival_rule import rivals
    from device.programme.window_rule import scheduled, speech

    return (drawing, recording_rule.sound, rivals, scheduled, speech, consent)


def _follows(fault: Fault, first: list[Fault]) -> bool:
    """Does it only repeat what is already said about the same or the surrounding field?"""
    return any(fault.path[: len(each.path)] == each.path for each in first)


def _strictly_read(data: bytes) -> list[Fault]:
    """The box's own reader has the last word."""
    try:
        msgspec.json.decode(data, type=Programme)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return [Fault((), f"播放器无法读取:{error}", f"the player cannot read it: {error}")]
    return []


def _placed(document: Document, faults: list[Fault]) -> list[Problem]:
    problems = []
    for fault in dict.fromkeys(faults):
        line, column = document.place(fault.path, fault.at_key)
        problems.append(
            Problem(
                PROGRAMME_FILE,
                line,
                field_path(fault.path),
                fault.zh,
                fault.en,
                fault.severity,
                column,
            )
        )
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return problems[:PROBLEMS_MAX]
