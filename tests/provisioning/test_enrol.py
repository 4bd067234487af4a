"""A technician enrols a box at the real server over real TLS, and what may go wrong."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from device.paths import Places
from device.sync.identity import load_identity
from ota.clock import utc_now
from ota.errors import Refused, Retry
from ota.trust.keys import PublicKey
from provisioning.claim import claim
from provisioning.enrol import enrol
from provisioning.tickets import read_ticket
from tests.provisioning.server import Server, fleet_server, vitrine
from tests.sim.chain import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with fleet_server(tmp_path_factory.mktemp("fleet") / "state") as running:
        yield running


def identity_folders(root: Path) -> list[str]:
    folder = root / "etc" / "vitrine" / "identities"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_from_claim_to_identity_by_the_command_line(server: Server, tmp_path: Path) -> None:
    png = tmp_path / "ticket.png"
    made = vitrine("provision", "claim", "--fleet", server.http, "--box", "shanghai-001",
                   "--png", str(png), "--json", root=tmp_path)
    assert made.returncode == 0, made.stderr
    ticket = json.loads(made.stdout)["ticket"]
    assert png.read_bytes().startswith(b"\x89PNG")
    done = vitrine("provision", "enrol", ticket, "--json", root=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["ok"] and said["box"] == "shanghai-001" and said["took_s"] < 5
    places = Places(tmp_path)
    identity = load_identity(places.identity)
    assert identity.box.box == "shanghai-001" and identity.box.content_url.startswith(server.https)
    assert stat.S_IMODE((places.identity / "key.pem").stat().st_mode) == 0o600
    identity.tls()  # key and certificate fit together
    again = vitrine("provision", "enrol", ticket, "--json", root=tmp_path)
    assert again.returncode == 1 and "--force" in again.stderr
    assert "Traceback" not in again.stderr
    label = vitrine("provision", "label", "--out", str(tmp_path / "label.svg"), root=tmp_path)
    assert label.returncode == 0 and "shanghai-001" in (tmp_path / "label.svg").read_text()


def test_the_qr_on_the_screen_reads_back_as_the_ticket(server: Server, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    png = tmp_path / "ticket.png"
    made = vitrine("provision", "claim", "--fleet", server.http, "--box", "qr-1", "--png",
                   str(png), "--json", root=tmp_path)
    text, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(cv2.imread(str(png)))
    assert text == json.loads(made.stdout)["ticket"]


def test_a_ticket_made_offline_from_the_servers_folder_is_as_good(
    server: Server, tmp_path: Path
) -> None:
    made = claim("offline-1", 30, authority=server.state)
    done = enrol(Places(tmp_path), made.text, utc_now())
    assert done.box == "offline-1"


def test_a_used_ticket_is_refused_with_the_servers_sentence(
    server: Server, tmp_path: Path
) -> None:
    made = claim("once-1", 30, fleet=server.http)
    enrol(Places(tmp_path / "a"), made.text, utc_now())
    with pytest.raises(Refused, match="already used"):
        enrol(Places(tmp_path / "b"), made.text, utc_now())
    assert identity_folders(tmp_path / "b") == []
    assert not (tmp_path / "b" / "etc" / "vitrine" / "identity").exists()


def test_somebody_in_between_gets_neither_ticket_nor_key(server: Server, tmp_path: Path) -> None:
    made = claim("mitm-1", 30, fleet=server.http)
    with fleet_server(tmp_path / "thief") as thief:
        ticket = read_ticket(made.text, utc_now())
        from provisioning.client import pinned_authority

        with pytest.raises(Refused, match="not the one that made this ticket"):
            pinned_authority(thief.https, ticket.ca_sha256)
    done = enrol(Places(tmp_path / "a"), made.text, utc_now())  # the ticket was not spent
    assert done.box == "mitm-1"


def test_re_enrolment_replaces_the_identity_in_one_step(server: Server, tmp_path: Path) -> None:
    places = Places(tmp_path)
    enrol(places, claim("swap-1", 30, fleet=server.http).text, utc_now())
    first = places.identity.resolve()
    places.var.mkdir(parents=True, exist_ok=True)
    places.desired.write_bytes(b"{}")
    with pytest.raises(Refused):  # a bad ticket with --force leaves the old identity
        enrol(places, "VITRINE1:AAAA", utc_now(), force=True)
    assert places.identity.resolve() == first
    enrol(places, claim("swap-1", 30, fleet=server.http).text, utc_now(), force=True)
    assert places.identity.resolve() != first and not first.exists()
    assert len(identity_folders(tmp_path)) == 1
    assert not places.desired.exists()  # numbering begins anew


def test_a_server_that_is_not_there_is_a_sentence_and_leaves_nothing(
    server: Server, tmp_path: Path
) -> None:
    text = claim("gone-1", 30, authority=server.state).text
    settings = server.state / "fleet.json"
    kept = settings.read_bytes()
    body = json.loads(kept)
    body["https_port"] = free_port()
    try:
        settings.write_text(json.dumps(body))
        text = claim("gone-1", 30, authority=server.state).text
    finally:
        settings.write_bytes(kept)
    with pytest.raises(Retry, match="cannot be reached"):
        enrol(Places(tmp_path), text, utc_now())
    assert identity_folders(tmp_path) == []


def test_a_ticket_that_ran_out_or_is_signed_by_nobody(server: Server, tmp_path: Path) -> None:
    made = claim("late-1", 1, authority=server.state)
    with pytest.raises(Refused, match="ended"):
        enrol(Places(tmp_path), made.text, utc_now() + timedelta(minutes=2))
    stranger = __import__("ota.trust.keys", fromlist=["SigningKey"]).SigningKey.generate().public
    with pytest.raises(Refused, match="not signed"):
        read_ticket(made.text, utc_now(), stranger)
    own = PublicKey.load(_public(server.state, tmp_path))
    assert read_ticket(made.text, utc_now(), own).box == "late-1"


def test_wipe_removes_secrets_and_content_and_asks_first(server: Server, tmp_path: Path) -> None:
    places = Places(tmp_path)
    enrol(places, claim("wipe-1", 30, fleet=server.http).text, utc_now())
    (places.content / "ab").mkdir(parents=True)
    refused = vitrine("provision", "wipe", root=tmp_path, stdin="no\n")
    assert refused.returncode == 1 and places.identity.exists()
    done = vitrine("provision", "wipe", "--yes", "--json", root=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not places.identity.exists() and identity_folders(tmp_path) == []
    assert not places.var.exists()
    assert vitrine("provision", "wipe", "--yes", root=tmp_path).returncode == 0


def test_a_ticket_is_not_asked_for_over_plain_http_from_elsewhere() -> None:
    with pytest.raises(Refused, match="secret"):
        claim("x-1", 30, fleet="http://fleet.example.com")


def _public(state: Path, folder: Path) -> Path:
    from ota.trust.keys import SigningKey

    path = folder / "ticket.pub.pem"
    path.write_text(SigningKey.load(state / "authority" / "ticket.key.pem").public.to_pem())
    return path
