"""Gives content to other boxes of the chain, over mTLS: by hash, and nothing else.

    POST /have            body: sha256s, 32 bytes each; answer: a byte each (device.sharing.shelf)
    GET /content/<hash>   with a range: as many of these bytes as are here, 404 without any
"""

from __future__ import annotations

import http.server
import re
import ssl
import threading
from typing import Any

from device.sharing.shelf import Shelf

CONNECTIONS_MAX = 8
SILENCE_S = 20.0
BLOCK_BYTES = 64 << 10
HASH_BYTES = 32
HASHES_MAX = 10_000
CONTENT = re.compile(r"/content/([0-9a-f]{64})")
RANGE = re.compile(r"bytes=(\d{1,12})-(\d{1,12})")


class Listener:
    """A server of daemon threads; at most CONNECTIONS_MAX boxes are served at a time."""

    def __init__(self, shelf: Shelf, tls: ssl.SSLContext, host: str, port: int = 0) -> None:
        self._server = _Server(shelf, tls, (host, port))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="sharing", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more questions."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)

    @property
    def given_bytes(self) -> int:
        """What others got from here."""
        return self._server.given_bytes


def listener_tls(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Only boxes with a certificate of the chain may ask. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cafile=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, shelf: Shelf, tls: ssl.SSLContext, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.shelf, self.tls = shelf, tls
        self.places = threading.Semaphore(CONNECTIONS_MAX)
        self.given_bytes = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        """One more thread, unless too many are at work."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake is the thread's own work: a silent stranger holds up nobody else."""
        try:
            request.settimeout(SILENCE_S)
            secure = self.tls.wrap_socket(request, server_side=True)
            super().process_request_thread(secure, client_address)
        except OSError:
            self.shutdown_request(request)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that broke is the asking box's matter."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SILENCE_S
    server: _Server

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        """Which of these contents are here?"""
        length = self.headers.get("Content-Length", "")
        whole = int(length) if length.isdecimal() and len(length) < 9 else -1
        if self.path != "/have" or not 0 <= whole <= HASHES_MAX * HASH_BYTES or whole % HASH_BYTES:
            self.close_connection = True
            self._answer(400)
            return
        body = self.rfile.read(whole)
        shelf = self.server.shelf
        names = (body[at : at + HASH_BYTES].hex() for at in range(0, len(body), HASH_BYTES))
        self._answer(200, bytes(shelf.state(name) for name in names))

    def do_GET(self) -> None:
        """Some bytes of one content."""
        content = CONTENT.fullmatch(self.path)
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        place = self.server.shelf.place(content[1]) if content else None
        if place is None or asked is None:
            self._answer(404)
            return
        path, good_bytes = place
        begin, end = int(asked[1]), min(int(asked[2]) + 1, good_bytes)
        if begin >= end:
            self._answer(404)
            return
        try:
            source = path.open("rb")
        except OSError:  # it got its name in this very moment
            self._answer(404)
            return
        with source:
            source.seek(begin)
            self.send_response(206)
            self.send_header("Content-Length", str(end - begin))
            self.end_headers()
            while begin < end and (block := source.read(min(BLOCK_BYTES, end - begin))):
                self.wfile.write(block)
                begin += len(block)
                self.server.given_bytes += len(block)
        # A file that got shorter: the other side notices a broken line.
        self.close_connection = self.close_connection or begin < end

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def interface_for(server: str) -> str:
    """The address to share at: the loopback when even the chain's server is this machine.

    By the name alone: a box that starts without a network must not wait for a name server.
    """
    is_here = server == "localhost" or server.startswith("127.")
    return "127.0.0.1" if is_here else "0.0.0.0"
