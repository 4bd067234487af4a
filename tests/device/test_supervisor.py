"""The supervisor, with real processes: what dies comes back, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from device import messages as m
from device.host import Silence
from device.processes import Process
from device.supervisor import LOG_BYTES_MAX, Ended, Supervisor
from ota.clock import Deadline, sleep_s
from ota.errors import Broken

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")


@pytest.fixture
def ends() -> list[Ended]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, ends: list[Ended]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "log", ends.append)
    yield made
    made.stop_all()


def start(supervisor: Supervisor, name: str, command: tuple[str, ...], folder: Path) -> None:
    supervisor.start(Process(name, (), stop_s=2), command, folder, dict(os.environ))


def until(supervisor: Supervisor, true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = Deadline(seconds)
    while not true():
        assert not deadline.passed, "it did not happen in time"
        supervisor.poll()
        sleep_s(0.02)


def test_a_killed_process_is_started_again(
    supervisor: Supervisor, ends: list[Ended], tmp_path: Path
) -> None:
    start(supervisor, "player", SLEEPER, tmp_path)
    first = supervisor.pid("player")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(supervisor, lambda: supervisor.alive("player") and supervisor.pid("player") != first)
    assert [(e.name, e.code) for e in ends] == [("player", -signal.SIGKILL)]


def test_its_last_words_are_told(
    supervisor: Supervisor, ends: list[Ended], tmp_path: Path
) -> None:
    start(supervisor, "ear", (sys.executable, "-c", "print('no microphone'); exit(3)"), tmp_path)
    until(supervisor, lambda: bool(ends))
    assert ends[0].code == 3
    assert "no microphone" in ends[0].last_words


def test_stopping_leaves_no_grandchild(supervisor: Supervisor, tmp_path: Path) -> None:
    family = (sys.executable, "-c", f"import subprocess; subprocess.run({list(SLEEPER)!r})")
    start(supervisor, "agent", family, tmp_path)
    pid = supervisor.pid("agent")
    assert pid is not None
    until(supervisor, lambda: len(psutil.Process(pid).children(recursive=True)) == 1)
    grandchild = psutil.Process(pid).children(recursive=True)[0]
    supervisor.stop_all()
    assert not psutil.pid_exists(pid)
    grandchild.wait(timeout=5)


def test_a_chatty_child_cannot_fill_the_disk(supervisor: Supervisor, tmp_path: Path) -> None:
    loud = (sys.executable, "-c", "while True: print('x' * 65536)")
    start(supervisor, "loud", loud, tmp_path)
    log = tmp_path / "log" / "loud.log"
    cuts = 0
    deadline = Deadline(10)
    while cuts < 3 and not deadline.passed:
        before = log.stat().st_size
        supervisor.poll()
        cuts += log.stat().st_size < before
    assert cuts == 3
    assert log.stat().st_size < 20 * LOG_BYTES_MAX


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
from device import messages as m
from device.host import Silence
from device.processes import Process
from device.supervisor import Supervisor
s = Supervisor(Path({str(tmp_path)!r}), print)
s.start(Process("p", ()), {SLEEPER!r}, Path("/"), dict(os.environ))
print(s.pid("p"), flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running()


def test_a_program_that_is_not_there_is_a_sentence(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    with pytest.raises(Broken, match="cannot be started"):
        start(supervisor, "broker", ("/no/such/program",), tmp_path)


def test_a_player_that_fell_silent_is_ended_once_and_a_young_one_is_waited_for() -> None:
    silence, word, second = Silence(), m.PlayerState(at_ns=1, ready=True), 1_000_000_000
    assert not any(silence.is_too_long(None, 0, n * second) for n in range(100))
    assert not silence.is_too_long(word, 0, 100 * second)
    looks = [silence.is_too_long(word, 0, n * second) for n in range(101, 200)]
    assert looks.count(True) == 1 and looks[20]
    assert not silence.is_too_long(word, 1, 300 * second), "started again, not spoken yet"
    assert not silence.is_too_long(m.PlayerState(at_ns=2, ready=True), 1, 301 * second)
    assert silence.is_too_long(silence._word, 1, 330 * second)
