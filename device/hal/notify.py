"""systemd's notification protocol (sd_notify(3)): READY, WATCHDOG and STATUS lines."""

from __future__ import annotations

import socket


class Notifier:
    """Notifier(device.paths.notify_socket()): silent where nobody listens."""

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def ready(self) -> bool:
        """The service has finished starting."""
        return self._send("READY=1")

    def alive(self) -> bool:
        """Feed the watchdog; call it only from the work that must not hang."""
        return self._send("WATCHDOG=1")

    def status(self, sentence: str) -> bool:
        """One line for `systemctl status`."""
        return self._send("STATUS=" + sentence.replace("\n", " ")[:200])

    def stopping(self) -> bool:
        """The service begins to stop."""
        return self._send("STOPPING=1")

    def _send(self, text: str) -> bool:
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(text.encode(), self._address)
        except OSError:
            return False
        return True
