"""Signed systems: from the publisher's desk to a Jetson's second system, over bad lines."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ota.box import daemon
from ota.box.orders import Order, give_order, read_progress
from ota.box.state import Begin, Written
from ota.box.window import Shop
from ota.clock import utc_now
from ota.errors import Refused
from ota.formats.rollout import Rollout, encoded
from ota.formats.systems import ROLLOUT, parse_system, system_target
from ota.publish.keyring import make_keyring
from ota.publish.repository import ROLES, Repository
from ota.publish.spread import new_plan
from ota.publish.systems import read_bundle
from ota.system.update import Phase
from ota.system.words import system_facts, system_lines
from tests.ota.conftest import Fleet
from tests.ota.rig import Kiosk
from tests.ota.run_cli import Places, main
from tests.ota.system_rig import BOARD, SystemBox, make_bundle, publish_bundle

NEW = "36.5.1"
OPEN = Shop(is_open=True, changes_at=utc_now())


@pytest.fixture
def box(tmp_path: Path, fleet: Fleet) -> Iterator[SystemBox]:
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    made = SystemBox(tmp_path / "box", kiosk)
    yield made
    made.firmware.close()


def contents_asked(fleet: Fleet) -> list[str]:
    return [path for path, _ in fleet.origin.requests if "/content/" in path]


def brake(fleet: Fleet, state: str) -> None:
    rollout = Rollout(schema=1, release=NEW, at=utc_now().isoformat(), state=state)  # type: ignore[arg-type]
    fleet.repository.add("rollouts", ROLLOUT, encoded(rollout))
    fleet.repository.publish()


def test_a_signed_system_is_brought_tried_confirmed_and_not_brought_again(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    spoken, failed = box.beside.turn()
    assert not failed and "restarts into it" in spoken and box.restarts == 1
    assert box.beside.store.used_bytes() == 0, "its bytes are in the second system"
    box.beside.go_on()
    assert box.restarts == 1, "the machine is on its way down"
    box.restarted()
    assert (box.state.phase, box.state.floor, box.firmware.running) == (Phase.IDLE, NEW, "B")
    assert box.notes.count("system confirmed") == 1
    asked = len(contents_asked(fleet))
    assert box.beside.turn() == ("", "") and len(contents_asked(fleet)) == asked == 1


def test_it_lies_ready_while_the_shop_is_open_or_a_release_is_under_way(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    box.shop = Shop(takeover=True)
    assert "lies ready" in box.beside.turn()[0]
    box.shop = Shop()
    application = box.kiosk.parts()
    application.take(Begin("1.4.0"))
    application.take(Written())
    box.beside.go_on()
    box.restarted()
    assert box.restarts == 0 and box.state.phase is Phase.READY, "a release waits: it goes first"
    shutil.rmtree(box.kiosk.root / "var" / "ota")
    box.restarted()
    assert box.restarts == 1 and box.state.phase is Phase.TRIAL


@pytest.mark.parametrize(("needs", "says"), [
    ({"what": "board", "names": ["nvidia,p3701-0005"]}, "needs the board"),
    ({"what": "l4t", "at_least": "40"}, "needs Jetson Linux"),
    ({"what": "rauc", "at_least": "2"}, "needs RAUC from 2, and this box has 1.15.2"),
    ({"what": "system", "at_least": "37"}, "needs to follow a system from 37"),
    ({"what": "moon"}, "does not know"),
])
def test_what_does_not_fit_is_refused_before_a_byte(
    box: SystemBox, fleet: Fleet, tmp_path: Path, needs: dict[str, Any], says: str
) -> None:
    box.disk.versions["A"] = "36.4.0"
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW), [needs])
    assert box.beside.turn() == ("", "") and says in box.state.reason
    assert says in box.beside.turn(Order("system"))[1]
    assert not contents_asked(fleet) and box.state.phase is Phase.IDLE


def test_a_system_for_another_board_is_not_seen_by_this_one(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "agx.raucb", NEW, "vitrine-agx"))
    assert box.beside.turn() == ("", "")
    assert "not published" in box.beside.turn(Order("system"))[1]
    assert "not signed for" in box.beside.turn(Order("system", NEW))[1]
    assert not contents_asked(fleet)


def test_orders_broken_lines_and_a_restart_in_between_cost_no_byte_twice(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "new.raucb", NEW)
    sha256 = publish_bundle(fleet.repository, bundle)
    box.wanted = True
    assert "goes on after what came between" in box.beside.turn()[1]
    held, size = box.beside.store.loaded_bytes(sha256), bundle.stat().st_size
    assert 0 < held < size and box.state.phase is Phase.IDLE
    box.wanted = False
    box.restarted()
    fleet.origin.cut_after_bytes, fleet.origin.sent_bytes = 90_000, 0
    fleet.origin.requests.clear()
    assert box.beside.turn()[1] == "" and box.state.phase is Phase.TRIAL
    content = f"/targets/content/{sha256}"
    asked = [span for path, span in fleet.origin.requests if path == content]
    assert asked[0] == f"bytes={held}-" and len(asked) > 1
    assert fleet.origin.sent_bytes < size - held + 20_000


def test_bytes_changed_after_signing_are_not_used_nor_asked_for_again_at_once(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "new.raucb", NEW)
    sha256 = publish_bundle(fleet.repository, bundle)
    content = fleet.repository.content_path(sha256)
    whole = content.read_bytes()
    content.write_bytes(whole[:-9] + b"!" + whole[-8:])
    assert "not the ones that were signed" in box.beside.turn()[1]
    asked = len(contents_asked(fleet))
    assert "in some hours" in box.beside.turn()[1] and len(contents_asked(fleet)) == asked
    content.write_bytes(whole)
    assert "restarts" in box.beside.turn(Order("system"))[0], "a person may ask at once"


def test_a_signed_note_that_belies_its_bundle_is_never_written(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "old.raucb", "36.3.0")
    from ota.publish.systems import Said, describe, publish_system
    publish_system(fleet.repository, bundle, describe(bundle, Said(BOARD, NEW)))
    assert "36.3.0 for vitrine-orin; sign the right one" in box.beside.turn()[1]
    assert box.state.refused == (NEW,) and box.disk.versions["B"] == "36.4.0"
    asked = len(contents_asked(fleet))
    assert box.beside.turn() == ("", "") and len(contents_asked(fleet)) == asked


def test_an_older_system_is_no_news(box: SystemBox, fleet: Fleet, tmp_path: Path) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    box.beside.turn()
    box.restarted()
    publish_bundle(fleet.repository, make_bundle(tmp_path / "old.raucb", "36.5.0"))
    assert box.beside.turn() == ("", "")
    assert "not newer than 36.5.1" in box.beside.turn(Order("system", "36.5.0"))[1]
    assert len(contents_asked(fleet)) == 1


def test_a_full_disk_is_said_before_a_byte(
    box: SystemBox, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    assert "free some space" in box.beside.turn()[1] and not contents_asked(fleet)
    monkeypatch.undo()
    assert box.beside.turn()[1] == ""


def test_the_console_holds_back_what_lies_ready(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    plan = new_plan(NEW, "100%", utc_now(), held=True)
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW), plan=plan)
    assert box.beside.turn() == ("", "") and not contents_asked(fleet), "nobody has begun it"
    brake(fleet, "running")
    box.shop = Shop(takeover=True)
    assert "lies ready" in box.beside.turn()[0]
    brake(fleet, "paused")
    assert box.beside.turn() == ("", "")
    assert system_facts(box.folder.parent) == {}, "other boxes tell nothing"
    box.shop = Shop()
    box.beside.go_on()
    box.restarted()
    assert box.restarts == 0 and box.state.held, "a power cut does not go around the console"
    brake(fleet, "running")
    box.beside.turn()
    box.beside.go_on()
    assert box.restarts == 1


def test_a_stick_carries_it_too(box: SystemBox, fleet: Fleet, tmp_path: Path) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    stick = shutil.copytree(fleet.directory, tmp_path / "stick")
    before = len(fleet.origin.requests)
    box.beside.turn(Order("system", stick=str(stick), now="now"))
    box.restarted()
    assert box.state.floor == NEW and len(fleet.origin.requests) == before


def test_a_bundle_from_a_file_goes_the_same_way(box: SystemBox, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "new.raucb", NEW)
    assert "restarts" in box.beside.turn(Order("system", bundle=str(bundle)))[0]
    assert bundle.exists(), "a person's file is not ours to remove"
    box.restarted()
    assert box.state.floor == NEW


def test_a_bad_system_comes_back_by_itself_and_is_not_fetched_again(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    box.beside.turn()
    box.good = False
    box.restarted()
    box.good = True
    box.restarted()
    assert box.firmware.running == "A" and box.state.refused == (NEW,)
    assert box.beside.turn() == ("", "") and len(contents_asked(fleet)) == 1
    facts = {"phase": "idle", "version": "", "floor": "0", "refused": [NEW], "reason": "black"}
    assert system_lines(facts, "zh-CN") == ["系统      无更新; 不再尝试 36.5.1; 原因: black"]
    assert system_lines(facts, "en-US")[0].startswith("system    no update under way")


def test_the_updater_does_both_in_its_turns_and_a_restart_in_between_is_no_failure(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW))
    places = Places(tmp_path / "updater")
    give_order(places.run, Order("check"))
    turns: list[str] = []
    daemon.run(
        places, stop=lambda: box.state.phase is Phase.TRIAL and "said" in turns,
        say=lambda text: turns.extend(("said", text)), beside=lambda parts: box.beside)
    assert "restarts into it" in turns[1] or "not enrolled" in turns[1]
    assert read_progress(places.run)["what"] == "idle"
    # The updater starts anew before the machine went down: it is told again, and nothing fell back.
    box.open().begin()
    assert (box.restarts, box.state.tries, box.state.phase) == (2, 1, Phase.TRIAL)
    box.restarted()
    assert box.state.floor == NEW


def test_the_publisher_signs_what_the_bundle_is_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = make_keyring(tmp_path / "keys", None)
    repository = Repository.create(tmp_path / "tuf", keys)
    bundle = make_bundle(tmp_path / "new.raucb", NEW)
    (tmp_path / "needs.json").write_text('[{"what": "l4t", "at_least": "36.4"}]')
    where = ["--repository", str(tmp_path / "tuf"), "--keys", str(tmp_path / "keys")]
    wanted = ["--version", NEW, "--board", BOARD, "--needs", str(tmp_path / "needs.json"), "--json"]
    command = ["ota", "publish-system", str(bundle), *where]
    assert main([*command, *wanted]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["board"], told["bytes"]) == (NEW, BOARD, bundle.stat().st_size)
    listed = repository.listed("releases")[system_target(NEW, BOARD)]
    signed = tmp_path / "tuf/targets/releases" / f"{listed['sha256']}.system-{NEW}.{BOARD}.json"
    release = parse_system(signed.read_bytes())
    assert [need["what"] for need in release.needs] == ["rauc", "l4t"]
    assert main([*command, "--waves", "5%,100%@1d", "--held"]) == 1, "other bytes: no needs"
    assert "higher version" in capsys.readouterr().err
    for wrong in (["--version", "36.5.2"], ["--board", "vitrine-agx"]):
        assert main([*command, *wrong]) == 1 and "says of itself" in capsys.readouterr().err


@pytest.mark.parametrize("spoil", ["cut", "plain", "text", "board", "version"])
def test_the_publisher_refuses_what_boxes_would(tmp_path: Path, spoil: str) -> None:
    bundle = make_bundle(
        tmp_path / "new.raucb", "new" if spoil == "version" else NEW,
        "Vitrine Orin" if spoil == "board" else BOARD,
        form="plain" if spoil == "plain" else "verity")
    if spoil == "cut":
        bundle.write_bytes(bundle.read_bytes()[:-40])
    if spoil == "text":
        bundle.write_text("no bundle at all")
    repository = Repository.create(tmp_path / "tuf", make_keyring(tmp_path / "keys", None))
    with pytest.raises(Refused):
        publish_bundle(repository, bundle)
    assert not repository.listed("releases") and set(ROLES)


@pytest.mark.skipif(shutil.which("rauc") is None or shutil.which("mksquashfs") is None,
                    reason="needs rauc and mksquashfs")
def test_a_bundle_of_the_real_rauc_is_read(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    (content / "rootfs.img").write_bytes(hashlib.shake_256(b"rootfs").digest(1 << 16))
    (content / "manifest.raucm").write_text(
        f"[update]\ncompatible={BOARD}\nversion={NEW}\n[bundle]\nformat=verity\n"
        "[image.rootfs]\nfilename=rootfs.img\n")
    from tests.ota.test_rauc import certificate
    certificate(tmp_path, "chain")
    subprocess.run(
        ("rauc", f"--cert={tmp_path}/chain.pem", f"--key={tmp_path}/chain.key",
         f"--keyring={tmp_path}/chain.pem", "bundle", str(content), str(tmp_path / "new.raucb")),
        check=True, capture_output=True, timeout=60)
    said = read_bundle(tmp_path / "new.raucb")
    assert (said.board, said.version) == (BOARD, NEW)
