"""Programmes: one that comes by chunks and deltas, and one that needs the room of an older one."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from device.messages import ProgrammeWanted
from device.sync.content import Content
from device.sync.index_rules import is_whole
from device.sync.keeping import hashes_in
from ota.box.stick import StickFetcher
from ota.box.store import Store
from ota.files import sha256_file
from tests.power.flow import Tell
from tests.sim.shelf import STORE_BYTES, Shelf, box

AVATAR = "avatar/base.mp4"
AVATAR_BYTES = 320_000
FILES_MAX = 60
# Lists of chunks and the index come on top of what room was made for.
SMALL_BYTES = 20_000


class Programmes:
    """A box that plays version 1 of a programme; version 2 has another avatar and other words."""

    name = "content"
    bytes_max = STORE_BYTES

    def __init__(self, home: Path) -> None:
        (home / "tuf").mkdir(parents=True, exist_ok=True)
        self._home = home
        self._shelf = Shelf(home / "tuf")
        self._wanted: list[ProgrammeWanted] = []

    def content(self, root: Path) -> Content:
        """The box's content, as after a start."""
        fetcher = StickFetcher(self._home / "tuf")
        return box(root, self._shelf, "stick:", fetcher, bytes_max=self.bytes_max)

    def prepare(self, root: Path) -> None:
        """Version 1 is on the disk and plays."""
        body = random.Random(5).randbytes(AVATAR_BYTES)
        self._publish(body, "welcome to our tea house; " * 300)
        self._bring(root)
        self._publish(body[:200_000] + b"a new look" + body[210_000:], "spring tea is here; " * 300)

    def run(self, root: Path, tell: Tell) -> None:
        """Bring version 2, then let version 1 go."""
        content = self.content(root)
        found = content.bring(self._wanted[-1])
        tell("brought")
        content.tidy([found.path])

    def judge(self, root: Path, told: Collection[str]) -> str:
        """A whole programme is there to be played, whatever was cut."""
        held = self.content(root).held()
        assert held is not None, "the screen has no programme"
        newest = self._wanted[-1].version
        assert held.wanted.version in (newest - 1, newest)
        assert "brought" not in told or held.wanted.version == newest, "the programme was lost"
        return f"version {held.wanted.version}"

    def again(self, root: Path) -> None:
        """What the agent does after a start."""
        content = self.content(root)
        found = content.bring(self._wanted[-1])
        content.tidy([found.path])

    def finished(self, root: Path) -> None:
        """Version 2 plays; nothing else takes room."""
        folder = root / "programmes" / f"tea-{self._wanted[-1].version}"
        assert is_whole(folder, sha256_file(folder / "index.json"))
        assert [path.name for path in (root / "programmes").iterdir()] == [folder.name]
        assert set(Store(root / "content", 1).names()) == hashes_in(folder), "the store fills"
        assert sum(1 for _ in root.rglob("*")) < FILES_MAX, "the disk fills"

    def _publish(self, avatar: bytes, words: str) -> None:
        self._shelf.files[AVATAR] = avatar
        self._shelf.files["words.txt"] = words.encode()
        self._wanted.append(self._shelf.publish())

    def _bring(self, root: Path) -> None:
        self.content(root).bring(self._wanted[-1])


class Eviction(Programmes):
    """The store has room for two programmes; a third comes while the second plays."""

    name = "eviction"
    bytes_max = 3 * AVATAR_BYTES - 100_000

    def prepare(self, root: Path) -> None:
        """Versions 1 and 2 are on the disk, 2 plays; 3 has nothing in common with them."""
        for number in range(3):
            self._publish(random.Random(number).randbytes(AVATAR_BYTES), f"{number}" * 3000)
            if number < 2:
                self._bring(root)

    def run(self, root: Path, tell: Tell) -> None:
        """Bring version 3; version 1 must go for it, version 2 must stay."""
        content = self.content(root)
        content.bring(self._wanted[-1], keep=[str(root / "programmes" / "tea-2")])
        tell("brought")
        used_bytes = Store(root / "content", self.bytes_max).used_bytes()
        assert used_bytes <= self.bytes_max

    def again(self, root: Path) -> None:
        """After a start version 2 plays until version 3 is there."""
        content = self.content(root)
        held = content.held()
        assert held is not None
        found = content.bring(self._wanted[-1], keep=[held.path])
        content.tidy([found.path])

    def finished(self, root: Path) -> None:
        """Version 3 plays, within the limit of the store."""
        folder = root / "programmes" / f"tea-{self._wanted[-1].version}"
        assert is_whole(folder, sha256_file(folder / "index.json"))
        used_bytes = Store(root / "content", self.bytes_max).used_bytes()
        assert used_bytes <= self.bytes_max + SMALL_BYTES, "the store fills"


class Copies(Programmes):
    """A file system without hard links: the programme's folder is made of copies."""

    name = "content without links"

    def prepare(self, root: Path) -> None:
        """Version 1 as copies."""
        with _no_links():
            super().prepare(root)

    def run(self, root: Path, tell: Tell) -> None:
        """Version 2 as copies."""
        with _no_links():
            super().run(root, tell)

    def again(self, root: Path) -> None:
        """And again."""
        with _no_links():
            super().again(root)


@contextmanager
def _no_links() -> Iterator[None]:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    real, os.link = os.link, refused
    try:
        yield
    finally:
        os.link = real
