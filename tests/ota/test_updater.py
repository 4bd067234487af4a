"""The updater's own place: renewed out of a confirmed release, last, and never trusted blindly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ota.box.confirm import Verdict
from ota.box.daemon import run
from ota.box.install import Settings, find_offer, install
from ota.box.slots import DirectorySlots
from ota.box.updater import TRIES_MAX, place_to_start, renew, settled, updater_part
from ota.publish.release import build, publish
from tests.ota.conftest import Fleet
from tests.ota.cutter import CUT, DONE, run_cut
from tests.ota.rig import Kiosk, source_tree

ROOT = Path(__file__).parents[2]
SMALL = {"cli/__init__.py": "", "cli/updater.py": "print('new')", "ota/__init__.py": ""}


def real_code() -> dict[str, str]:
    """The updater as it is in this checkout."""
    names = ["cli/__init__.py", "cli/__main__.py", "cli/updater.py", "device/paths.py"]
    names += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "ota").rglob("*.py"))]
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


def confirmed(fleet: Fleet, work: Path, version: str, files: dict[str, str]) -> Kiosk:
    tree = source_tree(work / f"tree-{version}", version, files)
    publish(fleet.repository, build(tree, version, work / f"{version}.tar"))
    box = Kiosk(work / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    source = box.source()
    assert install(box.parts(), source, find_offer(source)) is Verdict.CONFIRM
    return box


def renewed(box: Kiosk) -> bool:
    return renew(box.root / "opt", box.slots, box.parts().state.load())


def test_the_updater_of_a_confirmed_release_takes_over_and_works(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Started by the words of a supervisor, out of the code the machine came with."""
    box = confirmed(fleet, tmp_path, "1.0", real_code())
    root = tmp_path / "machine"
    opt = root / "opt" / "vitrine"
    assert renew(opt, box.slots, box.parts().state.load())
    assert not renew(opt, box.slots, box.parts().state.load()), "it is new already"
    place = place_to_start(opt)
    assert place is not None and not (place / "models").exists() and not (place / "fleet").exists()
    environment = {**os.environ, "VITRINE_ROOT": str(root), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli", "ota", "daemon", "--hold-s", "none"]
    bad = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert "invalid float" in bad.stderr and (opt / "updater" / "tries").read_text() == "2"
    alone = {**environment, "PYTHONPATH": str(place)}
    told = subprocess.run([sys.executable, "-m", "cli.updater", "ota", "status", "--json"],
                          cwd=place, env=alone, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["phase"] == "idle"


def test_one_that_gets_nowhere_is_left_for_the_old_one(fleet: Fleet, tmp_path: Path) -> None:
    box = confirmed(fleet, tmp_path, "1.0", SMALL)
    opt = box.root / "opt"
    assert renewed(box)
    for _ in range(TRIES_MAX):
        assert place_to_start(opt) is not None
    assert place_to_start(opt) is None, "the code the machine came with runs again"
    settled(opt)
    place = place_to_start(opt)
    assert place is not None
    (place / "cli/updater.py").write_text("rotten")
    assert place_to_start(opt) is None
    (opt / "updater" / "tries").write_bytes(b"")
    assert place_to_start(opt) is None
    # A newer release mends it, in the other place.
    box = confirmed(fleet, tmp_path, "1.1", SMALL)
    assert renewed(box)
    mended = place_to_start(opt)
    assert mended is not None and mended != place


def test_a_release_without_an_updater_or_on_trial_changes_nothing(
    fleet: Fleet, tmp_path: Path
) -> None:
    box = confirmed(fleet, tmp_path, "1.0", {})
    manifest = box.slots.manifest("a")
    assert manifest is not None and updater_part(manifest) is None and not renewed(box)
    assert place_to_start(box.root / "opt") is None


@pytest.mark.parametrize("torn", [False, True])
def test_power_cuts_leave_the_old_updater_or_the_new(
    fleet: Fleet, tmp_path: Path, torn: bool
) -> None:
    confirmed(fleet, tmp_path, "1.0", SMALL)
    box = confirmed(fleet, tmp_path, "1.1", SMALL)
    at = 0
    while (code := run_cut(lambda: renewed(box), at, torn)) == CUT:
        home = DirectorySlots(box.root / "opt" / "updater")
        assert home.active() is None or home.verified(str(home.active()))
        at += 1
    assert code == DONE and at > (3 if torn else 10)
    assert place_to_start(box.root / "opt") is not None


def test_the_running_updater_makes_way(fleet: Fleet, tmp_path: Path) -> None:
    """The loop ends by itself after the turn that confirmed a release with a newer updater."""
    box = confirmed(fleet, tmp_path, "1.0", SMALL)

    class Here:
        identity = tmp_path / "none"
        var, opt, run = box.root / "var", box.root / "opt", tmp_path / "run"

    said: list[str] = []
    Here.run.mkdir()
    (Here.run / "ota-order.json").write_text('{"name": "confirm"}')
    assert run(Here(), settings=Settings(look_s=0.01), say=said.append) == 0
    assert any("starts again" in text for text in said)
    assert place_to_start(Here.opt) is not None
