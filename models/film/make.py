"""Makes an avatar from a talking video, stage by stage; finished stages are skipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.film import stages
from models.film.bundle import check_place
from models.film.footage import FPS, SECONDS_GOOD, check_film
from models.film.permission import read_permission
from models.film.stages import Work
from models.progress import Say, in_words
from ota.clock import monotonic_s, utc_now
from ota.errors import Refused
from ota.files import sha256_file, write_durable

NEEDED = ("torch", "scipy", "onnx", "ai_edge_litert")
NOTE = "film.json"
NAME_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789-"
# Rough costs on one core of an ordinary machine, for the first estimate.
FRAME_S, STEP_S, REST_S = 0.05, 0.45, 60.0


@dataclass(frozen=True)
class Plan:
    """What to make: `name` from `video` with `consent`, signed by `key`; `trust` is the public
    key of a signed consent; work and result folders; the tracker's assets."""

    name: str
    video: Path
    consent: Path
    key: Path | None
    trust: Path | None
    work: Path
    out: Path
    assets: Path
    patch_px: int = 256
    quick: bool = False
    threads: int = 1


def make(plan: Plan, say: Say) -> dict[str, Any]:
    """Run all stages; can be stopped at any time and called again. Returns a summary.

    Raises Refused for a bad name, video or consent before any long work, and when a package is
    missing; nothing half-made is left in `out`.
    """
    check_name(plan.name)
    film = check_film(plan.video)
    source = sha256_file(plan.video)
    permission = read_permission(plan.consent, plan.name, source, plan.key, plan.trust, utc_now())
    check_packages()
    work = Work(plan.video, plan.work, plan.assets, plan.patch_px, plan.quick, plan.threads, source)
    ours = is_ours(work)
    check_place(plan.out, permission.signer, ours and (plan.work / stages.PACKED).exists())
    if not ours:
        begin(work)
    if film.seconds < SECONDS_GOOD:
        say(f"The video is {film.seconds:.0f} s long; three minutes give a better mouth.")
    rows: list[tuple[str, Path, Callable[[Work, Say], None]]] = [
        ("look at the video", plan.work / stages.CHECKED, stages.look),
        ("follow the face", plan.work / stages.TRACK, stages.track),
        ("read the mouth", plan.work / stages.MOUTHS, stages.mouths),
        ("learn voice to mouth", plan.work / stages.VOICE, stages.voice),
        ("cut out the mouths", plan.work / stages.PICTURES, stages.pictures),
        ("train the renderer", plan.work / stages.FP32, stages.renderer),
        ("quantise and measure", plan.work / stages.FIGURES, stages.quantise),
        ("make the idle video", plan.work / stages.IDLE, stages.idle),
    ]
    ahead_s = estimate_s(film.seconds, plan.quick, [result.exists() for _, result, _ in rows])
    say(f"{len(rows) + 1} stages, about {in_words(ahead_s)} on one core; Ctrl-C stops, the same "
        "command goes on.")
    for number, (what, result, run) in enumerate(rows, 1):
        head = f"[{number}/{len(rows) + 1}] {what}"
        if result.exists():
            say(f"{head}: there already")
            continue
        say(f"{head} ...")
        started_s = monotonic_s()
        run(work, say)
        say(f"{head}: {in_words(monotonic_s() - started_s)}")
    figures = stages.packed(work, plan.name, plan.out, permission)
    say(f"[{len(rows) + 1}/{len(rows) + 1}] pack the bundle: done")
    return {"ok": True, "id": plan.name, "folder": str(plan.out), "quality": figures}


def check_name(name: str) -> None:
    """Raises Refused for a name that is no good folder name and id."""
    if not name or set(name) - set(NAME_CHARS) or name[0] == "-" or len(name) > 32:
        raise Refused(f"{name!r} cannot be an avatar's name; use small letters, digits and dashes.")


def check_packages() -> None:
    """Raise Refused with the way out when a package of requirements/film.txt is missing."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise Refused(f"Making an avatar from a video needs {', '.join(missing)}: run it through "
                      "`./vitrine`, which brings them, or `pip install -r requirements/film.txt`.")


def is_ours(work: Work) -> bool:
    """Whether the work folder holds earlier work on this film. Raises Refused when it holds other
    things, or this film with other settings."""
    path = work.folder / NOTE
    if not path.is_file():
        if work.folder.is_dir() and any(work.folder.iterdir()):
            raise Refused(f"{work.folder} holds other things; give another --work.")
        return False
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        known = None
    if known != _settings(work):
        raise Refused(f"{work.folder} holds the work on another video or with other settings; "
                      "give another --work, or remove that folder.")
    return True


def begin(work: Work) -> None:
    """Make the work folder this film's own."""
    work.folder.mkdir(parents=True, exist_ok=True)
    write_durable(work.folder / NOTE, json.dumps(_settings(work)).encode())


def _settings(work: Work) -> dict[str, Any]:
    return {"source_sha256": work.source_sha256, "patch": work.patch_px, "quick": work.quick}


def estimate_s(seconds: float, quick: bool, done: list[bool]) -> float:
    """About how many seconds of one core are still needed; `done` for each stage."""
    frames = seconds * FPS
    costs = (frames * FRAME_S / 2, frames * FRAME_S, frames * FRAME_S, 20.0, frames * FRAME_S / 2,
             stages.steps_for(quick) * STEP_S, REST_S, REST_S)
    return float(sum(cost for cost, there in zip(costs, done, strict=True) if not there))
