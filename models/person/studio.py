"""Renders with Blender, one process per job: `python -m models.person.studio JOB --assets A --work W`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from models.articulation.visemes import training_poses
from models.person import backdrop, lin, scene, skin, wardrobe
from models.person.blender import Stage
from models.person.face import load_head


def mouths(assets: Path, work: Path, poses: Path, threads: int, part: tuple[int, int]) -> None:
    """Render every pose of the (n, K) array in `poses` as work/<stem>/NNNN.png; what is there is
    kept. `part` = (i, n) takes each n-th pose, so that several processes share the work."""
    folder = work / poses.stem
    folder.mkdir(parents=True, exist_ok=True)
    codes = np.load(poses)
    todo = [i for i in range(len(codes)) if i % part[1] == part[0]
            and not (folder / f"{i:04d}.png").exists()]
    if not todo:
        return
    stage = Stage(threads, samples=5)
    face = scene.FaceObject(stage, load_head(assets, lin.LIN), work / "textures", near_mouth=True)
    scene.light_and_camera(stage)
    for i in todo:
        face.pose(codes[i])
        stage.render(folder / f"{i:04d}.png", (*lin.PATCH_AT, lin.PATCH_PX, lin.PATCH_PX))


# Eye pictures that the idle loop mixes with the plate's own: ICT shape weights of each.
EYES: dict[str, dict[str, float]] = {
    "blink35": {"eyeBlink": 0.35},
    "blink70": {"eyeBlink": 0.74, "eyeBack": 0.3},
    "blink100": {"eyeBlink": 1.02, "eyeWide": -0.10, "eyeBack": 1.3},
    "gaze_left": {"eyeLookOut_L": 0.24, "eyeLookIn_R": 0.24},
    "gaze_right": {"eyeLookIn_L": 0.24, "eyeLookOut_R": 0.24},
}


def hero(assets: Path, work: Path, threads: int, samples: int = 24) -> None:
    """Render the plate, the eye pictures and the backdrop, each once."""
    folder = work / "hero"
    folder.mkdir(parents=True, exist_ok=True)
    backdrop_path = folder / "backdrop.png"
    wanted = [folder / f"eyes_{name}.png" for name in EYES] + [folder / "plate.png"]
    if not all(p.exists() for p in wanted):
        stage, head = Stage(threads, samples=samples), load_head(assets, lin.LIN)
        face = scene.FaceObject(stage, head, work / "textures")
        wardrobe.dress(stage, head, face)
        scene.light_and_camera(stage)
        for name, shapes in EYES.items():
            path = folder / f"eyes_{name}.png"
            if not path.exists():
                face.pose(more=shapes)
                stage.render(path, lin.EYES_BOX)
        if not (folder / "plate.png").exists():
            face.pose()
            stage.render(folder / "plate.png")
    if not backdrop_path.exists():
        stage = Stage(threads, samples=24)
        scene.light_and_camera(stage, lights=False)
        backdrop.build(stage)
        stage.render(backdrop_path, percent=50)


def textures(assets: Path, work: Path) -> None:
    folder = work / "textures"
    folder.mkdir(parents=True, exist_ok=True)
    skin.paint(load_head(assets, lin.LIN).landmark_uv, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=("textures", "poses", "mouths", "hero"))
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--poses", type=Path)
    parser.add_argument("--count", type=int, default=440)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--part", default="0/1")
    args = parser.parse_args()
    if args.job == "textures":
        textures(args.assets, args.work)
    elif args.job == "poses":
        np.save(args.work / "mouths.npy", training_poses(args.count))
    elif args.job == "hero":
        hero(args.assets, args.work, args.threads, args.samples)
    else:
        first, _, parts = args.part.partition("/")
        mouths(args.assets, args.work, args.poses or args.work / "mouths.npy", args.threads,
               (int(first), int(parts)))


if __name__ == "__main__":
    main()
