"""The ceremony as people do it: keys in several safes, signing in turns, boxes that follow."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from ota.errors import Refused
from ota.publish import ceremony
from ota.publish.keyring import find_keys
from ota.publish.repository import ROLES, Repository
from ota.trust.keys import SigningKey
from ota.trust.locked_key import SCRYPT
from tests.ota.conftest import Box
from tests.ota.origin import Origin
from tests.ota.rig import source_tree
from tests.ota.run_cli import main


class Office:
    """The chain's server (`tuf`, keys/online) and people with a stick each."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.folder, self.origin, self.tuf = folder, origin, origin.directory
        self.server = folder / "server"

    def ota(self, *arguments: object) -> int:
        return main(["ota", *(str(each) for each in arguments)])

    def keys(self, *arguments: object) -> int:
        return self.ota("keys", *arguments)

    def hand_out(self, made: Path, **people: tuple[str, ...]) -> None:
        """Every file of `made/offline` onto its person's stick; the online keys to the server."""
        shutil.copytree(made / "online", self.server)
        for person, names in people.items():
            (self.folder / person).mkdir()
            for name in names:
                shutil.move(made / "offline" / name, self.folder / person / name)

    def person(self, name: str) -> Path:
        return self.folder / name

    def box(self, root: bytes) -> Box:
        box = Box(self.folder / "box", self.origin)
        box.trust.bootstrap(root)
        return box


@pytest.fixture
def office(tmp_path: Path, origin: Origin) -> Office:
    return Office(tmp_path, origin)


@pytest.fixture
def two_of_three(office: Office) -> Office:
    """Anna and Ben sign releases together; any two of Anna, Ben and Cleo change the root."""
    made = office.folder / "made"
    assert office.keys("make", "--out", made, "--root-keys", 3, "--root-threshold", 2,
                       "--releases-keys", 2, "--releases-threshold", 2) == 0
    tree = source_tree(office.folder / "tree", "1.0")
    assert office.ota("publish", "--repository", office.tuf, "--keys", made, "--version", "1.0",
                      "--tree", tree) == 0
    office.hand_out(made, anna=("root.pem", "releases.pem", "targets.pem", "avatars.pem"),
                    ben=("root.2.pem", "releases.2.pem"), cleo=("root.3.pem",))
    return office


