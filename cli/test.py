"""`vitrine test`: all tests, as CI runs them.

Without arguments in two rounds: what can share the machine by three processes, then the tests that
keep time with sound and screen (marked `alone`), one by one. Beside the first round runs what waits
more than it works, as the demo's day (marked `beside`); where it works it goes first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from device.paths import repository_root

# One more than the cores of a small machine: many tests wait for a disk or another process.
PROCESSES = 3
# The first round's niceness: whatever the tests beside it start goes before it.
YIELDING = 15
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
    # The sources are compiled once for all rounds and for every process that a test starts.
    environment = {name: value for name, value in os.environ.items()
                   if name != "PYTHONDONTWRITEBYTECODE"}
    pytest = [sys.executable, "-m", "pytest"]
    if given:
        return subprocess.call([*pytest, *given], cwd=root, env=environment)
    beside, alone = ([*pytest, "-m", f"{mark} and not nightly", *marked(root / "tests", mark)]
                     for mark in ("beside", "alone"))
    # tests/conftest.py says which files begin.
    shared = ["nice", "-n", str(YIELDING), *pytest,
              "-m", "not nightly and not alone and not beside",
              "-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        with subprocess.Popen(beside, cwd=root, env=environment, stdout=told, stderr=told) as first:
            codes = [subprocess.call(shared, cwd=root, env=environment)]
        told.seek(0)
        print(told.read(), end="", flush=True)
    codes += [first.returncode, subprocess.call(alone, cwd=root, env=environment)]
    return next((code for code in codes if code), 0)


def marked(tests: Path, mark: str) -> list[str]:
    """The files with a test of that mark; no other needs to be read again for it."""
    return [str(path) for path in sorted(tests.rglob("test_*.py"))
            if f"mark.{mark}" in path.read_text(encoding="utf-8")]
