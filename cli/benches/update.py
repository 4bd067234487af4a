"""An update as a shop sees it: the real supervisor, player and ear, real releases of this code.

How long does the picture stand still for a good release, and how long until a bad one is back on
the old, unattended, with the times that a shop has? Five bad ones, each this very code with one
fault in it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from cli.benches.figure import Figure
from device.paths import Places, assets_dir, child_environment, repository_root
from device.preview.wire import read_packet, socket_path
from device.stage.keeper import somebody_presents
from ota.box.confirm import Verdict
from ota.box.daemon import make_parts
from ota.box.install import Parts, Settings, Source, find_offer, install
from ota.box.seen import read_health
from ota.box.slots import DirectorySlots
from ota.box.stick import SCHEME, StickFetcher
from ota.clock import Deadline, monotonic_s, sleep_s
from ota.errors import Refused
from ota.floor import FloorClock
from ota.publish.release import build, publish
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey

GAP_S_MAX = 3.0
BACK_S_MAX = 90.0
START_S_MAX = 120.0
# A good release is not what is timed here: a machine that does much else may start it slowly.
GOOD = Settings(show_s=START_S_MAX, hold_s=3.0)
LOOK_S = 0.01
FRAMES_A_SECOND, FRAME_S_MAX = 25, 5.0
QUIET_S = 3.0
# name: (file, its words, what they become) - each one fault in otherwise good code.
FAULTS = {
    "crashes": ("device/player.py", "    pixels.use_one_thread()\n",
                "    raise SystemExit('no graphics driver')\n"),
    "hangs": ("device/player.py", "        self._streamer.presented(n, canvas, private)\n",
              "        os.kill(os.getpid(), signal.SIGSTOP) if n > 250 else None\n"),
    "black frame": ("device/stage/stage.py", "            self._sink.present(now_s, self._boxes)\n",
                    "            self._sink.frame_buffer()[...] = n % 7\n"
                    "            self._sink.present(now_s, self._boxes)\n"),
    "deaf": ("device/ear.py", "        ear = assembled(places, chosen, source, bus)\n",
             "        stop.wait(3600)\n        ear = assembled(places, chosen, source, bus)\n"),
    "wrong architecture": ("device/player.py", "    pixels.use_one_thread()\n",
                           "    import ctypes\n"
                           "    ctypes.CDLL(str(Path(__file__).parent / 'native.so'))\n"),
}
# An ELF head for another machine (s390x): the loader refuses it.
FOREIGN_ELF = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x03\x00\x16" + bytes(100)


@dataclass
class Shop:
    """A box of its own with its supervisor in a process, and the publisher's desk."""

    folder: Path
    places: Places
    repository: Repository
    switched_s: float = 0.0
    log: list[str] = field(default_factory=list)

    def publish(self, version: str, fault: str = "") -> None:
        """Release this checkout's code, with one fault in it."""
        tree = self.folder / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        for package in ("cli", "device", "fleet", "models", "ota", "programmes", "provisioning"):
            shutil.copytree(repository_root() / package, tree / package, ignore=ignored)
        if fault:
            name, words, bad = FAULTS[fault]
            text = (tree / name).read_text(encoding="utf-8")
            if text.count(words) != 1:
                raise Refused(f"The bench does not fit {name} any more; look for {words.strip()}.")
            (tree / name).write_text(text.replace(words, bad), encoding="utf-8")
            (tree / "device" / "native.so").write_bytes(FOREIGN_ELF)
        artefact = self.folder / "release.tar"
        publish(self.repository, build(tree, version, artefact))
        artefact.unlink()

    def parts(self, settings: Settings) -> Parts:
        return make_parts(self.places, self._restarted, None, settings)

    def source(self) -> Source:
        fetcher = StickFetcher(self.repository.directory)
        trust = TrustClient(self.places.var / "ota" / "trust", f"{SCHEME}/metadata", fetcher,
                            FloorClock(self.places.var / "clock"))
        trust.bootstrap(self.repository.root_bytes())
        return Source(trust, fetcher, f"{SCHEME}/targets")

    def install(self, version: str, settings: Settings) -> Verdict:
        """As the updater does it; `switched_s` is when the switch was set."""
        source = self.source()
        return install(self.parts(settings), source, find_offer(source, version))

    def wait_for(self, slot: str) -> float:
        """Until everything that a shop needs runs from this slot; the moment."""
        slots, deadline = DirectorySlots(self.places.opt), Deadline(START_S_MAX)
        while not deadline.passed:
            seen = read_health(self.places.run / "health.json", slots)
            if seen is not None and seen.slot == slot and seen.good:
                return monotonic_s()
            sleep_s(0.05)
        raise Refused(f"Nothing came up from slot {slot} within {START_S_MAX:.0f} s.")

    def _restarted(self, slot: str | None) -> None:
        if not self.switched_s:
            self.switched_s = monotonic_s()


