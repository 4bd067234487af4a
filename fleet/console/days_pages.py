"""Closed days and other hours of a programme or of one store: the API, and the form for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from device.programme import times
from fleet import special_days as rules
from fleet.console.ask import Answer, Ask, NotFound, json_answer, see_other
from fleet.console.console import Console
from fleet.console.days_form import sentences, typed
from fleet.console.pages import pages, show
from fleet.console.programme_pages import Faults
from fleet.console.undoing import last_change
from fleet.drafts import differences, languages_of
from fleet.publisher import NotPlayable, blocking
from fleet.special_days import Day
from fleet.studio import Fault
from ota.clock import utc_now
from ota.errors import Refused, VitrineError

CHANGED = "days.changed"
Json = dict[str, Any]


class DaysWanted(msgspec.Struct, frozen=True, kw_only=True):
    """All rows: what is not among them is no special day any more."""

    days: list[Day]


@dataclass(frozen=True)
class Owner:
    """Whose days: a `programme`'s draft, or the opening hours of a `store` (a box)."""

    kind: str
    name: str

    @property
    def about(self) -> str:
        """As the audit calls it."""
        return f"{self.kind}/{self.name}"

    @property
    def page(self) -> str:
        """The form's address."""
        folder = "screens" if self.kind == "store" else "programmes"
        return f"/{folder}/{quote(self.name)}/days"


def get_days(console: Console, ask: Ask) -> Answer:
    """The special days of a programme's draft."""
    owner = _owner(console, ask)
    return json_answer({"days": msgspec.to_builtins(_rows(console, owner, _now(console, owner)))})


def get_store_days(console: Console, ask: Ask) -> Answer:
    """The special days among a box's own hours."""
    return get_days(console, ask)


def put_store_days(console: Console, ask: Ask) -> Answer:
    """Set the special days of a box's own hours; it is told at once."""
    return put_days(console, ask)


def put_days(console: Console, ask: Ask) -> Answer:
    """Set the special days of a programme's draft; the answer names its faults."""
    owner = _owner(console, ask)
    wanted: DaysWanted = ask.decoded(DaysWanted)
    wrong = blocking(_faults(console, owner, wanted.days))
    if wrong:
        raise Refused(" ".join(f"{fault.field}: {fault.sentence_en}" for fault in wrong[:5]))
    found = _change(console, owner, _with(console, owner, wanted.days), ask.person.name, False)
    rows = _rows(console, owner, _now(console, owner))
    return json_answer({"days": msgspec.to_builtins(rows),
                        "faults": [msgspec.to_builtins(fault) for fault in found]})


def days(console: Console, ask: Ask) -> Answer:
    """The form as it is kept."""
    owner = _owner(console, ask)
    return _page(console, ask, owner, _rows(console, owner, _now(console, owner)))


def save_days(console: Console, ask: Ask) -> Answer:
    """Every button of the form: look, add or remove a row, save, publish, undo."""
    owner, do = _owner(console, ask), ask.form.get("do", "save")
    kept = _now(console, owner)
    rows = typed(ask.form)
    if do == "look" or do == "add" or do.startswith("remove:"):
        return _page(console, ask, owner, rows)
    if do == "undo":
        line = last_change(console, CHANGED, owner.about)
        if line is None or ask.form.get("change") != str(line.number):
            raise NotFound
        parts, publish = line.detail.get("before") or {}, line.detail.get("published") is True
    else:
        if blocking(_faults(console, owner, rows)):
            return _page(console, ask, owner, rows, 422)
        if ask.form.get("revision") != _revision(kept):
            text = pages().text("editor.conflict", ask.language)
            return _page(console, ask, owner, rows, 409, text)
        parts, publish = _with(console, owner, rows), do == "publish"
    try:
        _change(console, owner, parts, ask.person.name, publish)
    except NotPlayable as error:
        return _page(console, ask, owner, rows, 422, " ".join(
            fault.sentence(ask.language) for fault in error.faults[:5]))
    except VitrineError as error:
        return _page(console, ask, owner, rows, 422, str(error))
    done = "published" if publish or owner.kind == "store" else "kept"
    return see_other(f"{owner.page}?done={done}")


