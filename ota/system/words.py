"""What `vitrine ota status` says to people about the system, in Chinese and in English. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ota.system.update import Phase, State, StateFile

CHINESE = "zh-CN"
# phase: (Chinese, English)
PHASES = {
    "idle": ("无更新", "no update under way"),
    "writing": ("正在写入 {version}", "writing {version}"),
    "ready": ("{version} 已写入,等待重启", "{version} is written and waits for its moment"),
    "held": ("{version} 已写入,推送已暂停", "{version} is written, its roll-out is held back"),
    "trial": ("正在试运行 {version}", "{version} is on trial"),
}
LABELS = {
    "system": ("系统", "system"),
    "floor": ("已确认 {floor}", "{floor} confirmed"),
    "refused": ("不再尝试 {refused}", "not tried again: {refused}"),
    "reason": ("原因: {reason}", "reason: {reason}"),
}


def phase_of(state: State) -> str:
    """The phase's name for programs; "held" is what lies ready and the console holds back."""
    return "held" if state.held and state.phase is Phase.READY else state.phase.value


def system_facts(var: Path) -> dict[str, Any]:
    """Where the system's update stands: {"phase", "version", "floor", "refused", "reason"}; empty
    on a box that never had one."""
    state = StateFile(var / "ota" / "system").load()
    if state == State():
        return {}
    return {"phase": phase_of(state), "version": state.version, "floor": state.floor,
            "refused": list(state.refused), "reason": state.reason}


def system_lines(told: Mapping[str, Any], language: str) -> list[str]:
    """The lines of `vitrine ota status`; none on a box without."""
    if not told:
        return []
    english = language != CHINESE
    words = [PHASES[told["phase"]][english].format(version=told["version"])]
    if told["floor"] != "0":
        words.insert(0, LABELS["floor"][english].format(floor=told["floor"]))
    if told["refused"]:
        words.append(LABELS["refused"][english].format(refused=", ".join(told["refused"])))
    if told["reason"]:
        words.append(LABELS["reason"][english].format(reason=told["reason"]))
    label = LABELS["system"][english]
    return [f"{label}{' ' * (6 if not english else 4)}{'; '.join(words)}"]
