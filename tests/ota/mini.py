"""A small but real supervisor: real processes run from the slot, follow the switch, may crash.

It keeps the contract of the box's host: it reads only `<opt>/current` and writes only
`<run>/health.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from device.stage.liveness import is_black
from tests.ota.rig import write_health

FRESH_S = 0.6
# A player shows a frame by writing its pixels (32 of them) to a file, as its real brother into
# the screen's memory; the supervisor looks at them with the real player's own eyes.
_SHOWS = """
import os, pathlib, sys, time
run = pathlib.Path(sys.argv[1])
def show(value):
    part = run / f".presented.{VERSION}"
    part.write_bytes(bytes([value]) * 128)
    os.replace(part, run / f"presented.{VERSION}")
"""
PLAYER_GOOD = _SHOWS + """
while True:
    show(200)
    time.sleep(0.05)
"""
PLAYER_CRASHES = "raise SystemExit('no graphics driver')\n"
PLAYER_HANGS = _SHOWS + """
for _ in range(8):
    show(200)
    time.sleep(0.05)
time.sleep(3600)
"""
PLAYER_BLACK = _SHOWS + """
while True:
    for value in range(7):
        show(value)
        time.sleep(0.05)
"""
# The head of a library for another machine (s390x): the loader refuses it.
PLAYER_FOREIGN = _SHOWS + """
import ctypes
library = run / "native.so"
library.write_bytes(bytes.fromhex("7f454c4602020100") + bytes(8) + bytes([0, 3, 0, 22]) + bytes(99))
ctypes.CDLL(str(library))
"""
EAR_DEAF = "import time\nwhile True: time.sleep(0.05)\n"
EAR_GOOD = """
import pathlib, sys, time
run = pathlib.Path(sys.argv[1])
(run / f"ready.{VERSION}").write_text("yes")
while True: time.sleep(0.05)
"""


def presents(run: Path) -> bool:
    """Is there a fresh frame, and is it not black?"""
    for path in run.glob("presented.*"):
        try:
            age_s = time.time() - path.stat().st_mtime
            pixels = np.frombuffer(path.read_bytes(), np.uint8).reshape(8, 4, 4)
        except (OSError, ValueError):
            continue
        if age_s < FRESH_S and not is_black(pixels):
            return True
    return False


def product(version: str, player: str = PLAYER_GOOD, ear: str = EAR_GOOD) -> dict[str, str]:
    """The files of a release whose processes behave like this."""
    head = f"VERSION = {version!r}\n"
    return {"device/player.py": head + player, "device/ear.py": head + ear}


class MiniSupervisor(threading.Thread):
    """Runs player and ear from the switch until `close`."""

    def __init__(self, opt: Path, run: Path, factory: Path) -> None:
        super().__init__(daemon=True)
        self._opt, self._run_dir, self._factory = opt, run, factory
        self._leaving = threading.Event()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._crashes = 0
        self.versions: list[str] = []
        self.restarts_of: list[Path] = []
        # What it tells of the shop (`ota.box.window.Shop`); None: an older supervisor.
        self.shop: dict[str, object] | None = None

    def run(self) -> None:
        code: Path | None = None
        while not self._leaving.wait(0.03):
            link = self._opt / "current"
            wanted = link.resolve() if link.exists() else self._factory
            if wanted != code:
                code = wanted
                self._stop()
                self._crashes = 0
                for mark in list(self._run_dir.glob("presented.*")) + list(
                    self._run_dir.glob("ready.*")
                ):
                    mark.unlink()
                self.restarts_of.append(code)
            for name in ("player", "ear"):
                self._keep(name, code)
            presented = presents(self._run_dir)
            ready = any(self._run_dir.glob("ready.*"))
            write_health(self._run_dir, code, presented, ready, self._crashes)
            if self.shop is not None:
                part = self._run_dir / ".shop.json"
                part.write_text(json.dumps({**self.shop, "at_s": time.monotonic()}))
                part.replace(self._run_dir / "shop.json")

    def close(self) -> None:
        self._leaving.set()
        self.join()
        self._stop()

    def _keep(self, name: str, code: Path) -> None:
        child = self._children.get(name)
        if child is not None and child.poll() is None:
            return
        if child is not None:
            self._crashes += 1
        command = [sys.executable, "-S", "-E", "-B", str(code / "device" / f"{name}.py")]
        self._children[name] = subprocess.Popen(
            [*command, str(self._run_dir)], stderr=subprocess.DEVNULL
        )

    def _stop(self) -> None:
        for child in self._children.values():
            child.kill()
            child.wait()
        self._children.clear()
