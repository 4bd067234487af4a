"""One fleet server for the tests that only need one; stories that break things make their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rig import Fleet, SimBox, small_programme


@pytest.fixture()
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A running server of its own with the small programme published as version 3."""
    server = Fleet(tmp_path / "state", small_programme(tmp_path / "tea-shop"))
    server.up()
    yield server
    server.down()


@pytest.fixture()
def box(fleet: Fleet, tmp_path: Path) -> Iterator[SimBox]:
    """An enrolled, connected box that has taken its first desired document."""
    sim = SimBox(fleet, tmp_path / "shanghai-001", "shanghai-001")
    status, answer = sim.enrol(fleet.ticket("shanghai-001"))
    assert status == 200, answer
    sim.connect()
    sim.follow()
    yield sim
    sim.leave()
