"""`python logged_disk.py FUSE_FD BASE LOG`: a disk in a FUSE file that logs what reaches it.

Serves two files on an open /dev/fuse: `disk`, which begins as BASE, and `mark`, whose writes are
notes between those of the disk. One thread, so that the log has one order. The kernel's FUSE
protocol 7.31 (include/uapi/linux/fuse.h) is spoken here without a library, because a dozen of its
messages are all that a loop device needs.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

ROOT, DISK, MARK = 1, 2, 3
NAMES = {b"disk\0": DISK, b"mark\0": MARK}
IN_HEADER, OUT_HEADER = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
# Of fuse_read_in and fuse_write_in: fh, offset, size.
SPAN = struct.Struct("<QQI")
SPAN_BYTES = 40
LOG_HEADER = struct.Struct("<cQI")
WRITE_BYTES_MAX = 1 << 20
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC = (
    1, 2, 3, 4, 14, 15, 16, 17, 18, 20)  # fmt: skip
FLUSH, INIT, INTERRUPT, DESTROY, BATCH_FORGET = 25, 26, 36, 38, 42
BIG_WRITES, MAX_PAGES, DIRECT_IO = 1 << 5, 1 << 22, 1 << 0
SILENT = (FORGET, BATCH_FORGET, INTERRUPT)


class LoggedDisk:
    """The disk's bytes, and the log: `W offset length bytes`, `F` for a flush, `M` for a note."""

    def __init__(self, base: bytes, log_path: str) -> None:
        self.body = bytearray(base)
        self._log = open(log_path, "wb", buffering=1 << 20)  # noqa: PTH123, SIM115

    def answer(self, opcode: int, node: int, body: memoryview) -> bytes | int:
        """The reply to one request: its bytes, or a negative errno."""
        if opcode == INIT:
            return self._greeting(body)
        if opcode == LOOKUP:
            found = NAMES.get(bytes(body))
            return -errno.ENOENT if found is None else self._entry(found)
        if opcode in (GETATTR, SETATTR):
            return struct.pack("<QII", 3600, 0, 0) + self._attributes(node)
        if opcode == OPEN:
            return struct.pack("<QII", node, DIRECT_IO if node == MARK else 0, 0)
        if opcode == READ:
            _, offset, size = SPAN.unpack_from(body)
            return bytes(self.body[offset : offset + size])
        if opcode == WRITE:
            return self._write(node, body)
        if opcode == FSYNC:
            self._note(b"F", 0, b"")
            return b""
        return b"" if opcode in (RELEASE, FLUSH, DESTROY) else -errno.ENOSYS

    def close(self) -> None:
        """What was logged is in the file."""
        self._log.close()

    def _write(self, node: int, body: memoryview) -> bytes:
        _, offset, size = SPAN.unpack_from(body)
        data = bytes(body[SPAN_BYTES : SPAN_BYTES + size])
        if node == DISK:
            self.body[offset : offset + size] = data
        self._note(b"W" if node == DISK else b"M", offset, data)
        return struct.pack("<II", size, 0)

    def _note(self, kind: bytes, offset: int, data: bytes) -> None:
        self._log.write(LOG_HEADER.pack(kind, offset, len(data)) + data)

    def _greeting(self, body: memoryview) -> bytes:
        readahead = struct.unpack_from("<III", body)[2]
        flags = BIG_WRITES | MAX_PAGES
        pages = WRITE_BYTES_MAX // 4096
        head = (7, 31, readahead, flags, 12, 8, WRITE_BYTES_MAX, 1, pages, 0, 0)
        return struct.pack("<IIIIHHIIHHI", *head) + bytes(28)

    def _entry(self, node: int) -> bytes:
        return struct.pack("<QQQQII", node, 0, 3600, 3600, 0, 0) + self._attributes(node)

    def _attributes(self, node: int) -> bytes:
        mode = 0o40755 if node == ROOT else 0o100600
        size = len(self.body) if node == DISK else 0
        times = (0, 0, 0, 0, 0, 0)
        return struct.pack("<QQQ", node, size, size // 512) + struct.pack(
            "<QQQIIIIIIIIII", *times, mode, 1, 0, 0, 0, 4096, 0)


def serve(fuse: int, disk: LoggedDisk) -> None:
    """Answer until the file system is unmounted."""
    buffer = bytearray(WRITE_BYTES_MAX + 65536)
    while True:
        try:
            got = os.readv(fuse, [buffer])
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                continue
            raise
        _, opcode, unique, node, *_ = IN_HEADER.unpack_from(buffer)
        if opcode in SILENT:
            continue
        reply = disk.answer(opcode, node, memoryview(buffer)[IN_HEADER.size : got])
        data = reply if isinstance(reply, bytes) else b""
        status = 0 if isinstance(reply, bytes) else reply
        try:
            os.writev(fuse, [OUT_HEADER.pack(OUT_HEADER.size + len(data), status, unique), data])
        except FileNotFoundError:
            continue  # nobody waits for this answer any more


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as base:  # noqa: PTH123
        served = LoggedDisk(base.read(), sys.argv[3])
    try:
        serve(int(sys.argv[1]), served)
    finally:
        served.close()
