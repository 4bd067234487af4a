"""`python -m cli.updater ota daemon`: the updater by itself, from a place that holds nothing else.

`cli/__main__.py` starts it there when a confirmed release has brought a newer one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from device.paths import Places
from ota import cli
from ota.errors import VitrineError

EXIT_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `ota` command; exit codes as of `cli.main`."""
    parser = argparse.ArgumentParser(prog="vitrine")
    parser.set_defaults(places=_places)
    cli.register(parser.add_subparsers(dest="command", metavar="COMMAND", required=True))
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except VitrineError as error:
        print(f"vitrine: {error}", file=sys.stderr)
        return EXIT_FAILED


def _places(root: Path | None) -> Places:
    return Places.from_environment() if root is None else Places(root.absolute())


if __name__ == "__main__":
    raise SystemExit(main())
