"""The publisher's folder is cut while old releases and systems leave the list and old files leave
the disk."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path

from fleet.releases import add_ways
from ota.box.install import Source, find_offer, install
from ota.box.stick import StickFetcher
from ota.clock import utc_now
from ota.floor import FloorClock
from ota.publish import ceremony
from ota.publish.inventory import needed
from ota.publish.pruning import GRACE, prune
from ota.publish.release import build, publish
from ota.publish.repository import ROLES, Repository
from ota.publish.retire import obsolete_now, withdrawal
from ota.system import bringing
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey
from tests.ota.rig import Kiosk, source_tree
from tests.ota.system_rig import BOARD, make_bundle, publish_bundle
from tests.power.flow import Tell

VERSIONS = ("1.0", "1.1", "1.2")
SYSTEMS = ("36.4.4", "36.5.1")
KEPT, KEPT_SYSTEMS = 2, 1
FOREIGN = "targets/content/the admin's notes.txt"


class Pruning:
    """Three releases with their ways, two are kept; of two systems one. What a box needs must be
    whole at any time."""

    name = "prune"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._keys: Mapping[str, list[SigningKey]] = {
            role: [SigningKey.generate()] for role in ROLES}
        self._first_root = b""
        self._seen: set[str] = set()

    def prepare(self, root: Path) -> None:
        """Something nothing needs has waited long enough; the oldest release is signed yet."""
        repository = Repository.create(root, self._keys)
        self._first_root = repository.root_bytes()
        noise = random.Random(3).randbytes(300_000)
        for number, version in enumerate(VERSIONS):
            tree = source_tree(self._home / f"tree-{version}", version)
            (tree / "models/voices/big.bin").write_bytes(noise + b"%d" % number)
            release = build(tree, version, self._home / f"{version}.tar")
            publish(repository, release, shorten=add_ways)
        for version in SYSTEMS:
            publish_bundle(repository, make_bundle(self._home / "raucb", version, size=20_000))
        for number in range(4):
            repository.put_content(b"an old programme's words %d" % number)
        (root / FOREIGN).write_bytes(b"mine")
        prune(repository, (), GRACE, utc_now())
        for file in (root / "targets" / "content").iterdir():
            _make_old(file)

    def run(self, root: Path, tell: Tell) -> None:
        """As `vitrine ota prune --yes` does it, a grace time later."""
        self._withdraw(root)
        tell("withdrawn")
        prune(self._open(root), (), GRACE, utc_now() + GRACE)
        tell("pruned")
        prune(self._open(root), (), timedelta(0), utc_now() + GRACE)
        tell("all")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """Every signed file is there with what it names; a box takes the newest release."""
        repository = self._open(root)
        self._whole(repository)
        listed = [name for name in repository.listed("releases")
                  if name.startswith(("releases/1.", "releases/system-3"))]
        assert "withdrawn" not in told or len(listed) == 2 * KEPT + KEPT_SYSTEMS, "the list forgot"
        contents = len(list((root / "targets" / "content").glob("[0-9a-f]*")))
        found = f"{len(listed)} names, {contents} files"
        source = self._source(root)
        assert find_offer(source).version == VERSIONS[-1]
        system = bringing.find(source.trust.known, source.origin, SYSTEMS[-1], BOARD)
        assert repository.content_path(system.bundle.sha256).is_file()
        if found not in self._seen:
            # Of what is found again every byte was read above; an install is slow.
            assert self._box_installs(source) == VERSIONS[-1]
            self._seen.add(found)
        return found

    def again(self, root: Path) -> None:
        """The publisher does it once more, and the server a day later."""
        self._withdraw(root)
        prune(self._open(root), (), timedelta(0), utc_now() + GRACE)

    def finished(self, root: Path) -> None:
        """What is needed is there, and nothing else that is ours."""
        repository = self._open(root)
        wide = self._whole(repository)
        here = {path.relative_to(root / "targets").as_posix()
                for path in (root / "targets").rglob("*") if path.is_file()}
        assert here - wide == {FOREIGN.removeprefix("targets/")}, here - wide
        assert (root / FOREIGN).read_bytes() == b"mine"
        assert len(list(root.glob(".*"))) == 0, "leftovers"

    def _open(self, root: Path) -> Repository:
        return Repository.open(root, self._keys)

    def _withdraw(self, root: Path) -> None:
        repository = self._open(root)
        names = obsolete_now(repository, KEPT, keep_systems=KEPT_SYSTEMS)
        if names:
            change = withdrawal(repository, names)
            ceremony.sign(change, self._keys)
            ceremony.put_in_force(repository, change)

    def _whole(self, repository: Repository) -> set[str]:
        wide, exact = needed(repository, {})
        for name in exact:
            data = (repository.directory / "targets" / name).read_bytes()
            sha256 = name.rpartition("/")[2][:64]
            assert hashlib.sha256(data).hexdigest() == sha256, f"{name} is not whole"
        return wide

    def _source(self, root: Path) -> Source:
        """What a new box sees."""
        place = self._home / "box"
        shutil.rmtree(place, ignore_errors=True)
        fetcher = StickFetcher(root)
        trust = TrustClient(
            place / "trust", "stick:/metadata", fetcher, FloorClock(place / "clock"))
        trust.bootstrap(self._first_root)
        return Source(trust, fetcher, "stick:/targets")

    def _box_installs(self, source: Source) -> str | None:
        kiosk = Kiosk(self._home / "box", "stick:", self._first_root)
        install(kiosk.with_settings(hold_s=0.0, show_s=0.0).parts(), source, find_offer(source))
        return kiosk.slots.version(kiosk.slots.active() or "")


def _make_old(file: Path) -> None:
    long_ago = (utc_now() - 2 * GRACE).timestamp()
    os.utime(file, (long_ago, long_ago))
