"""Stories of a comparison: a tiny truth, a drawn renderer, and the page somebody opens."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnx
import pytest

from device.paths import repository_root
from models.articulation.tracks import Piece
from models.measure import drawing, limits, page
from models.measure.examine import Examination, examine
from models.measure.landmarks import Lips
from models.measure.sentences import Sentence
from models.measure.truth import Truth
from ota.errors import Refused
from tests.sim import avatar_bundle

CODES, SIDE = avatar_bundle.CODES, avatar_bundle.PATCH


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with the drawn renderer in both precisions, and no voice network."""
    folder = tmp_path_factory.mktemp("work")
    for precision in ("fp32", "int8"):
        onnx.save(avatar_bundle._renderer(), str(folder / f"renderer.{precision}.onnx"))
    return folder


def tiny_truth(work: Path, sentences: int) -> Truth:
    """What the drawn renderer draws, as if it were true, a little brighter."""
    from models.measure.pictures import shown

    rest = avatar_bundle._rest_patch().transpose(2, 0, 1).astype(np.float32) / 255
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    codes = np.random.default_rng(0).uniform(0.1, 0.9, (8, CODES)).astype(np.float32)
    model = work / "renderer.fp32.onnx"
    lines, videos = [], []
    for i in range(sentences):
        track = np.zeros((6, CODES), np.float32)
        track[:, 0] = [0, 0.2, 0.8, 0.5, 0.1, 0]
        lines.append(Sentence(i, track, np.zeros(6 * 640, np.float32), "en-US", f"kind {i}", "Ah.",
                              [Piece("PP", 0.0, 0.06), Piece("AA", 0.06, 0.14)]))
        videos.append(np.clip(shown(model, rest, mask, track).astype(int) + 3, 0, 255)
                      .astype(np.uint8))
    still = np.zeros((20, 3), np.float32)
    still[:, 0] = 2 * np.cos(np.linspace(np.pi, -np.pi, 20))
    lips = Lips(still, np.zeros((CODES, 20, 3), np.float32), (0, 0, 0), (128, 128), 24, 140,
                (0, 0, SIDE, SIDE))
    return Truth(rest, mask, shown(model, rest, mask, codes), codes, np.arange(8) % 4 == 3, lines,
                 videos, lips, [] if sentences else ["held-out sentences: run the commands"])


@pytest.fixture(scope="module")
def found(work: Path) -> Examination:
    return examine(tiny_truth(work, 2), work, None, lambda _: None, work / "no scorer.onnx")


class Tags(HTMLParser):
    """Collects what a page shows and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")
        elif tag not in ("meta", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_constant_error_is_measured_and_does_not_flicker(found: Examination) -> None:
    sentences = found.quality["sentences"]
    assert sentences["count"] == 2
    assert sentences["frames"] == 12
    assert 35 < sentences["int8"]["mouth_psnr_db"] < 45
    assert sentences["int8"]["temporal_error_levels"] < 0.5
    assert sentences["int8_loss"]["mouth_psnr_db"] == 0
    assert found.quality["int8"]["held_code_change"] == 0
    assert found.quality["int8_against_fp32_ssim"] == pytest.approx(1, abs=1e-4)
    assert json.loads(json.dumps(found.quality))


def test_what_could_not_be_measured_is_said_with_what_to_run(found: Examination) -> None:
    missing = "\n".join(found.quality["missing"])
    for word in ("models scorer", "models make", "--bundle"):
        assert word in missing
    assert all("not measured" in str(v) for v in found.quality["providers"].values())


def test_the_page_is_whole_and_every_picture_is_there(found: Examination, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "old.txt").write_text("of an earlier run")
    quality = copy.deepcopy(found.quality)
    quality["sentences"]["int8"]["mouth_psnr_db"] = 10.0
    html = page.write(replace(found, quality=quality), folder).read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(html)
    assert not tags.open
    assert tags.pictures
    for name in tags.pictures:
        assert (folder / name).stat().st_size > 1000
    assert not (folder / "old.txt").exists()
    assert not folder.with_name("page.part").exists()
    for start in range(html.count("<svg")):
        svg = html.split("<svg")[start + 1].split("</svg>")[0]
        ElementTree.fromstring(f"<svg{svg}</svg>")
    assert "Mouth PSNR of every frame" in html
    assert "missed" in html
    assert "not measured" in html
    assert json.loads((folder / "quality.json").read_text(encoding="utf-8")) == quality


def test_without_sentences_the_page_shows_pictures_and_says_so(work: Path, tmp_path: Path) -> None:
    alone = examine(tiny_truth(work, 0), work, None, lambda _: None)
    assert "sentences" not in alone.quality
    html = page.write(alone, tmp_path / "page").read_text(encoding="utf-8")
    assert "held-out picture" in html
    assert "held-out sentences: run the commands" in html
    rows = {row.name: row for row in limits.rows(alone.quality, SIDE)}
    assert rows["sentences, mouth PSNR, INT8"].good is None
    assert rows["INT8 against FP32, SSIM (banding)"].good is True


def test_limits_are_kept_or_missed() -> None:
    quality = {"speedup": 1.9, "int8": {"frame_ms": 4.0}, "rest": {"added": 0.0},
               "sentences": {"int8": {"landmark_percent": 1.6},
                             "sync": {"int8 voice": {"offset_frames": -1, "of_truth": 0.9}}}}
    rows = {row.name: row for row in limits.rows(quality, 256)}
    assert rows["INT8 faster than FP32"].good is False
    assert rows["INT8, 256 px, one thread"].good is True
    assert rows["rest, 10 s of silence: motion above the base video's"].good is True
    assert rows["sentences, lip landmarks, INT8"].good is False
    assert rows["lip-sync offset, whole chain, INT8"].good is True
    assert "MISSED" in rows["sentences, lip landmarks, INT8"].line()


def test_a_plot_has_round_ticks_and_survives_a_flat_line() -> None:
    svg = drawing.plot("a < b", "s", "dB", [drawing.Line("x", [0, 1, 2], [5, 5, 5])], limit=34)
    ElementTree.fromstring(svg)
    assert "a &lt; b" in svg
    assert ">30<" in svg


def test_a_folder_without_renderers_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="vitrine models make"):
        examine(Truth(np.zeros(0, np.float32), *[np.zeros(0, np.uint8)] * 2,
                      np.zeros(0, np.float32), np.zeros(0, np.bool_)), tmp_path, None, print)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "models", "compare", "--work", str(tmp_path)],
        capture_output=True, text=True, cwd=repository_root(), timeout=60, check=False)
    assert done.returncode == 1
    assert "vitrine models make" in done.stderr
    assert "Traceback" not in done.stderr
