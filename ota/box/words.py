"""What `vitrine ota` says to people about an update, in Chinese and in English. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ota.box.window import Wait
from ota.history import Entry

CHINESE, ENGLISH = "zh-CN", "en-US"
# key: (Chinese, English)
WAITS = {
    "takeover": ("有人正在通过屏幕讲话", "a person is speaking through the screen"),
    "visitor": ("正在接待顾客", "a visitor is being served"),
    "open": ("店铺营业中", "the shop is open"),
    "window": ("还没到更新时段", "the roll-out's window has not begun"),
}
PHASES = {
    "idle": ("无更新", "no update under way"),
    "installing": ("正在写入 {version}", "writing {version}"),
    "waiting": ("{version} 已就绪,等待切换", "{version} lies ready and waits"),
    "trial": ("正在试运行 {version}", "{version} is on trial"),
}
EVENTS = {
    "install": ("开始安装", "install begun"),
    "failed": ("安装失败", "install failed"),
    "waiting": ("已就绪,等待时机", "ready, waits for its moment"),
    "put off": ("已取消等待", "put off"),
    "trial": ("开始试运行", "trial begun"),
    "confirmed": ("确认保留", "confirmed"),
    "rolled back": ("已退回", "rolled back"),
    "went back": ("由人退回", "a person went back"),
    "cut": ("安装被断电打断", "install cut short"),
    "damaged": ("槽位损坏", "slot damaged"),
    "system install": ("开始写入系统", "system install begun"),
    "system trial": ("重启到新系统", "restart into the new system"),
    "system confirmed": ("确认保留新系统", "system confirmed"),
    "system failed": ("新系统未采用", "system not taken"),
    "system heal": ("系统已恢复可用", "system healed"),
    "system tell": ("有系统无法启动", "a system cannot start"),
    "system trouble": ("无法重启到新系统", "restart not possible"),
}
LABELS = {
    "running": ("当前版本", "running"),
    "factory": ("出厂代码", "the code this machine came with"),
    "slot": ("槽位", "slot"),
    "previous": ("上一版本", "previous"),
    "none": ("无", "none"),
    "empty": ("空", "empty"),
    "phase": ("状态", "phase"),
    "refused": ("不再尝试", "refused"),
    "reason": ("原因", "reason"),
    "waits": ("等待", "waits"),
    "until": ("{why},到 {until} (UTC) 继续", "{why}, until {until} (UTC)"),
    "now": ("进行中", "now"),
    "download": ("下载", "download"),
    "write": ("写入", "write"),
    "system download": ("下载系统", "download the system"),
    "system write": ("写入系统", "write the system"),
    "trial": ("试运行", "trial"),
    "of": ("{done:.1f} / {whole:.1f} MB", "{done:.1f} of {whole:.1f} MB"),
    "healthy": ("已正常 {done} / {whole} 秒", "healthy for {done} of {whole} s"),
    "nothing": ("这台机器还没有装过更新。", "Nothing was ever installed here."),
    "broken": (
        "第 {line} 行被改过,或它前面的行被删掉了;请查明是谁做的。",
        "Line {line} was changed or one before it was taken out; ask who did that.",
    ),
}


def _say(table: Mapping[str, tuple[str, str]], key: str, language: str, **values: object) -> str:
    pair = table.get(key)
    text = key if pair is None else pair[language.startswith("en")]
    return text.format(**values) if values else text


def wait_sentence(wait: Wait, language: str = ENGLISH) -> str:
    """Why a release that lies ready waits, and until when."""
    why = _say(WAITS, wait.why, language)
    if wait.until is None:
        return why
    until = wait.until.strftime("%m-%d %H:%M")
    return _say(LABELS, "until", language, why=why, until=until)


def waits_told(progress: Mapping[str, Any]) -> dict[str, str] | None:
    """The updater's `wait` and `until` as a sentence in each language; None: it told nothing."""
    if not progress.get("wait"):
        return None
    try:
        until = datetime.fromisoformat(str(progress["until"])) if progress.get("until") else None
    except ValueError:
        until = None
    wait = Wait(str(progress["wait"])[:40], until)
    return {language: wait_sentence(wait, language) for language in (CHINESE, ENGLISH)}


def progress_line(what: str, done: int, whole: int, language: str = ENGLISH) -> str:
    """One line for people: bytes and percent of a download, seconds of a trial."""
    percent = f" {100 * done // whole:3d} %" if whole > 0 else ""
    if what == "system write":
        return f"{_say(LABELS, what, language)}{percent}"
    if what in ("download", "write", "system download"):
        sizes = _say(LABELS, "of", language, done=done / 1e6, whole=whole / 1e6)
        return f"{_say(LABELS, what, language)} {sizes}{percent}"
    if what == "trial":
        told = _say(LABELS, "healthy", language, done=done, whole=whole)
        return f"{_say(LABELS, what, language)} {told}{percent}"
    return what


def status_lines(told: Mapping[str, Any], language: str = ENGLISH) -> list[str]:
    """`vitrine ota status` from what it tells programs."""

    def line(key: str, text: str) -> str:
        label = _say(LABELS, key, language)
        # A Chinese character is two columns wide.
        width = sum(2 if ord(character) > 0x2E80 else 1 for character in label)
        return f"{label}{' ' * max(1, 10 - width)}{text}"

    running = told["running"] or _say(LABELS, "factory", language)
    slot = _say(LABELS, "slot", language)
    phase = _say(PHASES, told["phase"], language, version=told["version"] or "")
    lines = [
        line("running", running + (f" ({slot} {told['slot']})" if told["slot"] else "")),
        line("previous", told["previous"] or _say(LABELS, "none", language)),
        line("phase", phase),
    ]
    if told["waits"]:
        lines.append(line("waits", told["waits"][ENGLISH if language != CHINESE else CHINESE]))
    empty = _say(LABELS, "empty", language)
    lines += [line("slot", f"{name}: {what or empty}") for name, what in told["slots"].items()]
    if told["refused"]:
        lines.append(line("refused", ", ".join(told["refused"])))
    if told["reason"]:
        lines.append(line("reason", told["reason"]))
    progress = told["progress"]
    if progress.get("what", "idle") != "idle":
        whole, done = int(progress.get("whole", 0)), int(progress.get("done", 0))
        lines.append(line("now", progress_line(str(progress["what"]), done, whole, language)))
    return lines


def history_lines(
    entries: Sequence[Entry], broken: int | None, language: str = ENGLISH
) -> list[str]:
    """`vitrine ota history`: one line an event, and the first line that does not hold."""
    lines = []
    for entry in entries:
        detail = " ".join(f"{key}={value}" for key, value in entry.detail.items())
        lines.append(f"{entry.at}  {_say(EVENTS, entry.what, language):12} {detail}")
    if not lines:
        lines = [_say(LABELS, "nothing", language)]
    if broken is not None:
        lines.append(_say(LABELS, "broken", language, line=broken))
    return lines
