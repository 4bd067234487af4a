"""Stories of phonemes that become mouths: lips close for p, open for a, round for u."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.articulation.tracks import Piece, code_track, pieces
from models.articulation.visemes import VISEMES, spoken_poses, target, training_poses
from models.person.face import CODE_NAMES

JAW, PRESS, PUCKER, LIPS = (CODE_NAMES.index(n) for n in
                            ("jaw_open", "press", "pucker", "lips_together"))


def said(text: str, each_ms: float = 90.0) -> np.ndarray:
    """The track of symbols that all last as long, with silence around."""
    starts = [300 + i * each_ms for i in range(len(text))]
    ends = [s + each_ms for s in starts]
    return code_track(pieces(text, starts, ends), (ends[-1] + 300) / 1000)


def test_silence_is_the_rest() -> None:
    assert np.abs(code_track([], 1.0)).max() == 0
    track = said("a")
    assert np.abs(track[:3]).max() < 0.05
    assert np.abs(track[-3:]).max() < 0.05


def test_a_plosive_closes_the_lips_between_two_open_vowels() -> None:
    track = said("apa", 120)
    frame = int((0.300 + 0.180) * 25)
    assert track[frame, JAW] < 0.25
    assert track[frame, PRESS] > 0.4
    assert track[frame - 3, JAW] > 0.4
    assert track[frame + 3, JAW] > 0.4


@pytest.mark.parametrize(("vowel", "code"), [("u", PUCKER), ("y", PUCKER), ("a", JAW)])
def test_a_vowel_shows_its_shape(vowel: str, code: int) -> None:
    assert said(vowel * 2, 160)[:, code].max() > 0.5


def test_lips_round_before_the_vowel_through_a_consonant() -> None:
    """t in 'tu' is already rounded, t in 'ti' is not."""
    frame = int(0.345 * 25)
    assert said("tu")[frame, PUCKER] > said("ti")[frame, PUCKER] + 0.08


def test_tone_and_stress_marks_only_lengthen() -> None:
    marked = pieces("ˈma↗", [0, 50, 100, 200], [50, 100, 200, 300])
    assert [p.viseme for p in marked] == ["PP", "AA"]
    assert marked[0].start_s == pytest.approx(0.025)
    assert marked[1].end_s == pytest.approx(0.3)


SYMBOLS = st.sampled_from(list("abdefhijklmnopstuvwxyzŋʃʒʂɕʨɹəɛɔæAIOWY ,.ː→"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SYMBOLS, st.floats(0, 400)), max_size=30))
def test_any_line_gives_a_sane_track(line: list[tuple[str, float]]) -> None:
    starts = np.concatenate([[0.0], np.cumsum([d for _, d in line])])
    duration_s = starts[-1] / 1000 + 0.2
    track = code_track(pieces([s for s, _ in line], starts[:-1].tolist(), starts[1:].tolist()),
                       duration_s)
    assert track.shape == (int(np.ceil(duration_s * 25)), len(CODE_NAMES))
    assert np.isfinite(track).all()
    assert track.min() >= 0
    assert track.max() <= 1.25


def test_training_poses_begin_with_the_rest_and_hold_every_viseme() -> None:
    poses = training_poses(120)
    assert poses.shape == (120, len(CODE_NAMES))
    assert not poses[0].any()
    for name in VISEMES:
        assert np.abs(poses - target(name)).max(axis=1).min() < 1e-6


def test_spoken_poses_spread_over_the_speech() -> None:
    track = code_track([Piece("AA", 0.1, 0.3), Piece("PP", 0.3, 0.4), Piece("UW", 0.4, 0.7)], 1.0)
    chosen = spoken_poses([track], 10)
    assert chosen[:, JAW].max() > 0.9 * track[:, JAW].max()
    assert chosen.shape == (10, len(CODE_NAMES))


def test_closed_lips_is_a_code_of_its_own() -> None:
    assert target("PP")[LIPS] > 0
