"""`vitrine models add|remove`, the speech side of `list`, and `compare --speech`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RAW = argparse.RawDescriptionHelpFormatter
_COMPARE = """examples:
  ./vitrine models compare --work .work/lin --page /tmp/compared --json
  ./vitrine models compare --speech tests/device/clips
  ./vitrine models compare --speech recordings/references.tsv --only vosk-ko --write
"""
_ADD = """examples:
  ./vitrine models add vosk-model-small-cn-0.22 --licence Apache-2.0
  ./vitrine models add ~/sense-voice --name sense-voice --languages zh-CN,en-US --licence "Model licence 1.1"
  ./vitrine models add vosk-ko          (a model of `models list`, after `models fetch vosk-ko`)
"""  # noqa: E501


def register(actions: Any) -> None:
    """Add `add` and `remove`, and recognisers to `compare`, which is there already."""
    add = actions.add_parser(
        "add", help="bring an own speech recogniser: Vosk, sherpa-onnx or CTranslate2",
        description="Copy a speech model's folder to this box, try it, and pin its files. The ear "
                    "uses it for its languages from its next start.",
        formatter_class=RAW, epilog=_ADD)  # fmt: skip
    add.add_argument("model", metavar="FOLDER", help="the model's folder, or a fetched one's name")
    add.add_argument("--name", default="", help="what to call it (default: the folder's name)")
    add.add_argument("--languages", default="", help="such as zh-CN,en-US, where its name does "
                                                     "not say")  # fmt: skip
    add.add_argument("--licence", default="", help="under which licence it may be used")
    add.add_argument("--json", action="store_true")
    add.set_defaults(run=_add)
    remove = actions.add_parser(
        "remove", help="take a brought speech recogniser away",
        description="Take a brought speech recogniser away; the ear goes back to the default.",
        formatter_class=RAW, epilog="example:\n  ./vitrine models remove vosk-ko")  # fmt: skip
    remove.add_argument("name")
    remove.add_argument("--json", action="store_true")
    remove.set_defaults(run=_remove)
    _extend_compare(actions.choices["compare"])


def listed(verify: bool) -> list[dict[str, Any]]:
    """The recognisers for `models list --json`."""
    from device.paths import Places, assets_dir
    from models.speech.shelf import entries

    return [
        {
            "name": e.name, "where": e.where, "engine": e.engine, "languages": list(e.languages),
            "licence": e.licence, "bytes": e.size_bytes, "state": e.state, "used": e.used,
            "measured": [_figures(m) for m in e.measured], "fault": e.fault or None,
        }
        for e in entries(assets_dir(), Places.from_environment().recognisers, verify)
    ]  # fmt: skip


def list_lines(recognisers: list[dict[str, Any]]) -> list[str]:
    """The same for a terminal."""
    rows = [("recogniser", "engine", "languages", "MB", "state", "errors, RTF", "licence")]
    for r in recognisers:
        figures = "; ".join(
            f"{m['language']} {m['metric']} {100 * m['error_rate']:.1f} % ({m['clips']} clips), "
            f"{m['rtf']:.2f}" for m in r["measured"]
        )  # fmt: skip
        mark = "* " if r["used"] else "  "
        rows.append((mark + r["name"], r["engine"], ",".join(r["languages"]),
                     f"{r['bytes'] / 1e6:.0f}", r["state"], figures or "not measured",
                     r["licence"]))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    lines += [f"{r['name']}: {r['fault']}" for r in recognisers if r["fault"]]
    return [line.rstrip() for line in [*lines, "* used by this box's ear"]]


def _figures(measured: Any) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(measured))


def _extend_compare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _COMPARE
    speech = parser.add_argument_group("recognisers instead of avatars")
    speech.add_argument("--speech", type=Path, metavar="DIR",
                        help="recordings: a folder with references.tsv (file, language, words, "
                             "by tabs), or such a file")  # fmt: skip
    speech.add_argument("--only", action="append", metavar="NAME",
                        help="these recognisers only (default: all that are here)")  # fmt: skip
    speech.add_argument("--words", action="store_true", help="with --json, what each one heard")
    speech.add_argument("--markdown", type=Path, metavar="FILE", help="the table as a page")
    avatars = parser.get_default("run")
    parser.set_defaults(run=lambda args: _compare(args, avatars))


def _compare(args: argparse.Namespace, avatars: Callable[[argparse.Namespace], int]) -> int:
    if args.speech is None:
        return avatars(args)
    from device.paths import Places, assets_dir
    from models.speech.compare import compare, markdown, table
    from models.speech.recordings import read_recordings
    from models.speech.shelf import entries, keep_figures
    from ota.errors import Refused
    from ota.files import write_durable

    recordings = read_recordings(args.speech)
    # A pinned model that was also brought is heard once.
    here = entries(assets_dir(), Places.from_environment().recognisers)
    there = [*{e.name: e for e in here if e.state in ("whole", "unpinned")}.values()]
    unknown = set(args.only or ()) - {e.name for e in there}
    if unknown:
        raise Refused(f"No recogniser {', '.join(sorted(unknown))} is here; there are: "
                      f"{', '.join(e.name for e in there) or 'none'}.")  # fmt: skip
    wanted = [e for e in there if not args.only or e.name in args.only]
    found = compare(wanted, recordings, _say)
    if args.markdown is not None:
        write_durable(args.markdown, markdown(found).encode())
    for entry in wanted if args.write else ():
        figures = [row.measured for row in found.rows if row.name == entry.name]
        if entry.where == "brought" and figures:
            keep_figures(entry.folder, figures)
            _say(f"Kept in {entry.folder / 'model.json'}.")
    print(json.dumps(found.as_json(args.words), ensure_ascii=False) if args.json else table(found))
    return 0 if found.rows else 1


def _add(args: argparse.Namespace) -> int:
    from device.paths import Places, assets_dir
    from models.speech.shelf import add, fetched

    folder, languages = Path(args.model), [n for n in args.languages.split(",") if n]
    name, licence = args.name, args.licence
    known = None if folder.exists() else fetched(args.model, assets_dir())
    if known is not None:
        folder, model = known
        name, licence = name or model.name, licence or model.licence
        languages = languages or list(model.languages)
    shelf = Places.from_environment().recognisers
    manifest = add(folder, shelf, _say, name, licence, languages)
    _say(f"{manifest.name} ({manifest.engine}) is used for {', '.join(manifest.languages)} from "
         f"the ear's next start; undo with `./vitrine models remove {manifest.name}`.")  # fmt: skip
    if args.json:
        print(json.dumps({"name": manifest.name, "engine": manifest.engine,
                          "languages": list(manifest.languages), "licence": manifest.licence,
                          "folder": str(shelf / manifest.name)}, ensure_ascii=False))  # fmt: skip
    return 0


def _remove(args: argparse.Namespace) -> int:
    from device.paths import Places
    from models.speech.shelf import remove

    gone = remove(args.name, Places.from_environment().recognisers)
    _say(f"{gone} is gone; the ear uses what is left from its next start.")
    if args.json:
        print(json.dumps({"removed": str(gone)}))
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
