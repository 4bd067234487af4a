"""`vitrine test`: all tests, as CI runs them.

Without arguments in two rounds: what can share the machine by three processes, then the tests that
keep time with sound and screen (marked `alone`), one by one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from device.paths import repository_root

# One more than the cores of a small machine: many tests wait for a disk or another process.
PROCESSES = 3
ALONE = "mark.alone"
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
    root, given = repository_root(), [*args.paths, *args.further]
    rounds = [given] if given else [
        ["-m", "not nightly and not alone", "-n", str(PROCESSES), "--dist", "loadfile",
         "--no-loadscope-reorder"],  # tests/conftest.py says which files begin
        ["-m", "alone and not nightly", *keeping_time(root / "tests")]]
    # The sources are compiled once for both rounds and for every process that a test starts.
    environment = {name: value for name, value in os.environ.items()
                   if name != "PYTHONDONTWRITEBYTECODE"}
    codes = [subprocess.call([sys.executable, "-m", "pytest", *each], cwd=root, env=environment)
             for each in rounds]
    return next((code for code in codes if code), 0)


def keeping_time(tests: Path) -> list[str]:
    """The files with a test of the second round; no other needs to be read again for it."""
    return [str(path) for path in sorted(tests.rglob("test_*.py"))
            if ALONE in path.read_text(encoding="utf-8")]
