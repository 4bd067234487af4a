"""The dispatcher: every folder registers its own commands here, and errors become sentences."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from device.paths import Places, calm_numpy, language_from_environment
from ota.errors import VitrineError

if TYPE_CHECKING:
    from ota.publish.release import Release
    from ota.publish.repository import Repository

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130

# Each has `register(commands)`; the order is that of --help.
COMMAND_MODULES = (
    "cli.demo",
    "cli.test",
    "cli.bench",
    "device.render.cli",
    "device.conversation.cli",
    "device.programme.cli",
    "models.cli",
    "device.cli",
    "ota.cli",
    "provisioning.cli",
    "fleet.cli",
)

EXAMPLES = """examples:
  ./vitrine demo                                     one kiosk, its console and its broker, here
  ./vitrine render --audio hello.wav --out hello.mp4 the avatar says a recording
  ./vitrine ask --programme programmes/tea-shop --text 龙井多少钱 --json
  ./vitrine COMMAND --help                           what a command takes, with an example
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; modules import their heavy parts only when they run."""
    parser = argparse.ArgumentParser(
        prog="vitrine",
        description="Vitrine: a live digital human that works in a shop.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # `ota` is the floor and does not read the environment: it is handed its places.
    parser.set_defaults(
        places=_places, shorten=_shorten, in_use=_in_use,
        language=language_from_environment())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMAND_MODULES:
        importlib.import_module(name).register(commands)
    return parser


def _places(root: Path | None) -> Places:
    return Places.from_environment() if root is None else Places(root.absolute())


def _shorten(repository: Repository, release: Release) -> None:
    # What makes deltas needs numpy, and lies above the updater's folder.
    from fleet.releases import add_ways

    add_ways(repository, release)


def _in_use(repository: Path) -> tuple[set[str], set[str]]:
    # What boxes run and the console can go back to stands in the server's database, above it.
    from fleet.pruning import in_use_beside

    return in_use_beside(repository)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0 good, 1 failed, 2 wrong usage, 130 stopped by the user."""
    calm_numpy()
    parser = build_parser()
    parsed, further = parser.parse_known_args(arguments)
    if further and parsed.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    parsed.further = further
    try:
        return int(parsed.run(parsed))
    except VitrineError as error:
        if getattr(parsed, "json", False):
            print(json.dumps({"ok": False, "error": str(error)}, ensure_ascii=False))
        print(f"vitrine: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("\nvitrine: stopped.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`| head`): not an error, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
