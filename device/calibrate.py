"""`vitrine device calibrate`: sound and picture of this very screen, set by ear and eye.

Works over SSH: the running player shows the page, this end adjusts and keeps the number. Without
a player the number is kept all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

STEP_MS = 10.0
ANSWER_S = 3.0
PAGE_S = 300.0
LINE_CHARACTERS_MAX = 16
EXAMPLES = """examples:
  vitrine device calibrate              show the page; then + - to move by 10 ms, a number, s saves
  vitrine device calibrate --set -60    the picture comes 60 ms earlier from now on, kept
  vitrine device calibrate --set=-60 --seconds 30   and look at it for half a minute
  vitrine device calibrate --show --json
  vitrine device calibrate --forget     the console's setting counts again
"""
HELP = {
    "zh-CN": "屏幕上每秒一声“嘀”。指针此刻指着几,就输入几。  + / -:移动 10 毫秒   s:保存并结束   "
             "q:不保存",
    "en-US": "The screen beeps once a second. Type the number the hand stands on at the beep.  "
             "+ / -: move by 10 ms   s: save and end   q: leave it as it was",
}
SAID = {
    "zh-CN": {"now": "现在 {value:+.0f} 毫秒", "saved": "已保存:{value:+.0f} 毫秒。",
              "left": "没有更改。", "what": "请输入 + - s q 或 -500 到 500 之间的数字。",
              "silent": "播放器没有运行;设置会在它启动时生效。", "forgot": "已删除本机的设置。"},
    "en-US": {"now": "now {value:+.0f} ms", "saved": "Saved: {value:+.0f} ms.",
              "left": "Nothing was changed.",
              "what": "Type + - s q, or a number from -500 to 500.",
              "silent": "No player runs here; it takes the setting up when it starts.",
              "forgot": "This box's own setting was removed."},
}


@dataclass(frozen=True)
class Turn:
    """What one typed line means: the delay now, and whether it ends (and is kept)."""

    value_ms: float
    ends: bool = False
    keeps: bool = False
    understood: bool = True


def add_calibrate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `calibrate` to the verbs of `vitrine device`."""
    text = "bring sound and picture of this screen together"
    parser = verbs.add_parser(
        "calibrate", help=text, description=text[0].upper() + text[1:] + ".", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--set", type=float, metavar="MS",
                      help="keep this: positive shows the picture later, negative earlier")
    what.add_argument("--show", action="store_true", help="only say what holds")
    what.add_argument("--forget", action="store_true", help="remove this box's own setting")
    parser.add_argument("--seconds", type=float, metavar="N",
                        help="with --set: show the page for N seconds (0 takes it away)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def read_line(line: str, value_ms: float, bound_ms: float) -> Turn:
    """`+` and `-` (also `++`) move by 10 ms, a number is taken, `s` keeps, `q` leaves. Pure."""
    word = line.strip()[:LINE_CHARACTERS_MAX]
    if word in ("s", "q"):
        return Turn(value_ms, ends=True, keeps=word == "s")
    if word and set(word) in ({"+"}, {"-"}):
        moved = value_ms + STEP_MS * (word.count("+") - word.count("-"))
        return Turn(max(-bound_ms, min(bound_ms, moved)))
    try:
        number = float(word)
    except ValueError:
        return Turn(value_ms, understood=False)
    if not -bound_ms <= number <= bound_ms:
        return Turn(value_ms, understood=False)
    return Turn(number)


def run(args: argparse.Namespace) -> int:
    """The verb; exit code 0. Raises Refused for a number out of bounds or no right to write."""
    from device.paths import Places
    from device.stage import offset

    places = Places.from_environment()
    with _Player(places.run) as player:
        if args.set is not None:
            offset.keep(places, offset.checked(args.set))
            answer = player.ask({"kept": True, **_page(args.seconds)})
            _say("saved" if answer else "silent", args.json, value=args.set)
        elif args.forget:
            offset.keep(places, None)
            answer = player.ask({"kept": True})
            _say("forgot", args.json)
        elif args.show:
            answer = player.ask({})
        else:
            _by_hand(places, player, sys.stdin)
            answer = player.ask({})
        kept = offset.on_box(places)
        if args.json:
            print(json.dumps({"on_box": kept, "player": answer}))
        elif args.show:
            _say("now", False, value=(answer or {}).get("av_offset_ms", kept or 0.0))
    return 0


def _by_hand(places: Any, player: _Player, lines: Iterable[str]) -> None:
    """The page is on the screen; each line that is typed moves the picture at once."""
    from device.stage import offset
    from ota.errors import Refused

    answer = player.ask({"seconds": PAGE_S})
    if answer is None:
        raise Refused("No player runs here; start it first, or give the number with --set.")
    before_ms = value_ms = float(answer["av_offset_ms"])
    print(HELP[_language()], file=sys.stderr)
    keeps = False
    _say("now", False, value=value_ms)
    for line in lines:
        turn = read_line(line, value_ms, offset.OFFSET_MS_MAX)
        value_ms, keeps = turn.value_ms, turn.keeps
        if turn.ends:
            break
        if turn.understood:
            player.ask({"av_offset_ms": value_ms, "seconds": PAGE_S})
        _say("now" if turn.understood else "what", False, value=value_ms)
    if keeps:
        offset.keep(places, value_ms)
    player.ask({"kept": True, "seconds": 0} if keeps
               else {"av_offset_ms": before_ms, "seconds": 0})
    _say("saved" if keeps else "left", False, value=value_ms)


class _Player:
    """The running player, asked over the bus."""

    def __init__(self, folder: Any) -> None:
        from device.bus import Bus
        from device.bus.topics import TECHNICIAN

        self._bus = Bus(folder, TECHNICIAN)

    def __enter__(self) -> _Player:
        return self

    def __exit__(self, *_: object) -> None:
        self._bus.close()

    def ask(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """What the player says holds now; None when none answers. Raises Refused when it refuses.
        """
        from device import messages as m
        from ota.clock import Deadline
        from ota.errors import Refused

        order = m.Command(id=str(uuid.uuid4()), name="calibrate", args=args)
        self._bus.publish(order)
        patience = Deadline(ANSWER_S)
        while not patience.passed:
            done = self._bus.receive(patience.left_s)
            # The ear is asked as well, and knows nothing of pictures.
            if isinstance(done, m.CommandDone) and done.id == order.id and (
                    done.ok or "error" in done.result):
                if not done.ok:
                    raise Refused(str(done.result["error"]))
                return done.result
        return None


def _page(seconds: float | None) -> dict[str, float]:
    return {} if seconds is None else {"seconds": seconds}


def _language() -> str:
    from device.paths import language_from_environment

    return language_from_environment()


def _say(word: str, quiet: bool, **values: float) -> None:
    if not quiet:
        print(SAID[_language()][word].format(**values), file=sys.stderr)
