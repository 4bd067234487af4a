"""Bytes over a bad line and onto a full disk; what is stored is what was asked for."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import ssl
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ota import fetch as fetch_module
from ota.box.store import Store
from ota.clock import utc_now
from ota.errors import Refused, Retry
from ota.fetch import DiskFull, Fetcher, HttpStatus, tls_context, tls_for_downloads
from ota.history import LINES_MAX, History, first_break
from ota.publish.keyring import find_keys, load_keyring, make_keyring
from tests.ota.origin import Origin

BODY = random.Random(7).randbytes(700_000)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def file_url(origin: Origin) -> str:
    (origin.directory / "file.bin").write_bytes(BODY)
    return f"{origin.url}/file.bin"


def get(url: str, to: Path, attempts: int = 6) -> None:
    Fetcher(None, attempts=attempts).file(url, to, len(BODY), SHA)


def test_a_line_cut_again_and_again_costs_nothing_twice(
    origin: Origin, file_url: str, tmp_path: Path
) -> None:
    origin.cut_after_bytes = 90_000
    get(file_url, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BODY
    assert len(origin.requests) >= 7
    assert origin.sent_bytes <= len(BODY) * 1.03


def test_a_download_continues_after_a_reboot(origin: Origin, file_url: str, tmp_path: Path) -> None:
    origin.cut_after_bytes = 300_000
    part = tmp_path / f".{SHA}.part"
    part.write_bytes(BODY[:250_000])
    get(file_url, tmp_path / "got")
    assert origin.requests[0][1] == "bytes=250000-"
    assert (tmp_path / "got").read_bytes() == BODY and not part.exists()


def test_a_server_without_ranges_still_serves(
    origin: Origin, file_url: str, tmp_path: Path
) -> None:
    origin.ranges = False
    (tmp_path / f".{SHA}.part").write_bytes(BODY[:1000])
    get(file_url, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BODY


def test_a_rotten_part_is_noticed_and_the_next_try_is_clean(
    origin: Origin, file_url: str, tmp_path: Path
) -> None:
    (tmp_path / f".{SHA}.part").write_bytes(b"\0" * 1000)
    with pytest.raises(Refused, match="not the ones that were signed"):
        get(file_url, tmp_path / "got")
    assert not (tmp_path / "got").exists()
    get(file_url, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BODY


def test_a_body_longer_than_signed_is_cut_off(
    origin: Origin, file_url: str, tmp_path: Path
) -> None:
    (origin.directory / "file.bin").write_bytes(BODY * 3)
    with pytest.raises(Refused, match="longer"):
        get(file_url, tmp_path / "got")
    with pytest.raises(Refused, match="longer"):
        Fetcher(None).bytes(file_url, 1000)


def test_one_connection_serves_many_files_and_an_idle_one_may_be_hung_up(
    origin: Origin, file_url: str
) -> None:
    (origin.directory / "small").write_bytes(b"tea")
    fetcher = Fetcher(None)
    for _ in range(3):
        assert fetcher.bytes(f"{origin.url}/small", 10) == b"tea"
        with pytest.raises(HttpStatus):
            fetcher.bytes(f"{origin.url}/none", 10)
        assert b"".join(fetcher.span(file_url, 100, 5000)) == BODY[100:5100]
    assert origin.connections == 1
    origin.hangs_up = True
    for _ in range(4):
        assert fetcher.bytes(f"{origin.url}/small", 10) == b"tea"
    assert origin.connections >= 4


def test_a_missing_file_and_a_dead_server_are_sentences(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(HttpStatus) as caught:
        get(f"{origin.url}/none", tmp_path / "got")
    assert caught.value.status == 404 and len(origin.requests) == 1
    with pytest.raises(Retry, match="cannot be reached"):
        Fetcher(None).bytes("http://127.0.0.1:1/x", 10)
    for bad in ("file:///etc/passwd", "ftp://x/y", "nonsense"):
        with pytest.raises(Refused):
            Fetcher(None).bytes(bad, 10)


def test_a_stranger_with_a_certificate_is_refused(origin: Origin, tmp_path: Path) -> None:
    """Plain http answers where https is wanted: no byte of it is used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises((Refused, Retry)):
        Fetcher(context).bytes(origin.url.replace("http:", "https:") + "/file.bin", 10)
    with pytest.raises(Refused, match="enrol"):
        tls_context(tmp_path / "none.pem")


