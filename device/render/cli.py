"""`vitrine render`: the avatar says a recording, into a movie file."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

EPILOG = """examples:
  ./vitrine render --audio hello.wav --out hello.mp4
  ./vitrine render --audio hello.flac --out card.mp4 --programme programmes/tea-shop --size 540x960
  ./vitrine render --audio hello.wav --out hello.mp4 --gesture greet --gesture point-left@4.5
"""
BAR_CELLS = 30


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `render`."""
    parser = commands.add_parser(
        "render",
        help="the avatar says a recording, into an mp4 with sound",
        description="The very pipeline of the player, off-line, into a file with sound.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--audio", type=Path, required=True, help="what is said (WAV, FLAC, ...)")
    parser.add_argument("--out", type=Path, required=True, help="the movie to write (.mp4)")
    parser.add_argument("--avatar", type=Path, help="folder of an avatar bundle (default: lin)")
    parser.add_argument("--programme", type=Path,
                        help="its brand and first product are shown; a clip of its own shuts the "
                             "lips by its phonemes' times")
    parser.add_argument("--gesture", type=_gesture, action="append", default=[], dest="gestures",
                        metavar="NAME[@SECONDS]",
                        help="a gesture of the avatar, at the first moment from SECONDS of the "
                             "sound on where her pose allows it (default 0); may be given again")
    parser.add_argument("--size", type=_size, default=(1080, 1920), metavar="WxH",
                        help="picture size in pixels (default 1080x1920)")
    parser.add_argument("--fps", type=int, default=25, help="frames a second (default 25)")
    parser.add_argument("--precision", choices=("int8", "fp32"), default="int8")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--json", action="store_true", help="print the figures on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Render; the exit code."""
    import json

    from device.paths import avatars_dir
    from device.render.offline import Job, render

    avatar = args.avatar or avatars_dir() / "lin"
    job = Job(args.audio, args.out, avatar, args.programme, args.size, args.fps,
              args.precision, args.report, tuple(args.gestures))
    try:
        found = render(job, _bar if sys.stderr.isatty() else _steps)
    finally:
        if sys.stderr.isatty():
            print(file=sys.stderr)
    if args.json:
        print(json.dumps(found))
    print(f"vitrine: {args.out} is ready: {found['seconds']:.1f} s of "
          f"{args.size[0]}x{args.size[1]} at {args.fps} fps.", file=sys.stderr)
    return 0


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 1080x1920")
    return int(found[1]), int(found[2])


def _gesture(text: str) -> tuple[str, float]:
    found = re.fullmatch(r"([^@]+)(?:@(\d{1,5}(?:\.\d{1,3})?))?", text)
    if not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no gesture; write it like greet, or point-left@4.5")
    return found[1], float(found[2] or 0)


def _bar(done: int, total: int) -> None:
    full = BAR_CELLS * done // total
    print(f"\r  [{'#' * full}{'.' * (BAR_CELLS - full)}] {100 * done // total:3d} %"
          f"  frame {done}/{total}", end="", file=sys.stderr, flush=True)


def _steps(done: int, total: int) -> None:
    """Without a terminal: four lines, not thousands."""
    if done * 4 // total != (done - 1) * 4 // total:
        print(f"  {100 * done // total} % ({done}/{total} frames)", file=sys.stderr, flush=True)
