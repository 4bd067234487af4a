"""Who gets a certificate, for what, and how often."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import request_for

from fleet import certificates
from fleet.authority import Authority
from fleet.places import BOX_ID, CONSOLE_ID, FleetPlaces
from fleet.repository import open_or_create
from fleet.tickets import PREFIX, make_ticket, read_ticket
from ota.clock import utc_now
from ota.errors import Refused
from ota.trust.keys import SigningKey


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    state = tmp_path_factory.mktemp("state")
    opened = Authority.open_or_create(state, "tea")
    open_or_create(FleetPlaces(state))
    return opened


def fresh_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_a_ticket_and_a_request_become_an_identity(authority: Authority) -> None:
    _, text = authority.ticket("shanghai-001")
    answer = authority.enrol(text, request_for(fresh_key(), "shanghai-001"))

    certificate = x509.load_pem_x509_certificate(answer["certificate_pem"].encode())
    ca = x509.load_pem_x509_certificate(answer["ca_pem"].encode())
    certificate.verify_directly_issued_by(ca)
    assert certificate.subject.rfc4514_string() == "CN=shanghai-001"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert answer["box"]["chain"] == "tea"
    assert answer["box"]["desired_keys"][0].startswith("-----BEGIN PUBLIC KEY")
    assert json.loads(base64.b64decode(answer["tuf_root"]))["signed"]["_type"] == "root"


def test_a_ticket_is_good_for_one_key_only(authority: Authority) -> None:
    _, text = authority.ticket("beijing-001")
    key = fresh_key()
    first = authority.enrol(text, request_for(key, "beijing-001"))
    # The answer was lost on the way: the same box may ask again and gets the same certificate.
    again = authority.enrol(text, request_for(key, "beijing-001"))
    assert again["certificate_pem"] == first["certificate_pem"]
    with pytest.raises(Refused, match="already used"):
        authority.enrol(text, request_for(fresh_key(), "beijing-001"))


def test_tickets_that_are_late_foreign_or_altered_are_refused(tmp_path: Path) -> None:
    key, now = SigningKey.generate(), utc_now()
    _, text = make_ticket(key, "tea", "a-1", "https://x", "00" * 32, 5, now)
    assert read_ticket(f"  {text[:40]}\n{text[40:]} ", key.public, "tea", now).box == "a-1"
    with pytest.raises(Refused, match="ended"):
        read_ticket(text, key.public, "tea", now + timedelta(minutes=6))
    with pytest.raises(Refused, match="chain"):
        read_ticket(text, key.public, "coffee", now)
    with pytest.raises(Refused):
        read_ticket(text, SigningKey.generate().public, "tea", now)
    envelope = json.loads(base64.urlsafe_b64decode(text[len(PREFIX) :] + "=="))
    payload = json.loads(base64.b64decode(envelope["payload"]))
    payload["box"] = "b-2"
    envelope["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    forged = PREFIX + base64.urlsafe_b64encode(json.dumps(envelope).encode()).decode()
    with pytest.raises(Refused):
        read_ticket(forged, key.public, "tea", now)


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.binary(max_size=300).map(lambda raw: PREFIX + base64.urlsafe_b64encode(raw).decode()),
    )
)
def test_no_text_from_outside_breaks_the_ticket_reader(text: str) -> None:
    with pytest.raises(Refused):
        read_ticket(text, KEY.public, "tea", NOW)


KEY, NOW = SigningKey.generate(), utc_now()


@pytest.mark.parametrize("name", ["", "A", "a/b", "a+b", "#", "a" * 49, "ä", CONSOLE_ID, "a b"])
def test_names_that_could_leave_their_branch_of_the_tree_get_no_ticket(
    authority: Authority, name: str
) -> None:
    assert not BOX_ID.fullmatch(name)
    with pytest.raises(Refused, match="cannot name a box"):
        authority.ticket(name)


def test_a_request_for_another_box_or_with_a_weak_key_is_refused(authority: Authority) -> None:
    _, text = authority.ticket("wuhan-001")
    with pytest.raises(Refused, match="wuhan-002"):
        authority.enrol(text, request_for(fresh_key(), "wuhan-002"))
    for weak in (
        ec.generate_private_key(ec.SECP224R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
    ):
        with pytest.raises(Refused, match="unsuitable"):
            authority.enrol(text, request_for(weak, "wuhan-001"))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="cannot be read"):
        authority.enrol(text, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n")
    # None of these spent the ticket.
    authority.enrol(text, request_for(fresh_key(), ""))


def test_a_swapped_box_loses_its_old_certificate(authority: Authority) -> None:
    _, first = authority.ticket("xian-001")
    old = authority.enrol(first, request_for(fresh_key(), "xian-001"))
    _, second = authority.ticket("xian-001")
    authority.enrol(second, request_for(fresh_key(), "xian-001"))
    crl = x509.load_pem_x509_crl(authority.crl_path.read_bytes())
    serial = certificates.serial_of(old["certificate_pem"].encode())
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None
    # A list past its next update would lock every box out.
    assert crl.next_update_utc is not None
    assert (crl.next_update_utc - utc_now()).days > 3000


def test_opening_again_keeps_keys_and_a_new_name_renews_the_server_certificate(
    tmp_path: Path,
) -> None:
    first = Authority.open_or_create(tmp_path, "tea")
    again = Authority.open_or_create(tmp_path, "other")
    assert again.ca_pem == first.ca_pem and again.settings.chain == "tea"
    before = (tmp_path / "https" / "cert.pem").read_bytes()
    places = FleetPlaces(tmp_path)
    moved = first.settings.__class__(chain="tea", host="fleet.example.com")
    places.write_settings(moved)
    Authority.open_or_create(tmp_path)
    after = (tmp_path / "https" / "cert.pem").read_bytes()
    assert after != before
    names = x509.load_pem_x509_certificate(after).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "fleet.example.com" in names.value.get_values_for_type(x509.DNSName)
    assert (tmp_path / "authority" / "ca.key.pem").stat().st_mode & 0o077 == 0
