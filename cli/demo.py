"""`vitrine demo`: a broker, a console, a content origin and one enrolled kiosk on this machine."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from ota.errors import Refused, VitrineError

SETTLE_S = 2.0
MICROPHONE_HZ = 48000
REPORT_BYTES_MAX = 1 << 20
EPILOG = """examples:
  ./vitrine demo                                   until Ctrl-C; prints its URLs
  ./vitrine demo --speak question.wav              ask the kiosk a recorded question
  ./vitrine demo --headless --seconds 30 --report r.json
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo`."""
    parser = commands.add_parser(
        "demo",
        help="broker, console and one kiosk on this machine",
        description="Start the chain's server and one enrolled kiosk on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--headless", action="store_true", help="no window, virtual sound")
    parser.add_argument("--seconds", type=float, help="stop by itself after this time on screen")
    parser.add_argument("--report", type=Path, help="write the player's report here (JSON)")
    parser.add_argument("--speak", type=Path, metavar="WAV", help="play this into the microphone")
    parser.add_argument("--root", type=Path, help="where the demo keeps its state")
    parser.add_argument("--fresh", action="store_true", help="forget the state of earlier runs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Open the shop, say where it is, wait, write the report."""
    from cli.shop import Shop
    from device.paths import has_display, user_data_dir

    if args.seconds is not None and args.seconds <= 0:
        raise Refused("--seconds must be greater than 0.")
    signal.signal(signal.SIGTERM, _interrupt)
    root = (args.root or user_data_dir() / "demo").absolute()
    headless = args.headless or not has_display()
    recording = _microphone_wav(args.speak, root) if args.speak else None
    player_report = root / "player-report.json"
    player_report.unlink(missing_ok=True)
    if args.report:
        args.report.unlink(missing_ok=True)
    with Shop(root, _say, headless, args.fresh) as shop:
        shop.open(player_report, speak=recording is not None)
        _print_urls(shop)
        try:
            _serve(shop, args.seconds, recording)
        except KeyboardInterrupt:
            print(file=sys.stderr)
            _say("stopping")
        memory = _memory_bytes(shop)
    if args.report:
        _write_report(args.report, player_report, shop.host, memory)
    return 0


def _serve(shop: Any, seconds: float | None, recording: Path | None) -> None:
    from ota.clock import Deadline

    settle = Deadline(SETTLE_S)
    end = Deadline(seconds) if seconds is not None else None
    speaking = None
    while not shop.window_closed and (end is None or not end.passed):
        shop.poll(0.1)
        if recording is not None and speaking is None and settle.passed:
            speaking = shop.say_into_microphone(recording)
    if speaking is not None and speaking.poll() is None:
        speaking.kill()


def _print_urls(shop: Any) -> None:
    ports = shop.ports
    print(f"kiosk   http://127.0.0.1:{ports.preview}/   live picture and sound")
    print(f"console http://127.0.0.1:{ports.console}/   scripts, prices, boxes", flush=True)
    _say("the kiosk is presenting; Ctrl-C stops everything")


def _microphone_wav(source: Path, root: Path) -> Path:
    """The recording as the virtual microphone takes it; raises Refused when it cannot be used."""
    from device.audio.soundfiles import read, write_wav

    target = root / "speak.wav"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_wav(target, read(source, MICROPHONE_HZ, allow_silence=False), MICROPHONE_HZ)
    return target


def _memory_bytes(shop: Any) -> dict[str, tuple[int, int]]:
    from device.hal.pc import process_tree_bytes

    return {name: process_tree_bytes(pid) for name, pid in shop.pids().items()}


def _write_report(
    target: Path, player_report: Path, host: Any, memory: dict[str, tuple[int, int]]
) -> None:
    from ota.files import read_bounded, write_durable

    try:
        report = json.loads(read_bounded(player_report, REPORT_BYTES_MAX))
    except (OSError, ValueError):
        raise VitrineError(
            "The player left no report; its log in the demo's folder says why."
        ) from None
    answers = [h.detail for h in host.happened if h.kind == "asked"]
    report |= {
        "heard": [{"text": h.text, "language": h.language, "took_ms": h.took_ms}
                  for h in host.heard],
        "answers": answers,
        "processes_rss_bytes": {name: rss for name, (rss, _) in memory.items()},
        "rss_total_bytes": sum(rss for rss, _ in memory.values()),
        # RSS counts a library once for each process that has it; PSS once in all.
        "processes_pss_bytes": {name: pss for name, (_, pss) in memory.items()},
        "pss_total_bytes": sum(pss for _, pss in memory.values()),
    }
    write_durable(target, (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(f"vitrine: {text}", file=sys.stderr, flush=True)
