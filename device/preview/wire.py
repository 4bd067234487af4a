"""The stream from the player to the preview and on to the browser: small framed packets.

A packet is 1 byte kind, 8 bytes big-endian float64 (seconds of the sound timeline), then the
payload. On the Unix stream socket 4 bytes of length go before it; on the WebSocket one packet
is one binary message. Kinds: J picture (JPEG), P sound (s16le mono at 48 kHz), S no player.
A watcher begins with two bytes: pictures a second, and SOUNDS for sound plus WORDS for pictures
with the visitors' words in them, which may not leave the box (by default all of it).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path

from device.paths import Places
from ota.errors import Broken, Refused

PICTURE, SOUND, SAFE = b"J", b"P", b"S"
SOUNDS, WORDS = 1, 2
FULL, PICTURES_ONLY = bytes((25, SOUNDS | WORDS)), bytes((6, 0))
WISH_BYTES = 2
PACKET_BYTES_MAX = 1 << 20
_HEAD = struct.Struct(">cd")
_LENGTH = struct.Struct(">I")


def socket_path(places: Places) -> Path:
    """Where the player offers its picture and sound."""
    return places.run / "preview.sock"


def listening(path: Path, waiting_max: int) -> socket.socket:
    """A stream socket at `path`, taken over from a process that is gone. Raises Broken."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        found.bind(str(path))
        found.listen(waiting_max)
    except OSError as error:
        found.close()
        raise Broken(f"The socket {path} cannot be opened ({error}).") from error
    return found


def hang_up(listener: socket.socket, path: Path) -> None:
    """End a listening socket, whoever waits at it, and leave nothing behind."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    path.unlink(missing_ok=True)


def packet(kind: bytes, at_s: float, payload: bytes = b"") -> bytes:
    """One packet."""
    return _HEAD.pack(kind, at_s) + payload


def framed(data: bytes) -> bytes:
    """A packet as it goes over the stream socket."""
    return _LENGTH.pack(len(data)) + data


def read_packet(stream: socket.socket) -> bytes | None:
    """The next packet; None at the end. Raises Refused for an impossible length, OSError."""
    head = _exactly(stream, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if not _HEAD.size <= length <= PACKET_BYTES_MAX:
        raise Refused(f"A preview packet of {length} bytes is not one of ours.")
    return _exactly(stream, length)


def _exactly(stream: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        got = stream.recv(min(65536, count - len(parts)))
        if not got:
            return None
        parts += got
    return bytes(parts)
