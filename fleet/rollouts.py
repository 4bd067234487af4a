"""The console's hand on a roll-out: begin, slow down, pause, stop; and pause it by itself.

What it signs (role `rollouts`, online) can only hold back what the offline plan allows
(`ota.formats.rollout`). The signed file is the only state: nothing of it is in the database, and a
box needs no row. Failures are counted from what boxes report of themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from fleet.live import Hub
from fleet.ring import concerned, share_now
from fleet.store.database import Database
from fleet.store.journal import AuditLine, Journal
from fleet.subjects import (
    RELEASES,
    Subject,
    counts,
    rows_of,
    signed_plan,
    signed_rollout,
)
from ota.clock import utc_now
from ota.errors import Refused, VitrineError
from ota.formats.rollout import (
    PERMILLE_ALL,
    Plan,
    Rollout,
    Wave,
    decide,
    encoded,
    moment_of,
    parse_rollout,
    place,
    read_waves,
    share_at,
    waves_text,
)
from ota.publish.repository import Repository

JUDGE_S = 10.0
SYSTEM = "system"
# A single failure may be one broken machine: it counts only where few have tried.
LONE_FAILURE_OF = 10
LINES_SHOWN = 12
REASON_CHARS_MAX = 200


class RolloutWanted(msgspec.Struct, frozen=True, kw_only=True):
    """`start` a release's roll-out, or `pause`, `resume`, `stop` the one that runs.

    `waves` like `1%,10%@24h,100%@3d`, `groups` patterns of box ids, `window` local time like
    `02:00-05:00`, `pins` box -> version. `release` may be left out but for `start`. `kind`:
    a "release" of the application, or a "system".
    """

    action: str = "start"
    kind: Literal["release", "system"] = "release"
    release: str = ""
    waves: str = "100%"
    groups: list[str] = []
    window: str = ""
    error_budget_percent: float = 2.0
    pins: dict[str, str] = {}
    reason: str = ""


@dataclass(frozen=True)
class Tally:
    """Boxes that this console knows, by what they did with the release."""

    boxes: int = 0
    reached: int = 0
    runs: int = 0
    tries: int = 0
    waits: int = 0
    failed: int = 0

    @property
    def tried(self) -> int:
        """Boxes whose trial is over."""
        return self.runs + self.failed


def budget_spent(tried: int, failed: int, permille: int) -> bool:
    """Must the roll-out stop by itself? Pure."""
    lone = failed == 1 and tried > LONE_FAILURE_OF
    return failed > tried * permille / PERMILLE_ALL and not lone


class Rollouts:
    """Owns the target `rollouts/now.json`, or its subject's. `start` judges in the background
    until `stop`."""

    def __init__(
        self,
        repository: Repository,
        database: Database,
        journal: Journal,
        hub: Hub,
        clock: Callable[[], datetime] = utc_now,
        ring: Callable[[Sequence[str]], int] = len,
        subject: Subject = RELEASES,
    ) -> None:
        # An own view of the same folder: the publisher's half-collected changes are not ours.
        self._repository = Repository.open(repository.directory, repository.keys, clock)
        self._database, self._journal, self._hub, self._clock = database, journal, hub, clock
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)
        self.trouble = ""
        self._ring, self._subject = ring, subject
        # The release and the share that were rung for last; before the first look: nobody knows.
        self._rung: tuple[str, int] | None = None

    def start(self) -> None:
        """Begin to look at what the boxes report."""
        self._thread.start()

    def stop(self) -> None:
        """End the background work."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(JUDGE_S)

    def plan(self) -> Plan | None:
        """What the offline keys allow; for a release that all boxes run, a plan of one wave."""
        return signed_plan(self._repository, self._subject, self._clock())

    def current(self) -> Rollout | None:
        """What the console has signed for the plan's release."""
        rollout = signed_rollout(self._repository, self._subject)
        plan = self.plan()
        return rollout if rollout and plan and rollout.release == plan.release else None

    def order(self, wanted: RolloutWanted, who: str) -> dict[str, Any]:
        """Carry out a person's word; returns `status`. Raises Refused."""
        with self._lock:
            plan = self._needed_plan(wanted.release)
            before = self.current()
            if wanted.action == "start":
                after = self._begun(wanted, plan)
            else:
                after = _changed(wanted, before, plan, self._now())
            self._sign(before, after, who, f"rollout.{wanted.action}")
            self._tell(plan, before, after)
        return self.status()

    def last_change(self) -> AuditLine | None:
        """What a person changed last of this release, if it still holds: `undo` brings back what
        was before."""
        plan = self.plan()
        lines = self.lines(plan.release) if plan is not None else []
        last = lines[0] if lines else None
        if last is None or last.who == SYSTEM or "after" not in last.detail:
            return None
        return last if last.detail["after"] == _kept(self.current()) else None

    def undo(self, number: int, who: str) -> dict[str, Any]:
        """Sign again what held before the change `number`; returns `status`. Raises Refused."""
        with self._lock:
            last, plan, current = self.last_change(), self.plan(), self.current()
            if last is None or last.number != number or plan is None:
                raise Refused("The roll-out was changed since; look at it again.")
            kept = last.detail.get("before")
            before = parse_rollout(msgspec.json.encode(kept)) if kept else None
            self._sign(current, before, who, "rollout.undo")
            self._tell(plan, current, before)
        return self.status()

    def lines(self, release: str) -> list[AuditLine]:
        """What was done with its roll-out, the newest first."""
        found = self._journal.audit(about=release, limit=LINES_SHOWN)
        kind = self._subject.kind
        return [line for line in found
                if line.what.startswith("rollout.") and line.detail.get("kind", kind) == kind]

    def judge(self) -> bool:
        """Pause the roll-out when its error budget is spent; True when it did."""
        with self._lock:
            plan, rollout = self.plan(), self.current()
            if plan is None or (rollout is not None and rollout.state != "running"):
                return False
            tally = Tally(**counts(self._rows(plan.release), plan.release))
            budget = (rollout or _implied(plan, self._now())).error_budget_permille
            if not budget_spent(tally.tried, tally.failed, budget):
                return False
            reason = f"{tally.failed} of {tally.tried} boxes took release {plan.release} back"
            paused = msgspec.structs.replace(
                rollout or _implied(plan, self._now()), state="paused", reason=reason
            )
            self._sign(rollout, paused, SYSTEM, "rollout.auto-paused", failed=tally.failed,
                       tried=tally.tried)
            self._tell(plan, rollout, paused)
            return True

    def advance(self) -> int:
        """Ring the boxes whose wave has begun since the last look; returns how many."""
        with self._lock:
            plan, rollout = self.plan(), self.current()
            if plan is None:
                return 0
            before, self._rung = self._rung, (plan.release, share_now(plan, rollout, self._now()))
            same = before is not None and before[0] == plan.release
            grown = before is not None and self._rung[1] > (before[1] if same else 0)
            return self._tell(plan, rollout) if grown else 0

    def _tell(self, plan: Plan, *rollouts: Rollout | None) -> int:
        """Let the boxes look that this change concerns."""
        now = self._now()
        self._rung = plan.release, share_now(plan, rollouts[-1], now)
        return self._ring(concerned(
            self._database, self._subject.runs, plan, rollouts, now))

    def status(self) -> dict[str, Any]:
        """For people and programs: what is signed, how far it is, what it did. Reads all boxes."""
        plan = self.plan()
        if plan is None:
            return {"release": None, "state": "none", "phases": [], "boxes": {}}
        rollout, now = self.current(), self._clock()
        tally = self._tally(plan, rollout)
        begun = rollout or _implied(plan, plan.at)
        waves, at = begun.waves, moment_of(begun.at)
        shares = [share_at(plan.pace, moment_of(plan.at), now), share_at(waves, at, now)]
        waiting = rollout is None and plan.held
        return {
            "release": plan.release,
            "state": "held" if waiting else begun.state,
            "reason": begun.reason,
            "begun_at": begun.at,
            "waves": waves_text(waves),
            "ceiling": waves_text(plan.pace),
            "share_percent": 0.0 if waiting else min(shares) / 10,
            "groups": list(begun.groups or plan.groups),
            "window": begun.window or plan.window,
            "error_budget_percent": begun.error_budget_permille / 10,
            "pins": {**plan.pins, **begun.pins},
            "boxes": {name: getattr(tally, name) for name in Tally.__dataclass_fields__},
            "phases": [] if waiting else self._phases(plan, waves, at, now),
        }

    def _phases(
        self, plan: Plan, waves: tuple[Wave, ...], begun: datetime, now: datetime
    ) -> list[dict[str, Any]]:
        """Each wave with the boxes that come with it: how many, and what they did."""
        found, lower = [], 0
        rows = self._rows(plan.release)
        for wave in waves:
            starts = begun + timedelta(seconds=wave.after_s)
            mine = [row for row in rows
                    if lower <= place(row["id"], plan.salt) * PERMILLE_ALL < wave.permille]
            found.append({
                "percent": wave.permille / 10,
                "at": starts.isoformat(timespec="seconds"),
                "begun": now >= starts,
                **counts(mine, plan.release),
            })
            lower = wave.permille
        return found

    def _tally(self, plan: Plan, rollout: Rollout | None) -> Tally:
        rows, now = self._rows(plan.release), self._clock()
        # Whoever was reached stays reached when it is paused: asked as if it were running.
        open_ = None if rollout is None else msgspec.structs.replace(rollout, state="running")
        reached = sum(
            row["release"] == plan.release
            or decide(plan, open_, row["id"], row["release"] or "0", now).release is not None
            for row in rows
        )
        return Tally(reached=reached, **counts(rows, plan.release))

    def _rows(self, release: str) -> list[Any]:
        return rows_of(self._database, self._subject, release)

    def _needed_plan(self, release: str) -> Plan:
        plan = self.plan()
        if plan is None:
            raise Refused(f"Nothing is signed yet; sign it with `{self._subject.command}`.")
        if release and release != plan.release:
            raise Refused(
                f"The signed plan is for release {plan.release}, not {release}. This server cannot "
                f"name a release: `{self._subject.command} --waves` does, with the offline keys."
            )
        return plan

    def _begun(self, wanted: RolloutWanted, plan: Plan) -> Rollout:
        return parse_rollout(encoded(Rollout(
            schema=1,
            release=plan.release,
            at=self._now(),
            waves=read_waves(wanted.waves),
            groups=tuple(wanted.groups),
            window=wanted.window,
            error_budget_permille=_budget(wanted.error_budget_percent),
            pins=dict(wanted.pins),
        )))

    def _sign(
        self, before: Rollout | None, after: Rollout | None, who: str, what: str, **detail: Any
    ) -> None:
        """Let `after` hold; None: nothing of the console's, as before its first word."""
        shown = after or before
        assert shown is not None
        try:
            if after is None:
                self._repository.remove("rollouts", self._subject.rollout)
            else:
                self._repository.add("rollouts", self._subject.rollout, encoded(after))
            self._repository.publish()
        except KeyError:
            self._repository = Repository.open(
                self._repository.directory, self._repository.keys, self._clock
            )
            raise Refused(
                "This chain's keys were made before roll-outs; let its targets key delegate the "
                "role `rollouts` first."
            ) from None
        about = {"state": after.state if after else "", "waves": waves_text(shown.waves),
                 "reason": shown.reason, "kind": self._subject.kind,
                 "before": _kept(before), "after": _kept(after)}
        self._journal.note(who, what, shown.release, utc_now(), {**about, **detail})
        self._hub.announce("rollout", shown.release)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")

    def _run(self) -> None:
        while not self._leaving.wait(JUDGE_S):
            try:
                self.judge()
                self.advance()
                self.trouble = ""
            except VitrineError as error:
                # A full disk, a key away: the boxes' own ceiling still holds; told on the page.
                self.trouble = str(error)


