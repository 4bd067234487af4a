"""A fleet (keys, repository, web server) and a box that trusts it, each test with its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey
from tests.ota.origin import Origin, serve

PROGRAMME = "programmes/spring-tea/12.json"


@dataclass
class Fleet:
    """The publisher. `now` is its clock, which a test may turn."""

    directory: Path
    origin: Origin
    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    keys: dict[str, list[SigningKey]] = field(
        default_factory=lambda: {role: [SigningKey.generate()] for role in ROLES}
    )

    def __post_init__(self) -> None:
        self.repository = Repository.create(self.directory, self.keys, clock=lambda: self.now)

    @property
    def metadata(self) -> Path:
        return self.directory / "metadata"

    def publish(self, data: bytes = b'{"schema": 1}', path: str = PROGRAMME) -> str:
        role = path.split("/")[0]
        sha256 = self.repository.add(role, path, data)
        self.repository.publish()
        return sha256

    def later(self, **spans: float) -> None:
        self.now += timedelta(**spans)


@dataclass
class Box:
    """A box's trust store. `wall` is its own clock, right unless a test breaks it."""

    store: Path
    origin: Origin
    wall: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As after a power cut: everything in memory is gone."""
        self.clock = FloorClock(self.store / "clock", lambda: self.wall)
        self.trust = TrustClient(
            self.store, f"{self.origin.url}/metadata", Fetcher(None), self.clock
        )


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    (tmp_path / "tuf").mkdir()
    with serve(tmp_path / "tuf") as running:
        yield running


@pytest.fixture
def fleet(origin: Origin) -> Fleet:
    return Fleet(origin.directory, origin)


@pytest.fixture
def box(tmp_path: Path, fleet: Fleet) -> Box:
    enrolled = Box(tmp_path / "box", fleet.origin)
    enrolled.trust.bootstrap(fleet.repository.root_bytes())
    return enrolled
