"""The other end of a box's line: a chain's server, or a plain origin of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ota.origin import Origin, serve
from tests.sim.chain import Chain


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """A whole chain, nothing of it running yet."""
    with Chain(tmp_path / "fleet") as made:
        yield made


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    """A server of files that counts what it sends."""
    (tmp_path / "tuf").mkdir()
    with serve(tmp_path / "tuf") as running:
        yield running
