"""The other boxes of the shop: who is there, what they have, and content from them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from device.sharing.beacon import Beacon, Hello
from device.sharing.listener import Listener, listener_tls
from device.sharing.order import is_due, ranked
from device.sharing.peer import FromPeer, NotYet, Peer, PeerFailed, peer_tls
from device.sharing.shelf import GROWING, WHOLE, Shelf
from ota.box.assemble import Seeds, assemble
from ota.box.store import Store
from ota.clock import Deadline, monotonic_s
from ota.errors import Refused
from ota.files import read_bounded
from ota.formats.chunks import Chunk

PEERS_MAX = 16
# After this without a beacon a box is not waited for.
SILENT_S = 35.0
# A box that lied or failed is left alone for so long.
LEFT_ALONE_S = 600.0
FAILED_S = 30.0
# Long enough to have heard everybody answer.
SETTLE_S = 1.5
Place = tuple[str, int]
CA_BYTES_MAX = 64 << 10


@dataclass(frozen=True)
class Credentials:
    """Files (PEM) of a box's identity, and the chain and name in it."""

    chain: str
    box: str
    ca: Path
    certificate: Path
    key: Path


@dataclass
class _Known:
    """A box that was heard."""

    box: str
    heard_s: float
    proven: bool
    until_s: float


@dataclass
class Round:
    """What the neighbours had when they were asked: for each file the boxes, those first in order.
    """

    whole: dict[str, list[str]] = field(default_factory=dict)
    growing: dict[str, list[str]] = field(default_factory=dict)


class Neighbours:
    """Starts with `start`; the rest is called by the one thread that brings content."""

    def __init__(
        self, credentials: Credentials, store: Store, now: Callable[[], datetime],
        interface: str = "0.0.0.0", port: int = 0,
    ) -> None:
        """Raises Refused when the certificates cannot be read, or the port is taken."""
        self._me, self._now = credentials, now
        self.shelf = Shelf(store)
        try:
            files = str(credentials.certificate), str(credentials.key)
            self._tls = peer_tls(*files)
            self._ca_pem = read_bounded(credentials.ca, CA_BYTES_MAX)
            tls = listener_tls(str(credentials.ca), *files)
            self.listener = Listener(self.shelf, tls, interface, port)
        except (OSError, ssl.SSLError) as error:
            raise Refused(f"This box cannot share with its neighbours ({error}).") from error
        hello = Hello(chain=credentials.chain, box=credentials.box, port=self.listener.port)
        self._beacon = Beacon(hello, self._heard, interface)
        self._known: dict[Place, _Known] = {}
        self._peers: dict[Place, Peer] = {}
        self.got_bytes = 0
        self._lock = threading.Lock()
        self._settled = Deadline(SETTLE_S)

    def start(self) -> None:
        """Answer others and listen for them."""
        self.listener.start()
        self._beacon.start()
        self._settled = Deadline(SETTLE_S)

    def stop(self) -> None:
        """No more sharing."""
        self._beacon.stop()
        self.listener.stop()
        for peer in self._peers.values():
            peer.close()

    @property
    def settling_s(self) -> float:
        """How long to wait until everybody nearby was heard."""
        return self._settled.left_s

    def boxes(self) -> list[str]:
        """The neighbours that proved themselves and are not left alone."""
        return list(self._places())

    def rank(self, sha256: str) -> int:
        """This box's place among those that may fetch the file from the chain's server."""
        return ranked([self._me.box, *self.boxes()], sha256).index(self._me.box)

    def is_due(self, sha256: str, begun: bool, idle_s: float) -> bool:
        """May this box fetch the file from the chain's server now?"""
        return is_due(self.rank(sha256), begun, idle_s)

    def ask(self, sha256s: Sequence[str]) -> Round:
        """Who has what."""
        found = Round()
        for box in self.boxes():
            try:
                states = self._peer(box).have(sha256s)
            except PeerFailed:
                self._leave_alone(box, FAILED_S)
                continue
            for sha256, state in zip(sha256s, states, strict=True):
                if state in (WHOLE, GROWING):
                    table = found.whole if state == WHOLE else found.growing
                    table.setdefault(sha256, []).append(box)
        for table in (found.whole, found.growing):
            for sha256, boxes in table.items():
                table[sha256] = ranked(boxes, sha256)
        return found

    def fetch(
        self, destination: Path, sha256: str, chunks: Sequence[Chunk], seeds: Seeds, box: str
    ) -> bool:
        """Make the file whole out of what `box` has; False when it is not whole yet.

        A box that lies is left alone; what was good of it stays.
        """
        try:
            source = FromPeer(self._peer(box), sha256, chunks, self._got)
            assemble(destination, sha256, chunks, seeds, source)
        except NotYet:
            return False
        except PeerFailed:
            self._leave_alone(box, FAILED_S)
            return False
        except Refused:
            self._leave_alone(box, LEFT_ALONE_S)
            return False
        return True

    def _got(self, count: int) -> None:
        self.got_bytes += count

    def _heard(self, host: str, port: int, box: str) -> None:
        """On the beacon's thread: a box that is new at its place must prove itself first."""
        now_s, place = monotonic_s(), (host, port)
        with self._lock:
            known = self._known.get(place)
            if known is not None and known.box == box:
                known.heard_s = now_s
                if known.proven or known.until_s > now_s:
                    return
            elif len(self._known) >= PEERS_MAX:
                self._drop_unproven()
                if len(self._known) >= PEERS_MAX:
                    return
        proven = self._proves_itself(host, port, box)
        until_s = 0.0 if proven else now_s + FAILED_S
        with self._lock:
            self._known[place] = _Known(box, now_s, proven, until_s)

    def _proves_itself(self, host: str, port: int, box: str) -> bool:
        probe = Peer(host, port, self._tls, self._ca_pem, self._now)
        try:
            return probe.name() == box and probe.have([]) == b""
        except PeerFailed:
            return False
        finally:
            probe.close()

    def _drop_unproven(self) -> None:
        """Strangers, and boxes that went away, make room."""
        oldest_s = monotonic_s() - SILENT_S
        for place, known in list(self._known.items()):
            if not known.proven or known.heard_s < oldest_s:
                del self._known[place]

    def _places(self) -> dict[str, Place]:
        """Where each neighbour that counts now is to be found."""
        now_s = monotonic_s()
        with self._lock:
            return {known.box: place for place, known in self._known.items() if known.proven
                    and now_s - known.heard_s < SILENT_S and known.until_s <= now_s}

    def _peer(self, box: str) -> Peer:
        place = self._places().get(box)
        if place is None:
            raise PeerFailed(f"The box {box} went away.")
        peer = self._peers.get(place)
        if peer is None:
            if len(self._peers) >= PEERS_MAX:
                self._peers.popitem()[1].close()
            peer = Peer(*place, self._tls, self._ca_pem, self._now)
            self._peers[place] = peer
        return peer

    def _leave_alone(self, box: str, seconds: float) -> None:
        with self._lock:
            for known in self._known.values():
                if known.box == box:
                    known.until_s = monotonic_s() + seconds
