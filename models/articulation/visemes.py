"""Which mouth code each phoneme wants, and mouth poses for the renderer's training pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.person.face import CODE_NAMES

Floats = NDArray[np.float32]

# Targets at full articulation; names as in CODE_SHAPES, what is not named is 0.
VISEMES: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"jaw_open": 0.10, "lips_together": 0.12, "press": 0.55},
    "FF": {"jaw_open": 0.12, "roll_lower": 0.65, "upper_up": 0.28},
    "TH": {"jaw_open": 0.22, "tongue_up": 0.65, "lower_down": 0.12, "upper_up": 0.10},
    "DD": {"jaw_open": 0.20, "tongue_up": 0.85, "upper_up": 0.12, "lower_down": 0.18,
           "stretch": 0.10},
    "KK": {"jaw_open": 0.26, "upper_up": 0.10, "lower_down": 0.12},
    "CH": {"jaw_open": 0.15, "funnel": 0.48, "lower_down": 0.18, "upper_up": 0.08},
    "SS": {"jaw_open": 0.08, "stretch": 0.25, "lower_down": 0.36, "upper_up": 0.20, "smile": 0.10},
    "RR": {"jaw_open": 0.20, "funnel": 0.32, "pucker": 0.18, "tongue_up": 0.35},
    "AA": {"jaw_open": 0.85, "upper_up": 0.18, "lower_down": 0.15},
    "EH": {"jaw_open": 0.48, "stretch": 0.28, "upper_up": 0.18, "lower_down": 0.15, "smile": 0.10},
    "IY": {"jaw_open": 0.18, "stretch": 0.42, "smile": 0.30, "lower_down": 0.22, "upper_up": 0.12},
    "OW": {"jaw_open": 0.52, "funnel": 0.50, "pucker": 0.22},
    "UW": {"jaw_open": 0.20, "pucker": 0.75, "funnel": 0.22},
    "YU": {"jaw_open": 0.14, "pucker": 0.65, "funnel": 0.35, "upper_up": 0.08},
    "AH": {"jaw_open": 0.38, "lower_down": 0.12, "upper_up": 0.08},
    "ER": {"jaw_open": 0.34, "funnel": 0.22, "tongue_up": 0.30, "lower_down": 0.08},
}


# What avatar.json says of the lips, for the box to shape heard codes by (device/render/lips.py):
# the visemes' own numbers, and 0 for whatever else parts the lips. Pucker, smile and stretch are
# not named: they belong to the neighbouring vowels, and the lips stay shut with them.
_PARTING = ("jaw_open", "lips_together", "funnel", "upper_up", "lower_down", "press", "roll_lower",
            "tongue_up")
LIPS = {shape: {name: VISEMES[viseme].get(name, 0.0) for name in _PARTING}
        for shape, viseme in (("closed", "PP"), ("tucked", "FF"))}


def target(viseme: str) -> Floats:
    """The code (K,) of a viseme at full articulation."""
    wanted = VISEMES[viseme]
    return np.array([wanted.get(name, 0.0) for name in CODE_NAMES], np.float32)


def training_poses(count: int, seed: int = 11) -> Floats:
    """(count, K) poses: the rest, every viseme, then blends of two visemes (where speech lives)
    and sparse random poses (so that the network is well behaved everywhere), shuffled in time."""
    rng = np.random.default_rng(seed)
    names = list(VISEMES)
    fixed = [target("sil")] + [target(n) * g for n in names[1:] for g in (0.6, 1.0, 1.2)]
    poses = list(fixed)
    while len(poses) < count:
        if rng.random() < 0.72:
            first, second = (target(names[i]) for i in rng.integers(0, len(names), 2))
            blend = rng.random()
            pose = (1 - blend) * first * rng.uniform(0.5, 1.2)
            pose = pose + blend * second * rng.uniform(0.4, 1.2)
            pose = pose + rng.normal(0, 0.04, len(pose)) * (pose > 0.02)
        else:
            pose = np.zeros(len(CODE_NAMES))
            chosen = rng.choice(len(pose), rng.integers(1, 4), replace=False)
            pose[chosen] = rng.uniform(0.1, 0.9, len(chosen))
            pose[0] = max(pose[0], rng.beta(1.2, 2.5))
        poses.append(np.clip(pose, 0, 1.1).astype(np.float32))
    rest, others = poses[:1], poses[1:count]
    rng.shuffle(others)
    return np.array(rest + others, np.float32)


def spoken_poses(tracks: list[Floats], count: int, seed: int = 12) -> Floats:
    """(count, K) poses out of real code tracks, spread evenly over what speech visits: each next
    one is the farthest from all before it (of a random few thousand)."""
    rng = np.random.default_rng(seed)
    pool = np.concatenate(tracks)
    pool = pool[rng.permutation(len(pool))[:6000]]
    weight = np.array([2.0 if n == "jaw_open" else 1.0 for n in CODE_NAMES], np.float32)
    scaled = pool * weight
    chosen = [int(np.abs(scaled).sum(1).argmin())]
    nearest = np.linalg.norm(scaled - scaled[chosen[0]], axis=1)
    while len(chosen) < count // 2:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[chosen[-1]], axis=1))
    others = rng.choice(len(pool), count - len(chosen), replace=False)
    result: Floats = pool[rng.permutation(np.concatenate([chosen, others]))].astype(np.float32)
    return result
