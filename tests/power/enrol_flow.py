"""A box of one fleet is enrolled with another: key, certificate and trust change in one step."""

from __future__ import annotations

import functools
import http.server
import json
import ssl
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

from device.messages import Desired
from device.paths import Places
from device.sync.anew import settle
from device.sync.following import Following
from device.sync.identity import load_identity
from fleet.authority import Authority
from fleet.desired import seal
from fleet.places import FleetPlaces
from fleet.repository import open_or_create
from ota.box.stick import StickFetcher
from ota.clock import utc_now
from ota.errors import VitrineError
from ota.floor import FloorClock, RoleFloor
from ota.trust.client import TrustClient
from provisioning.enrol import enrol
from tests.power.flow import Tell

OLD_SEQ = 50
BOX = "b-1"


class Desk:
    """A fleet that enrols boxes: the real authority behind a small HTTPS server of this process."""

    def __init__(self, state: Path, chain: str) -> None:
        self.places = FleetPlaces(state)
        self.authority = Authority.open_or_create(state, chain)
        self.repository = open_or_create(self.places)
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Handler, self.authority))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(
            self.places.https / "cert.pem", self.places.https / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        self.places.write_settings(msgspec.structs.replace(
            self.authority.settings, host="127.0.0.1", https_port=server.server_port))
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.close = server.shutdown


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, authority: Authority, *rest: object) -> None:
        self._authority = authority
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._authority.ca_pem)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self._authority.enrol(asked["ticket"], asked["csr_pem"])
        self._answer(json.dumps(answer).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class EnrolledAnew:
    """The box follows fleet `tea` (word 50); a technician enrols it with fleet `coffee`."""

    name = "enrol anew"

    def __init__(self, home: Path) -> None:
        self._desks = {chain: Desk(home / chain, chain) for chain in ("tea", "coffee")}
        self._floors: dict[str, int] = {}

    def prepare(self, root: Path) -> None:
        """The box is enrolled with `tea`, follows it and trusts it."""
        self._enrol(root, "tea")
        self._offer(root, OLD_SEQ)
        self._trust(root).refresh()
        self._floors = self._role_floors(root)

    def run(self, root: Path, tell: Tell) -> None:
        """The technician's command."""
        self._enrol(root, "coffee")
        tell("enrolled")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """One whole identity; while it is the old one, nothing that it knew is forgotten."""
        identity = load_identity(Places(root).identity)
        identity.tls()
        chain = identity.box.chain
        if chain == "tea":
            assert self._following(root).floor == OLD_SEQ, "the floor of the desired state sank"
            floors = self._role_floors(root)
            assert all(floors.get(role, 0) >= number for role, number in self._floors.items())
        assert "enrolled" not in told or chain == "coffee"
        return chain

    def again(self, root: Path) -> None:
        """The box starts; where it is still of `tea`, the technician tries again."""
        settle(Places(root))
        if load_identity(Places(root).identity).box.chain == "tea":
            self._enrol(root, "coffee")

    def finished(self, root: Path) -> None:
        """The box follows `coffee` from its first word, and trusts nobody else."""
        places = Places(root)
        identity = load_identity(places.identity)
        assert identity.box.chain == "coffee"
        folders = [path.name for path in (places.etc / "identities").iterdir()]
        assert folders == [identity.folder.name], "an old key is left"
        assert self._offer(root, 1), "the first word of the new fleet was not taken"
        self._trust(root).refresh()

    def _enrol(self, root: Path, chain: str) -> None:
        ticket = self._desks[chain].authority.ticket(BOX)[1]
        enrol(Places(root), ticket, utc_now(), force=True)

    def _following(self, root: Path) -> Following:
        places = Places(root)
        identity = load_identity(places.identity)
        made = Following(
            places.desired, places.var / "desired-seq", identity.desired_keys, identity.box.chain,
            BOX)
        # Of the other fleet: the agent shows it as a fault and follows the next word.
        with suppress(VitrineError):
            made.load()
        return made

    def _offer(self, root: Path, seq: int) -> bool:
        chain = load_identity(Places(root).identity).box.chain
        key = self._desks[chain].authority.desired_key
        envelope = seal(Desired(seq=seq, chain=chain, box=BOX), key)[1]
        return self._following(root).offer(envelope, utc_now())

    def _trust(self, root: Path) -> TrustClient:
        places = Places(root)
        identity = load_identity(places.identity)
        fetcher = StickFetcher(self._desks[identity.box.chain].places.tuf)
        trust = TrustClient(
            places.var / "trust", "stick:/metadata", fetcher, FloorClock(places.var / "clock"))
        trust.bootstrap(identity.tuf_root)
        return trust

    def _role_floors(self, root: Path) -> dict[str, int]:
        return RoleFloor(Places(root).var / "trust" / "roles").versions("")


class EnrolledFirst(EnrolledAnew):
    """A box out of its carton is enrolled with `coffee`."""

    name = "enrol"

    def prepare(self, root: Path) -> None:
        """Nothing is there."""

    def judge(self, root: Path, told: Collection[str]) -> str:
        """No identity, or a whole one."""
        if Places(root).identity.exists():
            return super().judge(root, told)
        assert "enrolled" not in told
        return "nothing"

    def again(self, root: Path) -> None:
        """The technician tries again where it is still nobody's."""
        if Places(root).identity.exists():
            settle(Places(root))
        else:
            self._enrol(root, "coffee")
