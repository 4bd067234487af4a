"""Stories of somebody at the command line: a good bundle, bad ones, assets that are none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device.paths import repository_root
from models.person.assets import KEYS, open_face_assets
from ota.errors import Refused
from tests.sim.avatar_bundle import make_bundle

LIN = repository_root() / "models" / "avatars" / "lin"


def vitrine(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True,
                          cwd=repository_root(), timeout=60, check=False)


def test_check_and_info_of_the_shipped_avatar() -> None:
    good = vitrine("avatar", "check", str(LIN), "--json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["id"] == "lin"
    info = json.loads(vitrine("avatar", "info", str(LIN), "--json").stdout)
    assert info["patch_px"] >= 192
    assert info["consent"]["chains"] == ["*"]
    assert info["quality"]["renderer"]["int8_loss"]["psnr_db"] <= 0.3
    assert info["quality"]["renderer"]["int8"]["ssim"] >= 0.95


def test_a_damaged_bundle_is_one_sentence_and_exit_1(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "sim", size=(270, 480), frames=4)
    (folder / "base.mp4").write_bytes(b"no video")
    bad = vitrine("avatar", "check", str(folder), "--json")
    assert bad.returncode == 1
    assert "altered or is damaged" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert json.loads(bad.stdout)["ok"] is False


def test_a_bundle_of_another_signer_needs_its_key(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "sim", size=(270, 480), frames=4)
    root = folder.parent / "likeness-root.pub"
    trust = root.rename(tmp_path / "chain.pub")
    assert "no key file" in vitrine("avatar", "info", str(folder)).stderr
    assert vitrine("avatar", "info", str(folder), "--trust", str(trust)).returncode == 0


def test_making_without_assets_or_packages_says_what_to_do(tmp_path: Path) -> None:
    work = str(tmp_path / "w")
    done = vitrine("models", "make", "lin", "--assets", str(tmp_path), "--work", work)
    assert done.returncode == 1
    assert "requirements/avatar.txt" in done.stderr or "ICT-FaceKit" in done.stderr
    assert not (tmp_path / "w").exists()


def test_face_assets_are_read_or_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="download ICT-FaceKit"):
        open_face_assets(tmp_path)
    np.savez(tmp_path / "half.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(Refused, match="has no uv"):
        open_face_assets(tmp_path / "half.npz")


def test_an_obj_folder_becomes_arrays(tmp_path: Path) -> None:
    face = "usemtl M_Face\nf 1/1 2/2 3/3\nusemtl M_Teeth\nf 1/1 3/3 4/2 2/1\n"
    points = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 {}\nvt 0 0\nvt 1 0\nvt 0 1\n"
    (tmp_path / "generic_neutral_mesh.obj").write_text(points.format(0) + face)
    (tmp_path / "jawOpen.obj").write_text(points.format(0.5) + face)
    arrays = open_face_assets(tmp_path)
    assert set(KEYS) <= set(arrays)
    assert arrays["face_sizes"].tolist() == [3, 4]
    assert arrays["materials"].tolist() == ["M_Face", "M_Teeth"]
    assert arrays["shape_names"].tolist() == ["jawOpen"]
    assert arrays["shape_deltas"][0, 3, 2] == pytest.approx(0.5)
