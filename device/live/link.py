"""The agent's side: dials the server's relay with the box's own certificate, carries packets.

A permission opens one link: with `speak` between the relay and the player's voice socket, and
always, if the player shows something, the preview's pictures to the relay. It ends with its line,
with the player, or after its time.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from device.live.grant import Grants, relay_url
from device.live.wire import BEGIN, VOICE, VOICE_BYTES_MAX, LiveState, socket_path, state_packet
from device.messages import LiveGrant
from device.paths import Places
from device.preview import wire as preview
from device.preview.websocket import LINE_ERRORS, ClientConnection, dial
from device.sync.identity import Identity
from ota.clock import Deadline
from ota.errors import Refused

LINKS_MAX = 4
LINK_S_MAX = 1830.0
PLAYER_S_MAX = 3.0
RECEIVE_S = 0.5
NO_PLAYER = "播放器没有运行 / The player does not run on this box."


class LiveDoor:
    """open() judges an order `live` and dials; from the agent's thread."""

    def __init__(self, places: Places, identity: Identity) -> None:
        self._places, self._identity = places, identity
        box = identity.box
        self._grants = Grants(identity.desired_keys, box.chain, box.box)
        self._links: list[Link] = []

    def open(self, args: dict[str, Any], now: datetime) -> None:
        """Begin what the permission allows. Raises Refused: see Grants; or somebody is at it."""
        grant = self._grants.take(args, now)
        self._links = [each for each in self._links if each.is_alive]
        if grant.speak and any(each.grant.speak for each in self._links):
            raise Refused("Somebody else speaks through this box now.")
        if len(self._links) >= LINKS_MAX:
            raise Refused("Too many people look at this box now; try again in a moment.")
        url = relay_url(self._identity.box.enrol_url, grant.session)
        self._links.append(Link(self._places, grant, url, self._identity.tls()).start())

    def close(self) -> None:
        """End all links."""
        for each in self._links:
            each.close()


class Link:
    """One connection to the relay with its threads."""

    def __init__(self, places: Places, grant: LiveGrant, url: str, tls: ssl.SSLContext) -> None:
        self.grant = grant
        self._places, self._url, self._tls = places, url, tls
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="live", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Does it still carry, or try to?"""
        return self._thread.is_alive()

    def start(self) -> Link:
        """Dial, in a thread of its own."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Hang up soon."""
        self._over.set()

    def _work(self) -> None:
        try:
            relay = dial(self._url, self._tls)
        except LINE_ERRORS:
            return  # the server waits for us in vain and tells the operator
        with relay, contextlib.suppress(*LINE_ERRORS):
            self._start("pictures", self._carry_pictures, relay)
            if self.grant.speak:
                self._carry_voice(relay)
            else:
                self._carry_nothing(relay)
        self._over.set()

    def _start(self, name: str, work: Callable[[Any], None], *what: Any) -> None:
        threading.Thread(target=work, args=what, name=name, daemon=True).start()

    def _carry_voice(self, relay: ClientConnection) -> None:
        try:
            player = _connected(str(socket_path(self._places)))
        except OSError:
            relay.send(state_packet(LiveState(phase="end", why=NO_PLAYER)))
            return
        with player:
            player.sendall(preview.framed(
                preview.packet(BEGIN, 0.0, msgspec.json.encode({"who": self.grant.who}))))
            self._start("state", lambda line: self._carry_state(line, player), relay)
            for data in self._received(relay):
                if data[:1] == VOICE and len(data) <= VOICE_BYTES_MAX:
                    player.sendall(preview.framed(data))

    def _carry_nothing(self, relay: ClientConnection) -> None:
        for _ in self._received(relay):
            continue

    def _received(self, relay: ClientConnection) -> Iterator[bytes]:
        """Binary messages of the relay until the end of it or of the time."""
        limit = Deadline(LINK_S_MAX)
        while not self._over.is_set() and not limit.passed:
            try:
                data = relay.recv(timeout=RECEIVE_S)
            except TimeoutError:
                continue
            if isinstance(data, bytes):
                yield data

    def _carry_state(self, relay: ClientConnection, player: socket.socket) -> None:
        """What the player says of the takeover; its end is ours."""
        with contextlib.suppress(*LINE_ERRORS, Refused):
            while not self._over.is_set() and (data := preview.read_packet(player)) is not None:
                relay.send(data)
        self._over.set()

    def _carry_pictures(self, relay: ClientConnection) -> None:
        """A few pictures a second; the line's own slowness makes them fewer."""
        path = str(preview.socket_path(self._places))
        with contextlib.suppress(*LINE_ERRORS, Refused), _connected(path) as player:
            player.sendall(preview.PICTURES_ONLY)
            while not self._over.is_set() and (data := preview.read_packet(player)) is not None:
                relay.send(data)
        if not self.grant.speak:
            self._over.set()


def _connected(path: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.settimeout(PLAYER_S_MAX)
    try:
        line.connect(path)
    except OSError:
        line.close()
        raise
    return line
