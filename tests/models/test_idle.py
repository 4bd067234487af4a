"""Stories of the idle loop: it closes, the head moves as one piece, the eyes come back."""

from __future__ import annotations

import cv2
import numpy as np

from models.person import idle, lin


def test_the_motion_closes_and_is_gentle() -> None:
    head, body, breath = idle.motion()
    for moves in (head.reshape(len(head), -1), body.reshape(len(body), -1), breath[:, None]):
        steps = np.abs(np.diff(moves, axis=0, append=moves[:1]))
        assert steps[-1].max() <= steps.max()
    corner = head @ np.array([540.0, 640.0, 1.0])
    assert np.abs(np.diff(corner, axis=0, append=corner[:1])).max() < 1.2


def test_the_patch_and_the_eyes_move_with_the_head_alone() -> None:
    """Where mouth and eyes can be in any frame, the warp is the head's similarity exactly."""
    weight = idle.head_weight(*lin.SIZE_PX)
    x, y = lin.PATCH_AT
    margin = 14
    mouth = weight[y - margin : y + lin.PATCH_PX + margin, x - margin : x + lin.PATCH_PX + margin]
    assert (mouth == 1).all()
    ex, ey, ew, eh = lin.EYES_BOX
    assert (weight[ey - margin : ey + eh + margin, ex - margin : ex + ew + margin] == 1).all()
    assert weight[1500:].max() == 0


def test_a_frame_shows_the_plate_through_its_matrix() -> None:
    rng = np.random.default_rng(2)
    width, height = lin.SIZE_PX
    picture = cv2.GaussianBlur(rng.random((height, width, 3)).astype(np.float32), (0, 0), 6)
    picture = (picture - picture.min()) / np.ptp(picture)
    plate = np.dstack([picture, np.ones((height, width), np.float32)])
    eyes = {name: np.zeros((lin.EYES_BOX[3], lin.EYES_BOX[2], 3), np.float32)
            for name in ("open", "blink35", "blink70", "blink100", "gaze_left", "gaze_right")}
    loop = idle.frames(idle.Layers(plate, eyes, np.zeros_like(picture)))
    shown = [next(loop) for _ in range(3)][2]
    matrix = idle.patch_matrices(idle.motion()[0])[2]
    for px, py in ((20, 20), (128, 128), (230, 240)):
        at = matrix @ np.array([px, py, 1.0])
        want = picture[lin.PATCH_AT[1] + py, lin.PATCH_AT[0] + px]
        got = shown[round(at[1]), round(at[0])] / 255
        assert np.abs(got - want).max() < 0.03


def test_every_blink_opens_again_and_shares_sum_to_one() -> None:
    seen = [idle.eye_mix(i) for i in range(idle.FRAMES)]
    assert all(0 <= sum(mix.values()) <= 1 for mix in seen)
    assert not seen[0]
    assert not seen[-1]
    assert sum("blink100" in mix for mix in seen) == 2 * len(idle.BLINKS_AT)
