"""Room on the disk, a share of the line, and rot: what plays stays, whatever else happens."""

from __future__ import annotations

import queue
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.messages import Desired, Download, Settings
from device.sync.budget import Budget, rate_now
from device.sync.content import Content, is_whole
from device.sync.follower import Follower, FollowerParts
from device.sync.following import Following
from device.sync.inbox import JobDone, Worker
from device.sync.keeping import Lying, Scrub, choose, make_room
from device.sync.report import Faults
from ota.box import budget as module
from ota.box import store as store_module
from ota.box.budget import Spent, hour_of, kept, left_bytes
from ota.box.store import Store
from ota.errors import Retry
from ota.fetch import Fetcher
from ota.files import sha256_file
from ota.floor import FloorClock
from tests.ota.origin import Origin
from tests.sim.shelf import Shelf, box

AVATAR = "avatar/base.mp4"
NOON = datetime(2026, 11, 25, 12, 30, tzinfo=timezone.utc)
BODY = random.Random(5).randbytes(2 << 20)


@pytest.fixture
def shelf(origin: Origin) -> Shelf:
    made = Shelf(origin.directory)
    made.files[AVATAR] = BODY
    return made


def whole(path: str) -> bool:
    return is_whole(Path(path), sha256_file(Path(path) / "index.json"))


def other(number: int) -> bytes:
    return random.Random(100 + number).randbytes(2 << 20)


def test_a_small_disk_lets_the_oldest_go_and_keeps_what_plays(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    def small() -> Content:
        return box(tmp_path / "box", shelf, origin.url, bytes_max=7_000_000)

    playing = small().bring(shelf.publish())
    for number in range(3):  # each is 2 MB; three fit: playing, held, new
        shelf.files[AVATAR] = other(number)
        newest = small().bring(shelf.publish(), keep=(playing.path,))
        assert whole(playing.path) and whole(newest.path)
    assert len(list((tmp_path / "box" / "programmes").iterdir())) == 3
    shelf.files.update({AVATAR: other(7), "more": other(8)})
    with pytest.raises(Retry, match="full"):
        small().bring(shelf.publish(), keep=(playing.path,))
    assert whole(playing.path) and whole(newest.path)


def test_a_full_disk_is_told_and_the_old_programme_plays(
    shelf: Shelf, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    playing = keeper.bring(shelf.publish())
    shelf.files[AVATAR] = other(1)
    wanted = shelf.publish()
    usage = SimpleNamespace(total=10**9, used=10**9, free=17 << 20)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(Retry, match="no room"):
        keeper.bring(wanted, keep=(playing.path,))
    assert keeper.held() == playing
    monkeypatch.undo()
    assert keeper.bring(wanted).wanted == wanted


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50), st.integers(0, 99))),
       st.sets(st.integers(0, 9)), st.integers(0, 300))
def test_what_is_needed_is_never_chosen_and_nothing_goes_in_vain(
    files: list[tuple[int, int, int]], needed: set[int], over: int
) -> None:
    lying = [Lying(str(name), size, came) for name, size, came in files]
    names = {str(name) for name in needed}
    chosen = choose(lying, names, over)
    assert not names & set(chosen)
    free = sum(each.length_bytes for each in lying if each.sha256 not in names)
    assert bool(chosen) == (0 < over <= free)


def test_half_a_file_is_not_wanted_twice_and_nothing_needs_no_room(tmp_path: Path) -> None:
    store, sha256 = Store(tmp_path, 100), "ab" * 32
    half = store.path(sha256).with_name(f".{sha256}.grown")
    half.parent.mkdir()
    half.write_bytes(b"x" * 70)  # a power cut left it
    assert store.loaded_bytes(sha256) == 70
    make_room(store, 100 - store.loaded_bytes(sha256), [], (), {sha256})
    with pytest.raises(Retry, match="full"):
        make_room(store, 100, [], (), {sha256})
    half.write_bytes(b"x" * 101)  # what room was made for, and a little list beside it
    make_room(store, 0, [], (), {sha256})


def test_the_scrub_comes_round_and_finds_what_rotted(tmp_path: Path) -> None:
    store = Store(tmp_path, 1 << 20)
    names = [store.put(b"%d" % number * 100) for number in range(12)]
    scrub = Scrub(store)
    assert [scrub.look(200) for _ in range(12)] == [[]] * 12
    store.path(names[5]).write_bytes(b"rot")
    found = [name for _ in range(13) for name in scrub.look(200)]
    assert found == [names[5]] and not store.has(names[5])
    assert Scrub(Store(tmp_path / "none", 1)).look() == []


