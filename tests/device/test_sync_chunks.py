"""What changed is what comes: chunks and deltas, over bad lines, power cuts, rot and lies."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from device.sync.content import is_whole
from ota.box.stick import StickFetcher
from ota.errors import Refused, Retry
from ota.files import sha256_file
from tests.ota.cutter import CUT, DONE, run_cut
from tests.ota.origin import Origin
from tests.sim.shelf import Shelf, box

AVATAR = "avatar/base.mp4"
BODY = random.Random(5).randbytes(3 << 20)


@pytest.fixture
def shelf(origin: Origin) -> Shelf:
    made = Shelf(origin.directory)
    made.files[AVATAR] = BODY
    return made


def content_bytes(origin: Origin) -> int:
    """What was sent since the last look."""
    found, origin.sent_bytes = origin.sent_bytes, 0
    origin.requests.clear()
    return found


def changed() -> bytes:
    return BODY[:1_000_000] + b"a new word" + BODY[1_000_100:]


def test_a_changed_avatar_costs_what_changed(shelf: Shelf, origin: Origin, tmp_path: Path) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    keeper.bring(shelf.publish())
    content_bytes(origin)
    shelf.files[AVATAR] = changed()
    found = keeper.bring(shelf.publish())
    assert (Path(found.path) / AVATAR).read_bytes() == changed()
    assert content_bytes(origin) < 400_000


def test_a_changed_line_costs_its_words_and_not_its_programme(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    for number in range(40):
        shelf.files[f"speech/{number}.opus"] = b"%d" % number
    lines = {"segments": [{"id": f"s{n}", "say": random.Random(n).randbytes(60).hex()}
                          for n in range(200)]}
    keeper.bring(shelf.publish(**lines))
    content_bytes(origin)
    lines["segments"][7]["say"] = "one new line"
    found = keeper.bring(shelf.publish(**lines))
    assert b"one new line" in (Path(found.path) / "programme.json").read_bytes()
    assert content_bytes(origin) < 6_000


def test_text_travels_packed_and_noise_as_it_is(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    shelf.files["words.txt"] = b"the tea is fresh today; " * 40_000
    found = box(tmp_path / "box", shelf, origin.url).bring(shelf.publish())
    assert is_whole(Path(found.path), sha256_file(Path(found.path) / "index.json"))
    assert content_bytes(origin) < len(BODY) + 60_000
    assert not list(origin.directory.rglob("*.part"))


def test_an_old_publisher_and_a_server_without_ranges_still_serve(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    wanted = shelf.publish(shortcuts=False)
    assert box(tmp_path / "a", shelf, origin.url).bring(wanted).wanted == wanted
    origin.ranges = False
    wanted = shelf.publish()
    assert box(tmp_path / "b", shelf, origin.url).bring(wanted).wanted == wanted


def test_a_line_cut_again_and_again_brings_no_chunk_twice(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    wanted = shelf.publish()
    origin.cut_after_bytes = 200_000
    box(tmp_path / "box", shelf, origin.url).bring(wanted)
    assert len(origin.requests) > 12 and content_bytes(origin) < len(BODY) * 1.03


def test_a_download_goes_on_after_a_reboot_from_its_last_good_chunk(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    wanted = shelf.publish()
    origin.cut_after_bytes = 2_000_000
    server = shelf.content(BODY)
    kept = server.read_bytes()
    server.write_bytes(kept[:2_000_000])  # it has no more to give
    with pytest.raises(Retry):
        box(tmp_path / "box", shelf, origin.url).bring(wanted)
    server.write_bytes(kept)
    part = next((tmp_path / "box" / "content").rglob("*.grown"))
    assert part.stat().st_size > 1_500_000
    with part.open("r+b") as file:  # what the cache held was lost: zeros, and a torn end
        file.seek(1_200_000)
        file.write(b"\0" * 100)
    content_bytes(origin)
    found = box(tmp_path / "box", shelf, origin.url).bring(wanted)
    assert (Path(found.path) / AVATAR).read_bytes() == BODY
    assert content_bytes(origin) < 2_200_000 and not part.exists()


def test_one_rotten_block_costs_one_block(shelf: Shelf, origin: Origin, tmp_path: Path) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    wanted = shelf.publish()
    found = keeper.bring(wanted)
    with (Path(found.path) / AVATAR).open("r+b") as file:
        file.seek(1_500_000)
        file.write(b"rot")
    content_bytes(origin)
    assert keeper.held() is None
    again = keeper.bring(wanted)
    assert (Path(again.path) / AVATAR).read_bytes() == BODY and again.path != found.path
    assert content_bytes(origin) < 300_000


def test_a_server_that_changes_a_block_a_list_or_a_delta_gets_nowhere(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    good = keeper.bring(shelf.publish())
    shelf.files[AVATAR] = changed()
    wanted = shelf.publish()
    content = origin.directory / "targets" / "content"
    for path in list(content.iterdir()):
        if path.name not in {p.name for p in (tmp_path / "box" / "content").rglob("*")}:
            data = path.read_bytes()
            path.write_bytes(bytes(255 - byte for byte in data[:2000]) + data[2000:])
    changed_file = shelf.content(changed())
    data = bytearray(changed_file.read_bytes())
    data[1_000_000] ^= 1
    changed_file.write_bytes(data)
    with pytest.raises(Refused):
        keeper.bring(wanted)
    assert keeper.held() == good
    stored = {path.name for path in (tmp_path / "box" / "content").glob("??/*")}
    assert changed_file.name not in stored


def test_a_download_survives_a_cut_at_every_storage_call(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=shm if os.access(shm, os.W_OK) else tmp_path))
    try:
        shelf = Shelf(folder / "tuf")
        shelf.files[AVATAR] = BODY[:600_000]

        def life() -> None:
            box(folder / "box", shelf, "stick:", StickFetcher(folder / "tuf")).bring(wanted)

        wanted = shelf.publish()
        life()
        shutil.copytree(folder / "box", folder / "base")
        shelf.files[AVATAR] = BODY[:300_000] + b"changed" + BODY[300_000:600_000]
        wanted = shelf.publish()
        for torn in (False, True):
            for at in range(0, 500, 4 if torn else 1):
                shutil.rmtree(folder / "box")
                shutil.copytree(folder / "base", folder / "box")
                code = run_cut(life, at, torn)
                assert code in (CUT, DONE)
                held = box(folder / "box", shelf, "stick:", StickFetcher(folder / "tuf")).held()
                assert held is not None and held.wanted.version in (1, 2)
                assert (code == CUT) or held.wanted == wanted
                if at % 8 == 0 or code == DONE:  # each eighth recovery: they are much alike
                    life()
                    found = Path(folder / "box" / "programmes" / "tea-2")
                    assert is_whole(found, sha256_file(found / "index.json"))
                if code == DONE:
                    break
            assert code == DONE and at > (10 if torn else 40)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
