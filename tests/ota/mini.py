"""A small but real supervisor: real processes run from the slot, follow the switch, may crash.

It keeps the contract of the box's host: it reads only `<opt>/current` and writes only
`<run>/health.json`.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from tests.ota.rig import write_health

# A player shows a frame by touching a file, as its real brother by its state on the bus.
PLAYER_GOOD = """
import pathlib, sys, time
run = pathlib.Path(sys.argv[1])
while True:
    (run / f"presented.{VERSION}").write_text(str(time.monotonic()))
    time.sleep(0.05)
"""
PLAYER_CRASHES = "raise SystemExit('no graphics driver')\n"
PLAYER_BLACK = "import time\nwhile True: time.sleep(0.05)\n"
EAR_GOOD = """
import pathlib, sys, time
run = pathlib.Path(sys.argv[1])
(run / f"ready.{VERSION}").write_text("yes")
while True: time.sleep(0.05)
"""


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
            presented = any(self._run_dir.glob("presented.*"))
            ready = any(self._run_dir.glob("ready.*"))
            write_health(self._run_dir, code, presented, ready, self._crashes)

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
