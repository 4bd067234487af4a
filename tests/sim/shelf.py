"""A publisher's repository and a box's content store, without certificates and broker."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from device.messages import ProgrammeWanted
from device.sync.content import Content, ContentPlaces
from fleet.shortcuts import add_shortcuts
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.keys import SigningKey
from ota.repository import ROLES, Repository
from ota.store import Store
from ota.trust import TrustClient

STORE_BYTES = 64 << 20


class Shelf:
    """The publisher. `files` are what the programme has beside its programme.json."""

    def __init__(self, directory: Path) -> None:
        keys = {role: [SigningKey.generate()] for role in ROLES}
        self.repository = Repository.create(directory, keys)
        self.files: dict[str, bytes] = {}
        self.indexes: list[bytes] = []

    def publish(self, shortcuts: bool = True, **more: Any) -> ProgrammeWanted:
        """The next version with the files as they are now."""
        version = len(self.indexes) + 1
        programme = {"schema": 1, "id": "tea", "version": version, "languages": ["zh-CN"]}
        files = {"programme.json": json.dumps({**programme, **more}).encode(), **self.files}
        index: dict[str, Any] = {"schema": 1, "files": {}, "speech": {}}
        for name, data in files.items():
            index["files"][name] = {
                "sha256": self.repository.put_content(data), "bytes": len(data)}
        data = json.dumps(index).encode()
        target = f"programmes/tea/{version}.json"
        self.repository.add("programmes", target, data)
        if shortcuts:
            add_shortcuts(self.repository, target, index, data, self.indexes[::-1])
        self.repository.publish()
        self.indexes.append(data)
        return ProgrammeWanted(target=target, version=version)

    def content(self, data: bytes) -> Path:
        """Where the server keeps these bytes."""
        return self.repository.content_path(hashlib.sha256(data).hexdigest())


def box(root: Path, shelf: Shelf, url: str, fetch: Any = None, bytes_max: int = STORE_BYTES,
        **more: Any) -> Content:
    """A box as after a restart."""
    fetcher = fetch or Fetcher(None, attempts=3)
    clock = FloorClock(root / "clock")
    trust = TrustClient(root / "trust", f"{url}/metadata/", fetcher, clock)
    trust.bootstrap(shelf.repository.root_bytes())
    places = ContentPlaces(
        store=Store(root / "content", bytes_max), programmes=root / "programmes",
        held=root / "held.json", url=url)
    return Content(places, trust, fetcher, lambda folder: [], **more)
