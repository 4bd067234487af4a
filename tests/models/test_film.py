"""Stories of somebody who brings a video: bad recordings, bad consents, a stop in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.paths import assets_dir, repository_root
from device.render.video import MovieWriter
from models import movie
from models.fetch import fetch
from models.film import footage, permission
from models.film.bundle import check_place
from models.film.follow import bridged, check_seen, follow
from models.film.landmarks import (
    DETECTOR_FILE,
    LIPS_INNER,
    LIPS_OUTER,
    MOUTH_LEFT,
    MOUTH_RIGHT,
    POINTS,
    Face,
    FaceTracker,
)
from models.film.make import Plan, make
from models.registry import read_registry
from ota.errors import Refused
from ota.files import sha256_file
from ota.trust import dsse
from ota.trust.consent import LIKENESS_ROOT
from ota.trust.keys import SigningKey

LIN = repository_root() / "models" / "avatars" / "lin"
NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)
FILM = "f" * 64


def film(path: Path, seconds: float, loudness: float = 0.1) -> Path:
    """A video of nothing, with a tone."""
    rate_hz = 16_000
    with MovieWriter(path, (64, 96), 25, rate_hz) as writer:
        t = np.arange(round(seconds * rate_hz)) / rate_hz
        writer.sound((loudness * np.sin(2 * np.pi * 220 * t)).astype(np.float32))
        for n in range(round(seconds * 25)):
            writer.picture(np.full((96, 64, 4), n % 200, np.uint8))
    return path


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "talk.mp4", 21)


def face(x: float = 400, y: float = 500, wide: float = 300) -> Face:
    points = np.random.default_rng(0).uniform((x, y), (x + wide, y + wide), (POINTS, 2))
    return Face((x, y, wide, wide), points.astype(np.float32), 0.99)


# ---- the recording ---------------------------------------------------------------------------


def test_a_film_tells_its_size_and_length(nobody: Path) -> None:
    found = footage.check_film(nobody)
    assert found.size == (64, 96) and found.seconds == pytest.approx(21, abs=0.1)
    assert len(footage.check_sound(nobody)) == pytest.approx(21 * 16_000, abs=3200)


def test_a_film_that_was_cut_off_in_copying_says_so(nobody: Path, tmp_path: Path) -> None:
    whole = nobody.read_bytes()
    for kept in (0.2, 0.6, 0.95):
        torn = tmp_path / "torn.mp4"
        torn.write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(Refused, match="copy"):
            footage.check_film(torn)


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("shopping list")
    with pytest.raises(Refused, match="no video that can be read"):
        footage.check_film(tmp_path / "notes.mp4")
    with pytest.raises(Refused, match="check the name"):
        footage.check_film(tmp_path / "nothing.mp4")


def test_short_mute_and_silent_films_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="at least 20 s"):
        footage.check_film(film(tmp_path / "short.mp4", 3))
    mute = tmp_path / "mute.mp4"
    movie.write_loop(mute, [np.zeros((96, 64, 3), np.uint8)] * 25, 25)
    with pytest.raises(Refused, match="no sound track"):
        footage.check_film(mute)
    with pytest.raises(Refused, match="silent"):
        footage.check_sound(film(tmp_path / "hush.mp4", 2, loudness=0.0))


def test_frames_come_at_25_whatever_the_film_has(tmp_path: Path) -> None:
    fast = tmp_path / "fast.mp4"
    movie.write_loop(fast, [np.full((96, 64, 3), n, np.uint8) for n in range(0, 120, 2)], 30)
    frames = list(movie.frames_at(fast, 25))
    assert [n for n, _ in frames] == list(range(50))
    # The frame seen in the middle of the sixth's time is the film's seventh: 12 of 2 each.
    assert abs(int(frames[5][1].mean()) - 12) <= 2


@pytest.mark.parametrize(("found", "said"), [
    ([], "no face"),
    ([face(), face(x=50, wide=200)], "2 faces"),
    ([face(x=-5)], "cut by the edge"),
    ([face(wide=120)], "120 pixels wide"),
])
def test_faces_that_cannot_be_used_are_told_with_their_time(
        found: list[Face], said: str) -> None:
    frames = [(0, np.zeros((1920, 1080, 3), np.uint8)), (50, np.ones((1920, 1080, 3), np.uint8))]
    def faces(picture: np.ndarray[Any, Any]) -> list[Face]:
        return found if picture.any() else [face()]
    seen: list[int] = []
    with pytest.raises(Refused, match=r"talk.mp4 at 2.0 s:.*" + said):
        footage.check_faces(Path("talk.mp4"), frames, faces, seen.append)
    assert seen == [0]


def test_a_small_face_in_the_background_is_no_second_person() -> None:
    assert footage.fault_of([face(), face(x=50, wide=80)], 1080, 1920) is None


# ---- the tracker -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tracker() -> FaceTracker:
    pytest.importorskip("ai_edge_litert", reason="requirements/film.txt is not installed here")
    if not (assets_dir() / DETECTOR_FILE).is_file():
        pytest.skip("the face mesh is not here: ./vitrine models fetch face-mesh")
    return FaceTracker(assets_dir())


@pytest.fixture(scope="module")
def lin_frame() -> np.ndarray[Any, Any]:
    return next(iter(movie.read_frames(LIN / "base.mp4")))


def test_the_tracker_finds_the_one_face_and_its_mouth(
        tracker: FaceTracker, lin_frame: np.ndarray[Any, Any]) -> None:
    found = tracker.faces(lin_frame)
    assert len(found) == 1 and found[0].points.shape == (POINTS, 2) and found[0].score > 0.9
    assert footage.fault_of(found, 1080, 1920) is None
    with np.load(LIN / "track.npz") as track:
        matrix, side = track["matrix"][0], len(track["mask"])
    middle = matrix @ np.array([0.5 * side, 0.43 * side, 1])
    lips = found[0].points[list(LIPS_OUTER)]
    assert np.abs(lips.mean(0) - middle).max() < 0.06 * found[0].box[2]
    # At rest the inner lips touch all along.
    inner = found[0].points[list(LIPS_INNER)]
    wide = found[0].points[MOUTH_LEFT, 0] - found[0].points[MOUTH_RIGHT, 0]
    assert np.ptp(inner[:, 1]) < 0.12 * wide
    again = tracker.follow(lin_frame, found[0])
    assert again is not None and np.abs(again.points - found[0].points).max() < 0.03 * wide


def test_the_tracker_counts_faces(tracker: FaceTracker, lin_frame: np.ndarray[Any, Any]) -> None:
    head = lin_frame[250:1150, 150:930]
    two = np.hstack([head, head[:, ::-1]])
    assert len(tracker.faces(two)) == 2
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    assert tracker.faces(noise) == []
    upright = tracker.faces(head)[0].points
    turned = tracker.faces(np.ascontiguousarray(lin_frame[300:1100, 150:930]))[0].points
    assert np.abs(upright - turned - [0, 50]).max() < 6


def test_without_its_networks_the_tracker_says_how_to_bring_them(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="models fetch face-mesh"):
        FaceTracker(tmp_path)


# ---- following, stopped and resumed ----------------------------------------------------------


class Watcher:
    """A tracker of made-up faces that counts its work; frame 7 shows none."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.asked, self._stop_at = 0, stop_at

    def faces(self, picture: np.ndarray[Any, Any]) -> list[Face]:
        self.asked += 1
        number = int(picture[0, 0, 0])
        if number == self._stop_at:
            raise KeyboardInterrupt
        return [] if number == 7 else [face(x=400 + number)]

    def follow(self, picture: np.ndarray[Any, Any], _before: Face) -> Face | None:
        return next(iter(self.faces(picture)), None)


