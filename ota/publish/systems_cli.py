"""`vitrine ota publish-system`: sign a bundle of the operating system for the boxes of a chain."""

from __future__ import annotations

import argparse
from pathlib import Path

from ota.errors import Refused
from ota.publish import keys_cli

WORDS = "sign a bundle of the operating system"
EXAMPLE = """example:
  vitrine ota publish-system vitrine-orin-36.5.1.raucb --repository /srv/vitrine/tuf --keys keys
  vitrine ota publish-system new.raucb --repository tuf --keys keys --version 36.5.1 \\
      --board vitrine-orin --needs needs.json --waves 1%,10%@24h,100%@3d
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("bundle", type=Path, help="a RAUC bundle of format `verity`")
    parser.add_argument("--repository", type=Path, required=True, help="the TUF folder")
    parser.add_argument("--version", help="must be what the bundle says (default: what it says)")
    parser.add_argument("--board", help="must be the bundle's `compatible` (default: what it is)")
    parser.add_argument("--needs", type=Path, metavar="FILE", help="JSON list of what it runs on")
    parser.add_argument("--notes", default="", help="one line for the fleet's admin")
    parser.add_argument(
        "--waves", metavar="WAVES", help="at most so fast: 1%%,10%%@24h,100%%@3d (default: all)")
    parser.add_argument(
        "--held", action="store_true",
        help="with --waves: nobody begins before the console says so")
    parser.add_argument(
        "--not-newest", action="store_true", help="sign it, but do not send boxes to it")
    keys_cli.change_options(parser)


def run(args: argparse.Namespace) -> int:
    """Sign it, or leave the change in a file for the next person."""
    from ota.clock import utc_now
    from ota.publish.collecting import Collecting
    from ota.publish.release import read_needs
    from ota.publish.repository import ROLES, Repository
    from ota.publish.spread import plan_of
    from ota.publish.systems import describe, publish_system, read_bundle

    said = read_bundle(args.bundle)
    for word, asked, found in (("version", args.version, said.version),
                               ("board", args.board, said.board)):
        if asked is not None and asked != found:
            raise Refused(f"{args.bundle} says of itself {word} {found}, not {asked}; take the "
                          "right file, or build it anew.")
    args.version = said.version
    release = describe(args.bundle, said, read_needs(args.needs), args.notes)
    plan = plan_of(args, utc_now())
    opened = Collecting if args.export else Repository
    repository = opened.open(args.repository, keys_cli.hands(args, ROLES))
    publish_system(repository, args.bundle, release, not args.not_newest, plan)
    if isinstance(repository, Collecting):
        return keys_cli.finish(args, repository, repository.change("releases"))
    words = "boxes are sent to it" if not args.not_newest else "no box is sent to it"
    if plan is not None:
        words = f"boxes are sent to it in waves ({args.waves})"
    told = {"version": said.version, "board": said.board, "sha256": release.bundle.sha256,
            "bytes": release.bundle.bytes, "newest": not args.not_newest, "waves": args.waves}
    keys_cli.tell(args, told, [
        f"System {said.version} for {said.board}: {release.bundle.bytes / 1e6:.1f} MB, signed; "
        f"{words}.",
        f"{said.board} 的系统 {said.version} 已签名。"])
    return 0
