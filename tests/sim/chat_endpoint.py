"""An OpenAI-compatible endpoint on loopback that behaves, or misbehaves, as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Endpoint(ThreadingHTTPServer):
    """`says` is its reply; `manner` how it gives it; `asked` holds the bodies it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says, self.manner = "", "well"
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.leave = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append({"path": self.path, **json.loads(body)})
        self.server.keys.append(self.headers.get("Authorization"))
        manner = self.server.manner
        if manner == "hangs":
            self.server.leave.wait(10)
            return
        found = json.dumps({"choices": [{"message": {"content": self.server.says}}]}).encode()
        data = {"garbage": b"\xff\xfe not JSON", "wrong": b'{"choices": {"text": 1}}',
                "empty": b'{"choices": []}', "huge": b" " * (1 << 20) + found}.get(manner, found)
        self.send_response({"500": 500, "moved": 302}.get(manner, 200))
        if manner == "moved":
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            if manner == "drips":
                for at in range(len(data)):
                    self.wfile.write(data[at : at + 1])
                    self.wfile.flush()
                    if self.server.leave.wait(0.1):
                        return
            self.wfile.write(data)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def chat_endpoint() -> Iterator[Endpoint]:
    """Running, and gone at the end."""
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.leave.set()
        server.shutdown()
        server.server_close()
