"""A root key that never leaves its token, proved with SoftHSM; skipped where there is none."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ota.errors import Refused
from ota.publish import tokens
from ota.publish.keyring import find_tokens
from ota.publish.repository import ROLES, Repository
from ota.trust.dsse import key_of
from ota.trust.keys import SigningKey
from tests.ota.conftest import Box
from tests.ota.origin import Origin
from tests.ota.run_cli import main

LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, LABEL, NUMBER = "123456", "safe one", 2


def missing() -> str:
    if importlib.util.find_spec("pkcs11") is None:
        return "python-pkcs11 is not installed (requirements/tokens.txt)"
    if shutil.which("softhsm2-util") is None or not LIBRARY.exists():
        return "softhsm2 is not installed"
    return ""


needs_token = pytest.mark.skipif(bool(missing()), reason=missing() or "-")


@pytest.fixture
def pin_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token with one P-256 key in it, and the file with its PIN."""
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    monkeypatch.setenv("PYKCS11LIB", str(LIBRARY))
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--pin", PIN,
                    "--so-pin", PIN], check=True, capture_output=True)
    library = pkcs11.lib(str(LIBRARY))
    library.reinitialize()
    with library.get_token(token_label=LABEL).open(user_pin=PIN, rw=True) as session:
        session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True,
        ).generate_keypair(mechanism=pkcs11.Mechanism.EC_KEY_PAIR_GEN, store=True,
                           id=bytes([NUMBER]), label="root")
    file = tmp_path / "pin.txt"
    file.write_text(PIN)
    return file


@needs_token
def test_the_root_moves_into_a_token_and_boxes_follow(
    origin: Origin, tmp_path: Path, pin_file: Path
) -> None:
    keys = {role: [SigningKey.generate()] for role in ROLES}
    repository = Repository.create(origin.directory, keys)
    box = Box(tmp_path / "box", origin)
    box.trust.bootstrap(repository.root_bytes())
    folder = tmp_path / "keys"
    assert main(["ota", "keys", "token", "--role", "root", "--out", str(folder), "--label", LABEL,
                 "--pin-file", str(pin_file)]) == 0
    note = folder / "offline" / "root.token.json"
    assert PIN not in note.read_text()
    held = find_tokens([folder], ROLES, lambda: PIN)["root"]
    repository.rotate("root", held)
    box.trust.refresh()
    # From now on the token signs what the root must sign: here, another timestamp key.
    repository.rotate("timestamp", [SigningKey.generate()])
    box.trust.refresh()
    assert repository.current("root").signed.roles["root"].keyids == [key_of(held[0]).keyid]


@needs_token
def test_a_wrong_pin_is_a_sentence(pin_file: Path, tmp_path: Path) -> None:
    tokens.adopt(tmp_path / "root.token.json", NUMBER, LABEL, lambda: PIN)
    wrong = tokens.open_token(tmp_path / "root.token.json", lambda: "0000")
    with pytest.raises(Refused, match="check its PIN"):
        wrong.sign(b"a list")
    with pytest.raises(Refused, match="plug the token in"):
        tokens.adopt(tmp_path / "x.token.json", NUMBER, "no such token", lambda: PIN)


def test_without_the_library_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYKCS11LIB", raising=False)
    with pytest.raises(Refused, match="python-pkcs11"):
        tokens.adopt(tmp_path / "root.token.json", NUMBER, None, lambda: PIN)


@pytest.mark.parametrize("note", ["", "[]", "{}", json.dumps({"uri": "hsm:2", "key": {}}),
                                  json.dumps({"uri": "hsm:2", "key": {"keyid": "a", "keytype":
                                              "ed25519", "scheme": "ed25519", "keyval": {}}})])
def test_a_damaged_note_is_refused(tmp_path: Path, note: str) -> None:
    path = tmp_path / "root.token.json"
    path.write_text(note)
    with pytest.raises(Refused, match="adopt the token again"):
        tokens.open_token(path, lambda: PIN)