def numbered(count: int) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    return ((n, np.full((4, 6, 3), n, np.uint8)) for n in range(count))


def test_a_stopped_tracking_goes_on_where_it_was(tmp_path: Path) -> None:
    partial, told = tmp_path / "track.begun.npz", []
    with pytest.raises(KeyboardInterrupt):
        follow(numbered(40), Watcher(stop_at=25), partial, told.append)  # type: ignore[arg-type]
    assert told[-1] == 25
    second = Watcher()
    found = follow(numbered(40), second, partial, told.append)  # type: ignore[arg-type]
    assert second.asked == 15 and len(found.points) == 40 and found.size == (6, 4)
    assert found.seen.sum() == 39 and not found.seen[7]
    # The missing frame lies between its neighbours.
    assert found.points[7] == pytest.approx((found.points[6] + found.points[8]) / 2, abs=1e-3)
    whole = follow(numbered(40), Watcher(), tmp_path / "x.npz", told.append)  # type: ignore[arg-type]
    assert np.array_equal(whole.points, found.points)


def test_a_face_that_goes_away_is_told_with_its_time() -> None:
    seen = np.ones(500, np.bool_)
    seen[100:140] = False
    with pytest.raises(Refused, match=r"lost for 1.6 s at 4.0 s"):
        check_seen(seen)
    seen[:] = True
    seen[::5] = False
    with pytest.raises(Refused, match="20%"):
        check_seen(seen)
    with pytest.raises(Refused, match="no face"):
        check_seen(np.zeros(10, np.bool_))
    assert bridged(np.zeros((3, 2, 2), np.float32), np.ones(3, np.bool_)).shape == (3, 2, 2)


# ---- the consent -----------------------------------------------------------------------------


def statement(**changes: object) -> dict[str, object]:
    return {"avatar": "ana", "owner": "Ana Example", "chains": ["tea"], "regions": ["CN"],
            "uses": ["shop"], "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z",
            "revocation_id": "ana-1", **changes}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    SigningKey.generate().save(tmp_path / "key.pem")
    return tmp_path / "key.pem"


def asked(path: Path, key: Path | None, trust: Path | None = None) -> permission.Permission:
    return permission.read_permission(path, "ana", FILM, key, trust, NOW)


