"""Programmes onto the disk: signed, whole, checked; and what never gets there."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.agent import make_content
from device.messages import ProgrammeWanted
from device.paths import Places
from device.programme.schema import Index, IndexedFile
from device.sync import content as module
from device.sync.content import Content
from device.sync.identity import load_identity
from device.sync.index_rules import check_index, read_index
from ota import files
from ota.clock import utc_now
from ota.errors import Refused, Retry
from ota.floor import FloorClock
from ota.trust.client import Target
from tests.sim.chain import Chain


@pytest.fixture
def places(chain: Chain, tmp_path: Path) -> Places:
    return chain.enrol(tmp_path / "box", "b-1")


def keeper(places: Places, clock: FloorClock | None = None) -> Content:
    return make_content(places, load_identity(places.identity),
                        clock or FloorClock(places.var / "clock"))


def test_a_programme_arrives_whole_and_is_known_after_a_restart(
    chain: Chain, places: Places
) -> None:
    wanted = chain.publish(1)
    found = keeper(places).bring(wanted)
    assert (Path(found.path) / "assets" / "extra.bin").read_bytes() == b"leaves"
    assert keeper(places).held() == found
    chain.requests.clear()
    keeper(places).bring(wanted)
    assert not [path for path in chain.requests if "/content/" in path]


def test_a_rotten_file_is_noticed_and_fetched_again(chain: Chain, places: Places) -> None:
    wanted = chain.publish(1)
    found = keeper(places).bring(wanted)
    rotten = Path(found.path) / "assets" / "extra.bin"
    with rotten.open("r+b") as file:  # the store's file is the same inode
        file.write(b"LEAVES")
    assert keeper(places).held() is None
    again = keeper(places).bring(wanted)
    assert again.path != found.path  # what may be playing is never overwritten
    assert (Path(again.path) / "assets" / "extra.bin").read_bytes() == b"leaves"


def test_an_unsigned_name_a_cut_and_a_dead_server_are_told_apart(
    chain: Chain, places: Places
) -> None:
    box = keeper(places)
    with pytest.raises(Refused, match="signed nothing"):
        box.bring(ProgrammeWanted(target="programmes/spring-tea/77.json", version=77))
    wanted = chain.publish(1, extra=b"z" * 500_000)
    missing = chain.content_path(b"z" * 500_000)
    missing.rename(missing.with_suffix(".away"))
    with pytest.raises(Retry):
        box.bring(wanted)
    assert box.held() is None
    missing.with_suffix(".away").rename(missing)
    assert box.bring(wanted).wanted == wanted


def test_an_index_behind_a_name_must_be_that_programme(chain: Chain, places: Places) -> None:
    first = chain.publish(1)
    body = (chain.repository.directory / "targets" / "programmes" / "spring-tea")
    index = next(body.glob("*.1.json")).read_bytes()
    chain.repository.add("programmes", "programmes/spring-tea/2.json", index)
    chain.repository.publish()
    with pytest.raises(Refused, match="lies programme spring-tea 1"):
        keeper(places).bring(ProgrammeWanted(target="programmes/spring-tea/2.json", version=2))
    assert keeper(places).bring(first).programme_id == "spring-tea"


def test_a_full_disk_keeps_the_old_programme_and_says_so(
    chain: Chain, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = keeper(places).bring(chain.publish(1))
    wanted = chain.publish(2, extra=b"new" * 1000)
    real = files.os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "write", full)
    with pytest.raises(Retry, match="full"):
        keeper(places).bring(wanted)
    monkeypatch.setattr(files.os, "write", real)
    assert keeper(places).held() == old
    assert keeper(places).bring(wanted).wanted == wanted


def test_a_store_over_its_limit_waits(
    chain: Chain, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("device.agent.CONTENT_BYTES_MAX", 1000)
    with pytest.raises(Retry, match="content store is full"):
        keeper(places).bring(chain.publish(1, extra=b"x" * 5000))


def test_a_clock_two_years_slow_still_refuses_what_ran_out(
    chain: Chain, places: Places
) -> None:
    keeper(places).bring(chain.publish(1))  # it has seen today
    slow = FloorClock(places.var / "clock", wall=lambda: utc_now() - timedelta(days=730))
    assert slow.now() > utc_now() - timedelta(days=2)
    keeper(places, slow).bring(chain.publish(2))  # and goes on working
    fast = FloorClock(places.var / "clock", wall=lambda: utc_now() + timedelta(days=730))
    with pytest.raises(Refused, match=r"ran out|run out"):
        keeper(places, fast).bring(chain.publish(3))


def test_old_folders_go_and_shared_files_stay(chain: Chain, places: Places) -> None:
    box = keeper(places)
    first = box.bring(chain.publish(1, extra=b"only in one"))
    second = box.bring(chain.publish(2, extra=b"shared"))
    third = box.bring(chain.publish(3, extra=b"shared"))
    assert box.tidy((third.path,)) == 2
    assert not Path(first.path).exists() and not Path(second.path).exists()
    store = {path.name for path in places.content.rglob("*") if path.is_file()}
    assert hashlib.sha256(b"only in one").hexdigest() not in store
    assert hashlib.sha256(b"shared").hexdigest() in store
    assert module.is_whole(Path(third.path), files.sha256_file(Path(third.path) / "index.json"))


def entry(size: int = 1) -> IndexedFile:
    return IndexedFile(sha256="a" * 64, bytes=size)


@pytest.mark.parametrize("name", [
    "../evil", "/etc/passwd", "a/../../b", "a\\b", "C:/x", "a//b", "./a", "a/.", "", "index.json",
    "speech/../../x", "a\0b",
])
def test_a_path_that_leaves_the_folder_is_refused_before_a_byte_is_fetched(name: str) -> None:
    index = Index(schema=1, files={"programme.json": entry(), name: entry()}, speech={})
    with pytest.raises(Refused):
        check_index(index)


def test_a_file_that_is_also_a_folder_and_a_giant_are_refused() -> None:
    for extra in ({"a": entry(), "a/b": entry()}, {"big": entry(2 << 30)},
                  {f"f{n}": entry(1 << 30) for n in range(5)}):
        with pytest.raises(Refused):
            check_index(Index(schema=1, files={"programme.json": entry(), **extra}, speech={}))
    with pytest.raises(Refused, match=r"no programme\.json"):
        check_index(Index(schema=1, files={"x": entry()}, speech={}))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_behind_a_signature_raise_anything_but_refused(data: bytes) -> None:
    target = Target("programmes/x/1.json", len(data), hashlib.sha256(data).hexdigest())
    with pytest.raises(Refused):
        read_index(data, target)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=12), st.integers(0, 2**41), max_size=5))
def test_whatever_names_pass_stay_inside(names: dict[str, int]) -> None:
    body = {"schema": 1, "speech": {}, "files": {
        name: {"sha256": "b" * 64, "bytes": size}
        for name, size in {**names, "programme.json": 1}.items()}}
    data = json.dumps(body).encode()
    target = Target("programmes/x/1.json", len(data), hashlib.sha256(data).hexdigest())
    try:
        index = read_index(data, target)
    except Refused:
        return
    root = Path("/box/programmes/x")
    for name in index.files:
        assert Path(os.path.normpath(root / name)).is_relative_to(root)
        assert Path(os.path.normpath(root / name)) != root
