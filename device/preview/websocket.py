"""The only importer of websockets on the box: a server for the preview, a client for the relay."""

from __future__ import annotations

import ssl

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

OPEN_S, CLOSE_S = 5.0, 1.0
MESSAGE_BYTES_MAX = 64 << 10
# What a connection may end with, or not begin for.
LINE_ERRORS: tuple[type[Exception], ...] = (
    ConnectionClosed, InvalidHandshake, InvalidURI, OSError, TimeoutError)

__all__ = [
    "LINE_ERRORS", "ClientConnection", "ConnectionClosed", "Headers", "Request", "Response",
    "Server", "ServerConnection", "dial", "serve",
]


def dial(url: str, tls: ssl.SSLContext) -> ClientConnection:
    """A WebSocket to our own server, past all proxies. Raises one of LINE_ERRORS."""
    return connect(url, ssl=tls, open_timeout=OPEN_S, close_timeout=CLOSE_S, compression=None,
                   max_size=MESSAGE_BYTES_MAX, proxy=None)
