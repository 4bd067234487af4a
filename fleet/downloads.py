"""How much of a shop's line downloads may use: limits of one box, of a group, of the whole chain.

A box goes by its own limits, else by those of the first of its groups that has some, else by the
chain's, else by the usual ones of `device.messages.Download`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from device.messages import Download
from device.stage.settings import GROUP
from fleet.store.boxes import Box, Boxes
from fleet.store.database import Database
from fleet.store.journal import Journal
from fleet.studio import Fault
from fleet.wishes import Wishes
from ota.clock import utc_now
from ota.errors import Refused, VitrineError

KINDS = ("chain", "group", "box")
CHANGED = "download.changed"
# As `device.messages.DownloadBytes`.
BYTES_MIN, BYTES_MAX = 16_384, 2**50


@dataclass(frozen=True)
class Scope:
    """Whose limits: `kind` is one of KINDS, `name` the chain's, the group's or the box's."""

    kind: str
    name: str

    @property
    def about(self) -> str:
        """As the audit calls it."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Held:
    """What holds for a box, and whose limits those are; `scope` None: the usual ones."""

    limits: Download
    scope: Scope | None


class Downloads:
    """Owns the table `download`; the limits of a single box stand in its own settings."""

    def __init__(
        self, database: Database, boxes: Boxes, journal: Journal, chain: str
    ) -> None:
        self._database, self._boxes, self._journal = database, boxes, journal
        self.chain = Scope("chain", chain)

    def own(self, scope: Scope) -> Download | None:
        """The limits set for exactly this; None: there are none. Raises Refused: no such box."""
        if scope.kind == "box":
            return _own_of(self._box(scope.name))
        row = self._database.one(
            "select value from download where kind=? and name=?", (scope.kind, scope.name))
        return msgspec.json.decode(row["value"], type=Download) if row else None

    def inherited(self, box: Box) -> Held:
        """What holds for a box that has no limits of its own."""
        for group in box.settings.get("groups") or []:
            found = self.own(Scope("group", str(group)))
            if found is not None:
                return Held(found, Scope("group", str(group)))
        found = self.own(self.chain)
        return Held(found, self.chain) if found is not None else Held(Download(), None)

    def of(self, box: Box) -> Held:
        """What holds for a box."""
        own = _own_of(box)
        return Held(own, Scope("box", box.id)) if own is not None else self.inherited(box)

    def with_limits(self, box: Box) -> Box:
        """The box with the limits that hold among its settings, for its desired document."""
        if "download" in box.settings:
            return box
        limits = msgspec.to_builtins(self.inherited(box).limits)
        return replace(box, settings={**box.settings, "download": limits})

    def groups(self) -> list[str]:
        """Every group that a box is in or that has limits, by name."""
        rows = self._database.all("select name from download where kind='group'")
        of_boxes = {str(group) for box in self._boxes.every()
                    for group in box.settings.get("groups") or []}
        return sorted(of_boxes | {row["name"] for row in rows})

    def followers(self, scope: Scope) -> list[Box]:
        """The boxes that go by these limits, or would if there were some."""
        if scope.kind == "box":
            return [self._box(scope.name)]
        return [box for box in self._boxes.every() if self._would_follow(box, scope)]

    def limit(self, scope: Scope, limits: Download | None, who: str, wishes: Wishes) -> int:
        """Set limits, or with None go by what is above; returns how many boxes are told.

        Raises Refused, and then nothing has changed.
        """
        self.check_scope(scope)
        before = self.own(scope)
        faults = faults_of(limits)
        if faults:
            raise Refused(faults[0].sentence_en)
        self._keep(scope, limits)
        told = [box.id for box in self.followers(scope)
                if _desired_of(box) != msgspec.to_builtins(self.of(box).limits)]
        try:
            wishes.renew(told)
        except VitrineError:
            self._keep(scope, before)
            raise
        detail = {"before": msgspec.to_builtins(before), "after": msgspec.to_builtins(limits),
                  "boxes": len(told)}
        self._journal.note(who, CHANGED, scope.about, utc_now(), detail)
        return len(told)

    def check_scope(self, scope: Scope) -> None:
        """Raises Refused: another chain, a name that is no group's, a box that is not there."""
        if scope.kind not in KINDS or (scope.kind == "chain" and scope != self.chain):
            raise Refused(f"{scope.about[:80]!r} is neither this chain, a group nor a box.")
        if scope.kind == "group" and not GROUP.fullmatch(scope.name):
            raise Refused(f"{scope.name[:40]!r} is no group; write it with a-z, 0-9 and -.")
        if scope.kind == "box":
            self._box(scope.name)

    def _would_follow(self, box: Box, scope: Scope) -> bool:
        if "download" in box.settings:
            return False
        groups = [str(group) for group in box.settings.get("groups") or []]
        if scope.kind == "group":
            before = groups[: groups.index(scope.name)] if scope.name in groups else groups
            return scope.name in groups and not self._any_limits(before)
        return not self._any_limits(groups)

    def _any_limits(self, groups: list[str]) -> bool:
        return any(self.own(Scope("group", group)) is not None for group in groups)

    def _keep(self, scope: Scope, limits: Download | None) -> None:
        if scope.kind == "box":
            box = self._box(scope.name)
            settings = {key: value for key, value in box.settings.items() if key != "download"}
            if limits is not None:
                settings["download"] = msgspec.to_builtins(limits)
            self._boxes.set_wishes(box.id, settings, box.variables, box.notice)
            return
        with self._database.write() as w:
            w.execute("delete from download where kind=? and name=?", (scope.kind, scope.name))
            if limits is not None:
                w.execute("insert into download(kind,name,value) values(?,?,?)",
                          (scope.kind, scope.name, msgspec.json.encode(limits).decode()))

    def _box(self, name: str) -> Box:
        box = self._boxes.get(name)
        if box is None:
            raise Refused(f"There is no box {name[:48]!r}.")
        return box


def faults_of(limits: Download | None) -> list[Fault]:
    """What is wrong with limits that are numbers, field by field; forms and programs alike."""
    if limits is None:
        return []
    faults = []
    for field, value in msgspec.structs.asdict(limits).items():
        if value is not None and not BYTES_MIN <= value <= BYTES_MAX:
            faults.append(Fault(field, None, "太小或太大;最少 0.02 MB,不限就留空。",
                                "Too little or too much; at least 0.02 MB, empty for no limit."))
    hour, day = limits.bytes_per_hour, limits.bytes_per_day
    if hour is not None and day is not None and hour > day:
        faults.append(Fault("bytes_per_hour", None, "一小时不能比一天还多;请改小,或者留空。",
                            "An hour cannot have more than the day; write less, or leave it "
                            "empty."))
    return faults


def faults_in(raw: object) -> list[Fault]:
    """The same for limits as a program wrote them; what is no number is its reader's to refuse."""
    try:
        return faults_of(msgspec.convert(raw, Download))
    except msgspec.ValidationError:
        return []


def _own_of(box: Box) -> Download | None:
    found = box.settings.get("download")
    try:
        return msgspec.convert(found, Download) if found is not None else None
    except msgspec.ValidationError:
        return None


def _desired_of(box: Box) -> Any:
    return (box.desired.get("settings") or {}).get("download")
