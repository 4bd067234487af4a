"""Roll-outs: for programs under `/api/v1/rollouts`, and the pages with the pause button, one for
releases of the application and one for systems."""

from __future__ import annotations

from functools import partial
from typing import Any

from fleet.console.ask import Answer, Ask, json_answer, see_other
from fleet.console.console import Console
from fleet.console.pages import pages, show
from fleet.rollouts import Rollouts, RolloutWanted
from fleet.subjects import Published, published_systems
from ota.errors import VitrineError

ACTIONS = ("start", "pause", "resume", "stop")
PAGES = {"release": "/rollouts", "system": "/rollouts/systems"}
NOTHING: dict[str, Any] = {"release": None, "state": "none", "phases": [], "boxes": {}}
# Systems on the page; older ones are on the disk until `vitrine ota prune` takes them.
SHOWN_MAX = 30


def get_rollout(console: Console, ask: Ask) -> Answer:
    """The roll-out that runs: state, phases with times and counts of boxes; `?kind=system`."""
    return json_answer(_of(console, ask.query.get("kind", "")).status())


def post_rollout(console: Console, ask: Ask) -> Answer:
    """Start, pause, resume or stop the roll-out of the signed release."""
    wanted: RolloutWanted = ask.decoded(RolloutWanted)
    return json_answer(_of(console, wanted.kind).order(wanted, ask.person.name))


def _of(console: Console, kind: str) -> Rollouts:
    return console.systems if kind == "system" else console.rollouts


def _kind(ask: Ask) -> str:
    return "system" if ask.path == PAGES["system"] else "release"


def rollouts(console: Console, ask: Ask) -> Answer:
    """The page; by its address that of releases or that of systems."""
    return _page(console, ask)


def order_rollout(console: Console, ask: Ask) -> Answer:
    """A button of the page."""
    kind, form = _kind(ask), ask.form
    try:
        if form.get("do") == "undo":
            change = form.get("change", "")
            number = int(change) if change.isdecimal() and len(change) < 16 else -1
            _of(console, kind).undo(number, ask.person.name)
        else:
            _of(console, kind).order(_wanted(form, kind), ask.person.name)
    except VitrineError as error:
        return _page(console, ask, str(error), 422)
    return see_other(PAGES[kind])


def _wanted(form: Any, kind: str) -> RolloutWanted:
    budget = form.get("budget", "2")
    return RolloutWanted(
        action=form.get("action", ""),
        kind="system" if kind == "system" else "release",
        waves=form.get("waves", "100%"),
        groups=form.get("groups", "").split(),
        window=form.get("window", "").strip(),
        error_budget_percent=float(budget) if budget.replace(".", "", 1).isdecimal() else 2.0,
        reason=form.get("reason", "").strip(),
    )


def _page(console: Console, ask: Ask, fault: str = "", status: int = 200) -> Answer:
    kind = _kind(ask)
    mine = _of(console, kind)
    trouble, told, last, systems = mine.trouble, NOTHING, None, list[Published]()
    try:
        told, last = mine.status(), mine.last_change()
        if kind == "system":
            systems = published_systems(console.repository, console.database)
    except VitrineError as error:
        # A repository that is damaged or away: said, and the page stands.
        trouble = str(error)
    lines = mine.lines(told["release"]) if told["release"] else []
    return show(
        console, ask, "rollouts.html", status, kind=kind, pages=PAGES, told=told, lines=lines,
        systems=systems[:SHOWN_MAX], last=last, before=_before(last, ask), fault=fault or trouble,
    )


def _before(last: Any, ask: Ask) -> str:
    """What `undo` brings back, in words."""
    if last is None:
        return ""
    t = partial(pages().text, language=ask.language)
    before = last.detail.get("before")
    return t(f"rollout.{before['state']}") if before else t("rollout.untouched")
