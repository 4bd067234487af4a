"""`vitrine device`: the processes of a box, its self-check and its state."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from device.calibrate import add_calibrate
from device.said import add_said
from device.talk import add_talk

_Commands = argparse._SubParsersAction
POLL_S = 0.2

EXAMPLES = """examples:
  vitrine device run                    all processes of this box, until Ctrl-C
  vitrine device check                  screen, sound, microphone, recogniser, network, disk, clock
  vitrine device check --only disk --json
  vitrine device status --json          what it plays, and what is wrong
"""


def register(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Add `device` with its sub-commands."""
    parser = commands.add_parser(
        "device", help="the box: run its processes, check it, ask its state",
        description="The box side. Its state lies under $VITRINE_ROOT.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    run = _verb(verbs, "run", _run_box, "run all processes of this box", "vitrine device run")
    run.add_argument("--headless", action="store_true", help="no window")
    run.add_argument("--preview-port", type=int, help="port of the live preview page")
    _player_arguments(_verb(
        verbs, "player", _run_player, "picture, sound and conversation",
        "vitrine device player --headless --programme programmes/tea-shop --seconds 20 "
        "--report r.json",
    ))
    _ear_arguments(_verb(
        verbs, "ear", _run_ear, "microphone and recogniser",
        "vitrine device ear --speak question.wav",
    ))
    eye = _verb(verbs, "eye", _run_eye, "does somebody come near? (attract mode)",
                "vitrine device eye --camera 0")
    eye.add_argument("--camera", default="0", help="its number, or a film instead of a camera")
    _verb(verbs, "agent", _run_agent, "the line to the fleet", "vitrine device agent")
    safe = _verb(verbs, "safe", _run_safe, "a still picture when nothing else presents",
                 "vitrine device safe")
    safe.add_argument("--headless", action="store_true", help="no window")
    safe.add_argument("--full-screen", action="store_true", help="the whole screen")
    preview = _verb(verbs, "preview", _run_preview, "the live picture and sound as a page",
                    "vitrine device preview --port 8090")
    preview.add_argument("--port", type=int, help="where to listen on loopback")
    check = _verb(verbs, "check", _run_check, "check every part of this box",
                  "vitrine device check --only sound --only microphone --json")
    check.add_argument("--only", metavar="CHECK", action="append", default=[],
                       help="screen, sound, microphone, recogniser, network, disk or clock")
    check.add_argument("--json", action="store_true", help="for programs")
    add_calibrate(verbs)
    add_said(verbs)
    add_talk(verbs)
    status = _verb(verbs, "status", _run_status, "what this box does now",
                   "vitrine device status --json")
    status.add_argument("--json", action="store_true", help="for programs")
    bring = _verb(verbs, "import", _run_import, "bring the programme from a USB stick",
                  "vitrine device import --from /media/stick")
    bring.add_argument("--from", dest="stick", type=Path, required=True, metavar="FOLDER",
                       help="where the stick is; `vitrine fleet stick` wrote it")


def _verb(
    verbs: _Commands[argparse.ArgumentParser], name: str, run: Any, text: str, example: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".",
        epilog=f"example:\n  {example}\n", formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _player_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--full-screen", action="store_true", help="the whole screen")
    parser.add_argument("--avatar", type=Path, metavar="DIR", help="another avatar bundle")
    parser.add_argument("--programme", type=Path, metavar="DIR", help="play this at once")
    parser.add_argument("--size", help="of the picture, in pixels (default: 1080x1920, or with "
                                       "--full-screen the screen's shape)")
    parser.add_argument("--precision", choices=("int8", "fp16", "fp32"), default="int8")
    parser.add_argument("--provider", choices=("auto", "tensorrt", "cuda", "cpu"), default="auto",
                        help="where the mouth is computed (default: the best there is)")
    parser.add_argument("--no-sound", action="store_true", help="do not open a sound device")
    parser.add_argument("--sound-device", help="a part of the sound device's name")
    parser.add_argument("--av-offset-ms", type=float, default=0.0, help="positive: later picture")
    parser.add_argument("--seconds", type=float, help="stop by itself after this time on screen")
    parser.add_argument("--report", type=Path, help="write the report here at the end (JSON)")


def _ear_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--microphone", help="a part of the microphone's name")
    parser.add_argument("--speak", type=Path, action="append", default=[], metavar="WAV",
                        help="hear this recording instead of a microphone")
    parser.add_argument("--echo", choices=("auto", "on", "off", "half"), default="auto",
                        help="the avatar's own voice in the microphone: cancel it where there is "
                             "one, cancel it always, it is not there, or be deaf meanwhile")
    parser.add_argument("--threads", type=int, default=1, help="of the recogniser")


def _run_player(args: argparse.Namespace) -> int:
    from device.paths import Places
    from device.player import PlayerSettings, run

    width_px, height_px = _size(args.size) if args.size else (None, None)
    return run(
        Places.from_environment(),
        PlayerSettings(
            avatar=args.avatar, programme=args.programme, headless=args.headless,
            full_screen=args.full_screen, width_px=width_px, height_px=height_px,
            precision=args.precision, provider=args.provider,
            sound=not args.no_sound, sound_device=args.sound_device,
            av_offset_ms=args.av_offset_ms, seconds=args.seconds, report=args.report,
        ),
    )


def _run_ear(args: argparse.Namespace) -> int:
    from device.ear import EarSettings, run
    from device.paths import Places

    settings = EarSettings(
        microphone=args.microphone, speak=tuple(args.speak), echo=args.echo, threads=args.threads
    )
    return run(Places.from_environment(), settings)


def _run_eye(args: argparse.Namespace) -> int:
    from device.eye.watch import run
    from device.paths import Places

    return run(Places.from_environment(), args.camera)


def _run_agent(_args: argparse.Namespace) -> int:
    from device.agent import run
    from device.paths import Places

    return run(Places.from_environment())


def _run_safe(args: argparse.Namespace) -> int:
    from device.paths import Places
    from device.safe import run

    return run(Places.from_environment(), args.headless, args.full_screen)


def _run_preview(args: argparse.Namespace) -> int:
    from device.paths import Places
    from device.preview.server import DEFAULT_PORT, run

    port = DEFAULT_PORT if args.port is None else args.port
    return run(Places.from_environment(), port)


def _run_box(args: argparse.Namespace) -> int:
    """Supervise the table until Ctrl-C or SIGTERM."""
    import signal

    from device.host import Host
    from device.paths import Places, child_environment
    from device.supervisor import Supervisor

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    places = Places.from_environment()
    supervisor = Supervisor(places.var / "log", lambda ended: _tell(
        f"{ended.name} ended (code {ended.code}), starting it again"
    ))
    screen = ("--headless",) if args.headless else ("--full-screen",)
    extra: dict[str, tuple[str, ...]] = {"player": screen, "safe": screen}
    if args.preview_port is not None:
        extra["preview"] = ("--port", str(args.preview_port))
    host = Host(places, supervisor, child_environment(places), extra, {})
    try:
        host.start()
        _tell(f"running under {places.root}; Ctrl-C stops everything")
        while True:
            host.poll(POLL_S)
    except KeyboardInterrupt:
        _tell("stopping")
        return 0
    finally:
        host.close()
        supervisor.stop_all()


def _run_check(args: argparse.Namespace) -> int:
    from device.hal import open_box
    from device.paths import Places, language_from_environment
    from device.selftest.finding import as_lines, as_report, passed
    from device.selftest.run import run_checks

    findings = run_checks(Places.from_environment(), open_box(), tuple(args.only))
    if args.json:
        print(json.dumps(as_report(findings), ensure_ascii=False))
    else:
        for line in as_lines(findings, language_from_environment()):
            _tell(line)
    return 0 if passed(findings) else 1


def _run_status(args: argparse.Namespace) -> int:
    from device.hal import open_box
    from device.paths import Places
    from device.sync.state import box_state

    found = box_state(Places.from_environment(), open_box())
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    for name, value in found.items():
        _tell(f"{name:<12} {value if not isinstance(value, dict) else json.dumps(value)}")
    return 0


def _run_import(args: argparse.Namespace) -> int:
    from device.paths import Places
    from device.sync.stick import import_from

    _tell(import_from(Places.from_environment().run, args.stick, _tell))
    return 0


def _size(text: str) -> tuple[int, int]:
    from ota.errors import Refused

    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise Refused(f"{text!r} is no size; write it like 1080x1920.") from None
    if not (16 <= width <= 8192 and 16 <= height <= 8192):
        raise Refused(f"{text} is no usable size; write it like 1080x1920.")
    return width, height


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
