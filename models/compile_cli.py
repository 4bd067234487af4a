"""The commands `vitrine models compile` and `vitrine models bench`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ota.errors import Refused

RAW = argparse.RawDescriptionHelpFormatter


def register(actions: Any) -> None:
    """Add both to the actions of `models`."""
    compile_ = actions.add_parser(
        "compile", help="build TensorRT engines for this machine's GPU", formatter_class=RAW,
        description="Build TensorRT engines for this machine's GPU: run it on the box.",
        epilog="example:\n  ./vitrine models compile --precision int8")
    compile_.add_argument("--precision", choices=("int8", "fp16"), action="append",
                          help="may be given twice (default: int8)")
    compile_.set_defaults(run=_compile)
    bench = actions.add_parser(
        "bench", help="time an avatar's renderers on every provider of this machine",
        description="Time an avatar's renderers on every provider of this machine.",
        formatter_class=RAW, epilog="example:\n  ./vitrine models bench --json")
    bench.add_argument("--runs", type=int, default=300, help="timed calls of each (default 300)")
    bench.set_defaults(run=_bench)
    for parser in (compile_, bench):
        parser.add_argument("--avatar", type=Path, metavar="DIR",
                            help="the bundle (default: models/avatars/lin)")
        parser.add_argument("--out", type=Path, metavar="DIR", help="where the engines lie "
                            "(default: var/lib/vitrine/engines of this box)")
        parser.add_argument("--json", action="store_true")


def _compile(args: argparse.Namespace) -> int:
    import msgspec

    from device.infer.ladder import source_precision
    from models.compile import compile_engine

    bundle, out = _bundle(args), _engines(args)
    rows = []
    for precision in dict.fromkeys(args.precision or ["int8"]):
        source = bundle.renderer_path(source_precision(precision))
        built = compile_engine(source, precision, out, _say)
        rows.append({"engine": str(built.path), "timing_cache": built.timing_cache,
                     **msgspec.to_builtins(built.manifest)})
        _say(f"{built.path}: {built.manifest.frame_ms:.2f} ms a frame, at most "
             f"{built.manifest.against_cpu_max:.3f} from the CPU's picture")
    if args.json:
        print(json.dumps({"ok": True, "engines": rows}))
    return 0


def _bench(args: argparse.Namespace) -> int:
    from models.compile import bench

    if args.runs < 1:
        raise Refused("--runs must be 1 or more.")
    bundle = _bundle(args)
    sources = {name: bundle.renderer_path(name) for name in ("fp32", "int8")
               if name in bundle.manifest.renderer}
    if "fp32" in sources:
        sources["fp16"] = sources["fp32"]
    rows = bench(sources, _engines(args), args.runs)
    if args.json:
        print(json.dumps({"avatar": bundle.manifest.id, "patch_px": bundle.manifest.patch,
                          "threads": 1, "rows": rows}))
        return 0
    for row in rows:
        figures = (f"{row['p50_ms']:8.2f} ms  p99 {row['p99_ms']:8.2f} ms" if "p50_ms" in row
                   else f"not here: {row['why_not']}")
        print(f"{row['precision']:>5}  {row['on']:<14}{figures}")
    return 0


def _bundle(args: argparse.Namespace) -> Any:
    from device.paths import repository_root
    from device.render.bundle import load_bundle
    from ota.clock import utc_now

    return load_bundle(args.avatar or repository_root() / "models" / "avatars" / "lin", utc_now())


def _engines(args: argparse.Namespace) -> Path:
    from device.paths import Places

    out: Path = args.out or Places.from_environment().engines
    return out


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
