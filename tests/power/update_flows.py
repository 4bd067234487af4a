"""The updater's flows: an install that is confirmed, one that is taken back, and a way back."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ota.box.confirm import Health
from ota.box.install import Source, confirm, find_offer, go_back, install, recover, run_trial
from ota.box.state import Phase
from ota.box.stick import StickFetcher
from ota.floor import FloorClock, RoleFloor
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey
from tests.ota.rig import Kiosk, release_to
from tests.power.flow import Tell

OLD, NEW = "1.0.0", "1.1.0"
FILES_MAX = 120


class Updates:
    """A box with OLD installed and a stick that offers NEW. The health is good at once."""

    name = "install"

    def __init__(self, home: Path) -> None:
        self._home = home
        keys = {role: [SigningKey.generate()] for role in ROLES}
        self._repository = Repository.create(home / "tuf", keys)
        self.tuf_root = self._repository.root_bytes()
        self.floors: dict[str, int] = {}

    @classmethod
    def known(cls, home: Path, tuf_root: bytes, floors: dict[str, int]) -> Updates:
        """The flow as another process prepared it: all but the publisher's part."""
        flow = cls.__new__(cls)
        flow._home, flow.tuf_root, flow.floors = home, tuf_root, floors
        return flow

    def kiosk(self, root: Path) -> Kiosk:
        """The box, as its updater finds it after a start."""
        return Kiosk(root, "stick:", self.tuf_root).with_settings(hold_s=0.0, show_s=0.0)

    def prepare(self, root: Path) -> None:
        """OLD runs and is confirmed."""
        release_to(self._repository, self._home / "work", OLD)
        Updates.again(self, root)
        assert self._bootable(root) == OLD
        self.floors = self._role_floors(root)
        release_to(self._repository, self._home / "work", NEW)

    def run(self, root: Path, tell: Tell) -> None:
        """From the first look at the stick to the confirmation."""
        parts = self.kiosk(root).parts()
        source = self._source(root)
        offer = find_offer(source)
        tell("offered")
        install(parts, source, offer, trial=False)
        tell("on trial")
        run_trial(parts)
        tell("ended")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """The switch points at a whole slot, old or new; nothing promised is lost."""
        version = self._bootable(root)
        assert version in (OLD, NEW), f"version {version}"
        state = self.kiosk(root).parts().state.load()
        assert state.floor in (OLD, NEW)
        self._check_floors(root, NEW if "offered" in told else OLD)
        if "on trial" in told:
            assert state.phase is Phase.TRIAL or state.good_version == NEW, "the trial was lost"
        if "ended" in told:
            assert (version, state.good_version, state.floor) == (NEW, NEW, NEW), "unconfirmed"
        return f"{version}, {state.phase.value}"

    def again(self, root: Path) -> None:
        """What the updater does after each start, until nothing is left to do."""
        parts = self.kiosk(root).parts()
        if recover(parts).phase is Phase.TRIAL:
            run_trial(parts)
        source = self._source(root)
        offer = find_offer(source)
        state = parts.state.load()
        if offer.version not in (state.good_version, *state.refused):
            install(parts, source, offer)

    def finished(self, root: Path) -> None:
        """NEW is confirmed."""
        state = self._settled(root, NEW)
        assert state.floor == NEW

    def _settled(self, root: Path, version: str):  # type: ignore[no-untyped-def]
        parts = self.kiosk(root).parts()
        state = parts.state.load()
        assert self._bootable(root) == version
        assert (state.phase, state.good_version) == (Phase.IDLE, version)
        assert parts.history.broken_at() is None, "the audit log is broken"
        assert sum(1 for _ in root.rglob("*")) < FILES_MAX, "the disk fills"
        self._check_floors(root, NEW)
        return state

    def _bootable(self, root: Path) -> str | None:
        slots = self.kiosk(root).slots
        active = slots.active()
        if active is None:
            return None
        assert slots.verified(active), f"the switch points at a broken slot {active}"
        return slots.version(active)

    def _source(self, root: Path) -> Source:
        fetcher = StickFetcher(self._home / "tuf")
        clock = FloorClock(root / "var" / "clock")
        store = root / "var" / "ota" / "trust"
        trust = TrustClient(store, "stick:/metadata", fetcher, clock)
        trust.bootstrap(self.tuf_root)
        return Source(trust, fetcher, "stick:/targets")

    def _role_floors(self, root: Path) -> dict[str, int]:
        return RoleFloor(root / "var" / "ota" / "trust" / "roles").versions("")

    def _check_floors(self, root: Path, version: str) -> None:
        """No role may be older than it was; after a look at NEW the stick's lists count."""
        floors = self._role_floors(root)
        more = 1 if version == NEW else 0
        for role, before in self.floors.items():
            wanted = before + (more if role in ("releases", "snapshot", "timestamp") else 0)
            assert floors.get(role, 0) >= wanted, f"the floor of {role} sank"


