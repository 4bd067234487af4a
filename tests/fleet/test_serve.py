"""The server's word that it has started: whoever is told can be answered at once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from fleet import serve
from fleet.console.console import Console
from tests.fleet.rig import ToneStudio, free_port


def test_both_listeners_take_callers_when_the_server_says_that_it_has_started(
    tmp_path: Path,
) -> None:
    http, https = free_port(), free_port()
    reached = []

    def started(_console: Console, stop: Callable[[], None]) -> None:
        try:
            for port in (http, https):
                with socket.create_connection(("127.0.0.1", port), timeout=5):
                    reached.append(port)
        finally:
            stop()

    done = serve.run(
        tmp_path / "state",
        http_port=http,
        https_port=https,
        broker_port=free_port(),
        first=tmp_path / "no-programme",
        studio=ToneStudio(),
        started=started,
    )
    assert done == 0 and reached == [http, https]