def _implied(plan: Plan, at: str) -> Rollout:
    """What holds while the console has said nothing: the plan's own pace."""
    return Rollout(schema=1, release=plan.release, at=at, waves=plan.pace)


def _changed(wanted: RolloutWanted, before: Rollout | None, plan: Plan, at: str) -> Rollout:
    """Pause, resume or stop. Raises Refused where that cannot be. Pure."""
    state = {"pause": "paused", "resume": "running", "stop": "stopped"}.get(wanted.action)
    if state is None:
        raise Refused(f"{wanted.action[:20]!r} is not start, pause, resume or stop.")
    rollout = before or _implied(plan, plan.at)
    if rollout.state == "stopped":
        raise Refused(f"The roll-out of {plan.release} is stopped; `start` begins it anew.")
    if wanted.action == "resume" and (before is None or before.state == "running"):
        raise Refused("The roll-out is not paused; there is nothing to resume.")
    reason = wanted.reason[:REASON_CHARS_MAX] if state != "running" else ""
    return msgspec.structs.replace(rollout, state=state, reason=reason)


def _kept(rollout: Rollout | None) -> Any:
    """As the audit keeps it."""
    return None if rollout is None else msgspec.json.decode(encoded(rollout))


def _budget(percent: float) -> int:
    if not 0.0 <= percent <= 100.0:
        raise Refused(f"An error budget of {percent:g} % cannot be; give 0 to 100.")
    return round(percent * 10)
