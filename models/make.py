"""Makes an avatar from the face assets, stage by stage; finished stages are skipped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ota.clock import monotonic_s
from ota.errors import Broken, Refused

if TYPE_CHECKING:
    from models.net.dataset import Pictures

Say = Callable[[str], None]
Floats = NDArray[np.float32]
JOB_TIMEOUT_S = 6 * 3600
VOICE_STEPS, RENDERER_STEPS = 2500, 6000
RANDOM_POSES, SPOKEN_POSES = 200, 360
NEEDED = ("bpy", "torch", "scipy", "soxr")


@dataclass(frozen=True)
class Plan:
    """What to make and where: face and speech assets, work folder, result folder."""

    assets: Path
    speech_assets: Path
    work: Path
    out: Path
    version: int
    key: Path
    threads: int = 1
    quick: bool = False


def make(plan: Plan, say: Say) -> None:
    """Run all stages; can be stopped at any time and called again. Raises Refused when a package
    or asset is missing, Broken when a stage fails."""
    from models.person.assets import open_face_assets

    check_packages()
    open_face_assets(plan.assets)
    plan.work.mkdir(parents=True, exist_ok=True)
    stages: list[tuple[str, Path, Callable[[Plan, Say], None]]] = [
        ("paint the skin", plan.work / "textures" / "albedo.png", _textures),
        ("speak the training lines", plan.work / "speech.done", _speech),
        ("choose the mouth poses", plan.work / "spoken.npy", _poses),
        ("render the person", plan.work / "hero" / "backdrop.png", _hero),
        ("render the mouths", plan.work / "mouths.done", _mouths),
        ("train voice to mouth", plan.work / "voice2code.onnx", _voice),
        ("train the renderer", plan.work / "renderer.fp32.onnx", _renderer),
        ("quantise", plan.work / "renderer.int8.onnx", _quantise),
        ("animate the idle loop", plan.work / "base.mp4", _idle),
        ("pack the bundle", plan.out / "avatar.json", _pack),
    ]
    for number, (what, result, run) in enumerate(stages, 1):
        if result.exists() and result.parent != plan.out:
            say(f"[{number}/{len(stages)}] {what}: there already")
            continue
        say(f"[{number}/{len(stages)}] {what} ...")
        started = monotonic_s()
        run(plan, say)
        say(f"[{number}/{len(stages)}] {what}: {monotonic_s() - started:.0f} s")


def check_packages() -> None:
    """Raise Refused with the way out when the build packages are not installed."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise Refused(f"Making avatars needs {', '.join(missing)}: make a venv of Python 3.11, "
                      "`pip install -r requirements/avatar.txt` there, and run this from it.")


def _studio(plan: Plan, *arguments: str) -> None:
    """Blender runs in a process of its own: it keeps memory and state until it ends."""
    log = plan.work / "studio.log"
    command = [sys.executable, "-m", "models.person.studio", *arguments, "--assets", str(plan.assets),
               "--work", str(plan.work), "--threads", str(plan.threads)]
    with log.open("ab") as sink:
        done = subprocess.run(command, stdout=sink, stderr=sink, timeout=JOB_TIMEOUT_S, check=False,
                              cwd=Path(__file__).resolve().parent.parent)
    if done.returncode:
        raise Broken(f"Rendering failed (see {log}); run the same command again to go on.")


def _textures(plan: Plan, say: Say) -> None:
    _studio(plan, "textures")


def _speech(plan: Plan, say: Say) -> None:
    from models.articulation.speech import synthesise

    synthesise(plan.speech_assets, plan.work / "speech")
    (plan.work / "speech.done").touch()


def _poses(plan: Plan, say: Say) -> None:
    from models.articulation import visemes, voice

    clips = [c for c in voice.read_clips(plan.work / "speech") if not c.held_out]
    tracks = [voice.example(c, None)[1] for c in clips]
    np.save(plan.work / "mouths.npy", visemes.training_poses(30 if plan.quick else RANDOM_POSES))
    count = 30 if plan.quick else SPOKEN_POSES
    np.save(plan.work / "spoken.npy", visemes.spoken_poses(tracks, count))