def written(folder: Path, document: dict[str, object]) -> Path:
    path = folder / "consent.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(("changes", "said"), [
    ({"avatar": "bob"}, "for the avatar 'bob'"),
    ({"until": "2026-11-24T00:00:00Z"}, "ended on 2026-11-24"),
    ({"from": "2026-12-24T00:00:00Z"}, "begins only at 2026-12-24"),
    ({"until": "next year"}, "cannot be read"),
    ({"until": "2027-01-01T00:00:00"}, "need their zone"),
    ({"chains": []}, "where it may be shown"),
    ({"source_sha256": "0" * 64}, "another film"),
    ({"base_sha256": "0" * 64}, "finished avatar"),
    ({"gender": "f"}, "nobody reads"),
])
def test_consents_that_do_not_hold(tmp_path: Path, key: Path, changes: dict[str, object],
                                   said: str) -> None:
    with pytest.raises(Refused, match=said):
        asked(written(tmp_path, statement(**changes)), key)


def test_a_consent_must_be_there_whole_and_have_a_key(tmp_path: Path, key: Path) -> None:
    with pytest.raises(Refused, match="There is no consent"):
        asked(tmp_path / "none.json", key)
    path = written(tmp_path, {"avatar": "ana"})
    with pytest.raises(Refused, match="lacks owner, chains"):
        asked(path, key)
    with pytest.raises(Refused, match="openssl genpkey"):
        asked(written(tmp_path, statement()), None)
    path.write_text("yes, of course")
    with pytest.raises(Refused, match="not JSON"):
        asked(path, key)


def test_a_plain_statement_is_completed_and_signed_by_the_maker(tmp_path: Path, key: Path) -> None:
    found = asked(written(tmp_path, statement()), key)
    envelope = found.completed("b" * 64, FILM)
    payload = json.loads(dsse.verify(envelope, dsse.CONSENT, [SigningKey.load(key).public]))
    assert payload == {**statement(), "base_sha256": "b" * 64, "source_sha256": FILM}


def test_a_signed_consent_counts_for_its_film_and_signer_alone(tmp_path: Path, key: Path) -> None:
    owner = SigningKey.generate()
    (tmp_path / "owner.pub").write_text(owner.public.to_pem())
    path = tmp_path / "signed.json"
    def sign(document: dict[str, object]) -> None:
        path.write_bytes(dsse.sign(json.dumps(document).encode(), dsse.CONSENT, [owner]))
    sign(statement(source_sha256=FILM))
    found = asked(path, key, tmp_path / "owner.pub")
    payload = json.loads(dsse.verify(found.completed("b" * 64, FILM), dsse.CONSENT,
                                     [SigningKey.load(key).public]))
    assert payload["owner"] == "Ana Example" and payload["granted"]
    with pytest.raises(Refused):
        asked(path, key)  # signed, but by nobody this maker trusts
    forged = json.loads(path.read_bytes())
    forged["payload"] = forged["payload"][:-8] + "AAAAAAA="
    path.write_text(json.dumps(forged))
    with pytest.raises(Refused):
        asked(path, key, tmp_path / "owner.pub")
    sign(statement())
    with pytest.raises(Refused, match="source_sha256"):
        asked(path, key, tmp_path / "owner.pub")


def test_nothing_is_written_before_film_and_consent_are_good(
        nobody: Path, tmp_path: Path, key: Path) -> None:
    plan = Plan("ana", nobody, written(tmp_path, statement(until="2026-02-01T00:00:00Z")), key,
                None, tmp_path / "work", tmp_path / "out" / "ana", tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    for each in (plan, replace(plan, name="../ana"), replace(plan, video=tmp_path / "no.mp4"),
                 replace(plan, consent=written(tmp_path, statement(
                     until="2100-01-01T00:00:00Z", source_sha256="0" * 64)))):
        with pytest.raises(Refused):
            make(each, lambda line: None)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert len(sha256_file(nobody)) == 64


def test_an_avatar_is_not_laid_over_another_nor_among_those_of_another_key(tmp_path: Path) -> None:
    mine, other = SigningKey.generate(), SigningKey.generate()
    check_place(tmp_path / "avatars" / "ana", mine, ours=False)
    (tmp_path / "avatars").mkdir()
    (tmp_path / "avatars" / LIKENESS_ROOT).write_text(other.public.to_pem())
    with pytest.raises(Refused, match="another key"):
        check_place(tmp_path / "avatars" / "ana", mine, ours=False)
    check_place(tmp_path / "avatars" / "ana", other, ours=False)
    (tmp_path / "avatars" / "ana").mkdir()
    (tmp_path / "avatars" / "ana" / "avatar.json").touch()
    with pytest.raises(Refused, match="there already"):
        check_place(tmp_path / "avatars" / "ana", other, ours=False)
    check_place(tmp_path / "avatars" / "ana", other, ours=True)


def test_the_face_mesh_is_brought_only_when_it_is_asked_for() -> None:
    registry = read_registry()
    assert registry["face-mesh"].on_demand and registry["face-mesh"].licence == "Apache-2.0"
    everyday = {name: replace(model, variants=((),)) for name, model in registry.items()}
    nowhere = replace(registry["face-mesh"], variants=())
    assert fetch(None, Path("unused"), registry={**everyday, "face-mesh": nowhere}) == []
