"""A face whose owner took her word back: every box learns it once and for good, and shows it never
again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from device.paths import Places
from device.stage import permission
from device.stage.keeper import last_picture_path
from device.stage.permission import Permission, forget_face
from fleet import likeness
from ota.box.stick import SCHEME, StickFetcher
from ota.clock import Deadline
from ota.errors import Refused
from ota.publish import withdraw
from ota.trust.consent import Consent, check_bundle
from ota.trust.keys import SigningKey
from ota.trust.withdrawn import IDS_MAX, Withdrawn, read, written
from tests.ota.origin import serve
from tests.ota.run_cli import main
from tests.ota.test_consent import NOW, bundle
from tests.sim.shelf import Shelf, box


def take_back(shelf: Shelf, *ids: str) -> None:
    withdraw.add(shelf.repository, ids)
    shelf.repository.publish()


def test_a_box_learns_it_with_the_next_look_and_never_forgets(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "tuf")
    with serve(tmp_path / "tuf") as origin:
        kiosk = box(tmp_path / "box", shelf, origin.url)
        assert kiosk.look_for_withdrawn() == frozenset()
        take_back(shelf, "mei-1")
        assert kiosk.look_for_withdrawn() == {"mei-1"}
        assert kiosk.look_for_withdrawn() == frozenset(), "told once"
        sent = origin.sent_bytes
        kiosk.look_for_withdrawn()
        assert origin.sent_bytes - sent <= 400, "a look with nothing new is small"
        # Even a signed list without it brings no face back.
        shelf.repository.add("avatars", "avatars/withdrawn.json", written(["lin-7"]))
        shelf.repository.publish()
        assert box(tmp_path / "box", shelf, origin.url).look_for_withdrawn() == {"lin-7"}
    assert Withdrawn(tmp_path / "box" / "withdrawn").ids() == {"mei-1", "lin-7"}


def test_bringing_a_programme_brings_the_list_too_by_stick_as_well(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "tuf")
    take_back(shelf, "mei-1")
    wanted = shelf.publish()
    fetcher = StickFetcher(tmp_path / "tuf")
    box(tmp_path / "box", shelf, SCHEME, fetcher).bring(wanted)
    assert Withdrawn(tmp_path / "box" / "withdrawn").ids() == {"mei-1"}


def test_the_command_signs_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = SigningKey.generate()
    shelf = Shelf(tmp_path / "tuf")
    for role, (held,) in shelf.repository.keys.items():
        held.save(tmp_path / "keys" / f"{role}.pem")  # type: ignore[union-attr]
    command = ["ota", "withdraw", "--repository", str(tmp_path / "tuf"), "--consent", "mei-1"]
    assert main([*command, "--keys", str(tmp_path / "keys")]) == 0
    assert withdraw.published(shelf.repository) == ["mei-1"]
    key.save(tmp_path / "other" / "avatars.pem")
    assert main([*command, "--keys", str(tmp_path / "other")]) == 1
    assert "Too few have signed" in capsys.readouterr().err


def test_nothing_is_published_or_shown_with_a_withdrawn_face(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "avatars", SigningKey.generate())
    assert check_bundle(folder, NOW, "tea", withdrawn=["other"]).revocation_id == "m1"
    with pytest.raises(Refused, match="taken back by its owner"):
        check_bundle(folder, NOW, "tea", withdrawn=["m1"])
    keys = tmp_path / "trusted"
    keys.mkdir()
    (keys / "owner.pem").write_bytes((tmp_path / "avatars" / "likeness-root.pub").read_bytes())
    document = {"avatar": {"id": "mei"}}
    assert not likeness.faults(document, tmp_path / "avatars", keys, "tea", NOW)
    (fault,) = likeness.faults(document, tmp_path / "avatars", keys, "tea", NOW, ["m1"])
    assert "不能使用" in fault.sentence_zh and "taken back" in fault.sentence_en


def test_who_is_on_the_screen_goes_when_her_word_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(tmp_path)
    now = [datetime(2026, 11, 25, tzinfo=timezone.utc)]
    consent = Consent("mei", "Mei", ["tea"], ["*"], ["*"], now[0] - timedelta(days=1),
                      now[0] + timedelta(days=1), "m1", "0" * 64)
    shown = Permission(places, consent, "tea", lambda: now[0], Deadline(0.0))
    assert shown.objection() is None
    now[0] += timedelta(days=2)
    assert shown.objection() is None, "the disk is not asked at every frame"
    monkeypatch.setattr(permission, "LOOK_S", 0.0)
    assert "ended on 2026-11-26" in str(shown.judged())
    now[0] -= timedelta(days=2)
    Withdrawn(places.var / "withdrawn").learn(["m1"])
    assert "taken back" in str(shown.judged())
    last_picture_path(places).parent.mkdir(parents=True)
    last_picture_path(places).write_bytes(b"her face")
    forget_face(places)
    forget_face(places)
    assert not last_picture_path(places).exists()


def test_a_list_has_limits() -> None:
    for bad in (b"", b"[]", b'{"withdrawn": [""]}', b'{"withdrawn": [], "schema": 2}',
                b'{"withdrawn": ["%s"]}' % (b"x" * 81), b" " * 200_001):
        with pytest.raises(Refused):
            read(bad)
    with pytest.raises(Refused, match="More than"):
        written(f"c{n}" for n in range(IDS_MAX + 1))
