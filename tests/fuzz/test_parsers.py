"""Hostile bytes for every reader of the table: it returns, or raises an error of its own family,
soon, with little memory, and writes nothing anywhere else."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import mutated
from tests.fuzz.parsers import Parser, table

CASE_CPU_S_MAX = 2.0
MEMORY_BYTES_MAX = 400 << 20
SEEDS = st.integers(0, 2**63)
RANDOM = st.binary(max_size=300)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Parser]]]:
    """The table, in a folder of its own; its neighbours must stay as they are."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "beside").mkdir()
    (folder / "beside" / "secret").write_text("untouched")
    before = Path.cwd()
    gc.collect()  # what other tests left must not be finalised at the bottom of deep JSON
    os.chdir(folder / "beside")
    yield folder, table(folder / "in")
    os.chdir(before)


def judge(parser: Parser, data: bytes) -> bool:
    """Read once; True when it was taken. Only the parser's own errors are let through."""
    started_s = time.thread_time()
    try:
        parser.read(data)
        return True
    except parser.errors:
        return False
    finally:
        assert time.thread_time() - started_s < CASE_CPU_S_MAX, f"{parser.name} is slow"


def hammer(parsers: list[Parser], cases: int) -> None:
    """Every parser; all that fail are told, not only the first."""
    faults = []
    for parser in parsers:
        try:
            _hostile(parser, cases)()
        except Exception as error:
            faults.append(f"{parser.name}: {error!r}")
    assert not faults, "\n".join(faults)


def _hostile(parser: Parser, cases: int) -> Callable[[], None]:
    @settings(max_examples=cases, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(SEEDS, RANDOM)
    def one(seed: int, noise: bytes) -> None:
        good = parser.good[seed % len(parser.good)]
        judge(parser, noise if seed % 10 == 0 else mutated(good, seed))

    return one


def memory_bytes() -> int:
    """The most that this process ever held: tests before this one count, too."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def check_outside(folder: Path, before_bytes: int) -> None:
    assert [path.name for path in (folder / "beside").iterdir()] == ["secret"]
    assert sorted(path.name for path in folder.iterdir()) == ["beside", "in"]
    assert (folder / "beside" / "secret").read_text() == "untouched"
    assert memory_bytes() - before_bytes < MEMORY_BYTES_MAX, "a reader took more than its share"


def test_good_examples_are_taken(world: tuple[Path, list[Parser]]) -> None:
    """A table of readers that refuse everything would prove nothing."""
    taken = {"avatar bundle": False}  # its networks are not in the example
    wrong = [parser.name for parser in world[1]
             if all(judge(parser, good) for good in parser.good) != taken.get(parser.name, True)]
    assert not wrong


def test_hostile_bytes_are_returned_or_refused(world: tuple[Path, list[Parser]]) -> None:
    before_bytes = memory_bytes()
    hammer(world[1], 12)
    check_outside(world[0], before_bytes)


@pytest.mark.nightly
def test_a_hundred_thousand_cases_each(world: tuple[Path, list[Parser]]) -> None:
    before_bytes = memory_bytes()
    hammer(world[1], int(os.environ.get("VITRINE_FUZZ_CASES", "100000")))
    check_outside(world[0], before_bytes)
