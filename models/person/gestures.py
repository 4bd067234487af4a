"""The gestures of the cast: arm poses over time; rendered by the studio, warped like idling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from models.person import moves
from models.person.arm import HANGING, ArmPose
from models.person.character import Box

Grid = NDArray[np.float64]
RAISE = 12
FORE_CM = 22.0
# Between hanging and raised the forearm swings forward, not through the body.
LIFT = ArmPose((17.2, -43.2, 0.0), (16.0, -44.5, 20.5), (-0.15, -0.10, 1.0), (-1.0, 0.25, 0.0))
POINT = ArmPose((17.4, -42.5, 0.5), (13.0, -28.3, 11.5), (0.26, 0.94, 0.10), (-0.15, 0.0, 1.0))
WAVE = ArmPose((17.2, -41.8, -0.5), (12.6, -22.8, 9.0), (0.02, 1.0, 0.05), (0.0, -0.05, 1.0))
WAVE_DEGREES = (0.0, 5.0, 9.0, 11.0, 9.0, 5.0, 0.0, -6.0, -11.0, -13.0, -11.0, -6.0)


@dataclass(frozen=True)
class Gesture:
    """`poses` are the pictures to render of the arm on `side` (-1 right) inside `box`; `moves` is
    the clip, its `arm` counting in poses."""

    name: str
    side: int
    box: Box
    poses: list[ArmPose]
    moves: moves.Moves


def all_gestures() -> dict[str, Gesture]:
    """greet waves with the left hand, point-left and point-right show to the screen's sides."""
    low, high = (0, 850, 410, 1070), (690, 560, 390, 1360)
    return {
        "greet": _greet(high),
        "point-left": _point("point-left", -1, low, "gaze_left"),
        "point-right": _point("point-right", 1, (670, 850, 410, 1070), "gaze_right"),
    }


def raising(target: ArmPose, steps: int = RAISE) -> list[ArmPose]:
    """`steps` poses from just above hanging to the target, easing out."""
    u = np.linspace(0, 1, steps + 1)[1:]
    eased = 1 - (1 - u) ** 2.2
    return [_between(target, float(e)) for e in eased]


def _between(target: ArmPose, share: float) -> ArmPose:
    way = [HANGING, LIFT, target]
    at = [0.0, 0.52, 1.0]

    def along(points: list[tuple[float, float, float]]) -> Grid:
        return np.asarray(PchipInterpolator(at, np.array(points))(share))

    elbow = along([p.elbow for p in way])
    fore = along([_direction(p) for p in way])
    wrist = elbow + FORE_CM * _length(target, share) * fore / np.linalg.norm(fore)
    return ArmPose(_three(elbow), _three(wrist), _three(along([p.hand for p in way])),
                   _three(along([p.palm for p in way])))


def _direction(pose: ArmPose) -> tuple[float, float, float]:
    fore = np.array(pose.wrist) - pose.elbow
    return _three(fore / np.linalg.norm(fore))


def _length(target: ArmPose, share: float) -> float:
    """The target's forearm may be a little shorter than the hanging one: it tilts in depth."""
    own = float(np.linalg.norm(np.array(target.wrist) - target.elbow)) / FORE_CM
    return 1 + (own - 1) * share**2


def _three(v: Grid) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])


def _point(name: str, side: int, box: Box, gaze: str) -> Gesture:
    poses = raising(POINT)
    up = list(range(RAISE))
    order = [-1, -1, *up, *[RAISE - 1] * 50, *up[::-1], -1, -1, -1, -1]
    return Gesture(name, side, box, poses,
                   moves.gesture(order, turn=1.1 * side, nod=2.0, sway=4.5 * side, lean=0.16 * side,
                                 near=1.5, gaze=gaze, blink_at=6))


def _greet(box: Box) -> Gesture:
    poses = raising(WAVE) + [_waved(d) for d in sorted({d for d in WAVE_DEGREES if d})]
    turns = sorted({d for d in WAVE_DEGREES if d})
    number = {0.0: RAISE - 1, **{d: RAISE + i for i, d in enumerate(turns)}}
    waving = [number[d] for d in WAVE_DEGREES * 3]
    up = list(range(RAISE))
    order = [-1, -1, *up, *[RAISE - 1] * 7, *waving, *[RAISE - 1] * 7, *up[::-1], -1, -1, -1, -1]
    return Gesture("greet", 1, box, poses,
                   moves.gesture(order, turn=0.7, nod=9.0, sway=2.5, lean=0.10, near=6.0, gaze=None,
                                 blink_at=8))


def _waved(degrees: float) -> ArmPose:
    """The waving arm turned about its elbow in the picture's plane, the hand a little more."""
    def turned(v: Grid, by: float) -> tuple[float, float, float]:
        c, s = np.cos(np.radians(by)), np.sin(np.radians(by))
        return float(c * v[0] + s * v[1]), float(-s * v[0] + c * v[1]), float(v[2])

    fore = np.array(WAVE.wrist) - WAVE.elbow
    wrist = np.array(WAVE.elbow) + turned(fore, 0.6 * degrees)
    hand = turned(np.array(WAVE.hand), 1.25 * degrees)
    return ArmPose(WAVE.elbow, _three(wrist), hand, WAVE.palm)
