"""Roll-outs: for programs under `/api/v1/rollouts`, and the page with the pause button."""

from __future__ import annotations

from fleet.console.ask import Answer, Ask, json_answer, see_other
from fleet.console.console import Console
from fleet.console.pages import show
from fleet.rollouts import Rollouts, RolloutWanted
from ota.errors import VitrineError

ACTIONS = ("start", "pause", "resume", "stop")


def get_rollout(console: Console, ask: Ask) -> Answer:
    """The roll-out that runs: state, phases with times and counts of boxes; `?kind=system`."""
    return json_answer(_of(console, ask.query.get("kind", "")).status())


def post_rollout(console: Console, ask: Ask) -> Answer:
    """Start, pause, resume or stop the roll-out of the signed release."""
    wanted: RolloutWanted = ask.decoded(RolloutWanted)
    return json_answer(_of(console, wanted.kind).order(wanted, ask.person.name))


def _of(console: Console, kind: str) -> Rollouts:
    return console.systems if kind == "system" else console.rollouts


def rollouts(console: Console, ask: Ask) -> Answer:
    """The page."""
    return _page(console, ask)


def order_rollout(console: Console, ask: Ask) -> Answer:
    """A button of the page."""
    form = ask.form
    budget = form.get("budget", "2")
    wanted = RolloutWanted(
        action=form.get("action", ""),
        waves=form.get("waves", "100%"),
        groups=form.get("groups", "").split(),
        window=form.get("window", "").strip(),
        error_budget_percent=float(budget) if budget.replace(".", "", 1).isdecimal() else 2.0,
        reason=form.get("reason", "").strip(),
    )
    try:
        console.rollouts.order(wanted, ask.person.name)
    except VitrineError as error:
        return _page(console, ask, str(error), 422)
    return see_other("/rollouts")


def _page(console: Console, ask: Ask, fault: str = "", status: int = 200) -> Answer:
    trouble = console.rollouts.trouble
    try:
        told = console.rollouts.status()
    except VitrineError as error:
        told, trouble = {"release": None, "state": "none", "phases": [], "boxes": {}}, str(error)
    lines = console.journal.audit(about=told["release"] or "", limit=12) if told["release"] else []
    return show(
        console, ask, "rollouts.html", status, told=told, lines=lines, fault=fault or trouble
    )
