"""`vitrine bench`: figures as ratios to peers and limits of the same run."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ota.errors import Refused

EXIT_MISSED = 1
RENDERER = "renderer"
FRAMES_MIN, FRAMES_MAX = 100, 10_000_000
SUITES = (RENDERER, "stage", "live", "speech", "voice", "sync", "content", "ota", "fleet")
SYNC = "sync"
SOAK = "soak"  # only when asked for: it takes as long as it is told
UPDATE = "update"  # only when asked for: bad releases have minutes to show themselves
EPILOG = """examples:
  ./vitrine bench                   all suites
  ./vitrine bench renderer --json   one suite, for programs
  ./vitrine bench soak --minutes 30 --out /tmp   the stage's memory over 10,000 sentences
  ./vitrine bench update            good and bad releases in a running shop (ten minutes)
  ./vitrine bench renderer --frames 100000   watch the renderer's memory for an hour of speech
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench`."""
    parser = commands.add_parser(
        "bench",
        help="measure this machine",
        description="Measure; exit code 1 when a limit is missed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", nargs="?", choices=(*SUITES, SOAK, UPDATE),
                        help="one suite; by default all but soak and update")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--frames", type=int, metavar="N",
        help="renderer: watch its memory over N frames (by default 3000)")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N",
                        help="soak: for how long (by default 10)")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="sync, soak: write offset.png, soak.json and soak.png here")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure the chosen suites and tell which limits were kept."""
    suites = (args.suite,) if args.suite else SUITES
    options = renderer_options(args.frames, suites)
    result = {}
    missed = 0
    for name in suites:
        print(f"vitrine: measuring {name} ...", file=sys.stderr, flush=True)
        figures = importlib.import_module(f"cli.benches.{name}").measure(
            **(options if name == RENDERER else {}),
            **({"out": args.out} if name in (SYNC, SOAK) else {}),
            **({"minutes": args.minutes} if name == SOAK else {}))
        missed += sum(figure.met is False for figure in figures)
        result[name] = [figure.as_json() for figure in figures]
        if not args.json:
            print("\n".join(figure.as_line() for figure in figures), flush=True)
    if args.json:
        print(json.dumps({"suites": result, "missed": missed}, ensure_ascii=False))
    return EXIT_MISSED if missed else 0


def renderer_options(frames: int | None, suites: Sequence[str]) -> dict[str, int]:
    """What `--frames` means for the renderer's suite. Raises Refused where it means nothing."""
    if frames is None:
        return {}
    if RENDERER not in suites:
        raise Refused("--frames belongs to the renderer; use it as `vitrine bench renderer "
                      "--frames N`.")
    if not FRAMES_MIN <= frames <= FRAMES_MAX:
        raise Refused(f"--frames must be {FRAMES_MIN} to {FRAMES_MAX:,}; {frames} was given.")
    return {"frames": frames}
