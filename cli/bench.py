"""`vitrine bench`: figures as ratios to peers and limits of the same run."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

EXIT_MISSED = 1
SUITES = ("renderer", "stage", "speech", "sync", "ota", "fleet")
EPILOG = """examples:
  ./vitrine bench                   all suites
  ./vitrine bench renderer --json   one suite, for programs
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench`."""
    parser = commands.add_parser(
        "bench",
        help="measure this machine",
        description="Measure; exit code 1 when a limit is missed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", nargs="?", choices=SUITES, help="one suite; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure the chosen suites and tell which limits were kept."""
    suites = (args.suite,) if args.suite else SUITES
    result = {}
    missed = 0
    for name in suites:
        print(f"vitrine: measuring {name} ...", file=sys.stderr, flush=True)
        figures = importlib.import_module(f"cli.benches.{name}").measure()
        missed += sum(figure.met is False for figure in figures)
        result[name] = [figure.as_json() for figure in figures]
        if not args.json:
            print("\n".join(figure.as_line() for figure in figures), flush=True)
    if args.json:
        print(json.dumps({"suites": result, "missed": missed}, ensure_ascii=False))
    return EXIT_MISSED if missed else 0
