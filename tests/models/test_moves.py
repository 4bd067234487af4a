"""Stories of how a person moves: idling closes, gestures fit its joins, the head is one piece."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.person import animation, arm, framing, gestures, moves
from models.person.cast import CAST, character
from ota.errors import Refused

CAST_IDS = sorted(CAST)
BELOW_THE_PICTURE_CM = -52


def corner(motion: moves.Moves) -> np.ndarray:
    """Where the middle of the face is in each frame, px."""
    return np.asarray(motion.head @ np.array([540.0, 640.0, 1.0]))


def test_the_idle_loop_lasts_twenty_seconds_and_closes() -> None:
    idle = moves.idle()
    assert len(idle) / moves.FPS >= 20
    for track in (idle.head.reshape(len(idle), -1), idle.body.reshape(len(idle), -1),
                  idle.breath[:, None]):
        steps = np.abs(np.diff(track, axis=0, append=track[:1]))
        assert steps[-1].max() <= steps.max()
    assert np.abs(np.diff(corner(idle), axis=0, append=corner(idle)[:1])).max() < 1.2


def test_every_beat_passes_through_one_pose_without_velocity() -> None:
    idle = moves.idle()
    for join in moves.JOINS:
        assert np.allclose(idle.head[join], idle.head[0])
        assert np.allclose(idle.breath[join], -1)
        assert not idle.eyes[join]
        assert np.abs(corner(idle)[(join + 1) % len(idle)] - corner(idle)[join]).max() < 0.08


@pytest.mark.parametrize("name", ["greet", "point-left", "point-right"])
def test_a_gesture_begins_and_ends_where_the_idle_loop_joins(name: str) -> None:
    gesture, idle = gestures.all_gestures()[name], moves.idle()
    motion = gesture.moves
    assert np.allclose(motion.head[0], idle.head[0])
    assert np.allclose(motion.body[0], idle.body[0])
    assert motion.arm[0] == motion.arm[-1] == -1
    assert not motion.eyes[0]
    assert not motion.eyes[-1]
    seam = np.abs(corner(motion)[-1] - corner(idle)[0]).max()
    assert seam <= np.abs(np.diff(corner(motion), axis=0)).max()
    assert np.abs(np.diff(corner(motion), axis=0)).max() < 2.5
    assert max(motion.arm) == len(gesture.poses) - 1


def test_an_arm_rises_without_a_jump_and_points_to_its_side() -> None:
    for gesture in gestures.all_gestures().values():
        wrist = np.array([gesture.poses[i].wrist if i >= 0 else arm.HANGING.wrist
                          for i in gesture.moves.arm])
        seen = wrist[1:, 1] > BELOW_THE_PICTURE_CM
        assert seen.sum() > 40
        assert np.linalg.norm(np.diff(wrist, axis=0), axis=1)[seen].max() < 10
    left, right = (gestures.all_gestures()[n] for n in ("point-left", "point-right"))
    assert (left.side, right.side) == (-1, 1)
    assert left.box[0] < 540 < right.box[0]


@pytest.mark.parametrize("who", CAST_IDS)
def test_the_patch_and_the_eyes_move_with_the_head_alone(who: str) -> None:
    """Where mouth and eyes can be in any frame, the warp is the head's similarity exactly."""
    weight = animation.head_weight(*framing.SIZE_PX)
    margin = 14
    for x, y, w, h in (character(who).mouth_box, character(who).eyes_box):
        assert (weight[y - margin : y + h + margin, x - margin : x + w + margin] == 1).all()
    assert weight[1500:].max() == 0


@pytest.mark.parametrize("scale", [1, 2])
def test_a_frame_shows_the_plate_through_its_matrix(scale: int) -> None:
    rng = np.random.default_rng(2)
    who = character("lin")
    width, height = (side * scale for side in framing.SIZE_PX)
    picture = rng.random((height // 8, width // 8, 3)).astype(np.float32)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = (picture - picture.min()) / np.ptp(picture)
    plate = np.dstack([picture, np.ones((height, width), np.float32)])
    box = tuple(scale * v for v in who.eyes_box)
    eyes = {name: np.zeros((box[3], box[2], 3), np.float32) for name in ("open", *moves.BLINK)}
    layers = animation.Layers(plate, eyes, np.zeros_like(picture), box, scale)
    idle = moves.idle()
    few = moves.Moves(idle.head[20:21], idle.body[20:21], idle.breath[20:21], [{}], [-1])
    shown = next(animation.frames(layers, few))
    matrix = moves.patch_matrices(few.head, who.mouth_box, who.patch_px, scale)[0]
    for px, py in ((20, 20), (128, 128), (230, 240)):
        at = matrix @ np.array([px, py, 1.0])
        place = np.array(who.mouth_box[:2]) + np.array([px, py]) * who.mouth_box[2] / who.patch_px
        want = picture[round(place[1] * scale), round(place[0] * scale)]
        got = shown[round(at[1]), round(at[0])] / 255
        assert np.abs(got - want).max() < 0.08


def test_every_blink_opens_again_and_shares_sum_to_one() -> None:
    seen = moves.idle().eyes
    assert all(0 <= sum(mix.values()) <= 1 for mix in seen)
    assert sum("blink100" in mix for mix in seen) == 2 * len(moves.BLINKS_AT)


def test_nobody_outside_the_cast_is_made_from_the_mesh() -> None:
    with pytest.raises(Refused, match="choose lin, chen"):
        character("ana")
    faces = {c.id: (c.face.landmark_moves_cm[8], c.complexion.age) for c in CAST.values()}
    assert len(set(faces.values())) == len(CAST)
