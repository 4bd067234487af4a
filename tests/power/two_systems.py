"""`python -m tests.power.two_systems`: a machine with two systems, and one story of its life.

36.4.0 runs in A. A tampered and a stranger's bundle are refused; 36.5.0 goes into B, is tried and
confirmed; 36.6.0, which never comes up, goes into A and is given up after three tries. Prints what
each life said as one line of JSON. Needs root, QEMU, a Debian kernel and RAUC >= 1.15.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ota.system.configuration import RAUC_AT_LEAST, Layout, system_conf, version_of
from ota.system.update import TRIES_MAX
from tests.ota.signing import certificate
from tests.power import machines, mounts
from tests.power.disks import make_disk, plain
from tests.power.guest_root import CHECKOUT, interpreter, make_root, needed_by, python_path
from tests.power.initramfs import BUSYBOX
from tests.power.machines import Board, python_words

COMPATIBLE = "vitrine-test"
IMAGE_BYTES, SLOT_BYTES = 1 << 20, 2 << 20
MODULES = (*machines.MODULES, "loop", "dm-mod", "dm-verity", "sha256_generic")
WORK = """
import argparse, dbus_fast.aio
from tests.power import system_guest
from ota.system import backend, beside, cli, jetson, keeper, update
from ota.box import daemon, install
from cryptography.hazmat.bindings import _rust
"""
SCRIPTS = {
    "/usr/bin/nvbootctrl": """#!/bin/busybox sh
f=/mnt/flash; read a <$f/active
case "$3" in
 get-current-slot) read c <$f/current; [ "$c" = A ] && echo 0 || echo 1;;
 dump-slots-info) echo "Active rootfs slot: $a";;
 set-active-boot-slot) [ "$4" = 0 ] && a=A || a=B; echo $a >$f/active; echo 3 >$f/tries-$a;;
 verify) read c <$f/current; echo 3 >$f/tries-$c;;
 *) exit 1;;
esac
/bin/busybox sync
""",
    "/usr/bin/systemctl": "#!/bin/busybox sh\nexit 0\n",
    "/etc/dbus.conf": """<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>
