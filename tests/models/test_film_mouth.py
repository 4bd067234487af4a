"""A made-up head that nods and talks: what alignment, codes, hearing and stillness make of it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.infer.ort import open_session
from device.paths import assets_dir, repository_root
from models.film import align, codes, hearing, register, shots, stillness
from models.film.footage import FPS
from models.film.landmarks import (
    CHIN,
    CHIN_TIP,
    DETECTOR_FILE,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER,
    LIPS_OUTER_LOWER,
    MOUTH_LEFT,
    MOUTH_RIGHT,
    POINTS,
    STABLE,
)
from models.film.make import begin, estimate_s, is_ours
from models.film.stages import Work
from models.progress import Progress, in_words, remaining_s
from ota.errors import Refused

LIN = repository_root() / "models" / "avatars" / "lin"
FRAMES = 200
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def neutral() -> Array:
    """(468, 2) a rough face: stable points above, lips around (0, 60), the chin at 120."""
    points = np.random.default_rng(3).uniform(-80, 80, (POINTS, 2))
    points[list(STABLE)] = np.random.default_rng(4).uniform((-60, -60), (60, -10), (len(STABLE), 2))
    turn = np.linspace(0, 2 * np.pi, len(LIPS_OUTER), endpoint=False)
    points[list(LIPS_OUTER)] = np.stack([-40 * np.cos(turn), 60 + 12 * np.sin(turn)], 1)
    for ring in (LIPS_INNER_UPPER, LIPS_INNER_LOWER):
        points[list(ring)] = np.stack([np.linspace(-30, 30, len(ring)), np.full(len(ring), 60)], 1)
    points[list(CHIN), 1] = 110
    points[CHIN_TIP] = (0, 120)
    return points


def talking(opening: Array) -> Array:
    """(n, 468, 2): the lower lip goes down by `opening` pixels, the chin with it."""
    still = np.repeat(neutral()[None], len(opening), 0)
    for group in (LIPS_INNER_LOWER, LIPS_OUTER_LOWER[1:-1], CHIN):
        still[:, list(group), 1] += opening[:, None]
    return still


def speech() -> Array:
    """(FRAMES,) an opening that talks for a while and rests for a while."""
    t = np.arange(FRAMES) / FPS
    return np.maximum(np.sin(2 * np.pi * 2.1 * t), 0) * 20 * (t < 5)


def nodding(still: Array) -> Array:
    """The same points on a head that turns, nods and comes nearer."""
    t = np.arange(len(still)) / FPS
    angle, size = 0.05 * np.sin(t), 1 + 0.05 * np.sin(0.7 * t)
    c, s = np.cos(angle) * size, np.sin(angle) * size
    linear = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    place = np.stack([500 + 20 * np.sin(1.3 * t), 600 + 10 * np.cos(t)], 1)
    return np.einsum("nij,nmj->nmi", linear, still) + place[:, None]


def test_the_head_is_held_still() -> None:
    still = talking(speech())
    _, matrix = align.steady(nodding(still).astype(np.float32))
    held = align.unmoved(nodding(still), matrix)
    moved = held[:, list(STABLE)] - held[:, list(STABLE)].mean(0)
    assert np.abs(moved).max() < 0.5
    left, top, side = align.patch_box(held)
    corners = held[:, [MOUTH_RIGHT, MOUTH_LEFT]].mean((0, 1))
    assert corners - (left, top) == pytest.approx([side / 2, align.MOUTH_DOWN * side], abs=1.5)
    assert held[:, CHIN_TIP, 1].max() < top + 0.95 * side
    matrices = align.patch_matrices(matrix, (left, top, side), 256)
    shown = matrices @ np.array([128, align.MOUTH_DOWN * 256, 1])
    assert np.abs(shown - nodding(still)[:, [MOUTH_RIGHT, MOUTH_LEFT]].mean(1)).max() < 1.5


def test_smoothing_comes_neither_late_nor_flat() -> None:
    peak = np.exp(-0.5 * ((np.arange(41) - 20) / 4.0) ** 2)
    calm = align.smoothed(peak, 7)
    assert calm.argmax() == 20 and calm.max() > 0.95
    assert calm == pytest.approx(calm[::-1])
    line = np.arange(30.0)
    assert align.smoothed(line, 7) == pytest.approx(line)


def test_codes_are_zero_at_rest_and_open_with_the_mouth() -> None:
    opening = speech()
    still = talking(opening)
    rest = codes.rest_frames(codes.gaps(still), opening == 0)
    assert rest[opening == 0].all() and not rest[opening > 5].any()
    learned = codes.learn(still, rest, np.ones(FRAMES, np.bool_))
    made = codes.encode(learned, still)
    assert made.shape == (FRAMES, 11) == (FRAMES, len(learned.names))
    assert made.min() >= 0 and made.max() <= 1.1
    assert np.abs(made[-20:]).max() < 1e-6
    assert np.corrcoef(made[:, 0], opening)[0, 1] > 0.99 and 0.8 < made[:, 0].max() < 1.1
    again = codes.encode(codes.learn(still, rest, np.ones(FRAMES, np.bool_)), still)
    assert np.array_equal(made, again)


def test_a_smile_is_another_number_than_its_opposite() -> None:
    still = talking(np.zeros(FRAMES))
    wide = 6 * np.sin(2 * np.pi * np.arange(FRAMES) / 50)
    still[:, MOUTH_LEFT, 0] += wide
    still[:, MOUTH_RIGHT, 0] -= wide
    rest = np.abs(wide) < 0.5
    made = codes.encode(codes.learn(still, rest, np.ones(FRAMES, np.bool_)), still)
    assert made[:, 0].max() < 0.05
    one, other = made[:, 1], made[:, 2]
    assert {int(one.argmax()) % 50 // 25, int(other.argmax()) % 50 // 25} == {0, 1}
    assert (one * other).max() == 0


def test_chosen_frames_are_spread() -> None:
    rng = np.random.default_rng(0)
    crowd = np.concatenate([rng.normal(0.1, 0.01, (300, 3)), [[1, 0, 0], [0, 1, 0]]])
    chosen = codes.spread_out(np.abs(crowd).astype(np.float32), 10)
    assert len(chosen) == 10 == len(set(chosen.tolist())) and {300, 301} <= set(chosen.tolist())
    assert codes.spread_out(np.zeros((3, 3), np.float32), 10).tolist() == [0, 1, 2]


def test_registration_finds_what_landmarks_miss() -> None:
    rng = np.random.default_rng(5)
    side = register.CELLS + 2 * register.MARGIN
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (side, side)), (0, 0), 3)
    texture = (texture - texture.min()) / np.ptp(texture) * 255
    shifts = rng.normal(0, 1.2, (12, 2))
    squares = np.stack([
        cv2.warpAffine(texture, np.array([[1, 0, x], [0, 1, y]]), (side, side),
                       borderMode=cv2.BORDER_REFLECT) * rng.uniform(0.8, 1.2) for x, y in shifts])
    squares = np.clip(squares, 0, 255).astype(np.uint8)
    found = register.motions(squares, register.template_of(squares))
    off = found[:, 2:] - shifts
    assert np.abs(off - np.median(off, 0)).max() < 0.12
    hidden = np.concatenate([squares, rng.integers(0, 255, (1, side, side), np.uint8)])
    matrices = np.tile(np.array([[1, 0, 5], [0, 1, 9]], np.float32), (13, 1, 1))
    assert register.corrected(matrices, register.motions(
        hidden, register.template_of(squares)), 256).shape == (13, 2, 3)


def test_the_lag_between_sound_and_mouth() -> None:
    heard = np.random.default_rng(0).normal(size=400).astype(np.float32)
    lag, together = hearing.best_lag(heard, hearing.moved_by(heard, -3))
    assert lag == 3 and together > 0.95
    assert np.array_equal(hearing.moved_by(hearing.moved_by(heard, -3), lag)[10:-10], heard[10:-10])


def test_a_new_last_layer_learns_the_mouth_from_the_shared_ear(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    manifest = json.loads((LIN / "avatar.json").read_text(encoding="utf-8"))
    shared = LIN / manifest["voice_to_code"]["file"]
    rng = np.random.default_rng(2)
    mel = cv2.GaussianBlur(rng.normal(0, 3, (1600, 80)), (0, 0), 4).astype(np.float32)
    hearing.trunk(shared, tmp_path / "trunk.onnx")
    features = hearing.features_of(tmp_path / "trunk.onnx", [mel], 400)[0]
    # A person whose opening and one signed shape follow two of the ear's features.
    truth = np.abs(features[:, 3]) / np.abs(features[:, 3]).max()
    side = features[:, 7] / np.abs(features[:, 7]).max()
    wanted = np.stack([truth, np.maximum(side, 0), np.maximum(-side, 0)], 1).astype(np.float32)
    layer = hearing.fit([features], wanted, np.arange(400) < 360)
    hearing.with_layer(shared, layer, tmp_path / "voice.onnx")
    made = open_session(tmp_path / "voice.onnx").run({"mel": mel[None]})["code"][0]
    assert made.shape == (400, 3) and made.min() >= 0
    assert np.corrcoef(made[360:, 1], wanted[360:, 1])[0, 1] > 0.9
    assert (made[:, 1] * made[:, 2]).max() == 0


def test_the_idle_video_is_the_longest_silence_and_has_no_seam() -> None:
    made = np.zeros((500, 3), np.float32)
    made[:100, 0] = made[300:340, 0] = 0.8
    speaking = made[:, 0] > 0
    made[200:203, 0] = made[::7, 1] = 0.3  # one trembling moment, and a noisy number
    t = np.arange(500) / FPS
    matrices = np.tile(np.array([[1, 0, 100], [0, 1, 100]], np.float32), (500, 1, 1))
    matrices[:, 0, 2] += (3 * np.sin(2 * np.pi * t / 3)).astype(np.float32)
    idle = stillness.choose(made, speaking, np.ones(500, np.bool_), matrices)
    assert idle.quiet and idle.fade and idle.first >= 100 and idle.last < 300
    assert len(idle.rows) >= stillness.SECONDS_MIN * FPS
    placed = stillness.idle_matrices(idle, matrices)[:, 0, 2]
    steps = np.abs(np.diff(np.concatenate([placed, placed[:1]])))
    assert steps.max() < 0.6


def test_a_restless_head_goes_forwards_and_backwards() -> None:
    matrices = np.tile(np.eye(3, dtype=np.float32)[:2], (400, 1, 1))
    matrices[:, 0, 2] = np.arange(400)
    made, quiet = np.zeros((400, 3), np.float32), np.zeros(400, np.bool_)
    idle = stillness.choose(made, quiet, np.ones(400, np.bool_), matrices)
    around = np.concatenate([idle.rows, idle.rows[:1]])
    assert not idle.fade and np.abs(np.diff(around)).max() == 1


def test_who_never_stops_talking_gets_the_calmest_moment() -> None:
    made = np.full((400, 3), 0.9, np.float32)
    made[200:260] = 0.4
    idle = stillness.choose(made, np.ones(400, np.bool_), np.ones(400, np.bool_),
                            np.tile(np.eye(3, dtype=np.float32)[:2], (400, 1, 1)))
    assert not idle.quiet and idle.rows.min() >= 200 and idle.rows.max() < 260
    assert len(idle.rows) >= 0.95 * stillness.SECONDS_MIN * FPS


def test_a_pasted_mouth_shows_no_edge() -> None:
    frame = np.full((120, 160, 3), (200, 150, 130), np.uint8)
    rest = np.full((64, 64, 3), (160, 120, 104), np.uint8)  # the same skin in less light
    where = shots.ring(64)
    gain = shots.gain_to(shots.light_of(frame[:64, :64], where), shots.light_of(rest, where))
    dimmed = shots.in_light(frame, gain)
    mask = np.full((64, 64), 255, np.uint8)
    matrix = np.array([[1, 0, 40], [0, 1, 30]], np.float32)
    pasted = stillness.paste(dimmed, rest, mask, matrix)
    assert np.ptp(pasted.reshape(-1, 3), axis=0).max() <= 1
    assert np.array_equal(shots.crop(pasted, matrix, 64), rest)


def test_the_matte_sees_a_mouth_and_not_the_noise() -> None:
    rng = np.random.default_rng(0)
    rest = np.full((256, 256, 3), 150, np.uint8)
    noisy = np.clip(rest + rng.normal(0, 5, (20, *rest.shape)), 0, 255).astype(np.uint8)
    noise = shots.noise_of(noisy, np.zeros((20, 3), np.float32), rest)
    assert shots.matte(noisy[3], rest, noise).mean() < 0.05
    moved = noisy[3].copy()
    cv2.ellipse(moved, (128, 120), (50, 30), 0, 0, 360, (40, 20, 20), -1)
    matte = shots.matte(moved, rest, noise)
    assert matte[120, 128] > 0.95 and matte[:60].max() < 0.2


def test_work_on_another_film_is_not_mixed_in(tmp_path: Path) -> None:
    work = Work(Path("a.mp4"), tmp_path / "work", tmp_path, 256, False, 1, "a" * 64)
    assert not is_ours(work)
    begin(work)
    assert is_ours(work)
    other = Work(Path("b.mp4"), tmp_path / "work", tmp_path, 256, False, 1, "b" * 64)
    with pytest.raises(Refused, match="another video"):
        is_ours(other)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(Refused, match="other things"):
        is_ours(Work(Path("a.mp4"), tmp_path / "photos", tmp_path, 256, False, 1, "a" * 64))


def test_progress_tells_what_is_left() -> None:
    assert remaining_s(10, 5, 20) == 40 and remaining_s(1, 0, 9) is None
    assert (in_words(40), in_words(720), in_words(7800)) == ("40 s", "12 min", "2 h 10 min")
    told: list[str] = []
    bar = Progress(told.append, "frames", terminal=False)
    bar.at(1, 3)
    bar.at(3, 3)
    assert told == ["    frames: 3 of 3"]
    assert estimate_s(180, False, [False] * 8) > estimate_s(180, True, [False] * 8)
    assert estimate_s(180, False, [True] * 8) == 0


@pytest.mark.nightly
def test_a_whole_avatar_from_a_film_of_chen(tmp_path: Path) -> None:
    """Films Chen off the screen, makes an avatar of the film, lets it speak. Needs torch."""
    for name in ("torch", "ai_edge_litert", "scipy"):
        pytest.importorskip(name)
    if not (assets_dir() / DETECTOR_FILE).is_file():
        pytest.skip("the face mesh is not here: ./vitrine models fetch face-mesh")
    from tests.sim.filmed import film_chen, make_ana, speak

    video = film_chen(tmp_path / "talk.mp4", seconds=32)
    summary = make_ana(tmp_path, video)
    figures = summary["quality"]
    assert figures["voice"]["open_correlation"] > 0.7
    assert abs(figures["voice"]["best_lag_ms"]) <= 40
    assert figures["renderer"]["fp32"]["mouth_psnr_db"] > 24
    assert speak(Path(summary["folder"]), tmp_path / "new.mp4") > 50
