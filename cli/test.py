"""`vitrine test`: all tests, as CI runs them.

Without arguments in two rounds: what can share the machine by two processes, then the tests that
keep time with sound and screen (marked `alone`), one by one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from device.paths import repository_root

PROCESSES = 2
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
    """Run pytest in the checkout and give back its exit code, the first that is not 0."""
    given = [*args.paths, *args.further]
    rounds = [given] if given else [
        ["-m", "not nightly and not alone", "-n", str(PROCESSES), "--dist", "loadfile"],
        ["-m", "alone and not nightly"]]
    codes = [subprocess.call([sys.executable, "-m", "pytest", *each], cwd=repository_root())
             for each in rounds]
    return next((code for code in codes if code), 0)
