"""Boot control of a Jetson: `nvbootctrl` and the UEFI variables of its root file systems.

Three starts that nobody confirmed make a root file system unbootable for good
(`RootfsStatusSlotA/B` = 0xFF), and since L4T 35.2.1 `nvbootctrl` has no word that undoes it
(NVIDIA/edk2-nvidia#22); the variable itself has. Values: edk2-nvidia, NVIDIAConfiguration.h.
Written by the vendor's description; not yet run on a board (hw-tests/test_system.py).
"""

from __future__ import annotations

import array
import fcntl
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ota.errors import Broken, Refused
from ota.files import read_bounded
from ota.system.boot import SYSTEMS

EFIVARS = Path("/sys/firmware/efi/efivars")
GUID = "781e084c-a330-417c-b678-38e696380cb9"
# Non-volatile, seen by boot services and by the running system.
ATTRIBUTES = bytes((7, 0, 0, 0))
NORMAL, UNBOOTABLE = 0x00, 0xFF
VARIABLE_BYTES_MAX = 64
ANSWER_S = 10.0
ACTIVE = re.compile(r"^Active rootfs slot:\s*([AB])\s*$", re.MULTILINE)
# ioctl_iflags(2): efivarfs guards its files against a careless rm.
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x40086602, 0x10

Run = Callable[[Sequence[str]], str]


def nvbootctrl(arguments: Sequence[str]) -> str:
    """What `nvbootctrl -t rootfs` answers. Raises Broken when it does not."""
    command = ("nvbootctrl", "-t", "rootfs", *arguments)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Broken(f"nvbootctrl does not answer ({error}); is this a Jetson?") from error
    if done.returncode != 0:
        raise Broken(f"`{' '.join(command)}` failed: {done.stderr.strip()[:200]}")
    return done.stdout


class JetsonBoot:
    """`BootControl` over the two vendor interfaces; `run` and `efivars` are passed in."""

    def __init__(self, run: Run = nvbootctrl, efivars: Path = EFIVARS) -> None:
        """Raises Refused where the firmware keeps only one root file system: there, switching
        is accepted and does nothing."""
        self._run, self._efivars = run, efivars
        if self._value("RootfsRedundancyLevel") == 0:
            raise Refused(
                "This Jetson was flashed with one root file system; flash it with ROOTFS_AB=1 so "
                "that its system can be updated.")

    def booted(self) -> str:
        """The system that runs."""
        return self._system(self._run(("get-current-slot",)).strip())

    def primary(self) -> str:
        """The system that the next start tries first."""
        found = ACTIVE.search(self._run(("dump-slots-info",)))
        if found is None:
            raise Broken("nvbootctrl tells no active root file system; update L4T.")
        return found.group(1)

    def set_primary(self, system: str) -> None:
        """Try that one first from now on."""
        self._run(("set-active-boot-slot", str(SYSTEMS.index(system))))

    def is_good(self, system: str) -> bool:
        """False once the firmware has given it up, or was told to."""
        return self._value(f"RootfsStatusSlot{system}") != UNBOOTABLE

    def set_good(self, system: str, good: bool) -> None:
        """Write the variable that the firmware obeys."""
        self._write(f"RootfsStatusSlot{system}", NORMAL if good else UNBOOTABLE)

    def confirm(self) -> None:
        """Give the running system all its tries again."""
        self._run(("verify",))
        self.set_good(self.booted(), True)

    def _system(self, number: str) -> str:
        if number not in ("0", "1"):
            raise Broken(f"nvbootctrl says that slot {number[:20]!r} runs; it knows 0 and 1.")
        return SYSTEMS[int(number)]

    def _variable(self, name: str) -> Path:
        return self._efivars / f"{name}-{GUID}"

    def _value(self, name: str) -> int | None:
        """The first byte after the attributes; None: the firmware never wrote it."""
        try:
            data = read_bounded(self._variable(name), VARIABLE_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Broken(f"The UEFI variable {name} cannot be read ({error}).") from error
        return data[len(ATTRIBUTES)] if len(data) > len(ATTRIBUTES) else None

    def _write(self, name: str, value: int) -> None:
        path = self._variable(name)
        try:
            set_immutable(path, False)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                # One write is one variable; the firmware makes it last.
                os.write(descriptor, ATTRIBUTES + value.to_bytes(4, "little"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            set_immutable(path, True)
        except OSError as error:
            raise Broken(f"The UEFI variable {name} cannot be written ({error}).") from error


def set_immutable(path: Path, wanted: bool) -> None:
    """Guard a variable's file, or let it be written, where the file system has such a flag."""
    with suppress(FileNotFoundError, OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            flags = array.array("L", [0])
            fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, flags)
            flags[0] = flags[0] | FS_IMMUTABLE_FL if wanted else flags[0] & ~FS_IMMUTABLE_FL
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, flags)
        finally:
            os.close(descriptor)
