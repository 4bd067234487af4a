"""`vitrine models make NAME --video`: the options of making an avatar from a video, and its run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ota.errors import Refused

EXAMPLE = "./vitrine models make ana --video talk.mp4 --consent consent.json --key likeness.pem"
OUT_FOLDER = Path("my-avatars")


def add_arguments(make: argparse.ArgumentParser) -> None:
    """The options that only --video needs; --work, --out, --key, --threads, --quick are shared."""
    group = make.add_argument_group("from a video of a person talking")
    group.add_argument("--video", type=Path, help="one person, from the front, in good light, with "
                                                  "sound; about three minutes and some silence")
    group.add_argument("--consent", type=Path, help="what the person allows: a JSON statement, or "
                                                    "one signed by the person (DSSE)")
    group.add_argument("--trust", type=Path, help="public key (PEM) that a signed consent must "
                                                  "carry; default: the one of --key")
    group.add_argument("--patch", type=int, choices=(192, 256), default=256,
                       help="side of the drawn mouth in pixels (default 256)")
    group.add_argument("--json", action="store_true", help="print the figures on stdout")


def make_from_video(args: argparse.Namespace) -> int:
    """Run it; the exit code. --work and --out default to .work/NAME and my-avatars/NAME."""
    from device.paths import assets_dir
    from models.film.make import Plan, make

    if args.consent is None:
        raise Refused("--video needs --consent: what the person in it allows (docs/avatar.md).")
    work = args.work or Path(".work") / args.name
    out = args.out or OUT_FOLDER / args.name
    summary = make(
        Plan(args.name, args.video.absolute(), args.consent, args.key, args.trust,
             work.absolute(), out.absolute(), assets_dir(), args.patch, args.quick, args.threads),
        _say)
    if args.json:
        print(json.dumps(summary, ensure_ascii=False))
    _say(f"The avatar is in {out}; look at it with `./vitrine render --avatar {out} "
         "--audio hello.wav --out hello.mp4`.")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