class TakenBack(Updates):
    """NEW never shows a picture: it is taken back, and not tried again."""

    name = "take back"

    def kiosk(self, root: Path) -> Kiosk:
        """The box; only OLD shows a picture."""
        kiosk = super().kiosk(root)
        slots = kiosk.slots

        def health() -> Health:
            active = slots.active() or ""
            shown = slots.version(active) == OLD if active else True
            return Health(active, player_presented=shown, ear_ready=True)

        kiosk.health = health
        return kiosk

    def judge(self, root: Path, told: Collection[str]) -> str:
        """As for an install, but it ends with OLD."""
        found = super().judge(root, {each for each in told if each == "offered"})
        if "ended" in told:
            state = self.kiosk(root).parts().state.load()
            assert state.refused == (NEW,) and found.startswith(OLD), "not taken back"
        return found

    def finished(self, root: Path) -> None:
        """OLD runs, NEW is refused."""
        assert self._settled(root, OLD).refused == (NEW,)


class Confirmed(Updates):
    """NEW is on trial, and a person confirms it."""

    name = "confirm"

    def prepare(self, root: Path) -> None:
        """The switch points at NEW."""
        super().prepare(root)
        source = self._source(root)
        install(self.kiosk(root).parts(), source, find_offer(source), trial=False)

    def run(self, root: Path, tell: Tell) -> None:
        """The order of a person, as the command does it."""
        parts = self.kiosk(root).parts()
        recover(parts)
        confirm(parts, "a person confirmed it")
        tell("ended")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """The trial is not lost, and the word is not."""
        return super().judge(root, {"offered", "on trial", *told})


class GoneBack(Updates):
    """NEW is confirmed, and a person wants OLD again."""

    name = "go back"

    def prepare(self, root: Path) -> None:
        """NEW runs, OLD is in the other slot."""
        super().prepare(root)
        Updates.again(self, root)
        self.floors = self._role_floors(root)

    def run(self, root: Path, tell: Tell) -> None:
        """The order of a person."""
        go_back(self.kiosk(root).parts())
        tell("back")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """One of both runs; the floor does not sink with the version."""
        version = self._bootable(root)
        state = self.kiosk(root).parts().state.load()
        assert version in (OLD, NEW) and state.floor == NEW
        self._check_floors(root, OLD)
        assert "back" not in told or (version, state.good_version) == (OLD, OLD)
        return f"{version}, {state.phase.value}"

    def again(self, root: Path) -> None:
        """The start after it, and the order once more if it had not been taken."""
        parts = self.kiosk(root).parts()
        if recover(parts).good_version == NEW:
            go_back(parts)

    def finished(self, root: Path) -> None:
        """OLD runs."""
        state = self.kiosk(root).parts().state.load()
        assert self._bootable(root) == state.good_version == OLD
        assert state.refused == (NEW,)