def test_a_certificate_that_ran_out_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is downloaded is signed: an old certificate must not keep a box from it."""
    shown: list[int] = []
    monkeypatch.setattr(fetch_module, "tls_context", lambda *files: shown.append(len(files)))
    for lasts_h in (1, -1):
        until = utc_now() + timedelta(hours=lasts_h)
        monkeypatch.setattr(fetch_module, "read_bounded", lambda *_: b"")
        monkeypatch.setattr(fetch_module, "certificate_until", lambda _, end=until: end)
        tls_for_downloads(Path("identity"), utc_now())
    assert shown == [3, 1]


def test_too_little_room_is_said_before_the_download(
    file_url: str, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    with pytest.raises(DiskFull, match="remove something"):
        get(file_url, tmp_path / "got")
    assert not origin.requests


def test_a_disk_that_fills_in_the_middle_keeps_what_came(
    file_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quota strikes at the very system call, after 200 kB."""
    room = [200_000]
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= len(data)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(Retry, match="disk is full"):
        get(file_url, tmp_path / "got", attempts=1)
    monkeypatch.undo()
    assert (tmp_path / f".{SHA}.part").stat().st_size > 100_000
    get(file_url, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BODY


def test_the_store_keeps_what_it_was_given(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", 10_000)
    sha = store.put(b"tea")
    assert store.has(sha) and store.path(sha).read_bytes() == b"tea" and store.verify(sha)
    source = tmp_path / "source"
    source.write_bytes(b"x" * 5000)
    other = store.put(source)
    assert sorted(store.names()) == sorted([sha, other]) and store.used_bytes() == 5003
    with pytest.raises(Refused):
        store.put(b"coffee", sha)
    with pytest.raises(Retry, match="full"):
        store.put(b"y" * 6000)
    assert store.keep_only({sha}) == 5000 and not store.has(other)


def test_a_rotten_file_leaves_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path, 10_000)
    sha = store.put(b"tea")
    store.path(sha).write_bytes(b"tae")
    assert not store.verify(sha) and not store.has(sha) and not store.verify(sha)


@given(st.text(max_size=70))
def test_only_hashes_name_content(name: str) -> None:
    store = Store(Path("/nowhere"), 1)
    if len(name) == 64 and all(c in "0123456789abcdef" for c in name):
        return
    with pytest.raises(Refused):
        store.path(name)


def test_a_history_line_cannot_be_changed_or_taken_out(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in range(6):
        history.add("install", utc_now(), {"version": f"1.{number}"})
    assert history.broken_at() is None and len(history.entries()) == 6
    path = tmp_path / "history.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], lines[2].replace(b"1.2", b"9.9"), *lines[3:]]))
    assert history.broken_at() == 4
    path.write_bytes(b"\n".join(lines[:2] + lines[3:]))
    assert history.broken_at() == 4
    path.write_bytes(b"\n".join(lines[1:]).replace(b'"n": 2', b'"n": 1'))
    assert history.broken_at() == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_a_history_of_nonsense_is_broken_and_no_crash(lines: list[bytes]) -> None:
    assert first_break(lines) == (1 if lines else None)


def test_the_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ota.history

    monkeypatch.setattr(ota.history, "LINES_MAX", 10)
    history = History(tmp_path)
    for _ in range(40):
        history.add("check", utc_now())
        assert history.broken_at() is None
    assert len(history.entries()) <= 15 < LINES_MAX
    assert history.entries()[-1].number == 40


def test_a_keyring_is_made_once_and_found_again(tmp_path: Path) -> None:
    made = make_keyring(tmp_path / "keys", "secret", {"root": 2})
    assert len(made["root"]) == 2
    found = load_keyring(tmp_path / "keys", "secret")
    assert {r: [k.public for k in ks] for r, ks in found.items()} == {
        r: [k.public for k in ks] for r, ks in made.items()
    }
    with pytest.raises(Refused, match="already"):
        make_keyring(tmp_path / "keys")
    with pytest.raises(Refused, match="passphrase"):
        load_keyring(tmp_path / "keys")
    made["snapshot"][0].save(tmp_path / "server" / "snapshot.key.pem")
    assert find_keys([tmp_path / "server"], ["snapshot", "root"]).keys() == {"snapshot"}
    with pytest.raises(Refused, match="not in"):
        load_keyring(tmp_path / "server", roles=["root"])
