"""`vitrine programme check|build|show|say|voices`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from device.programme import listen
from ota.errors import Refused

if TYPE_CHECKING:
    from device.programme.check import Presenter
    from device.programme.problems import Problem

_EXAMPLES = """examples:
  vitrine programme check programmes/tea-shop
  vitrine programme check programmes/tea-shop --json
  vitrine programme check programmes/tea-shop --chain qinghe
  vitrine programme build programmes/tea-shop
  vitrine programme show programmes/tea-shop --out /tmp/preview
  vitrine programme say "明前龙井¥128一盒" --language zh-CN --out /tmp/line.wav
  vitrine programme voices
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `programme` and what it can do."""
    parser = commands.add_parser(
        "programme",
        help="check, build and preview what a screen says and shows",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = _action(actions, "check", "name every fault with its line and field", run_check)
    check.add_argument("--lang", choices=("zh", "en"), help="language of the sentences")
    check.add_argument("--strict", action="store_true", help="warnings fail too")
    check.add_argument("--chain", metavar="NAME", help="has this chain the avatar's consent?")
    check.add_argument("--avatars", metavar="DIR", type=Path,
                       help="avatar bundles to look into (default with --chain: the shipped ones)")
    build = _action(actions, "build", "synthesise what changed, and write index.json", run_build)
    build.add_argument("--out", type=Path, help="build into another folder")
    build.add_argument("--speech", type=Path, help="settings of speech servers (docs/speech.md)")
    build.add_argument("--jobs", type=_jobs, default=_cores(), metavar="N",
                       help="how many sentences are spoken at once (default: one a core, up to 4)")
    show = _action(actions, "show", "print a summary and write preview pictures", run_show)
    show.add_argument("--out", type=Path, help="folder of the pictures (default: ./preview-<id>)")
    listen.register(actions, _EXAMPLES)


def _jobs(text: str) -> int:
    from device.programme.crew import WORKERS_MAX

    if not text.isdecimal() or not 1 <= int(text) <= WORKERS_MAX:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number from 1 to {WORKERS_MAX}")
    return int(text)


def _cores() -> int:
    return max(1, min(4, len(os.sched_getaffinity(0))))


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    words: str,
    run: object,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=words,
        description=words,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder with a programme.json")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)
    return parser


def run_check(args: argparse.Namespace) -> int:
    """Exit 1 when there is an error (with --strict: a warning)."""
    from device.programme.check import check

    folder: Path = args.folder
    problems = check(folder, warnings=True, presenter=_presenter(args))
    errors = [each for each in problems if each.severity == "error"]
    good = not (problems if args.strict else errors)
    if args.json:
        found = [_as_json(each) for each in problems]
        answer = {
            "ok": good,
            "errors": [each for each in found if each["severity"] == "error"],
            "warnings": [each for each in found if each["severity"] == "warning"],
        }
        print(json.dumps(answer, ensure_ascii=False))
        return 0 if good else 1
    language = args.lang or _language()
    for problem in problems:
        print(_as_text(folder, problem, language), file=sys.stderr)
    warnings = len(problems) - len(errors)
    if language == "zh":
        verdict = "没有问题" if not problems else f"{len(errors)} 个错误,{warnings} 个提醒"
    else:
        verdict = "good" if not problems else f"{len(errors)} errors, {warnings} warnings"
    print(f"{folder}: {verdict}", file=sys.stderr)
    return 0 if good else 1


def _presenter(args: argparse.Namespace) -> Presenter | None:
    from device.paths import avatars_dir
    from device.programme.check import Presenter

    chain, avatars = getattr(args, "chain", None), getattr(args, "avatars", None)
    if chain is None and avatars is None:
        return None
    return Presenter(avatars or avatars_dir(), chain)


def _as_json(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "field": problem.field,
        "severity": problem.severity,
        "sentence_zh": problem.sentence_zh,
        "sentence_en": problem.sentence_en,
    }


def _as_text(folder: Path, problem: Problem, language: str) -> str:
    sentence = problem.sentence_zh if language == "zh" else problem.sentence_en
    mark = {"error": {"zh": "错误", "en": "error"}, "warning": {"zh": "提醒", "en": "warning"}}
    field = f" {problem.field}:" if problem.field else ""
    where = f"{folder / problem.file}:{problem.line}:{problem.column}:"
    return f"{where} {mark[problem.severity][language]}:{field} {sentence}"


def _language() -> str:
    from device.paths import language_from_environment

    return language_from_environment().split("-")[0]


def run_build(args: argparse.Namespace) -> int:
    """Synthesise what is missing and write the index; prints what was done."""
    from device.paths import assets_dir, speech_settings
    from device.programme.build import build, copy_source
    from device.programme.check import check
    from device.programme.voices import VoiceOnDemand, speakers
    from ota.clock import monotonic_s

    folder: Path = args.folder
    if check(folder):
        return run_check(argparse.Namespace(**{**vars(args), "lang": None, "strict": False}))
    if args.out is not None:
        copy_source(folder, args.out)
        folder = args.out
    started_s = monotonic_s()
    # One thread each: how many work side by side must not change a sound.
    hands = [VoiceOnDemand.from_assets(assets_dir(), threads=1) for _ in range(args.jobs)]
    settings = args.speech or speech_settings()
    voice, *more = [speakers(each, settings) for each in hands]
    made = 0

    def progress(done: int, total: int) -> None:
        nonlocal made
        made = done
        _bar(done, total)

    index = build(folder, voice, progress, more=more)
    clips = {clip.file for clip in index.speech.values()}
    answer = {
        "ok": True,
        "folder": str(folder),
        "sentences": len(index.speech),
        "synthesised": made,
        "files": len(index.files),
        "bytes": sum(entry.bytes for entry in index.files.values()),
        "speech_bytes": sum(index.files[name].bytes for name in clips),
        "took_s": round(monotonic_s() - started_s, 2),
    }
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(
            f"{folder}: {answer['sentences']} sentences, {made} made, "
            f"{answer['files']} files, {answer['bytes']} bytes, {answer['took_s']} s",
            file=sys.stderr,
        )
    return 0


def _bar(done: int, total: int) -> None:
    """A progress bar on stderr: redrawn on a terminal, a line each tenth elsewhere."""
    if total == 0:
        return
    filled = 30 * done // total
    text = f"speech [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}"
    if sys.stderr.isatty():
        print(f"\r{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == total or done % max(1, total // 10) == 0:
        print(text, file=sys.stderr, flush=True)


def run_show(args: argparse.Namespace) -> int:
    """Print what the programme is, and write pictures of its cards and screens."""
    from device.programme.load import load
    from device.programme.show import contact_sheet, screens, summary

    programme = load(args.folder)
    out = args.out or Path(f"preview-{programme.id}")
    cards = contact_sheet(programme, args.folder, out)
    pictures = [*cards, *screens(programme, args.folder, out)]
    found = summary(programme, args.folder)
    if args.json:
        print(json.dumps({**found, "pictures": [str(p) for p in pictures]}, ensure_ascii=False))
        return 0
    for name, value in found.items():
        print(f"{name}: {value}", file=sys.stderr)
    for picture in pictures:
        print(picture, file=sys.stderr)
    if not cards:
        raise Refused("The programme has no product; there is no card to draw.")
    return 0