class GapWatch(threading.Thread):
    """Watches the picture as the preview page does: when was each frame presented?"""

    def __init__(self, places: Places) -> None:
        super().__init__(daemon=True)
        self._path, self._leaving = socket_path(places), threading.Event()
        self.frames_s: list[float] = []

    def run(self) -> None:
        """From one player to the next, as fast as it answers."""
        while not self._leaving.wait(LOOK_S):
            with suppress(OSError, Refused), socket.socket(socket.AF_UNIX) as line:
                line.settimeout(FRAME_S_MAX)
                line.connect(str(self._path))
                line.sendall(bytes((FRAMES_A_SECOND, 0)))
                while not self._leaving.is_set() and read_packet(line) is not None:
                    self.frames_s.append(monotonic_s())

    def close(self) -> None:
        """Watch no longer."""
        self._leaving.set()
        self.join(FRAME_S_MAX)

    def longest_s(self, since_s: float) -> float:
        """The longest time without a frame after `since_s`."""
        after = [at_s for at_s in self.frames_s if at_s >= since_s]
        return max((b - a for a, b in pairwise(after)), default=START_S_MAX)


@contextmanager
def opened() -> Iterator[Shop]:
    """A running shop under a temporary folder; nothing of it is left behind."""
    with tempfile.TemporaryDirectory(prefix="vitrine-update-") as name:
        folder = Path(name)
        places = Places(folder / "box")
        keys = {role: [SigningKey.generate()] for role in ROLES}
        shop = Shop(folder, places, Repository.create(folder / "tuf", keys))
        environment = {**child_environment(places), "VITRINE_ASSETS": str(assets_dir())}
        with (folder / "box.log").open("wb") as log:
            box = subprocess.Popen(
                [sys.executable, "-m", "cli", "device", "run", "--headless"],
                cwd=repository_root(), env=environment, stdout=log, stderr=log)
        try:
            deadline = Deadline(START_S_MAX)
            while not somebody_presents(places):
                if deadline.passed or box.poll() is not None:
                    raise Refused(f"The box did not start: {(folder / 'box.log').read_text()}")
                sleep_s(0.05)
            yield shop
        finally:
            box.terminate()
            try:
                box.wait(30)
            except subprocess.TimeoutExpired:
                box.kill()
                box.wait()


def measure() -> list[Figure]:
    """The gap of a good release, and the way back of five bad ones."""
    figures = []
    with opened() as shop:
        shop.publish("1.0.0")
        shop.install("1.0.0", GOOD)
        shop.wait_for("a")
        shop.publish("1.1.0")
        figures.append(_gap(shop, "1.1.0", "b"))
        for number, fault in enumerate(FAULTS):
            shop.publish(f"1.2.{number}", fault)
            figures.append(_back(shop, f"1.2.{number}", fault))
    return figures


def _gap(shop: Shop, version: str, slot: str) -> Figure:
    watch, shop.switched_s = GapWatch(shop.places), 0.0
    watch.start()
    sleep_s(QUIET_S)
    before_s = watch.longest_s(0.0)
    verdict = shop.install(version, GOOD)
    shop.wait_for(slot)
    watch.close()
    stood_s = watch.longest_s(shop.switched_s)
    note = f"without an update {before_s:.2f} s; trial: {verdict.value}; load {_load()}"
    return Figure("picture stands still for an update", stood_s, "s", GAP_S_MAX, note=note)


def _back(shop: Shop, version: str, fault: str) -> Figure:
    shop.switched_s = 0.0
    verdict = shop.install(version, Settings())
    back_s = shop.wait_for("b") - shop.switched_s
    reason = shop.parts(Settings()).state.load().reason
    if verdict is not Verdict.ROLLBACK:
        back_s, reason = START_S_MAX, "it was kept"
    return Figure(f"bad release ({fault}) back on the old one", back_s, "s", BACK_S_MAX,
                  note=f"{reason}; load {_load()}")


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"
