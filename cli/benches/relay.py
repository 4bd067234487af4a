"""A line between box and server that counts what goes over it, is slow, and is cut."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType

from ota.clock import Deadline, monotonic_s, sleep_s

BLOCK_BYTES = 16 << 10
ACCEPT_S = 0.2
# Closing with this sends a reset: what was on its way is lost, as on a line that breaks.
RESET = struct.pack("ii", 1, 0)


class Relay:
    """with Relay(port) as line: `line.port` leads to `port` of the loopback.

    `bytes_per_s` slows what comes down; every `cut_every_s` all connections are reset.
    """

    def __init__(self, port: int, bytes_per_s: float | None = None,
                 cut_every_s: float | None = None) -> None:
        self._to = port
        self._bytes_per_s, self._cut_every_s = bytes_per_s, cut_every_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(ACCEPT_S)
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self.up_bytes = self.down_bytes = self.connections = self.cuts = 0

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        if self._cut_every_s is not None:
            threading.Thread(target=self._cut, args=(self._cut_every_s,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._listener.close()
        self._reset_all()

    @property
    def wire_bytes(self) -> int:
        """Both ways, TLS and headers with it."""
        return self.up_bytes + self.down_bytes

    def _accept(self) -> None:
        while not self._leaving.is_set():
            try:
                box, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to), timeout=10)
            except TimeoutError:
                continue
            except OSError:
                return
            box.settimeout(None)
            server.settimeout(None)
            with self._lock:
                self._open += [box, server]
                self.connections += 1
            for work in ((box, server, False), (server, box, True)):
                threading.Thread(target=self._pump, args=work, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, down: bool) -> None:
        begun_s, passed_bytes = monotonic_s(), 0
        try:
            while block := source.recv(BLOCK_BYTES):
                sink.sendall(block)
                passed_bytes += len(block)
                with self._lock:
                    self.down_bytes += len(block) if down else 0
                    self.up_bytes += 0 if down else len(block)
                if down and self._bytes_per_s:
                    sleep_s(begun_s + passed_bytes / self._bytes_per_s - monotonic_s())
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _cut(self, every_s: float) -> None:
        pause = Deadline(every_s)
        while not self._leaving.wait(0.02):
            if pause.passed:
                pause = Deadline(every_s)
                self.cuts += self._reset_all() > 0

    def _reset_all(self) -> int:
        with self._lock:
            found, self._open = self._open, []
        for end in found:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RDWR)
                end.close()
            except OSError:
                continue
        return len(found)
