"""Renders with Blender, one process a job: python -m models.person.studio JOB WHO --assets A ..."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.person import backdrop, scene, skin, wardrobe
from models.person.arm import HANGING
from models.person.blender import Stage
from models.person.cast import character
from models.person.character import Character
from models.person.face import load_head
from models.person.gestures import all_gestures


def sentence(who: Character, assets: Path, work: Path, codes: Path, threads: int) -> None:
    """Render every frame of a sentence's code track (`codes`, in the folder of the pictures)."""
    _faces(who, assets, work, np.load(codes), codes.parent, threads, 100)


def mouths(who: Character, assets: Path, work: Path, poses: Path, threads: int,
           part: tuple[int, int], percent: int) -> None:
    """Render every pose of the (n, K) array in `poses` as work/<stem>/NNNN.png; what is there is
    kept. `part` = (i, n) takes each n-th pose, so that several processes share the work;
    `percent` is the size against the 1080p picture."""
    codes = np.load(poses)
    _faces(who, assets, work, codes, work / poses.stem, threads, percent, part)


def _faces(who: Character, assets: Path, work: Path, codes: Floats, folder: Path, threads: int,
           percent: int, part: tuple[int, int] = (0, 1)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    todo = [i for i in range(len(codes)) if i % part[1] == part[0]
            and not (folder / f"{i:04d}.png").exists()]
    if not todo:
        return
    stage = Stage(threads, samples=5, quick=True)
    face = scene.FaceObject(stage, load_head(assets, who.face), work / "textures",
                            who.complexion, near_mouth=True)
    scene.light_and_camera(stage)
    for i in todo:
        face.pose(codes[i])
        stage.render(folder / f"{i:04d}.png", who.mouth_box, percent)


Floats = NDArray[np.float32]
JOBS = ("textures", "mouths", "sentence", "hero", "large", "gestures")
# Eye pictures that the idle loop mixes with the plate's own: ICT shape weights of each.
EYES: dict[str, dict[str, float]] = {
    "blink35": {"eyeBlink": 0.35},
    "blink70": {"eyeBlink": 0.74, "eyeBack": 0.3},
    "blink100": {"eyeBlink": 1.02, "eyeWide": -0.10, "eyeBack": 1.3},
    "gaze_left": {"eyeLookOut_L": 0.24, "eyeLookIn_R": 0.24},
    "gaze_right": {"eyeLookIn_L": 0.24, "eyeLookOut_R": 0.24},
}


def hero(who: Character, assets: Path, work: Path, threads: int, samples: int) -> None:
    """Render the plate, the eye pictures and the backdrop, each once."""
    folder = work / "hero"
    folder.mkdir(parents=True, exist_ok=True)
    backdrop_path = folder / "backdrop.png"
    wanted = [folder / f"eyes_{name}.png" for name in EYES] + [folder / "plate.png"]
    if not all(p.exists() for p in wanted):
        stage, head = Stage(threads, samples=samples), load_head(assets, who.face)
        face = scene.FaceObject(stage, head, work / "textures", who.complexion)
        wardrobe.dress(stage, head, face, who)
        scene.light_and_camera(stage)
        for name, shapes in EYES.items():
            path = folder / f"eyes_{name}.png"
            if not path.exists():
                face.pose(more=shapes)
                stage.render(path, who.eyes_box)
        if not (folder / "plate.png").exists():
            face.pose()
            stage.render(folder / "plate.png")
    if not backdrop_path.exists():
        stage = Stage(threads, samples=24)
        scene.light_and_camera(stage, lights=False)
        backdrop.build(stage, who.backdrop_seed)
        stage.render(backdrop_path, percent=50)


def large(who: Character, assets: Path, work: Path, threads: int, samples: int) -> None:
    """Render head and eyes at twice the size, for 4K; each once."""
    folder = work / "hero" / "large"
    folder.mkdir(parents=True, exist_ok=True)
    stage, head = Stage(threads, samples=samples), load_head(assets, who.face)
    face = scene.FaceObject(stage, head, work / "textures", who.complexion)
    wardrobe.dress(stage, head, face, who)
    scene.light_and_camera(stage)
    for name, shapes in {**EYES, "": {}}.items():
        path = folder / (f"eyes_{name}.png" if name else "head.png")
        if not path.exists():
            face.pose(more=shapes)
            stage.render(path, who.eyes_box if name else who.head_box, 200)


def gestures(who: Character, assets: Path, work: Path, threads: int, bodies: Path) -> None:
    """Render every arm pose of every gesture, and the hanging arm in the same light, each once."""
    todo = [(g, i, work / "gestures" / name / (f"{i:04d}.png" if i >= 0 else "rest.png"))
            for name, g in all_gestures().items() for i in range(-1, len(g.poses))]
    todo = [each for each in todo if not each[2].exists()]
    if not todo:
        return
    stage, head = Stage(threads, samples=4, quick=True), load_head(assets, who.face)
    face = scene.FaceObject(stage, head, work / "textures", who.complexion)
    arms = wardrobe.dress(stage, head, face, who, body=bodies)
    scene.light_and_camera(stage)
    face.pose()
    for gesture, number, path in todo:
        path.parent.mkdir(parents=True, exist_ok=True)
        for side in (-1, 1):
            raised = number >= 0 and side == gesture.side
            arms.pose(side, gesture.poses[number] if raised else HANGING)
        stage.render(path, gesture.box)


def textures(who: Character, assets: Path, work: Path) -> None:
    """Paint the skin."""
    folder = work / "textures"
    folder.mkdir(parents=True, exist_ok=True)
    skin.paint(load_head(assets, who.face).landmark_uv, folder, who.complexion)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("who")
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--poses", type=Path)
    parser.add_argument("--bodies", type=Path, help="assets with the hands")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--percent", type=int, default=100)
    parser.add_argument("--part", default="0/1")
    args = parser.parse_args()
    who = character(args.who)
    if args.job == "textures":
        textures(who, args.assets, args.work)
    elif args.job == "gestures":
        gestures(who, args.assets, args.work, args.threads, args.bodies)
    elif args.job == "sentence":
        sentence(who, args.assets, args.work, args.poses, args.threads)
    elif args.job == "large":
        large(who, args.assets, args.work, args.threads, args.samples)
    elif args.job == "hero":
        hero(who, args.assets, args.work, args.threads, args.samples)
    else:
        first, _, parts = args.part.partition("/")
        mouths(who, args.assets, args.work, args.poses, args.threads, (int(first), int(parts)),
               args.percent)


if __name__ == "__main__":
    main()
