"""A repository over the years: what goes, what must never go, and what stands in the way."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ota.errors import Refused, Retry
from ota.formats import systems
from ota.formats.rollout import encoded
from ota.publish import pruning
from ota.publish.inventory import file_of, needed
from ota.publish.pruning import GRACE, MEMORY, prune, read_memory, would_go
from ota.publish.repository import ROLES, Repository
from ota.publish.spread import new_plan
from ota.trust.keys import SigningKey
from tests.ota.rig import release_to
from tests.ota.run_cli import main
from tests.ota.system_rig import make_bundle, publish_bundle

NONE = timedelta(0)
DAY = timedelta(days=1)


class Chain:
    """A publisher's folder; `now` is its clock."""

    def __init__(self, folder: Path) -> None:
        self.keys = {role: [SigningKey.generate()] for role in ROLES}
        self.now = datetime.now(timezone.utc)
        self.folder, self.versions = folder, 0
        self.repository = Repository.create(folder, self.keys, clock=lambda: self.now)

    def programme(self, words: str) -> str:
        """Publish it in place of the one before; returns the hash of its words."""
        repository = self.repository
        sha256 = repository.put_content(words.encode())
        self.versions += 1
        index = {"files": {"words.txt": {"sha256": sha256, "bytes": len(words)}}}
        target = f"programmes/tea/{self.versions}.json"
        repository.add("programmes", target, json.dumps(index).encode())
        repository.remove("programmes", f"programmes/tea/{self.versions - 1}.json")
        repository.publish()
        return sha256

    def has(self, sha256: str) -> bool:
        return self.repository.content_path(sha256).is_file()

    def prune(self, grace: timedelta = GRACE, also: tuple[str, ...] = ()) -> pruning.Pruned:
        return prune(self.repository, also, grace, self.now)

    def save_keys(self, folder: Path, *roles: str) -> Path:
        folder.mkdir()
        for role in roles:
            self.keys[role][0].save(folder / f"{role}.pem")
        return folder


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path / "tuf")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_old_programme_goes_thirty_days_after_it_was_last_needed(chain: Chain) -> None:
    old = chain.programme("spring")
    new = chain.programme("summer")
    chain.now += 300 * DAY
    # Its age does not count: today it was seen unneeded for the first time.
    first = chain.prune()
    assert not first.goes and first.waiting_files == 2 and chain.has(old)
    chain.now += 29 * DAY
    assert not chain.prune().goes
    chain.now += 2 * DAY
    shown = would_go(chain.repository, (), GRACE, chain.now)
    assert chain.has(old) and shown.freed_bytes > 0
    done = chain.prune()
    assert done.freed_bytes == shown.freed_bytes and len(done.goes) == 2
    assert not chain.has(old) and chain.has(new)
    assert done.repository_bytes == shown.repository_bytes - shown.freed_bytes
    memory = read_memory(chain.folder)
    assert (memory.freed_total_bytes, memory.since) == (done.freed_bytes, {})


def test_what_is_needed_again_meanwhile_begins_anew_and_what_others_need_stays(
    chain: Chain,
) -> None:
    old, other = chain.programme("spring"), chain.programme("summer")
    chain.programme("autumn")
    chain.prune()
    chain.now += 20 * DAY
    assert chain.programme("spring") == old
    chain.prune()
    chain.programme("winter")
    chain.now += 20 * DAY
    chain.prune(also=(other,))
    assert chain.has(old) and chain.has(other)
    chain.now += 31 * DAY
    chain.prune(also=(other,))
    assert not chain.has(old) and chain.has(other)


def test_lost_notes_only_make_it_wait_longer(chain: Chain) -> None:
    old = chain.programme("spring")
    chain.programme("summer")
    chain.prune()
    for damage in (b"", b"{", b"\xff" * 99, b'{"since": {"yesterday": ["x"], "2026": ["y"]}}'):
        (chain.folder / MEMORY).write_bytes(damage)
        chain.now += 40 * DAY
        assert not chain.prune().goes and chain.has(old)
    chain.now += 31 * DAY
    assert chain.prune().goes and not chain.has(old)


