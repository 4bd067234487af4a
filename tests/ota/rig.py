"""A release channel and a box for install tests: real signatures, real HTTP, real slots."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ota.box.confirm import Health
from ota.box.install import Parts, Settings, Source
from ota.box.slots import DirectorySlots
from ota.box.state import StateFile
from ota.box.store import Store
from ota.box.window import Wait
from ota.clock import monotonic_s
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.formats.manifest import Machine
from ota.history import History
from ota.publish.release import build, publish
from ota.publish.repository import Repository
from ota.trust.client import TrustClient

QUICK = Settings(show_s=0.3, hold_s=0.05, look_s=0.01)
MIB = 1 << 20


def source_tree(directory: Path, version: str, extra: dict[str, str] | None = None) -> Path:
    """A small product: a few files in folders that a release packs."""
    files = {
        "device/__init__.py": '"""The box."""\n',
        "device/player.py": f'VERSION = "{version}"\n' + "# filler\n" * 200,
        "cli/main.py": "print('hello')\n",
        "models/voices/lin.json": json.dumps({"id": "lin", "for": version}),
        **(extra or {}),
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def release_to(
    repository: Repository, work: Path, version: str, extra: dict[str, str] | None = None
) -> None:
    """Build and sign a release of a small product, as the newest."""
    work.mkdir(parents=True, exist_ok=True)
    tree = source_tree(work / f"tree-{version}", version, extra)
    publish(repository, build(tree, version, work / f"{version}.tar"))


def good_health(parts_of: Callable[[], DirectorySlots]) -> Callable[[], Health | None]:
    """A supervisor whose processes are well, whatever slot they run from."""

    def look() -> Health | None:
        slot = parts_of().active()
        return Health(slot or "", player_presented=True, ear_ready=True)

    return look


@dataclass
class Kiosk:
    """A box for installs; `restarts` records every switch that the supervisor was told of."""

    root: Path
    url: str
    tuf_root: bytes
    settings: Settings = QUICK
    restarts: list[str | None] = field(default_factory=list)
    told: list[tuple[str, int, int]] = field(default_factory=list)
    wait: Wait | None = None
    proven: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.slots = DirectorySlots(self.root / "opt")
        self.health: Callable[[], Health | None] = good_health(lambda: self.slots)

    def parts(self) -> Parts:
        home = self.root / "var" / "ota"
        return Parts(
            state=StateFile(home),
            slots=self.slots,
            artefacts=Store(home / "artefacts", 64 * MIB),
            history=History(home),
            clock=FloorClock(self.root / "var" / "clock"),
            machine=Machine.here,
            restart=self.restarts.append,
            health=lambda: self.health(),
            settings=self.settings,
            tell=lambda what, done, whole: self.told.append((what, done, whole)),
            waits=lambda: self.wait,
            proven=lambda: self.proven,
        )

    def source(self, fetcher: Fetcher | None = None) -> Source:
        fetcher = fetcher or Fetcher(None, attempts=1)
        clock = FloorClock(self.root / "var" / "clock")
        trust = TrustClient(
            self.root / "var" / "ota" / "trust", f"{self.url}/metadata", fetcher, clock
        )
        trust.bootstrap(self.tuf_root)
        return Source(trust, fetcher, f"{self.url}/targets")

    def with_settings(self, **changes: float) -> Kiosk:
        self.settings = replace(self.settings, **changes)
        return self


def tree_hash(folder: Path) -> str:
    """One hash over names and bytes of a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()


def write_health(run: Path, code: Path, presented: bool, ready: bool, crashes: int) -> None:
    """As the supervisor does it."""
    run.mkdir(parents=True, exist_ok=True)
    body = {
        "code": str(code),
        "player_presented": presented,
        "ear_ready": ready,
        "crashes": crashes,
        "at_s": monotonic_s(),
    }
    temporary = run / ".health.json"
    temporary.write_text(json.dumps(body), encoding="utf-8")
    temporary.replace(run / "health.json")