def test_one_person_makes_a_demo_chain_as_ever(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    made, secret = office.folder / "keys", office.folder / "secret.txt"
    secret.write_text("four random words here\n")
    assert office.keys("--out", made, "--passphrase-file", secret) == 0
    assert "保管到安全的地方 / Carry" in capsys.readouterr().err
    pem = (made / "offline" / "root.pem").read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert SCRYPT in base64.b64decode(b"".join(pem.splitlines()[1:-1])), "slow to guess"
    found = find_keys([made], ("root", "timestamp"), "four random words here")
    assert {role: len(keys) for role, keys in found.items()} == {"root": 1, "timestamp": 1}
    with pytest.raises(Refused, match="passphrase is wrong"):
        find_keys([made], ("root",), "four random words")
    assert office.keys("--out", made) == 1, "a key is never written over"


def test_an_empty_passphrase_and_an_impossible_threshold_make_no_keys(office: Office) -> None:
    empty = office.folder / "empty.txt"
    empty.write_text(" \n")
    assert office.keys("--out", office.folder / "a", "--passphrase-file", empty) == 1
    assert office.keys("--out", office.folder / "b", "--root-threshold", 2) == 1
    assert not (office.folder / "a").exists() and not (office.folder / "b").exists()
    with pytest.raises(Refused, match="locks nothing"):
        SigningKey.generate().save(office.folder / "k.pem", "  ")


def test_a_release_needs_both_of_its_signers(
    two_of_three: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office, change = two_of_three, two_of_three.folder / "change.json"
    box = office.box((office.tuf / "metadata" / "1.root.json").read_bytes())
    tree = source_tree(office.folder / "tree", "1.1")
    publish = ("publish", "--repository", office.tuf, "--version", "1.1", "--tree", tree,
               "--keys", office.person("anna"), "--keys", office.server)
    assert office.ota(*publish) == 1, "Anna alone publishes nothing"
    box.trust.refresh()
    assert box.trust.known("releases/1.1.json") is None
    assert office.ota(*publish, "--export", change) == 0
    assert office.keys("import", change, "--repository", office.tuf, "--keys", office.server) == 1
    assert "1 of 2 have signed" in capsys.readouterr().err
    assert office.keys("sign", change, "--keys", office.person("ben")) == 1, "nobody to ask"
    assert office.keys("sign", change, "--keys", office.person("ben"), "--yes") == 0
    told = capsys.readouterr().err
    assert "+ releases/1.1.json" in told and "releases/1.0.json" not in told
    assert office.keys("import", change, "--repository", office.tuf, "--keys", office.server) == 0
    assert box.trust.target("releases/1.1.json").length_bytes > 100
    assert office.keys("import", change, "--repository", office.tuf, "--keys", office.server) == 1
    assert "has changed since" in capsys.readouterr().err


def test_a_lost_root_key_is_replaced_by_the_other_two_and_every_box_follows(
    two_of_three: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office, change = two_of_three, two_of_three.folder / "change.json"
    first_root = (office.tuf / "metadata" / "1.root.json").read_bytes()
    # Cleo's stick fell into a river. Dora makes a key on her own machine.
    assert office.keys("make", "--out", office.person("dora"), "--role", "root") == 0
    public = [office.folder / "made" / "public" / name for name in ("root.pem", "root.2.pem")]
    public.append(office.person("dora") / "public" / "root.pem")
    options = [part for path in public for part in ("--public", path)]
    assert office.keys("rotate", "--role", "root", "--repository", office.tuf, *options,
                       "--keys", office.person("anna"), "--export", change) == 0
    assert "root: 2 / 3" in capsys.readouterr().err, "the threshold stays"
    assert office.keys("sign", change, "--keys", office.person("dora"), "--yes") == 0
    assert "没有签过上一版" in capsys.readouterr().err, "Dora sees the whole list"
    take = ("import", change, "--repository", office.tuf, "--keys", office.server)
    assert office.keys(*take) == 1, "Anna and Dora are two of the new, but not of the old"
    assert office.keys("sign", change, "--keys", office.person("ben"), "--yes") == 0
    assert office.keys(*take) == 0
    office.box(first_root).trust.refresh()
    assert office.keys("show", "--repository", office.tuf, "--json") == 0
    told = json.loads(capsys.readouterr().out)["roles"]["root"]
    assert told["threshold"] == 2 and len(told["keys"]) == 3 and told["days_left"] > 700


def test_a_stolen_key_is_revoked_and_a_tired_list_renewed(
    two_of_three: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office = two_of_three
    everyone = [part for name in ("anna", "ben", "cleo", "server")
                for part in ("--keys", office.person(name))]
    stolen = SigningKey.load(office.person("cleo") / "root.3.pem").public.key_id
    assert office.keys("revoke", "--role", "root", "--key", stolen[:6], "--repository", office.tuf,
                       *everyone) == 0
    assert office.keys("revoke", "--role", "releases", "--key",
                       SigningKey.load(office.person("ben") / "releases.2.pem").public.key_id,
                       "--repository", office.tuf, *everyone) == 1
    assert "first let another key in" in capsys.readouterr().err
    before = Repository.open(office.tuf, {}).current("avatars").signed.version
    assert office.keys("renew", "--role", "avatars", "--role", "root", "--repository", office.tuf,
                       *everyone) == 0
    repository = Repository.open(office.tuf, {})
    assert repository.current("avatars").signed.version == before + 1
    assert stolen not in repository.current("root").signed.roles["root"].keyids
    assert office.keys("renew", "--role", "timestamp", "--repository", office.tuf, *everyone) == 1
    assert office.keys("rotate", "--role", "king", "--repository", office.tuf, "--public",
                       office.folder / "made" / "public" / "root.pem", *everyone) == 1


def test_the_servers_own_key_is_rotated_without_stopping_the_console(office: Office) -> None:
    keys = {role: [SigningKey.generate()] for role in ROLES}
    repository = Repository.create(office.tuf, keys)
    box = office.box(repository.root_bytes())
    change = ceremony.rotation(
        repository, "programmes", [ceremony.key_of(SigningKey.generate())])
    ceremony.sign(change, {"targets": keys["targets"]})
    with pytest.raises(Refused, match="programmes list"):
        ceremony.put_in_force(repository, change)  # the new key is not on the server yet
    repository.add("programmes", "programmes/tea/1.json", b"{}")
    repository.publish()
    assert box.trust.target("programmes/tea/1.json")


@pytest.mark.parametrize("bad", [b"", b"[]", b"{", b'{"schema": 1, "documents": {}, "before": {}}',
                                 b'{"schema": 1, "documents": {"root": 1}, "before": {}}'])
def test_what_is_no_change_is_refused(bad: bytes) -> None:
    with pytest.raises(Refused):
        ceremony.read(bad)
