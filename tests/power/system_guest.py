"""What runs inside a machine with two systems: its firmware, then RAUC and our commands for real.

It waits for one line of JSON: `slots` (two devices), `data` (a device for what both keep), and
`orders`, words for `vitrine ota system` that are carried out after the start. The firmware is
`tests/sim/jetson_firmware.py` on files of the data disk; systems, RAUC, D-Bus, dm-verity are real.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import ota.box.install
from device.paths import Places
from ota import cli
from ota.box import daemon
from ota.clock import Deadline, sleep_s
from ota.errors import VitrineError
from ota.system import cli as system_cli
from ota.system.boot import SYSTEMS
from ota.system.jetson import EFIVARS
from ota.system.rauc import Rauc
from tests.ota.rig import write_health
from tests.power import mounts
from tests.power.guest import asked, say
from tests.sim.jetson_firmware import TRIES, JetsonFirmware

DATA, SLOT = Path("/mnt"), Path("/run/slot")
BOX, FLASH = DATA / "box", DATA / "flash"
BUS = "unix:path=/run/bus"
HEALTH_EACH_S, SERVICE_S = 0.5, 600.0
# A watchdog presses the button for a system that does not come up.
STARTS_MAX = 2 * TRIES + 2


class Flash(JetsonFirmware):
    """The firmware as its last life left it; `nvbootctrl` (a script) works on the same files."""

    def __init__(self) -> None:
        if not FLASH.exists():
            super().__init__(FLASH / "efivars")
        self.efivars, self.broken = FLASH / "efivars", set()
        self.active = self._told("active", "A")
        self.running = self._told("current", "A")
        self.tries = {each: int(self._told(f"tries-{each}", str(TRIES))) for each in SYSTEMS}

    def keep(self) -> None:
        """For the script, and for the next life."""
        for each in SYSTEMS:
            (FLASH / f"tries-{each}").write_text(str(self.tries[each]))
        (FLASH / "active").write_text(self.active)
        (FLASH / "current").write_text(self.running)
        os.sync()

    def _told(self, name: str, otherwise: str) -> str:
        path = FLASH / name
        return path.read_text().strip() if path.exists() else otherwise


def power_on(slots: list[str]) -> None:
    """The firmware starts one system after the other, until one comes up."""
    flash = Flash()
    for _ in range(STARTS_MAX):
        if flash.start() is None:
            break
        flash.keep()
        version, up = _started(slots[SYSTEMS.index(flash.running)])
        say(f"STARTS {flash.running} {version}{'' if up else ', which hangs'}")
        if up:
            return
    raise AssertionError("this box is a brick")


def _started(device: str) -> tuple[str, bool]:
    """The version of the system on this device, and whether its own first program ends well."""
    SLOT.mkdir(exist_ok=True)
    opened = os.open(device, os.O_RDWR)
    mounts.forget_cache(opened)
    os.close(opened)
    mount = ("/bin/busybox", "mount", "-t", "squashfs", "-o", "ro")
    subprocess.run((*mount, device, SLOT), check=True)
    try:
        start = subprocess.run(("/bin/busybox", "sh", SLOT / "start"), check=False)
        return (SLOT / "version").read_text().strip(), start.returncode == 0
    finally:
        mounts.unmount(SLOT)


def services() -> None:
    """D-Bus and RAUC, as units start them, and the UEFI variables at their place."""
    mounts.mount("firmware", EFIVARS.parent.parent, "tmpfs")
    EFIVARS.mkdir(parents=True)
    subprocess.run(("/bin/busybox", "mount", "-o", "bind", FLASH / "efivars", EFIVARS), check=True)
    (DATA / "central").mkdir(exist_ok=True)
    os.environ.update(DBUS_SYSTEM_BUS_ADDRESS=BUS, VITRINE_ROOT=str(BOX))
    subprocess.run(("dbus-daemon", "--config-file=/etc/dbus.conf", "--fork"), check=True)
    subprocess.Popen(("rauc", "service"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = Deadline(SERVICE_S)
    while True:
        try:
            Rauc().systems()
            return
        except VitrineError:
            if deadline.passed:
                raise
            sleep_s(0.2)


def well(over: threading.Event) -> None:
    """The supervisor of a box that is well."""
    slot = Places(BOX).opt / "slots" / "a"
    slot.mkdir(parents=True, exist_ok=True)
    while not over.wait(HEALTH_EACH_S):
        write_health(Places(BOX).run, slot, True, True, 0)


def order(words: list[str]) -> None:
    """`vitrine ota system WORDS`, in this process: an emulated one starts slowly."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(places=lambda root: Places(BOX), language="en-US")
    cli.register(parser.add_subparsers())
    args = parser.parse_args(["ota", "system", *words])
    told = io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            args.run(args)
    except VitrineError as error:
        say(f"REFUSED {error}")
    for line in told.getvalue().splitlines():
        say(f"SAYS {line}")


def updater_begins() -> None:
    """The updater's first act after each start: it watches a trial to its end."""
    application = daemon.make_parts(Places(BOX), None, None, ota.box.install.Settings())
    beside = system_cli.beside(Places(BOX))(application)
    assert beside is not None, "a machine with two systems"
    trouble = beside.begin()
    state = beside.parts.state.load()
    say(f"UPDATER {state.phase.value}, floor {state.floor} {trouble}".rstrip())


def live(given: dict[str, Any]) -> None:
    """One start of the machine, what it is told to do, and its proper end."""
    mounts.mount(given["data"], DATA, "ext4")
    power_on(given["slots"])
    services()
    over = threading.Event()
    supervisor = threading.Thread(target=well, args=[over], daemon=True)
    supervisor.start()
    for words in (["start", "--json"], [], *given["orders"], ["status"], ["stop"]):
        say(f"ORDER {' '.join(words)}")
        order(words) if words else updater_begins()
    over.set()
    supervisor.join()
    os.sync()


def main() -> None:
    """One life; the machine goes on until its plug is pulled."""
    # A trial of the application's length, in a machine that is twenty times slower.
    ota.box.install.Settings.__init__.__defaults__ = (60.0, 2.0, 0.2)
    given = asked()
    try:
        live(given)
        say("OFF")
    except Exception as error:
        say(f"BAD {type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    main()
