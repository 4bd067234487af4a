"""The fleet's signed repository: made at the first start, opened with the online keys after it."""

from __future__ import annotations

from fleet.places import FleetPlaces
from ota.publish.repository import OFFLINE, ONLINE, Repository
from ota.trust.keys import SigningKey


def open_or_create(places: FleetPlaces) -> Repository:
    """The repository under `places.tuf`; the first time its keys are made as well.

    Offline roles' keys lie apart (`offline-keys/`): move that folder to a safe after the first
    start, the server does not need it. The returned repository can sign programmes only.
    """
    if not (places.tuf / "metadata" / "timestamp.json").exists():
        keys = {role: [_key(places, role)] for role in (*OFFLINE, *ONLINE)}
        Repository.create(places.tuf, keys)
    places.content.mkdir(parents=True, exist_ok=True)
    online = {role: [_key(places, role)] for role in ONLINE}
    return Repository.open(places.tuf, online)


def _key(places: FleetPlaces, role: str) -> SigningKey:
    folder = places.offline_keys if role in OFFLINE else places.keys
    path = folder / f"{role}.key.pem"
    if not path.exists():
        SigningKey.generate().save(path)
    return SigningKey.load(path)
