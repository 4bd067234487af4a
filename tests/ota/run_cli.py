"""`python -m tests.ota.run_cli ota ...`: the commands of this folder, without the others."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from ota.cli import register
from ota.errors import VitrineError


@dataclass(frozen=True)
class Places:
    """The places of a box under one root, as `device.paths` lays them."""

    root: Path

    @property
    def identity(self) -> Path:
        return self.root / "etc" / "vitrine" / "identity"

    @property
    def var(self) -> Path:
        return self.root / "var" / "lib" / "vitrine"

    @property
    def opt(self) -> Path:
        return self.root / "opt" / "vitrine"

    @property
    def run(self) -> Path:
        return self.root / "run" / "vitrine"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="vitrine")
    parser.set_defaults(places=Places)
    register(parser.add_subparsers(dest="command", required=True))
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except VitrineError as error:
        print(f"vitrine: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
