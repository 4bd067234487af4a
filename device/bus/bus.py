"""One process's end of the bus: a bound datagram socket and best-effort, bounded sends.

State messages are repeated by their owners, so a reader that starts late or restarts
catches up by itself; a full or missing reader never blocks a sender.
"""

from __future__ import annotations

import errno
import select
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from device import messages as m
from device.bus.topics import BY_MESSAGE
from ota.errors import Broken, Refused

_RECEIVE_BYTES_MAX = 65536
_SOCKET_PATH_BYTES_MAX = 100
_GONE = (errno.ENOENT, errno.ECONNREFUSED)
_FULL = (errno.EAGAIN, errno.ENOBUFS)


class Bus:
    """Bus(run_directory, "player"): publish to the readers of the table, receive one's own.

    `dropped` counts sends that a full reader could not take; `refused` counts datagrams
    that were no valid message.
    """

    def __init__(self, run: Path, name: str, bound: bool = True) -> None:
        """Bind `<run>/<name>.bus`, or with `bound` False only at `bind`: until then nothing is
        received. Raises Broken when the path is too long or not writable."""
        self._run, self._name = run, name
        self.dropped = 0
        self.refused = 0
        self._decoder = msgspec.json.Decoder(m.BusMessage)
        self._encoder = msgspec.json.Encoder()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._inode = 0
        if bound:
            self.bind()

    def bind(self) -> None:
        """Receive from now on, in the place of whoever had this name. Raises Broken."""
        path = self._address(self._name)
        try:
            self._run.mkdir(parents=True, exist_ok=True)
            Path(path).unlink(missing_ok=True)
            self._socket.bind(path)
            self._inode = Path(path).stat().st_ino
        except OSError as error:
            self._socket.close()
            raise Broken(
                f"The message socket {path} cannot be opened: {error.strerror}."
            ) from error

    def publish(self, message: m.Message) -> None:
        """Send to every reader of this message's topic that is there.

        Raises Refused when the table does not let this process say it, or when it is too large.
        """
        topic = BY_MESSAGE[type(message)]
        if self._name not in topic.publishers:
            raise Refused(f"{self._name} may not publish {type(message).__name__}.")
        data = self._encoder.encode(message)
        if len(data) > topic.bytes_max:
            raise Refused(f"A {type(message).__name__} of {len(data)} bytes is over its limit.")
        for reader in topic.readers:
            if reader != self._name:
                self._send(data, reader)

    def receive(self, timeout_s: float = 0.0) -> m.Message | None:
        """The next valid message, or None when none came within `timeout_s`."""
        try:
            ready, _, _ = select.select([self._socket], [], [], max(0.0, timeout_s))
            if not ready:
                return None
            message: m.Message = self._decoder.decode(self._socket.recv(_RECEIVE_BYTES_MAX))
            return message
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.refused += 1
            return None
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Leave the bus; others' sends to this name are dropped from now on."""
        self._socket.close()
        path = Path(self._address(self._name))
        # Another process may have this name by now: its socket is not ours to take away.
        with suppress(OSError):
            if path.stat().st_ino == self._inode:
                path.unlink()

    def __enter__(self) -> Bus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, data: bytes, reader: str) -> None:
        try:
            self._socket.sendto(data, self._address(reader))
        except OSError as error:
            if error.errno in _FULL:
                self.dropped += 1
            elif error.errno not in _GONE:
                raise

    def _address(self, name: str) -> str:
        path = str(self._run / f"{name}.bus")
        if len(path.encode()) > _SOCKET_PATH_BYTES_MAX:
            raise Broken(f"{path} is too long for a socket; choose a shorter VITRINE_ROOT.")
        return path
