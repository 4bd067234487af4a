"""A real HTTP server over a folder, with ranges and with the faults of a bad line or a thief."""

from __future__ import annotations

import functools
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Origin:
    """What the server hands out and how badly; tests change it while it runs."""

    directory: Path
    port: int = 0
    cut_after_bytes: int | None = None
    ranges: bool = True
    forced_status: int | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    sent_bytes: int = 0
    connections: int = 0
    hangs_up: bool = False
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, origin: Origin, *rest: object) -> None:
        self.origin = origin
        origin.connections += 1
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        origin = self.origin
        asked = self.headers.get("Range")
        origin.requests.append((self.path, asked))
        path = origin.directory / self.path.lstrip("/")
        if origin.forced_status or not path.is_file():
            self.send_response(origin.forced_status or 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = path.read_bytes()
        start, end = 0, len(body)
        if asked and origin.ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) + 1 if last else end
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
        else:
            self.send_response(200)
        rest = body[start:end]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut = origin.cut_after_bytes
        if cut is not None and len(rest) > cut:
            rest = rest[:cut]
            self.close_connection = True
        # As after an idle while: without a word before.
        self.close_connection = self.close_connection or origin.hangs_up
        self.wfile.write(rest)
        origin.sent_bytes += len(rest)


@contextmanager
def serve(directory: Path, tls: ssl.SSLContext | None = None) -> Iterator[Origin]:
    """Serve `directory` on a free port of the loopback."""
    origin = Origin(directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, origin))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # cut lines are meant
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        origin.scheme = "https"
    origin.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
