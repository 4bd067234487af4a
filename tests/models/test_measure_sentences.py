"""Stories of the sentences that are measured on: which are chosen, and where they are cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.articulation.tracks import Piece
from models.measure import sentences
from ota.errors import Refused


def timeline(visemes: str) -> list[Piece]:
    return [Piece(v, i * 0.1, (i + 1) * 0.1) for i, v in enumerate(visemes.split())]


def test_the_one_with_most_closed_lips_and_the_most_ordinary_other() -> None:
    lines = [timeline("AA DD AA DD"), timeline("PP AA PP AA"), timeline("PP AA PP IY"),
             timeline("PP AA DD AA"), timeline("AA KK AA KK")]
    texts = ["a", "b", "b", "c", "d"]
    ordinary, rich = sentences.choose(lines, texts)
    assert texts[rich] == "b"
    assert texts[ordinary] == "a"


def test_one_sentence_is_not_enough() -> None:
    with pytest.raises(Refused, match="whole corpus"):
        sentences.choose([timeline("AA"), timeline("PP")], ["same", "same"])


def test_a_long_line_ends_in_a_pause_else_at_a_word() -> None:
    pause = [Piece("AA", 0, 2.9), Piece("sil", 2.9, 3.1), Piece("AA", 3.1, 6)]
    assert sentences.cut_at(pause, [3.3], 6.0) == pytest.approx(3.0)
    assert sentences.cut_at([Piece("AA", 0, 6)], [1.0, 2.6, 3.2, 4.0], 6.0) == 3.2
    assert sentences.cut_at([Piece("AA", 0, 3)], [1.0], 3.0) == 3.0


def test_the_cut_sound_fades_and_its_visemes_end_with_it() -> None:
    sound, pieces = sentences.shortened(np.ones(16_000, np.float32),
                                        [Piece("AA", 0, 0.4), Piece("IY", 0.4, 0.9)], 0.5)
    assert len(sound) == 8000
    assert sound[-1] == 0
    assert sound[4000] == 1
    assert pieces[-1] == Piece("IY", 0.4, 0.5)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert sentences.read(tmp_path) == []
    place = tmp_path / "0"
    place.mkdir()
    np.save(place / "codes.npy", np.zeros((5, 11), np.float32))
    np.savez(place / "sound.npz", samples=np.zeros(3200, np.float32), visemes=np.array(["PP"]),
             starts_s=np.array([0.1]), ends_s=np.array([0.2]))
    (place / "about.json").write_text(json.dumps(
        {"language": "en-US", "kind": "plosives", "text": "Pop."}))
    only = sentences.read(tmp_path)[0]
    assert only.name == "en-US plosives"
    assert only.codes.shape == (5, 11)
    assert only.timeline == [Piece("PP", 0.1, 0.2)]
