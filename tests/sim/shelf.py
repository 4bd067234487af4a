"""A publisher's repository and a box's content store, without certificates and broker."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from device.messages import ProgrammeWanted
from device.sharing.neighbours import Credentials, Neighbours
from device.sync.content import Content, ContentPlaces
from fleet import certificates
from fleet.shortcuts import add_shortcuts
from ota.box.store import Store
from ota.clock import utc_now
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey

STORE_BYTES = 64 << 20


class Authority:
    """The chain's own way of certifying boxes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chain = folder, f"tea-{secrets.token_hex(4)}"
        self._issuer = certificates.new_issuer(self.chain, utc_now())

    def credentials(self, box: str, lasts: timedelta = timedelta()) -> Credentials:
        """Files of a new identity for `box`; `lasts` moves its end."""
        folder = self.folder / box
        folder.mkdir(parents=True)
        key = certificates.new_key()
        public_key = certificates.public_key_of(key)
        made = certificates.issue_client(self._issuer, box, public_key, utc_now() + lasts)
        files = {"ca.pem": self._issuer.cert_pem, "cert.pem": made, "key.pem": key}
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return Credentials(self.chain, box, *(folder / name for name in files))

    def neighbours(self, box: str, root: Path) -> Neighbours:
        """A box that shares what lies in `root`; started."""
        made = Neighbours(
            self.credentials(box), Store(root / "content", STORE_BYTES), utc_now, "127.0.0.1")
        made.start()
        return made


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