def test_rot_is_noticed_and_only_its_block_is_fetched(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    wanted = shelf.publish()
    found = keeper.bring(wanted)
    with (Path(found.path) / AVATAR).open("r+b") as file:
        file.seek(700_000)
        file.write(b"rot")
    assert [name for _ in range(4) for name in keeper.scrub()] == [shelf.content(BODY).name]
    origin.sent_bytes = 0
    assert whole(keeper.bring(wanted).path) and origin.sent_bytes < 300_000


def test_a_box_that_finds_rot_plays_on_and_then_plays_the_whole_file(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    keeper = box(tmp_path / "box", shelf, origin.url)
    jobs: queue.Queue[JobDone] = queue.Queue(8)
    worker = Worker(lambda job: jobs.put(job) is None)
    worker.start()
    following = Following(tmp_path / "desired", tmp_path / "seq", (), "tea", "b")
    following.desired = Desired(seq=1, programme=shelf.publish())
    told: list[Any] = []
    noted: list[str] = []
    follower = Follower(FollowerParts(
        following, keeper, worker, FloorClock(tmp_path / "clock"), told.append,
        lambda kind, detail: noted.append(kind), Faults(), lambda release: None))

    def bring() -> str:
        follower.turn()
        follower.brought(jobs.get(timeout=20))
        follower.turn()
        return str(told[-1].path)

    first = bring()
    with (Path(first) / AVATAR).open("r+b") as file:
        file.write(b"rot")
    for _ in range(4):
        worker.submit("scrub", keeper.scrub)
        follower.scrubbed(jobs.get(timeout=20))
    assert noted == ["rot"] and told[-1].path == first
    second = bring()
    assert second != first and whole(second)


def test_a_day_and_an_hour_have_their_share() -> None:
    hours = {hour_of(NOON - timedelta(hours=n)): 10 for n in range(-2, 30)}
    assert sum(kept(hours, NOON).values()) == 240
    assert left_bytes(Download(), hours, NOON) is None
    assert left_bytes(Download(bytes_per_hour=20_000), hours, NOON) == 19_990
    assert left_bytes(Download(bytes_per_day=20_000), hours, NOON) == 19_760
    later = NOON + timedelta(hours=40)
    assert left_bytes(Download(bytes_per_day=20_000), hours, later) == 20_000


def test_the_line_belongs_to_the_shop_while_it_is_open() -> None:
    hours = Settings(hours="mon-sun 09:00-21:00", timezone="UTC")
    assert rate_now(hours, NOON) == 1_000_000
    assert rate_now(hours, NOON.replace(hour=23)) is None
    assert rate_now(Settings(), NOON) is None


def test_a_spent_share_waits_for_the_next_hour_and_nothing_comes_twice(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    moment = [NOON]
    share = Settings(download=Download(bytes_per_hour=1_200_000))

    def with_share() -> Content:
        mine = Budget(tmp_path, lambda: moment[0])
        mine.follow(share)
        fetcher = Fetcher(None, meter=mine.spend)
        return box(tmp_path / "box", shelf, origin.url, fetcher, budget=mine)

    wanted = shelf.publish()
    with pytest.raises(Spent):
        with_share().bring(wanted)
    assert origin.sent_bytes < 4_000_000  # what was on its way when it hung up counts here
    with pytest.raises(Spent):
        with_share().bring(wanted)  # after a restart as well
    moment[0] += timedelta(hours=1)
    assert whole(with_share().bring(wanted).path)
    used = Budget(tmp_path, lambda: moment[0]).used_bytes
    assert used < len(BODY) * 1.1


def test_a_price_is_never_late_for_a_share(
    shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    mine = Budget(tmp_path, lambda: NOON)
    mine.follow(Settings(download=Download(bytes_per_day=16_384)))
    shelf.files[AVATAR] = b"x" * 100_000
    fetcher = Fetcher(None, meter=mine.spend)
    keeper = box(tmp_path / "box", shelf, origin.url, fetcher, budget=mine)
    assert whole(keeper.bring(shelf.publish()).path)
    assert mine.used_bytes > 16_384


def test_a_bulk_download_is_slowed_to_its_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    clock = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(max(0.0, seconds))
        clock[0] += max(0.0, seconds)

    monkeypatch.setattr(module, "sleep_s", sleep)
    monkeypatch.setattr(module, "monotonic_s", lambda: clock[0])
    mine = Budget(tmp_path, lambda: NOON)
    mine.follow(Settings(hours="mon-sun 09:00-21:00", timezone="UTC"))
    mine.begin(50_000_000)
    for _ in range(1000):
        mine.spend(10_000)
    assert clock[0] - 100.0 == pytest.approx(10.0 - module.BURST_S, abs=0.1)
    mine.begin(50_000)
    slept.clear()
    mine.spend(50_000)
    assert not slept
