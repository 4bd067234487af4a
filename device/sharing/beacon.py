"""Tells the shop's network that a box is here, by UDP multicast; hears the others.

Nothing in a beacon is believed: it is a hint whom to dial. Who answers there proves itself by TLS.
"""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
from collections.abc import Callable

import msgspec

from ota.clock import Deadline

GROUP, PORT = "239.255.86.73", 8673
EVERY_S = 10.0
# A newcomer is answered soon, but not by all at the same instant.
ANSWER_MAX_S = 0.15
LOOK_S = 0.5
DATAGRAM_BYTES_MAX = 512
HEARD_MAX = 32
Heard = Callable[[str, int, str], None]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """One beacon."""

    chain: str
    box: str
    port: int
    v: int = 1


class Beacon:
    """One thread; `heard(host, port, box)` is called on it for each beacon of another box."""

    def __init__(self, hello: Hello, heard: Heard, interface: str = "0.0.0.0") -> None:
        self._hello, self._heard, self._interface = hello, heard, interface
        self._leaving = threading.Event()
        self._known: dict[tuple[str, int], str] = {}
        self._thread = threading.Thread(target=self._run, name="beacon", daemon=True)

    def start(self) -> None:
        """Begin to speak and to listen; a network may come later."""
        self._thread.start()

    def stop(self) -> None:
        """End within half a second."""
        self._leaving.set()
        self._thread.join(LOOK_S * 3)

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                with _open(self._interface) as line:
                    self._talk(line)
            except OSError:
                # No network yet, or it went away: try again at the beacon's own pace.
                self._leaving.wait(EVERY_S)

    def _talk(self, line: socket.socket) -> None:
        due = Deadline(0.0)
        while not self._leaving.is_set():
            if due.passed:
                line.sendto(msgspec.json.encode(self._hello), (GROUP, PORT))
                due = Deadline(EVERY_S * random.uniform(0.8, 1.2))
            if not select.select([line], [], [], min(due.left_s, LOOK_S))[0]:
                continue
            data, sender = line.recvfrom(DATAGRAM_BYTES_MAX)
            if self._hear(data, str(sender[0])):
                due = Deadline(random.uniform(0.0, ANSWER_MAX_S))

    def _hear(self, data: bytes, host: str) -> bool:
        """True when the sender is a newcomer."""
        hello = read_hello(data)
        if hello is None or hello.chain != self._hello.chain or hello.box == self._hello.box:
            return False
        place = (host, hello.port)
        is_new = self._known.get(place) != hello.box
        if is_new and len(self._known) >= HEARD_MAX:
            self._known.clear()
        self._known[place] = hello.box
        self._heard(host, hello.port, hello.box)
        return is_new


def read_hello(data: bytes) -> Hello | None:
    """A beacon of a kind that we know, or None."""
    try:
        hello = msgspec.json.decode(data, type=Hello)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return hello if hello.v == 1 and 0 < hello.port < 65536 else None


def _open(interface: str) -> socket.socket:
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((GROUP, PORT))
        here = socket.inet_aton(interface)
        joined = struct.pack("4s4s", socket.inet_aton(GROUP), here)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        line.setblocking(False)
    except OSError:
        line.close()
        raise
    return line
