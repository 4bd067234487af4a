"""The self-test for a layman: the box checks itself in a process of its own, we say it plainly."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec

from device.paths import language_from_environment, repository_root
from ota.errors import Retry

CHECK_S = 120.0
MARKS = {True: "✓", False: "✗", None: "!"}
VERDICTS = {
    True: ("一切正常,可以营业。", "Everything works; the shop can open."),
    False: ("有问题,请按箭头后面的提示处理。", "Something is wrong; follow the arrows."),
}


def run_selftest(language: str | None, only: tuple[str, ...], as_json: bool) -> int:
    """Run the checks and print them; exit code 1 when something is broken. Raises Retry."""
    report = check_box(only)
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        for line in plain_lines(report, language or language_from_environment()):
            print(line, file=sys.stderr)
    return 0 if report["ok"] else 1


def check_box(only: tuple[str, ...] = ()) -> dict[str, Any]:
    """`vitrine device check --json` as a process: native code that crashes is a finding too."""
    command = [sys.executable, "-m", "cli", "device", "check", "--json"]
    for name in only:
        command += ["--only", name]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CHECK_S, check=False,
            cwd=repository_root(),
        )
    except subprocess.TimeoutExpired as error:
        raise Retry(f"The self-test took over {CHECK_S:.0f} s; restart the box.") from error
    try:
        report: dict[str, Any] = msgspec.json.decode(done.stdout, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise Retry(f"The self-test broke off ({last}); send this to support.") from error
    if "checks" not in report:
        raise Retry(str(report.get("error", "The self-test gave no result.")))
    return report


def plain_lines(report: dict[str, Any], language: str) -> list[str]:
    """Sentences for a person, the broken parts first."""
    chinese = language.startswith("zh")
    order = {False: 0, None: 1, True: 2}
    lines = []
    for check in sorted(report["checks"], key=lambda check: order[check["ok"]]):
        lines.append(f"{MARKS[check['ok']]} {check['zh'] if chinese else check['en']}")
        step = check["next_zh"] if chinese else check["next_en"]
        if step:
            lines.append(f"    → {step}")
    lines.append(VERDICTS[bool(report["ok"])][0 if chinese else 1])
    return lines