""",
    "/etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
    "/etc/group": "root:x:0:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
}


@cache
def rauc() -> str | None:
    """A RAUC that a box may have: `VITRINE_RAUC` names one that is not on the path."""
    for name in (os.environ.get("VITRINE_RAUC"), shutil.which("rauc")):
        if name and Path(name).exists():
            told = subprocess.run((name, "--version"), capture_output=True, text=True, check=False)
            if version_of(told.stdout) >= RAUC_AT_LEAST:
                return name
    return None


def missing() -> str | None:
    """Why no machine with two systems can be started here, or None."""
    least = ".".join(map(str, RAUC_AT_LEAST))
    if rauc() is None:
        return f"there is no RAUC {least} or newer; build one and name it in VITRINE_RAUC"
    if shutil.which("dbus-daemon") is None:
        return "there is no dbus-daemon (package dbus)"
    return mounts.missing() or machines.missing()


class TwoSystems:
    """A box flashed with 36.4.0 in both systems. In a process that is `mounts.apart`."""

    def __init__(self, work: Path) -> None:
        self._work = work
        for name in ("chain", "stranger"):
            certificate(work, name)
        self._slots = [work / f"{name}.disk" for name in "ab"]
        for disk in self._slots:
            disk.write_bytes(self._system("36.4.0").read_bytes().ljust(SLOT_BYTES, b"\0"))
        self._data = work / "data.disk"
        self._board = Board(work, self._root(), python_words("tests.power.system_guest"), MODULES)

    def bundle(self, version: str, comes_up: bool = True, signer: str = "chain") -> Path:
        """A signed `verity` bundle of a small system."""
        content = self._work / f"content-{version}-{signer}"
        content.mkdir()
        shutil.copy(self._system(version, comes_up), content / "rootfs.img")
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={COMPATIBLE}\nversion={version}\n[bundle]\nformat=verity\n"
            "[image.rootfs]\nfilename=rootfs.img\n")
        made, keys = self._work / f"{version}-{signer}.raucb", self._work / signer
        subprocess.run(
            (str(rauc()), f"--cert={keys}.pem", f"--key={keys}.key", f"--keyring={keys}.pem",
             "bundle", str(content), str(made)), check=True, capture_output=True, timeout=120)
        return made

    def store(self, bundles: Sequence[Path]) -> None:
        """The data disk, with these bundles on it."""
        point = self._work / "plain"
        point.mkdir()
        make_disk(self._data)
        with plain(self._data, point):
            for bundle in bundles:
                shutil.copy(bundle, point / bundle.name)

    def life(self, *orders: Sequence[str]) -> list[str]:
        """Switch it on, give it these orders of `vitrine ota system`; what it said, to its end."""
        machine = self._board.switch_on([*self._slots, self._data])
        try:
            begun = machine.begin({
                "slots": ["/dev/vdb", "/dev/vdc"], "data": "/dev/vdd",
                "orders": [list(each) for each in orders]})
            assert begun and machine.heard("OFF", "BAD"), list(machine.console)
        finally:
            machine.kill()
        return machine.lines

    def _system(self, version: str, comes_up: bool = True) -> Path:
        """A system that is one small program, and something to verify."""
        folder = self._work / f"system-{version}"
        image = folder.with_suffix(".img")
        if not image.exists():
            folder.mkdir()
            (folder / "version").write_text(f"{version}\n")
            (folder / "start").write_text("exit 0\n" if comes_up else "exit 1\n")
            (folder / "filler").write_bytes(os.urandom(IMAGE_BYTES - 16384))
            subprocess.run(("mksquashfs", str(folder), str(image), "-noappend", "-quiet",
                            "-no-progress"), check=True, capture_output=True)
        return image

    def _root(self) -> Path:
        layout = Layout(COMPATIBLE, (Path("/dev/vdb"), Path("/dev/vdc")), Path("/etc/chain.pem"),
                        Path("/usr/bin/backend"), Path("/mnt/central"))
        texts = {
            **SCRIPTS, "/etc/rauc/system.conf": system_conf(layout),
            "/etc/chain.pem": (self._work / "chain.pem").read_text(),
            "/usr/bin/backend": f"#!/bin/busybox sh\nPYTHONPATH={python_path()} exec "
            f"{interpreter()} -B -m ota.system.backend \"$@\"\n",
            "/usr/bin/rauc": f"#!/bin/busybox sh\nexec {rauc()} \"$@\"\n",
        }
        programs = (BUSYBOX, Path(str(rauc())), Path(str(shutil.which("dbus-daemon"))))
        root = self._work / "root"
        make_root(root, needed_by(WORK), programs, (CHECKOUT / "ota",), texts)
        return root


def story(work: Path) -> dict[str, list[str]]:
    """What each life of one machine said; the names say what it was for."""
    box = TwoSystems(work)
    torn, stranger = box.bundle("36.4.5"), box.bundle("36.4.6", signer="stranger")
    _tamper(torn)
    bundles = [torn, stranger, box.bundle("36.5.0"), box.bundle("36.6.0", comes_up=False)]
    box.store(bundles)
    orders = [("install", f"/mnt/{bundle.name}") for bundle in bundles]
    said = {"refused and written": box.life(*orders[:3]), "tried": box.life(orders[3])}
    for number in range(TRIES_MAX):
        said[f"fell back {number + 1}"] = box.life()
    return said


def _tamper(bundle: Path) -> None:
    """One bit of what is to be written; the signature covers it only through dm-verity."""
    body = bytearray(bundle.read_bytes())
    body[len(body) // 2] ^= 1
    bundle.write_bytes(body)


def main() -> int:
    """The command: the story as one line of JSON."""
    if reason := missing():
        print(reason, file=sys.stderr)
        return 2
    mounts.apart()
    with tempfile.TemporaryDirectory(prefix="vitrine-power-", dir="/var/tmp") as work:
        print(json.dumps(story(Path(work))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
