"""`vitrine test`: all tests, as CI runs them."""

from __future__ import annotations

import argparse
import subprocess
import sys

from device.paths import repository_root

EPILOG = """examples:
  ./vitrine test                      everything
  ./vitrine test tests/ota -k rollback   any pytest arguments
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `test`."""
    parser = commands.add_parser(
        "test",
        help="run the tests",
        description="Run the tests; all arguments go to pytest.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", help="test files or folders, and any pytest option")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run pytest in the checkout and give back its exit code."""
    command = [sys.executable, "-m", "pytest", *args.paths, *args.further]
    return subprocess.call(command, cwd=repository_root())
