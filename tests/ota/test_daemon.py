"""The updater as a real process beside real processes: a good release and the bad ones.

Real TLS with client certificates, real HTTP, real slots, real kills.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from ota.box.orders import Order, give_order, read_progress, release_and_slot, take_order
from ota.box.seen import read_health
from ota.box.slots import DirectorySlots
from ota.box.state import Phase, State, StateFile
from ota.box.window import read_shop
from ota.clock import Deadline, sleep_s
from ota.formats.rollout import ROLLOUT, Rollout, encoded
from ota.publish.keyring import load_keyring, make_keyring
from ota.publish.repository import Repository
from tests.ota.mini import (
    EAR_DEAF,
    EAR_GOOD,
    PLAYER_BLACK,
    PLAYER_CRASHES,
    PLAYER_FOREIGN,
    PLAYER_GOOD,
    PLAYER_HANGS,
    MiniSupervisor,
    product,
)
from tests.ota.origin import Origin, serve
from tests.ota.rig import source_tree, write_health
from tests.ota.run_cli import Places
from tests.ota.tls import Authority

WAIT_S = 40.0
CHECKOUT = Path(__file__).resolve().parent.parent.parent


def vitrine(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.ota.run_cli", "ota", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)


@dataclass
class Shop:
    """One enrolled box with its supervisor and updater, and the publisher's desk."""

    directory: Path
    origin: Origin
    supervisor: MiniSupervisor
    places: Places
    updater: subprocess.Popen[bytes] | None = None

    def publish(self, version: str, player: str = PLAYER_GOOD, ear: str = EAR_GOOD) -> None:
        tree = source_tree(
            self.directory / f"tree-{version}", version, product(version, player, ear)
        )
        done = vitrine(
            "publish",
            "--repository",
            self.directory / "tuf",
            "--keys",
            self.directory / "keys",
            "--version",
            version,
            "--tree",
            tree,
            "--json",
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["version"] == version

    def start_updater(self, show_s: float = 1.0, hold_s: float = 0.4) -> None:
        self.updater = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.ota.run_cli",
                "ota",
                "daemon",
                "--root",
                str(self.places.root),
                "--show-s",
                str(show_s),
                "--hold-s",
                str(hold_s),
            ],
            cwd=CHECKOUT,
        )

    def status(self) -> dict[str, object]:
        done = vitrine("status", "--root", self.places.root, "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, object] = json.loads(done.stdout)
        return told

    def state(self) -> State:
        return StateFile(self.places.var / "ota").load()

    def running(self) -> str | None:
        return release_and_slot(self.places.var)[0]

    def whats(self) -> list[str]:
        done = vitrine("history", "--root", self.places.root, "--json")
        return [entry["what"] for entry in json.loads(done.stdout)["entries"]]

    def wait_for(self, what: str, true: Callable[[], bool]) -> None:
        deadline = Deadline(WAIT_S)
        while not true():
            assert not deadline.passed, f"{what} did not happen: {self.status()}"
            sleep_s(0.05)

    def shows(self, version: str) -> bool:
        return (self.places.run / f"presented.{version}").exists()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    authority = Authority(tmp_path / "authority")
    keys = make_keyring(tmp_path / "keys")
    tuf = tmp_path / "tuf"
    places = Places(tmp_path / "box")
    identity = places.identity
    identity.mkdir(parents=True)
    places.run.mkdir(parents=True)
    factory = source_tree(tmp_path / "factory", "0", product("factory"))
    with serve(tmp_path, authority.server_context()) as origin:
        certificate, key = authority.issue("shanghai-001")
        shutil.copy(authority.ca, identity / "ca.pem")
        shutil.copy(certificate, identity / "cert.pem")
        shutil.copy(key, identity / "key.pem")
        box = {"schema": 1, "chain": "tea", "content_url": f"{origin.url}/tuf"}
        (identity / "box.json").write_text(json.dumps(box))
        supervisor = MiniSupervisor(places.opt, places.run, factory)
        made = Shop(tmp_path, origin, supervisor, places)
        made.publish("1.0.0")
        shutil.copy(tuf / "metadata" / "1.root.json", identity / "tuf-root.json")
        assert keys
        supervisor.start()
        yield made
        if made.updater is not None and made.updater.poll() is None:
            made.updater.kill()
            made.updater.wait()
        supervisor.close()


def test_a_good_release_comes_by_itself_and_stays(shop: Shop) -> None:
    shop.start_updater()
    shop.wait_for("the first release", lambda: shop.running() == "1.0.0" and shop.shows("1.0.0"))
    shop.wait_for("its confirmation", lambda: "confirmed" in shop.whats())
    shop.publish("1.1.0")
    done = vitrine("install", "--root", shop.places.root, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["running"], told["slot"], told["phase"]) == ("1.1.0", "b", "idle")
    assert shop.shows("1.1.0") and not shop.shows("1.0.0")
    # Nothing is left to do, and the command says so.
    again = vitrine("install", "--root", shop.places.root)
    assert again.returncode == 1 and "running already" in again.stderr
    assert shop.updater is not None
    shop.updater.send_signal(signal.SIGTERM)
    assert shop.updater.wait(10) == 0


BAD = {
    # Three ends or no picture, whichever a busy machine gets to first.
    "crashes": (PLAYER_CRASHES, EAR_GOOD, "crashed|no picture"),
    "hangs": (PLAYER_HANGS, EAR_GOOD, "no picture"),
    "black frame": (PLAYER_BLACK, EAR_GOOD, "no picture"),
    "deaf": (PLAYER_GOOD, EAR_DEAF, "recogniser"),
    "wrong architecture": (PLAYER_FOREIGN, EAR_GOOD, "crashed|no picture"),
}


def test_five_bad_releases_are_taken_back_unattended(shop: Shop) -> None:
    """With a shop's times divided by fifty; `vitrine bench update` takes the real ones."""
    shop.start_updater(show_s=1.0, hold_s=12.0)
    for number, (player, ear, reason) in enumerate(BAD.values()):
        version = f"1.1.{number}"
        shop.publish(version, player, ear)
        give_order(shop.places.run, Order("install"))
        shop.wait_for(f"the end of {version}", lambda v=version: v in shop.state().refused)
        assert re.search(reason, shop.state().reason), (version, shop.state().reason)
        shop.wait_for("the old picture", lambda: shop.shows("factory"))
    assert shop.state().good is None and shop.whats().count("rolled back") == len(BAD)
    # None is tried again, and the command that asks for one says why.
    done = vitrine("install", "--root", shop.places.root)
    assert done.returncode == 1 and "failed here before" in done.stderr


def test_an_open_shop_is_updated_in_the_evening_or_when_a_person_says_now(shop: Shop) -> None:
    shop.supervisor.shop = {"open": True, "changes_at": "2031-01-01T13:00:00+00:00"}
    shop.wait_for("word of the shop", (shop.places.run / "shop.json").exists)
    shop.start_updater()
    shop.wait_for("the release to lie ready", lambda: shop.state().phase is Phase.WAITING)
    shop.wait_for("the reason", lambda: read_progress(shop.places.run).get("wait") == "open")
    told = shop.status()
    assert told["running"] is None and shop.shows("factory")
    waits = cast("dict[str, str]", told["waits"])
    assert waits["en-US"] == "the shop is open, until 01-01 13:00 (UTC)"
    assert "营业" in waits["zh-CN"]
    assert not shop.shows("1.0.0")
    done = vitrine("install", "--now", "--root", shop.places.root)
    assert done.returncode == 0 and "confirmed" in done.stderr, done.stderr
    # A release in the evening: nobody says anything, the door closes.
    shop.publish("1.1.0")
    done = vitrine("install", "--root", shop.places.root)
    assert done.returncode == 0 and "lies ready; the shop is open" in done.stderr, done.stderr
    shop.supervisor.shop = {"open": False}
    shop.wait_for("the evening", lambda: shop.state().good_version == "1.1.0")
    # One more lies ready, and is paused before its evening comes.
    shop.supervisor.shop = {"open": True, "changes_at": "2031-01-01T13:00:00+00:00"}
    shop.publish("1.2.0")
    shop.wait_for("the morning", lambda: read_shop(shop.places.run).is_open is True)
    assert vitrine("install", "--root", shop.places.root).returncode == 0
    assert shop.state().phase is Phase.WAITING
    repository = Repository.open(shop.directory / "tuf", load_keyring(shop.directory / "keys"))
    pause = Rollout(schema=1, release="1.2.0", at="2026-11-25T12:00:00+00:00", state="paused")
    repository.add("rollouts", ROLLOUT, encoded(pause))
    repository.publish()
    shop.supervisor.shop = {"open": False}
    shop.wait_for("the pause", lambda: shop.state().phase is Phase.IDLE)
    assert (shop.state().good_version, shop.state().refused) == ("1.1.0", ())
    assert shop.whats()[-1] == "put off"


def test_the_updater_is_killed_in_the_trial_and_goes_on_after_its_restart(shop: Shop) -> None:
    shop.start_updater(show_s=30, hold_s=30)
    shop.wait_for("the trial", lambda: "trial" in shop.whats())
    assert shop.updater is not None
    shop.updater.kill()
    shop.updater.wait()
    assert shop.status()["phase"] == "trial"
    shop.start_updater()
    shop.wait_for("the confirmation", lambda: "confirmed" in shop.whats())
    assert shop.whats().count("trial") == 2


def test_a_person_takes_a_release_back_with_and_without_an_updater(shop: Shop) -> None:
    shop.start_updater()
    shop.wait_for("the first release", lambda: "confirmed" in shop.whats())
    shop.publish("1.1.0")
    assert vitrine("install", "--root", shop.places.root).returncode == 0
    done = vitrine("rollback", "--root", shop.places.root)
    assert done.returncode == 0 and "1.0.0" in done.stderr
    shop.wait_for("the old picture", lambda: shop.shows("1.0.0"))
    assert shop.updater is not None
    shop.updater.terminate()
    shop.updater.wait()
    shop.publish("1.2.0")
    done = vitrine("install", "--root", shop.places.root)
    assert done.returncode == 0 and "trial begins" in done.stderr
    assert vitrine("confirm", "--root", shop.places.root).returncode == 0
    assert vitrine("confirm", "--root", shop.places.root).returncode == 1
    assert shop.running() == "1.2.0"


def test_a_shop_without_a_line_is_updated_from_a_stick(shop: Shop) -> None:
    stick = shop.directory / "stick"
    shutil.copytree(shop.directory / "tuf", stick)
    shop.origin.forced_status = 503
    done = vitrine("install", "--root", shop.places.root, "--from", stick)
    assert done.returncode == 0, done.stderr
    assert vitrine("confirm", "--root", shop.places.root).returncode == 0
    assert shop.running() == "1.0.0"
    # Last week's stick, found in a drawer: it is older than what this box has seen.
    shop.publish("1.1.0")
    shop.origin.forced_status = None
    assert vitrine("check", "--root", shop.places.root).returncode == 0
    done = vitrine("install", "--root", shop.places.root, "--from", stick)
    assert done.returncode == 1 and "older" in done.stderr
    done = vitrine("install", "--root", shop.places.root, "--from", shop.directory)
    assert done.returncode == 1 and "no signed repository" in done.stderr


def test_two_updaters_do_not_run_at_once(shop: Shop) -> None:
    shop.start_updater()
    shop.wait_for("the first release", lambda: "confirmed" in shop.whats())
    done = vitrine("daemon", "--root", shop.places.root)
    assert done.returncode == 1 and "Another process" in done.stderr


def test_a_box_that_is_not_enrolled_and_a_stranger_as_server(shop: Shop, tmp_path: Path) -> None:
    empty = vitrine("check", "--root", tmp_path / "nowhere")
    assert empty.returncode == 1 and "enrol" in empty.stderr and "Traceback" not in empty.stderr
    stranger = Authority(tmp_path / "stranger")
    shutil.copy(stranger.ca, shop.places.identity / "ca.pem")
    done = vitrine("check", "--root", shop.places.root)
    assert done.returncode == 1 and "did not prove" in done.stderr


def test_check_says_what_would_be_installed(shop: Shop) -> None:
    done = vitrine("check", "--root", shop.places.root, "--json")
    told = json.loads(done.stdout)
    assert told["newest"] == "1.0.0" and told["install"] and told["bytes"] > 1000
    shop.origin.forced_status = 503
    done = vitrine("check", "--root", shop.places.root)
    assert done.returncode == 1 and "503" in done.stderr


def test_health_is_read_with_suspicion(tmp_path: Path) -> None:
    slots = DirectorySlots(tmp_path / "opt")
    slots.folder("b").mkdir(parents=True)
    health = tmp_path / "run" / "health.json"
    assert read_health(health, slots) is None
    write_health(tmp_path / "run", slots.folder("b"), True, True, 1)
    seen = read_health(health, slots)
    assert seen is not None and seen.slot == "b" and seen.good
    write_health(tmp_path / "run", slots.folder("b"), True, True, 3)
    assert read_health(health, slots).crashed  # type: ignore[union-attr]
    write_health(tmp_path / "run", tmp_path / "elsewhere", True, True, 0)
    assert read_health(health, slots) is None
    write_health(tmp_path / "run", slots.folder("b"), True, True, 0)
    told = json.loads(health.read_text())
    assert read_health(health, slots, told["at_s"] + 6.0) is None, "stale news is no news"
    for nonsense in (b"", b"[]", b'{"at_s": "x"}', b"null"):
        health.write_bytes(nonsense)
        assert read_health(health, slots) is None


def test_an_order_is_taken_once_and_nonsense_never(tmp_path: Path) -> None:
    give_order(tmp_path, Order("install", "1.2"))
    assert take_order(tmp_path) == Order("install", "1.2")
    assert take_order(tmp_path) is None
    for nonsense in (b"", b"[]", b'{"name": "format-disk"}', b"\xff"):
        (tmp_path / "ota-order.json").write_bytes(nonsense)
        assert take_order(tmp_path) is None
        assert not (tmp_path / "ota-order.json").exists()
