"""Makes a synthetic avatar from the face assets, stage by stage; finished stages are skipped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from models import stages
from models.person.gestures import all_gestures
from models.plan import Plan, remember
from models.progress import Say
from ota.clock import monotonic_s
from ota.errors import Broken, Refused

JOB_TIMEOUT_S = 6 * 3600
NEEDED = ("bpy", "torch", "scipy", "soxr")
# Mouths are rendered once, at the size the 4K bundle wants.
LARGE_PERCENT = 150

Stage = tuple[str, Path, Callable[[Plan, Say], None]]


def make(plan: Plan, say: Say) -> None:
    """Run all stages; can be stopped at any time and called again. Raises Refused when a package
    or asset is missing, Broken when a stage fails."""
    from models.person.assets import open_face_assets

    check_packages()
    open_face_assets(plan.assets)
    plan.work.mkdir(parents=True, exist_ok=True)
    remember(plan.work, plan.who)
    todo = _stages(plan)
    for number, (what, result, run) in enumerate(todo, 1):
        if result.exists() and result.name != "avatar.json":
            say(f"[{number}/{len(todo)}] {what}: there already")
            continue
        say(f"[{number}/{len(todo)}] {what} ...")
        started_s = monotonic_s()
        run(plan, say)
        say(f"[{number}/{len(todo)}] {what}: {monotonic_s() - started_s:.0f} s")


def _stages(plan: Plan) -> list[Stage]:
    work = plan.work
    found: list[Stage] = [
        ("paint the skin", work / "textures" / "albedo.png", _textures),
        ("speak the training lines", work / "speech.done", stages.speech),
        ("choose the mouth poses", work / "spoken.npy", stages.poses),
        ("render the person", work / "hero" / "backdrop.png", _hero),
        ("render the gestures", work / "gestures.done", _gestures),
        ("render the mouths", work / "mouths.done", _mouths),
        ("render sentences to measure by", work / "sentences.done", _sentences),
        ("train voice to mouth", work / "voice2code.onnx", stages.voice),
        ("train the renderer", work / "renderer.fp32.onnx", stages.renderer),
        ("quantise", work / "renderer.int8.onnx", stages.quantise),
        ("animate", work / "clips.done", stages.animate),
        ("pack the bundle", plan.out / "avatar.json", stages.pack_bundle),
    ]
    if plan.large:
        large = work / "large"
        found += [
            ("render head and eyes for 4K", work / "hero" / "large" / "head.png", _large_hero),
            ("train the renderer for 4K", large / "renderer.fp32.onnx", stages.large_renderer),
            ("quantise for 4K", large / "renderer.int8.onnx", stages.large_quantise),
            ("animate in 4K", large / "clips.done", stages.large_animate),
            ("pack the 4K bundle", plan.out.with_name(plan.out.name + "-4k") / "avatar.json",
             stages.pack_large),
        ]
    return found


def check_packages() -> None:
    """Raise Refused with the way out when the build packages are not installed."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise Refused(f"Making avatars needs {', '.join(missing)}: make a venv of Python 3.11, "
                      "`pip install -r requirements/avatar.txt` there, and run this from it.")


def _studio(plan: Plan, job: str, *arguments: str) -> None:
    """Blender runs in a process of its own: it keeps memory and state until it ends."""
    log = plan.work / "studio.log"
    command = [sys.executable, "-m", "models.person.studio", job, plan.who.id, *arguments,
               "--assets", str(plan.assets), "--work", str(plan.work), "--bodies",
               str(plan.speech_assets), "--threads", str(plan.threads)]
    with log.open("ab") as sink:
        done = subprocess.run(command, stdout=sink, stderr=sink, timeout=JOB_TIMEOUT_S, check=False,
                              cwd=Path(__file__).resolve().parent.parent)
    if done.returncode:
        raise Broken(f"Rendering failed (see {log}); run the same command again to go on.")


def _textures(plan: Plan, say: Say) -> None:
    _studio(plan, "textures")


def _hero(plan: Plan, say: Say) -> None:
    _studio(plan, "hero", "--samples", "4" if plan.quick else "10")


def _large_hero(plan: Plan, say: Say) -> None:
    _studio(plan, "large", "--samples", "2" if plan.quick else "5")


def _gestures(plan: Plan, say: Say) -> None:
    from models.person.arm import BODY

    if not (plan.speech_assets / BODY).is_dir():
        from models.fetch import fetch

        fetch([BODY], plan.speech_assets, say)
    say(f"    {sum(len(g.poses) + 1 for g in all_gestures().values())} pictures, about 15 s each")
    _studio(plan, "gestures")
    (plan.work / "gestures.done").touch()


def _mouths(plan: Plan, say: Say) -> None:
    percent = LARGE_PERCENT if plan.large else 100
    for name in ("mouths", "spoken"):
        say(f"    {name}: {5 if plan.large else 3} s a picture on one core")
        _studio(plan, "mouths", "--poses", str(plan.work / f"{name}.npy"), "--percent",
                str(percent))
    (plan.work / "mouths.done").touch()


def _sentences(plan: Plan, say: Say) -> None:
    """True video of lines that were never trained on: every frame of their code tracks."""
    from models.measure import landmarks, sentences

    landmarks.write(plan.assets, plan.who, plan.work / "lips.npz")
    sentences.write(plan.work / "speech", plan.work / "sentences")
    for folder in sorted(p for p in (plan.work / "sentences").iterdir() if p.is_dir()):
        say(f"    sentence {folder.name}")
        _studio(plan, "sentence", "--poses", str(folder / "codes.npy"))
    (plan.work / "sentences.done").touch()
