"""`vitrine device preview`: one page on loopback with the kiosk's picture and sound.

Connects to the player only while a browser watches (threads, no asyncio).
"""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import threading
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from device.paths import Places
from device.preview.websocket import (
    ConnectionClosed,
    Headers,
    Request,
    Response,
    Server,
    ServerConnection,
    serve,
)
from device.preview.wire import FULL, SAFE, packet, read_packet, socket_path
from ota.errors import Refused
from ota.files import read_bounded

DEFAULT_PORT = 8090
WATCHERS_MAX = 8
PACKETS_WAITING_MAX = 128
RETRY_S = 0.3
SILENCE_S_MAX = 3.0
PAGE = Path(__file__).resolve().parent / "page.html"
PAGE_BYTES_MAX = 256 << 10
PICTURE_BYTES_MAX = 8 << 20
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_ORIGINS = ("127.0.0.1", "localhost", "::1")
_POLICY = "frame-ancestors 'self' http://127.0.0.1:* http://localhost:*"

Mail = queue.Queue[bytes | None]


class Preview:
    """The server; `serve_forever` blocks, `close` ends it from any thread."""

    def __init__(self, places: Places, port: int = DEFAULT_PORT) -> None:
        """Binds 127.0.0.1:port (0 = any free one). Raises Refused when it is taken."""
        self._places = places
        self._watchers: set[Mail] = set()
        self._lock = threading.Lock()
        self._somebody = threading.Event()
        self._stop = threading.Event()
        self._page = read_bounded(PAGE, PAGE_BYTES_MAX)
        try:
            self._server: Server = serve(
                self._watch, "127.0.0.1", port, process_request=self._http, compression=None,
                max_size=4096, open_timeout=5, close_timeout=1)
        except OSError as error:
            raise Refused(
                f"Port {port} of the preview is taken ({error.strerror}); choose another --port."
            ) from error
        self.port: int = self._server.socket.getsockname()[1]
        self._relay = threading.Thread(target=self._relay_forever, name="relay", daemon=True)

    def serve_forever(self) -> None:
        """Answer until `close`."""
        self._relay.start()
        self._server.serve_forever()

    def close(self) -> None:
        """Stop answering; safe to call twice and from a signal."""
        self._stop.set()
        self._somebody.set()
        with self._lock:
            for mail in self._watchers:
                _drop_in(mail, None)
        self._server.shutdown()

    def _http(self, connection: ServerConnection, request: Request) -> Response | None:
        host = request.headers.get("Host", "").rsplit(":", 1)[0]
        origin = request.headers.get("Origin", "http://127.0.0.1")
        if host not in _LOCAL or (urlsplit(origin).hostname or "") not in _ORIGINS:
            return _answer(HTTPStatus.FORBIDDEN, "text/plain", b"only from this machine\n")
        if request.path == "/stream":
            return None
        if request.path == "/":
            return _answer(HTTPStatus.OK, "text/html; charset=utf-8", self._page)
        if request.path.startswith("/safe.jpg"):
            return _answer(HTTPStatus.OK, "image/jpeg", safe_jpeg(self._places))
        if request.path == "/favicon.ico":
            return _answer(HTTPStatus.NO_CONTENT, "image/x-icon", b"")
        return _answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    def _watch(self, connection: ServerConnection) -> None:
        """One browser: its mail goes out as it comes; a slow one loses packets, not the others."""
        mail: Mail = queue.Queue(PACKETS_WAITING_MAX)
        with self._lock:
            if len(self._watchers) >= WATCHERS_MAX:
                return
            self._watchers.add(mail)
            self._somebody.set()
        try:
            while (data := mail.get()) is not None:
                connection.send(data)
        except (ConnectionClosed, OSError):
            return
        finally:
            with self._lock:
                self._watchers.discard(mail)
                if not self._watchers and not self._stop.is_set():
                    self._somebody.clear()

    def _relay_forever(self) -> None:
        while not self._stop.is_set():
            self._somebody.wait()
            if self._stop.is_set():
                return
            with contextlib.suppress(OSError, Refused):
                self._relay_once()
            self._everybody(packet(SAFE, 0.0))
            self._stop.wait(RETRY_S)

    def _relay_once(self) -> None:
        """From the player to all browsers until it ends or nobody watches."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as player:
            player.settimeout(SILENCE_S_MAX)
            player.connect(str(socket_path(self._places)))
            player.sendall(FULL)
            while self._somebody.is_set() and not self._stop.is_set():
                data = read_packet(player)
                if data is None:
                    return
                self._everybody(data)

    def _everybody(self, data: bytes) -> None:
        with self._lock:
            for mail in self._watchers:
                _drop_in(mail, data)


def safe_jpeg(places: Places) -> bytes:
    """The last good frame, or the brand picture on a box that has never played."""
    # 38 MB of imaging, needed only while somebody watches and no player presents.
    from device.render.cards import Look, brand_picture
    from device.render.pixels import jpeg_bytes
    from device.stage.keeper import last_picture_path

    try:
        return read_bounded(last_picture_path(places), PICTURE_BYTES_MAX)
    except (OSError, Refused):
        words = ("Vitrine", "马上就来 / Back in a moment")
        return jpeg_bytes(brand_picture(*words, 540, 960, Look(k=0.5)), 88)


def run(places: Places, port: int = DEFAULT_PORT) -> int:
    """Serve until SIGTERM or SIGINT. Exit code."""
    preview = Preview(places, port)

    def stop(number: int, frame: object) -> None:
        threading.Thread(target=preview.close, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    preview.serve_forever()
    return 0


def _drop_in(mail: Mail, data: bytes | None) -> None:
    """Newest first: a full box loses its oldest packet."""
    while True:
        try:
            mail.put_nowait(data)
            return
        except queue.Full:
            with contextlib.suppress(queue.Empty):
                mail.get_nowait()


def _answer(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers()
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Cache-Control"] = "no-store"
    headers["Content-Security-Policy"] = _POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
