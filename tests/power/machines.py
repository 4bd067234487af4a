"""Whole machines for level 3: QEMU boots a Debian kernel, and can be killed like a plug is pulled.

A guest is emulated: one core, no network, a read-only root (`guest_root.py`) and disks of its own.
It talks by lines on its serial port that begin with `@@`, and waits for one line of JSON from us.

An emulated start takes most of a cut's time, so a board may remember its guest as it stands when it
first waits (`remember`): kernel up, our modules loaded, nothing of its disks read. A life that
begins there differs from a cold start in nothing that a disk can notice.
"""

from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ota.clock import sleep_s
from tests.power.guest_root import interpreter, python_path
from tests.power.initramfs import BUSYBOX, initramfs

QEMU = "qemu-system-x86_64"
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
LIFE_S, REMEMBER_S = 1200.0, 300.0
MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "squashfs")
# A guest that waits for its turn must not judge its clocks by each other.
QUIET = ("console=ttyS0 quiet mitigations=off no_timer_check tsc=unstable clocksource=hpet "
         "random.trust_cpu=on panic=-1")
XZ = b"\xfd7zXZ"
LINE = re.compile(rb"@@([^\r\n]*)")
INIT = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc p /proc; $B mount -t sysfs s /sys; $B mount -t devtmpfs d /dev
for m in $($B cat /modules/order); do $B insmod /modules/$m; done
i=0; while [ ! -b /dev/vdb ] && [ $i -lt 100 ]; do $B sleep 0.1; i=$((i+1)); done
$B mount -t squashfs -o ro /dev/vda /host
$B mount -t devtmpfs d /host/dev; $B mount -t proc p /host/proc
$B mount -t sysfs s /host/sys; $B mount -t tmpfs t /host/run
$B stty -F /dev/ttyS0 -echo
"""


@dataclass(frozen=True)
class Kernel:
    """A kernel, and the folder of its modules."""

    image: Path
    modules: Path


def find_kernel() -> Kernel | None:
    """The newest below `VITRINE_KERNEL`, the prefix of unpacked packages, or `/`."""
    for name in ("VITRINE_KERNEL", "VITRINE_PREFIX"):
        if (given := os.environ.get(name)) and (found := _below(Path(given))):
            return found
    return _below(Path("/"))


def _below(root: Path) -> Kernel | None:
    for image in sorted(root.glob("boot/vmlinuz-*"), reverse=True):
        version = image.name.removeprefix("vmlinuz-")
        for modules in (root / "lib/modules" / version, root / "usr/lib/modules" / version):
            if modules.is_dir():
                return Kernel(image, modules)
    return None


def unpacked(image: bytes) -> bytes:
    """The kernel within a bzImage (Documentation/arch/x86/boot.rst): QEMU starts it as it is,
    which saves an emulated processor half a minute. Others than xz stay packed."""
    sectors, (offset, length) = image[0x1F1], struct.unpack_from("<II", image, 0x248)
    begin = (sectors + 1) * 512 + offset
    packed = image[begin : begin + length]
    return lzma.LZMADecompressor().decompress(packed) if packed.startswith(XZ) else image


def missing() -> str | None:
    """Why no machine can be started here, or None."""
    for program, package in ((QEMU, "qemu-system-x86"), ("mksquashfs", "squashfs-tools")):
        if shutil.which(program) is None:
            return f"there is no {program} (package {package})"
    if not BUSYBOX.exists():
        return f"there is no {BUSYBOX} (package busybox-static)"
    if find_kernel() is None:
        return ("there is no Debian kernel here; `apt-get download` one of linux-image-amd64, "
                "unpack it with `dpkg-deb -x` and name the folder in VITRINE_KERNEL")
    return None


def python_words(module: str) -> str:
    """A line of shell for `/init`: our module, by the guest's Python."""
    return ("$B chroot /host /bin/busybox env -i PATH=/usr/bin:/bin:/sbin:/usr/sbin "
            f"TMPDIR=/run PYTHONPATH={python_path()} {interpreter()} -B -X utf8 -m {module}\n")


class Board:
    """What all lives of one machine share: kernel, first file system, root."""

    def __init__(
        self, work: Path, root: Path, init: str, modules: tuple[str, ...] = MODULES
    ) -> None:
        kernel = find_kernel()
        assert kernel is not None
        self._root, self._work = root, work
        self._image, self._initrd, self._memory = (
            work / name for name in ("kernel", "initrd", "memory"))
        self._image.write_bytes(unpacked(kernel.image.read_bytes()))
        self._initrd.write_bytes(initramfs(kernel.modules, modules, INIT + init))

    def switch_on(self, disks: Sequence[Path], words: str = "", cold: bool = True) -> Machine:
        """One life; `words` go to the kernel's command line."""
        command = [
            *DIES_WITH_US, QEMU, "-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "320",
            "-nographic", "-net", "none", "-no-reboot", "-kernel", str(self._image), "-initrd",
            str(self._initrd), "-append", f"{QUIET} {words}".rstrip(), "-monitor", "none",
            "-qmp", f"unix:{self._work}/qmp,server=on,wait=off",
            "-drive", f"file={self._root},format=raw,if=virtio,readonly=on",
        ]  # fmt: skip
        for disk in disks:
            # The guest sees a drive with a cache that it must flush.
            command += ["-drive", f"file={disk},format=raw,if=virtio,cache=writeback"]
        if not cold:
            command += ["-incoming", f"exec:cat {self._memory}"]
        return Machine(command)

    def remember(self, machine: Machine) -> None:
        """Keep the guest's memory as it stands, waiting for its line; its life ends here."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(REMEMBER_S)
            monitor.connect(f"{self._work}/qmp")
            talk = monitor.makefile("rw")
            _ask(talk, "qmp_capabilities")
            _ask(talk, "migrate", uri=f"exec:cat >{self._memory}")
            while (told := _ask(talk, "query-migrate"))["status"] != "completed":
                assert told["status"] != "failed", told
                sleep_s(0.1)
        machine.kill()


def _ask(talk, word, **arguments):  # type: ignore[no-untyped-def]
    talk.write(json.dumps({"execute": word, "arguments": arguments}) + "\n")
    talk.flush()
    while "return" not in (told := json.loads(talk.readline())):
        assert "error" not in told, told
    return told["return"]


class Machine:
    """One life of a guest; `lines` are what it said."""

    def __init__(self, command: Sequence[str]) -> None:
        self.lines: list[str] = []
        self.console: deque[bytes] = deque(maxlen=60)
        self._said = threading.Condition()
        self._over = False
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self, given: Mapping[str, object]) -> bool:
        """Give it the line that it waits for; False: it never asked."""
        if not self.heard("READY"):
            return False
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(given).encode() + b"\n")
        self._process.stdin.flush()
        return True

    def heard(self, *words: str, limit_s: float = LIFE_S) -> bool:
        """Wait until it says a line that begins with one of `words`; False: it ended, or never did.
        """
        def said() -> bool:
            return any(line.startswith(words) for line in self.lines)

        with self._said:
            self._said.wait_for(lambda: said() or self._over, limit_s)
            return said()

    def kill(self) -> None:
        """Pull the plug; nothing runs any more when this returns."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            self.console.append(raw)
            if found := LINE.search(raw):
                with self._said:
                    self.lines.append(found[1].decode(errors="replace"))
                    self._said.notify_all()
        with self._said:
            self._over = True
            self._said.notify_all()
