"""Keys and envelopes: what is signed can be read by the right eyes, all else is refused."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import PublicKey, SigningKey

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
PAYLOAD = b'{"seq": 7}'


def test_a_key_file_is_for_its_owner_alone_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.pem"
    KEY.save(path, "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert SigningKey.load(path, "correct horse").public == KEY.public
    for wrong in ("battery", None):
        with pytest.raises(Refused):
            SigningKey.load(path, wrong)


def test_an_open_key_with_a_passphrase_says_so(tmp_path: Path) -> None:
    KEY.save(tmp_path / "k.pem")
    with pytest.raises(Refused, match="not encrypted"):
        SigningKey.load(tmp_path / "k.pem", "secret")


def test_missing_and_foreign_key_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="vitrine ota keys"):
        SigningKey.load(tmp_path / "none.pem")
    (tmp_path / "bad.pem").write_bytes(b"-----BEGIN NONSENSE-----")
    with pytest.raises(Refused):
        SigningKey.load(tmp_path / "bad.pem")
    with pytest.raises(Refused):
        PublicKey.from_pem("nonsense")


def test_the_public_half_travels_as_pem() -> None:
    assert PublicKey.from_pem(KEY.public.to_pem()) == KEY.public
    assert len(KEY.public.key_id) == 40
    assert "PRIVATE" not in repr(KEY)


def test_an_envelope_opens_for_the_right_type_and_key() -> None:
    envelope = dsse.sign(PAYLOAD, dsse.DESIRED, [KEY])
    assert dsse.verify(envelope, dsse.DESIRED, [OTHER.public, KEY.public]) == PAYLOAD
    with pytest.raises(Refused, match="type"):
        dsse.verify(envelope, dsse.TICKET, [KEY.public])
    with pytest.raises(Refused, match="not signed"):
        dsse.verify(envelope, dsse.DESIRED, [OTHER.public])


def test_one_person_cannot_be_two() -> None:
    envelope = dsse.sign(PAYLOAD, dsse.DESIRED, [KEY])
    with pytest.raises(Refused):
        dsse.verify(envelope, dsse.DESIRED, [KEY.public, OTHER.public], threshold=2)
    with pytest.raises(Refused):
        dsse.verify(envelope, dsse.DESIRED, [KEY.public, KEY.public], threshold=2)
    both = dsse.sign(PAYLOAD, dsse.DESIRED, [KEY, OTHER])
    keys = [KEY.public, OTHER.public]
    assert dsse.verify(both, dsse.DESIRED, keys, threshold=2) == PAYLOAD


def test_a_changed_payload_is_refused() -> None:
    parsed = json.loads(dsse.sign(PAYLOAD, dsse.DESIRED, [KEY]))
    parsed["payload"] = "eyJzZXEiOiA4fQ=="
    with pytest.raises(Refused):
        dsse.verify(json.dumps(parsed).encode(), dsse.DESIRED, [KEY.public])


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "payload": ANY_JSON,
        "payloadType": st.just(dsse.DESIRED) | ANY_JSON,
        "signatures": st.lists(
            st.fixed_dictionaries({}, optional={"sig": ANY_JSON, "keyid": ANY_JSON}), max_size=3
        )
        | ANY_JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | (ANY_JSON | SHAPED).map(lambda v: json.dumps(v).encode()))
def test_nonsense_is_refused_and_nothing_else(envelope: bytes) -> None:
    with pytest.raises(Refused):
        dsse.verify(envelope, dsse.DESIRED, [KEY.public])
