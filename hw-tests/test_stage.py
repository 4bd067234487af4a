"""The stage on the bench: half an hour in step, back after kill -9, quick, and no leak."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.benches import flash, soak
from device.paths import Places
from device.stage.keeper import somebody_presents
from ota.clock import Deadline, monotonic_s, sleep_s

ROOT = Path(__file__).resolve().parent.parent
AVATAR = ROOT / "models" / "avatars" / "lin"
IN_STEP_S = 1800.0
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


@contextmanager
def box(places: Places, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "VITRINE_ROOT": str(places.root)}
    process = subprocess.Popen([sys.executable, "-m", "cli", "device", *words], cwd=ROOT,
                               env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def seconds_until(places: Places, presents: bool) -> float:
    begun_s, patience = monotonic_s(), Deadline(60)
    while somebody_presents(places) is not presents:
        assert not patience.passed, "no player presents"
        sleep_s(0.005)
    return monotonic_s() - begun_s


def child_named(parent: int, word: str) -> int:
    ran = subprocess.run(["pgrep", "-P", str(parent), "-f", word], capture_output=True, text=True,
                         check=True)
    return int(ran.stdout.split()[0])


def test_half_an_hour_of_flash_and_beep_stays_in_step(budget: dict[str, Any]) -> None:
    """On the real sink: PULSE_SOURCE must name its monitor."""
    ran = subprocess.run(
        [sys.executable, "-m", "cli.benches.flash", str(AVATAR), str(IN_STEP_S)], cwd=ROOT,
        capture_output=True, text=True, check=True, timeout=IN_STEP_S + 120)
    for figure in flash.figures(json.loads(ran.stdout.splitlines()[-1]), IN_STEP_S):
        assert figure.met is not False, figure.as_line()


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_from_process_to_first_avatar_frame(
    cache: str, budget: dict[str, Any], tmp_path: Path
) -> None:
    if cache == "cold":
        os.sync()
        DROP_CACHES.write_text("3\n")
    places = Places(tmp_path)
    with box(places, "player", "--programme", str(ROOT / "programmes" / "tea-shop")):
        assert seconds_until(places, True) <= budget["first_frame_s_max"]


def test_after_kill_nine_the_avatar_is_back(budget: dict[str, Any], tmp_path: Path) -> None:
    places = Places(tmp_path)
    with box(places, "run") as supervisor:
        seconds_until(places, True)
        for _ in range(3):
            sleep_s(5.0)
            os.kill(child_named(supervisor.pid, "device player"), signal.SIGKILL)
            seconds_until(places, False)
            assert seconds_until(places, True) <= budget["back_s_max"]


def test_ten_thousand_sentences_leave_no_memory_behind(tmp_path: Path) -> None:
    for figure in soak.measure(30.0, tmp_path):
        assert figure.met is not False, figure.as_line()