def test_what_is_not_ours_is_never_touched(chain: Chain, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ("a" * 64)).write_bytes(b"somebody's")
    targets, sha256 = chain.folder / "targets", chain.programme("tea")
    ours = [targets / "content" / ("b" * 64), targets / "content" / f".{'b' * 64}.pack.part",
            targets / "programmes" / "tea" / f"{'c' * 64}.7.json"]
    foreign = [targets / "notes.txt", targets / "content" / "backup.tar", targets / "x" / "y",
               targets / "content" / ("B" * 64), targets / "content" / "more" / ("b" * 64),
               targets / "programmes" / "tea" / "7.json",
               targets / "programmes" / "tea" / "deep" / f"{'c' * 64}.7.json"]
    for path in (*ours, *foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (targets / "content" / ("d" * 64)).symlink_to(outside / ("a" * 64))
    (targets / "programmes" / "linked").symlink_to(outside)
    pruned = chain.prune(NONE)
    assert len(pruned.goes) == len(ours) and not any(path.exists() for path in ours)
    assert all(path.exists() for path in foreign) and (outside / ("a" * 64)).exists()
    # Each folder of others counts as one.
    assert pruned.foreign_files == 9 and chain.has(sha256)


def test_a_publisher_at_the_same_time_signs_nothing_that_went(chain: Chain) -> None:
    old = chain.programme("spring")
    chain.programme("summer")
    publisher = Repository.open(chain.folder, chain.keys)
    index = json.dumps({"files": {"w": {"sha256": old, "bytes": 6}}}).encode()
    # It saw that the words are there and need not be laid out again; then the server pruned.
    publisher.add("programmes", "programmes/tea/3.json", index)
    chain.prune(NONE)
    before = chain.repository.listed("programmes")
    with pytest.raises(Refused, match="publish it again"):
        publisher.publish()
    assert chain.repository.listed("programmes") == before
    # Nothing of it is left to hinder the next one.
    publisher.put_content(b"spring")
    publisher.add("programmes", "programmes/tea/3.json", index)
    publisher.publish()
    assert not chain.prune(NONE).goes and chain.has(old)


def test_bytes_go_under_the_lock_which_publishers_get_in_between(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        chain.programme(str(number))
    # A round is over after each file.
    monkeypatch.setattr(pruning, "BETWEEN_S", 0.0)
    monkeypatch.setattr(pruning, "Deadline", _OneFile)
    found: list[pruning.Pruned] = []
    pruner = threading.Thread(target=lambda: found.append(chain.prune(NONE)))
    before = everything(chain.folder)
    with chain.repository.alone():
        pruner.start()
        pruner.join(0.3)
        assert pruner.is_alive() and everything(chain.folder) == before
    pruner.join()
    assert len(found[0].goes) == 8


class _OneFile:
    """A round that is over after its first file."""

    def __init__(self, _seconds: float) -> None:
        self._asked = 0

    @property
    def passed(self) -> bool:
        self._asked += 1
        return self._asked > 1


def test_a_thiefs_list_and_a_damaged_file_stop_it_before_anything_goes(chain: Chain) -> None:
    chain.programme("spring")
    chain.programme("summer")
    index = next((chain.folder / "targets" / "programmes" / "tea").glob("*.2.json"))
    data = index.read_bytes()
    for spoil in (lambda: index.unlink(), lambda: index.write_bytes(b"{}")):
        spoil()
        before = everything(chain.folder)
        with pytest.raises(Refused, match="nothing was removed"):
            chain.prune(NONE)
        assert everything(chain.folder) == before
    index.write_bytes(data)
    # Whoever took the server wants the content gone: an empty list, not signed by its role.
    listed = next(iter(sorted((chain.folder / "metadata").glob("*.programmes.json"))[-1:]))
    forged = json.loads(listed.read_bytes())
    forged["signed"]["targets"] = {}
    listed.write_bytes(json.dumps(forged).encode())
    before = everything(chain.folder)
    with pytest.raises(Refused, match="signed by 0 of the 1"):
        chain.prune(NONE)
    assert everything(chain.folder) == before


def test_content_that_vanished_is_told(chain: Chain) -> None:
    sha256 = chain.programme("spring")
    chain.repository.content_path(sha256).unlink()
    assert chain.prune(NONE).lost == [f"content/{sha256}"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Skipped, with the reason, where no file system may be mounted."""
    root = tmp_path / "disk"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "vitrine-test", str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()[:80]}")
    yield root
    subprocess.run(["umount", "--lazy", str(root)], check=True)


def test_a_full_disk_is_emptied_and_a_read_only_one_only_looked_at(disk: Path) -> None:
    chain = Chain(disk / "tuf")
    old = chain.programme("spring" * 10_000)
    chain.programme("summer")
    chain.prune()
    room = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
    other = chain.repository.content_path("f" * 64)
    with pytest.raises(OSError, match="No space"):
        other.write_bytes(b"x" * 9000)
    chain.now += 31 * DAY
    remount = ["mount", "-o", "remount,ro", str(disk)]
    subprocess.run(remount, check=True)
    assert would_go(chain.repository, (), GRACE, chain.now).freed_bytes >= 60_000
    with pytest.raises(Retry, match=r"[Rr]ead-only"):
        chain.prune()
    assert chain.has(old)
    subprocess.run([*remount[:-2], "remount,rw", str(disk)], check=True)
    assert chain.prune().freed_bytes >= 60_000 and not chain.has(old)


def test_a_publisher_without_the_key_is_told_so_and_with_it_old_releases_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = Chain(tmp_path / "tuf")
    for number in range(4):
        release_to(chain.repository, tmp_path / "work", f"1.{number}")
    online = chain.save_keys(tmp_path / "online", "snapshot", "timestamp")
    offline = chain.save_keys(tmp_path / "offline", "releases")
    command = ["ota", "prune", "--repository", str(chain.folder), "--keep-releases", "2"]
    before = everything(chain.folder)
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "2 个旧版本 / old releases" in said and "1.0, 1.1" in said and "releases key" in said
    assert "--yes does it" in said and everything(chain.folder) == before

    assert main([*command, "--yes", "--json", "--grace-days", "0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["withdrawn"] and told["freed_files"] == 3  # the older pointers' files
    assert "releases/1.0.json" in told["old_releases"] and told["old_releases_bytes"] > 1000
    assert "releases/1.0.json" in chain.repository.listed("releases")

    keys = ["--keys", str(online), "--keys", str(offline)]
    assert main([*command, *keys, "--keep", "1.0", "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["withdrawn"] and told["freed_files"] == 0 and told["waiting_files"] == 2
    assert sorted(chain.repository.listed("releases")) == [
        "releases/1.0.json", "releases/1.2.json", "releases/1.3.json", "releases/newest.json"]
    assert main([*command, "--keep", "1.0", "--yes", "--grace-days", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_files"] == 2
    assert needed(chain.repository, {})[0] >= {
        path.relative_to(chain.folder / "targets").as_posix()
        for path in (chain.folder / "targets").rglob("*") if path.is_file()}

    assert main([*command, *keys, "--yes", "--export", str(tmp_path / "change.json")]) == 0
    assert "keys import" in capsys.readouterr().err and (tmp_path / "change.json").is_file()
    assert "releases/1.0.json" in chain.repository.listed("releases")


def test_an_old_system_leaves_the_list_and_then_the_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = Chain(tmp_path / "tuf")
    versions = ("36.3.0", "36.4.0", "36.5.0", "36.6.0")
    bundles = [publish_bundle(chain.repository, make_bundle(tmp_path / v, v, size=4000))
               for v in versions]
    plan = new_plan("36.3.0", "1%", chain.now)
    chain.repository.add("releases", systems.PLAN, encoded(plan))
    chain.repository.publish()
    keys = chain.save_keys(tmp_path / "keys", "snapshot", "timestamp", "releases")
    command = ["ota", "prune", "--repository", str(chain.folder), "--keys", str(keys), "--yes",
               "--json", "--grace-days", "0"]
    assert main([*command, "--keep-systems", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["old_releases"] == []
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["old_releases"] == ["releases/system-36.4.0.vitrine-orin.json"]
    # The plan still names the oldest one.
    assert [chain.has(sha256) for sha256 in bundles] == [True, False, True, True]
    chain.repository.remove("releases", systems.PLAN)
    chain.repository.publish()
    assert main(command) == 0
    assert [chain.has(sha256) for sha256 in bundles] == [False, False, True, True]
    pointer = "releases/system-newest.vitrine-orin.json"
    assert pointer in chain.repository.listed("releases")
    # A pointer that cannot be read: nobody knows what is the newest, and nothing goes.
    entry = chain.repository.listed("releases")[pointer]
    (chain.folder / "targets" / file_of(pointer, entry["sha256"])).unlink()
    assert main(command) == 1 and "missing or damaged" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--keep-releases", "0"], ["--keep-systems", "0"],
                                   ["--grace-days", "-1"], ["--grace-days", "nan"],
                                   ["--keep", "../x"]])
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    chain = Chain(tmp_path / "tuf")
    assert main(["ota", "prune", "--repository", str(chain.folder), *wrong]) == 1
    assert capsys.readouterr().err
