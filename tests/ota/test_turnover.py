"""New keys while boxes look: between any two writes of the publisher no box is refused."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from ota.errors import Refused
from ota.fetch import HttpStatus
from ota.floor import FloorClock
from ota.publish import ceremony
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.dsse import key_of
from ota.trust.keys import SigningKey
from tests.power.camera import Camera, Photo, develop

TARGET = "programmes/tea/1.json"


@dataclass
class Album:
    """What a server hands out at the moment of a photograph; it moves on by `pace` a request."""

    photos: list[Photo]
    at: int
    pace: int = 0

    def bytes(self, url: str, bytes_max: int) -> bytes:
        photo = self.photos[min(self.at, len(self.photos) - 1)]
        self.at += self.pace
        kind, data = photo.get(url.removeprefix("x:/"), ("", b""))
        if kind != "file":
            raise HttpStatus(url, 404)
        assert len(data) <= bytes_max
        return data


def shown(camera: Camera) -> list[Photo]:
    """The moments that differ for who fetches: half-written files have names that nobody asks."""
    found: list[Photo] = []
    for photo, _ in camera.taken:
        seen = {name: what for name, what in photo.items() if not Path(name).name.startswith(".")}
        if seen not in found:
            found.append(seen)
    return found


@dataclass
class Chain:
    """A repository with one programme, and the trust store of a box that has seen it."""

    folder: Path

    def __post_init__(self) -> None:
        self.tuf, self.known = self.folder / "tuf", self.folder / "known"
        self.keys = {role: [SigningKey.generate()] for role in ROLES}
        self.repository = Repository.create(self.tuf, self.keys)
        self.first_root = self.repository.root_bytes()
        self.repository.add("programmes", TARGET, b"one")
        self.repository.publish()
        camera = Camera(self.tuf)
        with camera.watching():
            pass
        self.look(self.known, Album([camera.taken[0][0]], 0))

    def look(self, store: Path, album: Album) -> None:
        """One look of a box; raises as `TrustClient` does."""
        trust = TrustClient(store, "x:/metadata", album, FloorClock(store / "clock"))
        trust.bootstrap(self.first_root)
        trust.refresh()
        assert trust.target(TARGET).length_bytes == 3

    def both_look(self, album_of: Album) -> list[Refused]:
        """A box that knew the old keys, and a new one with the first root, look at that moment."""
        refusals = []
        for name in ("follower", "new"):
            store = self.folder / name
            shutil.rmtree(store, ignore_errors=True)
            if name == "follower":
                shutil.copytree(self.known, store)
            try:
                self.look(store, Album(album_of.photos, album_of.at, album_of.pace))
            except Refused as refusal:
                refusals.append(refusal)
        return refusals


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


@pytest.mark.parametrize("role", [
    "targets", "snapshot", "timestamp",
    *(pytest.param(role, marks=pytest.mark.nightly) for role in ("root", "programmes"))])
def test_a_box_that_looks_between_any_two_writes_of_a_rotation_is_served(
    chain: Chain, role: str
) -> None:
    camera = Camera(chain.tuf, torn=False)
    with camera.watching():
        chain.repository.rotate(role, [SigningKey.generate()])
    photos = shown(camera)
    assert len(photos) > 3
    for at in range(len(photos)):
        # The whole look at one moment, and one that sees a later moment with each request.
        for pace in (0, 1):
            assert chain.both_look(Album(photos, at, pace)) == []
    chain.repository.publish()  # by the new key alone
    camera = Camera(chain.tuf)
    with camera.watching():
        pass
    assert chain.both_look(Album([camera.taken[0][0]], 0)) == []


def test_where_the_old_key_is_lost_boxes_wait_for_one_write_and_a_cut_there_is_mended(
    chain: Chain, tmp_path: Path
) -> None:
    """Nobody can sign for the boxes that know the old root only: the new one is shown first."""
    new = SigningKey.generate()
    change = ceremony.rotation(chain.repository, "timestamp", [key_of(new)])
    ceremony.sign(change, {"root": chain.keys["root"]})
    without_old = {**chain.keys, "timestamp": [new]}
    camera = Camera(chain.tuf, torn=False)
    with camera.watching():
        ceremony.put_in_force(Repository.open(chain.tuf, without_old), change)
    photos = shown(camera)
    refused = [at for at in range(len(photos)) if chain.both_look(Album(photos, at))]
    root = "metadata/2.root.json"
    before = photos[0]["metadata/timestamp.json"]
    assert refused == [at for at, photo in enumerate(photos)
                       if root in photo and photo["metadata/timestamp.json"] == before]
    assert refused, "else this shows nothing"
    # The power fails right there. Who does it again finishes it, with the same signed change.
    develop(photos[refused[0]], chain.tuf)
    mended = Repository.open(chain.tuf, without_old)
    mended.add("programmes", TARGET, b"two")
    mended.publish()
    camera = Camera(chain.tuf)
    with camera.watching():
        pass
    assert chain.both_look(Album([camera.taken[0][0]], 0)) == []


def test_a_rotation_that_was_cut_is_finished_with_the_same_signatures(chain: Chain) -> None:
    """The people who signed are not asked again."""
    new = SigningKey.generate()
    change = ceremony.rotation(chain.repository, "targets", [key_of(new)])
    ceremony.sign(change, {"root": chain.keys["root"], "targets": [*chain.keys["targets"], new]})
    signed = ceremony.write(change)
    camera = Camera(chain.tuf, torn=False)
    with camera.watching():
        ceremony.put_in_force(Repository.open(chain.tuf, chain.keys), change)
    photos = [photo for photo, _ in camera.taken]
    for photo in photos[:-1]:
        develop(photo, chain.tuf)
        repository = Repository.open(chain.tuf, chain.keys)
        if repository.current("root").signed.version == 2:
            continue  # whole but for the folder's last flush
        ceremony.put_in_force(repository, ceremony.read(signed))
        assert repository.current("root").signed.version == 2
        assert repository.current("targets").signed.version == 2
    with pytest.raises(Refused, match="has changed since"):
        ceremony.put_in_force(Repository.open(chain.tuf, chain.keys), ceremony.read(signed))


def test_a_server_that_still_holds_the_old_key_signs_nothing_that_boxes_refuse(
    chain: Chain
) -> None:
    """The console runs on while somebody rotates its key beside it."""
    console = Repository.open(chain.tuf, chain.keys)
    chain.repository.rotate("timestamp", [SigningKey.generate()])
    before = (chain.tuf / "metadata" / "timestamp.json").read_bytes()
    with pytest.raises(Refused, match="key of role 'timestamp' is not at hand"):
        console.publish()
    assert (chain.tuf / "metadata" / "timestamp.json").read_bytes() == before
