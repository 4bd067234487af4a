"""What else a box keeps: the desired state, the events for the console, the keys it trusts."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from device.messages import Desired, Event
from device.sync.following import Following
from device.sync.outbox import Outbox
from fleet.desired import seal
from ota.box.stick import StickFetcher
from ota.clock import utc_now
from ota.floor import FloorClock, RoleFloor
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey
from tests.power.flow import Tell

EVENTS = 6
TARGET = "programmes/tea/1.json"


class DesiredState:
    """The console's word 1 is followed; word 2 comes."""

    name = "desired"

    def __init__(self, home: Path) -> None:
        self._key = SigningKey.generate()

    def following(self, root: Path) -> Following:
        """What the box follows, as after a start."""
        made = Following(
            root / "desired.json", root / "desired-seq", [self._key.public], "tea", "b-1")
        made.load()
        return made

    def prepare(self, root: Path) -> None:
        """Word 1 is followed."""
        self._offer(root, 1)

    def run(self, root: Path, tell: Tell) -> None:
        """Words 2 and 3 come."""
        for seq in (2, 3):
            self._offer(root, seq)
            tell(str(seq))

    def judge(self, root: Path, told: Collection[str]) -> str:
        """A signed word is followed; none that was reported is forgotten."""
        following = self.following(root)
        newest = max((int(each) for each in told), default=1)
        assert following.desired is not None, "nothing is followed"
        assert newest <= following.desired.seq <= 3 and following.floor >= newest
        return f"word {following.desired.seq}"

    def again(self, root: Path) -> None:
        """The broker brings the retained word again."""
        self._offer(root, 3)

    def finished(self, root: Path) -> None:
        """Word 3 is followed, and would be without its document."""
        assert self.following(root).floor == 3
        (root / "desired.json").unlink()
        assert self.following(root).floor == 3

    def _offer(self, root: Path, seq: int) -> None:
        envelope = seal(Desired(seq=seq, chain="tea", box="b-1"), self._key)[1]
        self.following(root).offer(envelope, utc_now())


class Events:
    """Proof of play for the console: what was taken is kept until it is removed."""

    name = "outbox"

    def __init__(self, home: Path) -> None:
        pass

    def prepare(self, root: Path) -> None:
        """A box that has been at work."""
        box = Outbox(root / "outbox.db")
        box.put(_event("before"))
        box.close()

    def run(self, root: Path, tell: Tell) -> None:
        """Events come, and the console takes some of them."""
        box = Outbox(root / "outbox.db")
        for number in range(EVENTS):
            box.put(_event(str(number)))
            tell(f"kept {number}")
            if number % 3 == 2:
                first = box.first(1)[0]
                box.remove([first.seq])
                tell(f"removed {first.id}")
        box.close()

    def judge(self, root: Path, told: Collection[str]) -> str:
        """No event is lost that somebody was told of, and none comes back in pieces."""
        kept = {each.split()[1] for each in told if each.startswith("kept")}
        removed = {each.split()[1] for each in told if each.startswith("removed")}
        box = Outbox(root / "outbox.db")
        assert box.set_aside == 0, "the file was damaged"
        found = [held.id for held in box.first(100)]
        box.close()
        assert len(set(found)) == len(found)
        # One removal may have happened that nobody was told of yet.
        assert len(kept - removed - set(found)) <= 1, f"lost: {kept - removed - set(found)}"
        assert not removed & set(found), "removed for nothing"
        return f"{len(found)} events"

    def again(self, root: Path) -> None:
        """The box goes on."""
        box = Outbox(root / "outbox.db")
        box.put(_event("after"))
        box.close()

    def finished(self, root: Path) -> None:
        """It takes events, and keeps nothing else."""
        box = Outbox(root / "outbox.db")
        assert "after" in [held.id for held in box.first(100)]
        box.close()
        assert {path.name for path in root.iterdir()} <= {"outbox.db"}


