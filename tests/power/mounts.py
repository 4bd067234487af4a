"""Mounting for the power rig, in a namespace of its own: whatever happens to the process, nothing
stays mounted. Needs root, loop devices and FUSE; `missing()` says what is not there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import struct
from pathlib import Path

from ota.clock import sleep_s

_libc = ctypes.CDLL(None, use_errno=True)
NEW_NAMESPACE, PRIVATE = 0x00020000, 0x4000 | 0x40000
NO_ATIME = 1024
LOOP_FREE, LOOP_CONFIGURE, LOOP_CLEAR, FLUSH_CACHE = 0x4C82, 0x4C0A, 0x4C01, 0x1261
AUTO_CLEAR = 4
TRIES = 50


def missing() -> str | None:
    """Why states of a disk cannot be mounted here, or None."""
    if os.geteuid() != 0:
        return "mounting needs root"
    for path in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(path, os.R_OK | os.W_OK):
            return f"there is no {path}"
    if shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin") is None:
        return "there is no mkfs.ext4 (package e2fsprogs)"
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    if "ext4" not in known:
        return "this kernel has no ext4"
    pid = os.fork()
    if pid == 0:
        os._exit(_may_mount())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code == 0 else f"this machine forbids mounting ({os.strerror(code)})"


def _may_mount() -> int:
    try:
        apart()
        mount("none", Path("/mnt"), "tmpfs", "size=64k")
        os.close(attach(Path("/dev/null"), probe=True))
    except OSError as error:
        return error.errno or 1
    return 0


def apart() -> None:
    """From now on this process mounts for itself alone. Raises OSError."""
    _called(_libc.unshare(NEW_NAMESPACE))
    _called(_libc.mount(b"none", b"/", None, ctypes.c_ulong(PRIVATE), None))


def mount(source: str, target: Path, kind: str, options: str = "") -> None:
    """mount(2). Raises OSError."""
    _called(_libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(NO_ATIME),
        options.encode() or None))  # fmt: skip


def unmount(target: Path) -> None:
    """umount(2); waits until what is on its way is written. Raises OSError."""
    _called(_libc.umount2(os.fsencode(target), 0))


def attach(path: Path, probe: bool = False) -> int:
    """A loop device over `path`; returns its open descriptor, which keeps it. Raises OSError.

    With `probe` only a free device is opened, to see that this is allowed.
    """
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(TRIES):
            number = fcntl.ioctl(control, LOOP_FREE)
            device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
            if probe or _configured(device, path):
                return device
            os.close(device)
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no free loop device")


def loop_name(device: int) -> str:
    """`/dev/loop3` of an open loop device."""
    return str(Path(f"/proc/self/fd/{device}").readlink())


def forget_cache(device: int) -> None:
    """The file behind an unmounted loop device was changed: read it anew."""
    fcntl.ioctl(device, FLUSH_CACHE)


def _configured(device: int, path: Path) -> bool:
    """False when somebody else was faster."""
    backing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        info = struct.pack("<QQQQQIIII", 0, 0, 0, 0, 0, 0, 0, 0, AUTO_CLEAR) + bytes(176)
        fcntl.ioctl(device, LOOP_CONFIGURE, struct.pack("<II", backing, 0) + info + bytes(64))
        return True
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    finally:
        os.close(backing)


def _called(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def pause(seconds: float = 0.01) -> None:
    """A moment for the kernel."""
    sleep_s(seconds)
