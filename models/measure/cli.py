"""The commands `vitrine models compare` and `vitrine models scorer`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ota.errors import Refused

RAW = argparse.RawDescriptionHelpFormatter
WORK = Path(".work/lin")


def register(actions: Any) -> None:
    """Add both to the actions of `models`."""
    compare = actions.add_parser(
        "compare", help="measure FP32, INT8 and every provider against the truth",
        description="Measure FP32, INT8 and every provider of this machine on pictures and "
                    "sentences never trained on.", formatter_class=RAW,
        epilog="example:\n  ./vitrine models compare --work .work/lin --page /tmp/compared --json")
    compare.add_argument("--bundle", type=Path, metavar="DIR",
                         help="the packed avatar, for flicker at rest and whole pictures "
                              "(default: models/avatars/NAME of WORK when it is there)")
    compare.add_argument("--page", type=Path, metavar="DIR",
                         help="write a page with frames side by side and plots into this folder")
    compare.add_argument("--assets", type=Path, help="face assets: needed once, to know where the "
                                                     "lips are (WORK/lips.npz)")
    compare.add_argument("--write", action="store_true",
                         help="keep the figures in WORK/figures.json, so that the next packing "
                              "puts them into avatar.json")
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=_compare)
    scorer = actions.add_parser(
        "scorer", help="train the lip-sync scorer of `compare` on true pictures",
        description="Train the lip-sync scorer of `compare` on true pictures.",
        formatter_class=RAW, epilog="example:\n  ./vitrine models scorer --work .work/lin")
    scorer.add_argument("--out", type=Path, help="default: models/measure/syncnet.onnx")
    scorer.add_argument("--steps", type=int, default=None)
    scorer.add_argument("--threads", type=int, default=1)
    scorer.set_defaults(run=_scorer)
    for parser in (compare, scorer):
        parser.add_argument("--work", type=Path, default=WORK,
                            help=f"the folder `models make` worked in (default {WORK})")


def _compare(args: argparse.Namespace) -> int:
    from device.render.pixels import use_one_thread
    from models.measure import landmarks, limits
    from models.measure.examine import check_renderers, examine
    from models.measure.truth import home_of, load

    check_renderers(args.work)
    bundle = _bundle(args)
    use_one_thread()
    lips = home_of(args.work) / "lips.npz"
    if args.assets is not None and not lips.is_file():
        from models.plan import who_of

        landmarks.write(args.assets, who_of(home_of(args.work)), lips)
    truth = load(args.work)
    found = examine(truth, args.work, bundle, _say)
    if args.page is not None:
        from models.measure import page

        _say(f"The page: {page.write(found, args.page, bundle)}")
    if args.write:
        _keep(args.work, found.quality)
    if args.json:
        print(json.dumps(found.quality, ensure_ascii=False))
        return 0
    for row in limits.rows(found.quality, truth.images.shape[-1]):
        print(row.line())
    for text in found.quality["missing"]:
        _say(f"Not measured: {text}.")
    return 0


def _bundle(args: argparse.Namespace) -> Any:
    from device.paths import repository_root
    from device.render.bundle import load_bundle
    from models.measure.truth import home_of
    from ota.clock import utc_now

    home = home_of(args.work).resolve()
    name = home.name if home == args.work.resolve() else f"{home.name}-4k"
    usual = repository_root() / "models" / "avatars" / name
    if args.bundle is None and not (usual / "avatar.json").is_file():
        return None
    return load_bundle(args.bundle or usual, utc_now())


def _keep(work: Path, quality: dict[str, Any]) -> None:
    """Beside what training wrote there, whole or not at all."""
    path = work / "figures.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    partial = path.with_suffix(".part.json")
    partial.write_text(json.dumps({**known, "renderer": quality}, ensure_ascii=False, indent=1),
                       encoding="utf-8")
    partial.replace(path)
    _say(f"Kept in {path}.")


def _scorer(args: argparse.Namespace) -> int:
    from importlib.util import find_spec

    from models.measure import scorer, sync

    if find_spec("torch") is None:
        raise Refused("Training the scorer needs the build environment: make it as docs/avatar.md "
                      "says and run `.avatar-venv/bin/python -m cli models scorer`.")
    steps = scorer.STEPS if args.steps is None else args.steps
    if steps < 1:
        raise Refused("--steps must be 1 or more.")
    out = args.out or sync.SCORER
    figures = scorer.make(args.work, out, steps, args.threads, _say)
    _say(f"{out}: {figures}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