class NewKeys:
    """The fleet has replaced its root and its online keys; a box that knew the old ones looks."""

    name = "follow new keys"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._keys = {role: [SigningKey.generate()] for role in ROLES}
        self._repository = Repository.create(home / "tuf", self._keys)
        self._first_root = self._repository.root_bytes()
        self._floors: dict[str, int] = {}

    def prepare(self, root: Path) -> None:
        """The box has seen a list of programmes; then the keys change."""
        self._repository.add("programmes", TARGET, b"one")
        self._repository.publish()
        self._look(root)
        self._floors = self._role_floors(root)
        for role in ("root", "timestamp", "programmes"):
            self._repository.rotate(role, [SigningKey.generate()])
        self._repository.add("programmes", TARGET, b"two!")
        self._repository.publish()

    def run(self, root: Path, tell: Tell) -> None:
        """The box looks, and follows the keys."""
        assert self._look(root) == 4
        tell("seen")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """No list may be older than one that was seen; yesterday's repository is refused."""
        floors = self._role_floors(root)
        more = {"programmes", "snapshot", "timestamp"} if "seen" in told else set()
        for role, before in self._floors.items():
            assert floors.get(role, 0) >= before + (role in more), f"the floor of {role} sank"
        return "floors " + ("new" if floors != self._floors else "old")

    def again(self, root: Path) -> None:
        """The next look."""
        assert self._look(root) == 4

    def finished(self, root: Path) -> None:
        """The box lives by the new keys, and has no leftovers."""
        floors = self._role_floors(root)
        assert all(floors[role] >= before for role, before in self._floors.items())
        assert sum(1 for _ in root.rglob("*")) < 40, "the disk fills"

    def _look(self, root: Path) -> int:
        store = root / "trust"
        trust = TrustClient(
            store, "stick:/metadata", StickFetcher(self._home / "tuf"), FloorClock(root / "clock"))
        trust.bootstrap(self._first_root)
        trust.refresh()
        return trust.target(TARGET).length_bytes

    def _role_floors(self, root: Path) -> dict[str, int]:
        return RoleFloor(root / "trust" / "roles").versions("")


class Publishing:
    """The publisher's folder is cut while it signs a programme and replaces three keys.

    A box that looks in between is never refused: old and new keys sign what is shown meanwhile.
    """

    name = "publish and rotate"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._keys = {role: [SigningKey.generate()] for role in ROLES}
        self._after = {
            **self._keys,
            **{role: [SigningKey.generate()] for role in ("root", "timestamp", "programmes")},
        }
        self._first_root = b""

    def prepare(self, root: Path) -> None:
        """A repository with one programme, and a box that follows it."""
        repository = Repository.create(root, self._keys)
        self._first_root = repository.root_bytes()
        repository.add("programmes", TARGET, b"one")
        repository.publish()
        assert self._box_sees(root, "known-before") == 3

    def run(self, root: Path, tell: Tell) -> None:
        """A new programme; then new keys, one role after the other."""
        repository = Repository.open(root, self._keys)
        repository.add("programmes", TARGET, b"two!")
        repository.publish()
        tell("published")
        for role in ("programmes", "timestamp", "root"):
            repository.rotate(role, self._after[role])
            tell(role)

    def judge(self, root: Path, told: Collection[str]) -> str:
        """A box that looks now sees the old or the new."""
        shutil.rmtree(self._home / "known", ignore_errors=True)
        shutil.copytree(self._home / "known-before", self._home / "known")
        found = [str(self._box_sees(root, name)) for name in ("known", "new")]
        assert "published" not in told or "3" not in found, "what was published is gone"
        assert "root" not in told or found == ["4", "4"]
        return " ".join(found)

    def again(self, root: Path) -> None:
        """The publisher does it all once more, with the old keys and the new ones at hand."""
        keys = {
            role: [*old, *(key for key in self._after[role] if key not in old)]
            for role, old in self._keys.items()}
        repository = Repository.open(root, keys)
        for role in ("programmes", "timestamp", "root"):
            repository.rotate(role, self._after[role])
        repository.add("programmes", TARGET, b"two!")
        repository.publish()

    def finished(self, root: Path) -> None:
        """The box that looked in between, and a new one, see the new programme."""
        assert self._box_sees(root, "known") == self._box_sees(root, "new") == 4

    def _box_sees(self, root: Path, name: str) -> int:
        store = self._home / name
        if name == "new":
            shutil.rmtree(store, ignore_errors=True)
        trust = TrustClient(
            store, "stick:/metadata", StickFetcher(root), FloorClock(store / "clock"))
        trust.bootstrap(self._first_root)
        trust.refresh()
        return trust.target(TARGET).length_bytes


def _event(name: str) -> Event:
    return Event(id=name, at="2026-11-21T12:00:00Z", kind="played", detail={"x": "y" * 200})