def _page(
    console: Console, ask: Ask, owner: Owner, rows: list[Day], status: int = 200,
    refused: str = "",
) -> Answer:
    faults, kept = _faults(console, owner, rows), _now(console, owner)
    t = partial(pages().text, language=ask.language)
    line = last_change(console, CHANGED, owner.about)
    if line is not None and line.detail.get("after") != kept:
        line = None  # somebody has changed it elsewhere since
    before = [] if line is None else _rows(console, owner, line.detail.get("before") or {})
    today = _today(console, owner)
    readable = [] if blocking(_faults(console, owner, before)) else before
    told = [] if blocking(faults) else sentences(rows, ask.language, today, t)
    is_store = owner.kind == "store"
    return show(
        console, ask, "days.html", status,
        owner=owner, rows=[*rows, Day(starts="")], faults=Faults(faults), refused=refused,
        wrong=bool(blocking(faults)), preview=told, revision=_revision(kept), last=line,
        before=" ".join(sentences(readable, ask.language, today, t)) or t("days.none"),
        languages=[] if is_store else languages_of(console.publisher.draft(owner.name)),
        kinds=("closed", "hours") if is_store else ("closed", "hours", "usual"),
        boxes=1 if is_store else len(console.boxes.with_programme(owner.name)),
        others=0 if is_store else _other_changes(console, owner.name),
        done="" if refused or faults else ask.query.get("done", ""),
    )


def _now(console: Console, owner: Owner) -> Json:
    """The parts that the form changes, as they are kept."""
    if owner.kind == "store":
        box = console.boxes.get(owner.name)
        return {"hours": None if box is None else box.settings.get("hours")}
    document = console.publisher.draft(owner.name)
    return {part: document[part] for part in rules.PARTS if part in document}


def _rows(console: Console, owner: Owner, parts: Json) -> list[Day]:
    if owner.kind == "store":
        return rules.days_in(parts.get("hours"))
    return rules.days_of({**_rest(console, owner), **parts})


def _with(console: Console, owner: Owner, rows: list[Day]) -> Json:
    """The parts with these rows in them."""
    kept = _now(console, owner)
    if owner.kind == "store":
        return {"hours": rules.with_days_in(kept["hours"], rows)}
    document = rules.with_days({**_rest(console, owner), **kept}, rows)
    return {part: document[part] for part in rules.PARTS if part in document}


def _rest(console: Console, owner: Owner) -> Json:
    document = console.publisher.draft(owner.name)
    return {key: value for key, value in document.items() if key not in rules.PARTS}


def _change(console: Console, owner: Owner, parts: Json, who: str, publish: bool) -> list[Fault]:
    """Keep the parts and tell the boxes; returns what the programme's check says. Raises Refused,
    NotPlayable: nothing was sent then."""
    before, faults = _now(console, owner), list[Fault]()
    if owner.kind == "store":
        box = console.boxes.get(owner.name)
        if box is None:
            raise NotFound
        settings = {**box.settings, "hours": parts.get("hours")}
        console.boxes.set_wishes(box.id, settings, box.variables, box.notice)
        try:
            console.wishes.renew([box.id])
        except VitrineError:
            console.boxes.set_wishes(box.id, box.settings, box.variables, box.notice)
            raise
        console.hub.announce("box", box.id)
    else:
        faults = console.publisher.save(owner.name, {**_rest(console, owner), **parts}, who)
        if publish:
            note = pages().text("days.note", "zh-CN") + " / " + pages().text("days.note", "en-US")
            console.publisher.publish(owner.name, who, note)
    detail = {"before": before, "after": parts, "published": publish}
    console.journal.note(who, CHANGED, owner.about, utc_now(), detail)
    return faults


def _faults(console: Console, owner: Owner, rows: list[Day]) -> list[Fault]:
    return rules.faults_of(rows, owner.kind == "store", _today(console, owner))


def _today(console: Console, owner: Owner) -> date:
    """The day that it is in the shop."""
    if owner.kind == "store":
        box = console.boxes.get(owner.name)
        name = "" if box is None else str(box.settings.get("timezone") or "")
    else:
        name = str(console.publisher.draft(owner.name).get("timezone") or "")
    try:
        return utc_now().astimezone(times.zone(name or "Asia/Shanghai")).date()
    except times.BadTime:
        return utc_now().date()


def _other_changes(console: Console, programme: str) -> int:
    """Changes of the draft beside the days, which a publish takes along."""
    versions = console.programmes.versions(programme, 1)
    changes = differences(versions[0].document if versions else {},
                          console.publisher.draft(programme))
    return sum(path.split("/")[0] not in rules.PARTS for path, _, _ in changes)


def _revision(parts: Json) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def _owner(console: Console, ask: Ask) -> Owner:
    if "box" in ask.parts:
        known: Any = console.boxes.get(ask.parts["box"])
        owner = Owner("store", ask.parts["box"])
    else:
        known = console.programmes.get(ask.parts["programme"])
        owner = Owner("programme", ask.parts["programme"])
    if known is None:
        raise NotFound
    return owner
