"""Bombs, giants, ways out and links: refused with a limit, and nothing written outside."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
import zstandard

from device.programme.load import is_inside_path, load, wished_avatar
from device.render.picture_size import size_px
from device.render.pixels import picture_from_bytes
from device.sync.following import Following
from ota import zstd
from ota.box.stick import SCHEME, StickFetcher
from ota.box.store import Store
from ota.errors import Refused, Retry
from ota.fetch import Fetcher
from ota.files import GrowingFile, is_file, lies_in, read_bounded
from ota.floor import FloorClock
from ota.publish.ceremony import read as read_change
from ota.publish.repository import ROLES, Repository
from ota.trust import consent
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey
from tests.ota.origin import serve

NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)
GIANT_BYTES = 2 << 30
MEMORY_BYTES_MAX = 48 << 20
KEY = SigningKey.generate()


def giant(path: Path) -> Path:
    """Two gigabytes of JSON, as far as anybody can tell before reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b'{"schema": 1, "rest": "')
        file.truncate(GIANT_BYTES)
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "programme.json": lambda path: load(path.parent),
    "avatar.json": lambda path: consent.check_bundle(path.parent, NOW, None, [KEY.public]),
    "desired.json": lambda path: Following(
        path, path.with_name("f"), [KEY.public], "a", "b").load(),
    "change.json": lambda path: read_change(read_bounded(path, 1 << 20)),
}


@pytest.mark.parametrize("name", sorted(READERS))
def test_two_gigabytes_of_json_are_not_read(tmp_path: Path, name: str) -> None:
    path = giant(tmp_path / "in" / name)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match=r"larger than|not a valid"):
            READERS[name](path)
        assert wished_avatar(path.parent) is None
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()


def test_two_gigabytes_of_metadata_on_a_stick_are_not_read(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    repository = Repository.create(stick, {role: [KEY] for role in ROLES})
    box = TrustClient(tmp_path / "box", f"{SCHEME}/metadata/", StickFetcher(stick),
                      FloorClock(tmp_path / "clock"))
    box.bootstrap(repository.root_bytes())
    giant(stick / "metadata" / "timestamp.json")
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="larger than"):
            box.refresh()
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("told", [1000, 1 << 40])
def test_a_frame_that_swells_takes_no_memory(told: int) -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    assert len(bomb) < 64 << 10
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="another length"):
            zstd.unpacked(bomb, told)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()


def png_of(width_px: int, height_px: int) -> bytes:
    """A PNG whose head promises so many pixels."""
    def part(kind: bytes, body: bytes) -> bytes:
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


def test_a_picture_that_swells_is_refused_by_its_head() -> None:
    for size in ((30_000, 30_000), (200_000, 1), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(Refused, match="larger than"):
            picture_from_bytes(png_of(*size), "a picture")


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_head_of_every_kind_is_read_right(kind: str, channels: int) -> None:
    picture = np.random.default_rng(7).integers(0, 255, (41, 67, channels), np.uint8)
    _, packed = cv2.imencode(kind, picture)
    assert size_px(packed.tobytes()) == (67, 41)
    assert picture_from_bytes(packed.tobytes(), "a picture").shape == (41, 67, 4)


def test_a_chunk_that_promises_gigabytes_takes_no_memory() -> None:
    """OpenCV takes two gigabytes for what the length of a chunk says."""
    _, packed = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))
    good = packed.tobytes()
    at = good.index(b"IDAT")
    bomb = good[: at - 4] + struct.pack(">I", 2**31 - 1) + good[at:]
    with pytest.raises(Refused, match="not a picture"):
        picture_from_bytes(bomb, "a picture")
    assert size_px(bomb) is None


def test_other_formats_are_not_even_tried() -> None:
    _, bitmap = cv2.imencode(".bmp", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(Refused, match="PNG, JPEG or WebP"):
        picture_from_bytes(bitmap.tobytes(), "a picture")


def test_a_link_in_the_store_leads_no_write_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"the box's own file")
    data = b"content " * 99
    (tmp_path / "c").write_bytes(data)
    store = Store(tmp_path / "store", 1 << 20)
    sha256 = Store(tmp_path / "other", 1 << 20).put(data)
    path = store.path(sha256)
    path.parent.mkdir(parents=True)
    for name in (sha256, f".{sha256}.part"):
        path.with_name(name).symlink_to(outside)
    assert not store.has(sha256) and not store.verify(sha256)
    with serve(tmp_path) as origin:
        Fetcher(None).file(f"{origin.url}/c", path, len(data), sha256)
    assert store.verify(sha256) and not path.is_symlink()
    assert outside.read_bytes() == b"the box's own file"


def test_a_linked_folder_in_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    store = Store(tmp_path / "store", 1 << 20)
    (tmp_path / "store").mkdir()
    for number in range(256):
        (tmp_path / "store" / f"{number:02x}").symlink_to(tmp_path / "outside")
    with pytest.raises(Refused, match="is a link"):
        store.put(b"content")
    assert not list((tmp_path / "outside").iterdir())


def test_a_growing_file_replaces_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / ".x.part").symlink_to(tmp_path / "outside")
    with GrowingFile(tmp_path / ".x.part") as growing:
        growing.write(b"new")
        growing.commit(tmp_path / "x")
    assert (tmp_path / "outside").read_bytes() == b"mine"
    assert (tmp_path / "x").read_bytes() == b"new"


@pytest.mark.parametrize("url", ["/metadata/../../etc/passwd", "/targets/link", "/../x"])
def test_nothing_leads_out_of_a_stick(tmp_path: Path, url: str) -> None:
    stick = tmp_path / "stick"
    (stick / "targets").mkdir(parents=True)
    (tmp_path / "x").write_bytes(b"secret")
    (stick / "targets" / "link").symlink_to("/etc/passwd")
    fetcher = StickFetcher(stick)
    with pytest.raises((Refused, Retry), match="leads out of the stick"):
        fetcher.bytes(SCHEME + url, 99)
    with pytest.raises((Refused, Retry), match="leads out of the stick"):
        fetcher.file(SCHEME + url, tmp_path / "got", 6, "0" * 64)
    assert not (tmp_path / "got").exists() and os.path.lexists(stick / "targets" / "link")


def test_a_name_that_no_disk_can_hold_is_refused_and_no_crash(tmp_path: Path) -> None:
    long = "x" * 256
    assert not is_inside_path(f"assets/{long}") and is_inside_path(f"assets/{'x' * 255}")
    for name in (long, "a\0b"):
        with pytest.raises(Refused, match="no likeness consent"):
            consent.read(tmp_path / name, "mei", [KEY.public])
        assert not lies_in(tmp_path / name, tmp_path / "in") and not is_file(tmp_path / name)