def _hero(plan: Plan, say: Say) -> None:
    _studio(plan, "hero")


def _mouths(plan: Plan, say: Say) -> None:
    for name in ("mouths", "spoken"):
        say(f"    {len(np.load(plan.work / (name + '.npy')))} pictures, about 5 s each")
        _studio(plan, "mouths", "--poses", str(plan.work / f"{name}.npy"))
    (plan.work / "mouths.done").touch()


def _progress(say: Say) -> Callable[[int, int, float], None]:
    return lambda step, steps, loss: say(f"    step {step} of {steps}, loss {loss:.4f}")


def _voice(plan: Plan, say: Say) -> None:
    from models.articulation import voice

    steps = 100 if plan.quick else VOICE_STEPS
    figures = voice.train(plan.work / "speech", plan.work / "voice2code.onnx", steps,
                          plan.threads, _progress(say))
    _write_figures(plan, "voice", figures)


def _renderer(plan: Plan, say: Say) -> None:
    from models.net import networks

    data = read_pictures(plan.work)
    train = ~data.held_out
    mean = data.images[train].mean(0).astype(np.float32) / 255
    net = networks.renderer_network(data.codes.shape[1], data.images.shape[2], mean)
    networks.train_renderer(
        net, data.rest, data.images[train], data.codes[train], data.mattes[train], data.weight,
        80 if plan.quick else RENDERER_STEPS, plan.threads, _progress(say))
    side, codes = data.images.shape[2], data.codes.shape[1]
    networks.save(net, plan.work / "renderer.pt")
    networks.export(net, plan.work / "renderer.fp32.onnx",
                    {"base": (1, 3, side, side), "code": (1, codes)}, "patch")


def read_pictures(work: Path) -> Pictures:
    """The training pictures of a work folder, matched to its plate."""
    from models.net import dataset
    from models.person import lin
    from models.person.picture import read_render

    x, y = lin.PATCH_AT
    plate, _ = read_render(work / "hero" / "plate.png")
    crop = plate[y : y + lin.PATCH_PX, x : x + lin.PATCH_PX]
    names = ("mouths", "spoken")
    return dataset.load([work / n for n in names], [np.load(work / f"{n}.npy") for n in names],
                        crop)


def _quantise(plan: Plan, say: Say) -> None:
    from models.measure import compare
    from models.net import quantize

    data = read_pictures(plan.work)
    fp32, int8 = plan.work / "renderer.fp32.onnx", plan.work / "renderer.int8.onnx"
    quantize.quantize(fp32, int8, data.rest[None], data.codes[~data.held_out])
    held = data.held_out
    figures = compare.compare(fp32, int8, data.rest, data.images[held], data.codes[held], data.mask)
    say(f"    {figures}")
    _write_figures(plan, "renderer", figures)


def _idle(plan: Plan, say: Say) -> None:
    from models import movie
    from models.person import idle
    from models.person.plate import layers

    partial = plan.work / "base.part.mp4"
    movie.write_loop(partial, idle.frames(layers(plan.work / "hero")), idle.FPS)
    partial.replace(plan.work / "base.mp4")


def _pack(plan: Plan, say: Say) -> None:
    import json

    from models import pack
    from models.articulation.voice import FEATURES

    data = read_pictures(plan.work)
    rest = np.rint(data.rest.transpose(1, 2, 0) * 255).astype(np.uint8)
    figures = json.loads((plan.work / "figures.json").read_text(encoding="utf-8"))
    names = ("base.mp4", "renderer.fp32.onnx", "renderer.int8.onnx", "voice2code.onnx")
    pack.pack(plan.out, plan.version, {n: plan.work / n for n in names}, data.mask, rest, FEATURES,
              figures, plan.key)


def _write_figures(plan: Plan, part: str, figures: object) -> None:
    import json

    path = plan.work / "figures.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**known, part: figures}, indent=1), encoding="utf-8")
