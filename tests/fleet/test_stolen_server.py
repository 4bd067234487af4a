"""Whoever takes the chain's server has keys/online: what those can sign, and what boxes refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fleet.places import FleetPlaces
from fleet.repository import open_or_create
from ota.errors import Refused
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.publish import ceremony
from ota.publish.repository import ONLINE, Repository
from ota.trust import consent, dsse
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey
from ota.trust.metadata import TargetFile, serialised
from tests.ota.origin import serve

EVIL = {"releases": "releases/9.json", "avatars": "avatars/mei/9.json"}


def online_keys(places: FleetPlaces) -> dict[str, list[SigningKey]]:
    """All that lies on the server once `offline-keys` is in the safe."""
    return {path.name.split(".")[0]: [SigningKey.load(path)]
            for path in sorted(places.keys.glob("*.key.pem"))}


@pytest.fixture
def places(tmp_path: Path) -> FleetPlaces:
    places = FleetPlaces(tmp_path / "fleet")
    open_or_create(places)
    shutil.move(places.offline_keys, tmp_path / "safe")
    return places


def test_the_server_publishes_programmes_without_the_offline_keys(places: FleetPlaces) -> None:
    repository = open_or_create(places)
    assert set(online_keys(places)) == set(ONLINE)
    repository.add("programmes", "programmes/tea/1.json", b"{}")
    assert repository.publish() == 2
    assert not places.offline_keys.exists(), "no new offline key is made behind people's backs"


@pytest.mark.parametrize("role", sorted(EVIL))
def test_it_cannot_sign_a_release_or_an_avatar(places: FleetPlaces, role: str) -> None:
    repository = open_or_create(places)
    repository.add(role, EVIL[role], b"evil")
    with pytest.raises(Refused, match=f"key of role '{role}' is not at hand"):
        repository.publish()
    for change in ("rotate", "root"):
        with pytest.raises(Refused, match="Too few have signed"):
            repository.rotate("root" if change == "root" else role, [SigningKey.generate()])


@pytest.mark.parametrize("role", sorted(EVIL))
def test_boxes_refuse_what_a_thief_signs_with_its_keys(
    places: FleetPlaces, tmp_path: Path, role: str
) -> None:
    """With tools of the thief's own: a list of releases signed by every key on the server."""
    repository = open_or_create(places)
    with serve(places.tuf) as origin:
        box = TrustClient(tmp_path / "box", f"{origin.url}/metadata", Fetcher(None),
                          FloorClock(tmp_path / "clock"))
        box.bootstrap(repository.root_bytes())
        box.refresh()
        evil = repository.following(role)
        evil.signed.targets[EVIL[role]] = TargetFile(4, {"sha256": "0" * 64}, EVIL[role])
        everything = [key for held in online_keys(places).values() for key in held]
        ceremony.sign(ceremony.Change({role: evil}), {role: everything})
        (places.tuf / "metadata" / f"2.{role}.json").write_bytes(serialised(evil))
        _announce(repository, role)
        box.refresh()
        with pytest.raises(Refused, match="not properly signed"):
            box.target(EVIL[role])


def _announce(repository: Repository, role: str) -> None:
    snapshot, timestamp = repository._online_versions()
    repository._write_online({**repository._versions(), role: 2}, snapshot + 1, timestamp + 1)


def test_no_online_key_makes_a_consent(places: FleetPlaces, tmp_path: Path) -> None:
    owner = SigningKey.generate()
    statement = json.dumps({
        "avatar": "mei", "owner": "Mei", "chains": ["*"], "regions": ["*"], "uses": ["*"],
        "from": "2026-01-01T00:00:00Z", "until": "2036-01-01T00:00:00Z", "revocation_id": "m1",
        "base_sha256": "0" * 64}).encode()
    path = tmp_path / "consent.dsse.json"
    path.write_bytes(dsse.sign(statement, dsse.CONSENT, [owner]))
    assert consent.read(path, "mei", [owner.public]).owner == "Mei"
    for keys in online_keys(places).values():
        path.write_bytes(dsse.sign(statement, dsse.CONSENT, keys))
        with pytest.raises(Refused, match="not signed by a key"):
            consent.read(path, "mei", [owner.public])
