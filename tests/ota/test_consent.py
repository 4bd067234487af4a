"""Stories of a face and its owner's word: asked when packed, when published, and on the box."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from fleet import likeness
from ota.clock import utc_now
from ota.errors import Refused
from ota.files import sha256_file
from ota.trust import dsse
from ota.trust.consent import check_bundle, check_tree
from ota.trust.keys import SigningKey

NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)


def bundle(avatars: Path, key: SigningKey, **change: object) -> Path:
    """A bundle's outside: video, one gesture, avatar.json, signed consent."""
    folder = avatars / "mei"
    folder.mkdir(parents=True)
    (folder / "base.mp4").write_bytes(b"a face")
    (folder / "greet.mp4").write_bytes(b"a face that waves")
    base, greet = (sha256_file(folder / n) for n in ("base.mp4", "greet.mp4"))
    (folder / "avatar.json").write_text(json.dumps({
        "schema": 1, "id": "mei", "base": {"file": "base.mp4", "sha256": base, "frames": 50},
        "gestures": {"greet": {"file": "greet.mp4", "sha256": greet, "frames": 20}},
        "consent": "consent.dsse.json", "renderer": {}}))
    statement = {
        "avatar": "mei", "owner": "Mei", "chains": ["tea"], "regions": ["*"], "uses": ["*"],
        "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "revocation_id": "m1",
        "base_sha256": base, "gestures_sha256": {"greet": greet}, **change}
    (folder / "consent.dsse.json").write_bytes(
        dsse.sign(json.dumps(statement).encode(), dsse.CONSENT, [key]))
    (avatars / "likeness-root.pub").write_text(key.public.to_pem())
    return folder


def test_a_face_is_shown_where_and_while_its_owner_allows_it(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "avatars", SigningKey.generate())
    assert check_bundle(folder, NOW, "tea").owner == "Mei"
    assert check_bundle(folder, NOW, None).chains == ["tea"]
    with pytest.raises(Refused, match="does not cover the chain 'coffee'"):
        check_bundle(folder, NOW, "coffee")
    with pytest.raises(Refused, match="ended on 2027-01-01; ask for a new one"):
        check_bundle(folder, NOW + timedelta(days=60), "tea")
    with pytest.raises(Refused, match="begins only at 2026-01-01"):
        check_bundle(folder, NOW - timedelta(days=400), "tea")


def test_a_word_for_one_video_is_none_for_another(tmp_path: Path) -> None:
    key = SigningKey.generate()
    folder = bundle(tmp_path / "avatars", key)
    (folder / "base.mp4").write_bytes(b"another face")
    with pytest.raises(Refused, match="not the video that"):
        check_bundle(folder, NOW, "tea")
    unsigned = bundle(tmp_path / "second", key, gestures_sha256={})
    with pytest.raises(Refused, match="does not cover its gesture greet"):
        check_bundle(unsigned, NOW, "tea")
    stolen = bundle(tmp_path / "third", key, base_sha256="0" * 64)
    with pytest.raises(Refused, match="given for another avatar"):
        check_bundle(stolen, NOW, "tea")


def test_a_forged_or_missing_word_is_no_word(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "avatars", SigningKey.generate())
    with pytest.raises(Refused):
        check_bundle(folder, NOW, "tea", [SigningKey.generate().public])
    (folder / "consent.dsse.json").unlink()
    with pytest.raises(Refused, match="has no likeness consent"):
        check_bundle(folder, NOW, "tea")
    (folder / "avatar.json").write_text("{")
    with pytest.raises(Refused, match="not a valid avatar description"):
        check_bundle(folder, NOW, "tea")


def test_a_release_ships_no_face_whose_consent_is_over(tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "avatars", SigningKey.generate())
    assert check_tree(tmp_path, NOW) == ["mei"]
    with pytest.raises(Refused, match="ended on"):
        check_tree(tmp_path, NOW + timedelta(days=60))
    assert check_tree(tmp_path / "empty", NOW) == []


def test_the_console_refuses_a_programme_whose_face_the_chain_may_not_show(tmp_path: Path) -> None:
    key = SigningKey.generate()
    avatars, keys = tmp_path / "avatars", tmp_path / "keys"
    bundle(avatars, key)
    keys.mkdir()
    shutil.copyfile(avatars / "likeness-root.pub", keys / "chain.pem")
    wish = {"avatar": {"id": "mei", "version": ">=1"}}
    assert likeness.faults(wish, avatars, keys, "tea", NOW) == []
    (fault,) = likeness.faults(wish, avatars, keys, "coffee", NOW)
    assert fault.field == "avatar/id"
    assert "does not cover the chain" in fault.sentence_en
    assert "不能使用" in fault.sentence_zh
    assert likeness.faults({"avatar": {"id": "nobody"}}, avatars, keys, "tea", NOW) == []
    assert likeness.faults({}, avatars, keys, "tea", NOW) == []


def test_the_shipped_avatars_may_be_shown_today() -> None:
    root = Path(__file__).resolve().parents[2]
    assert "lin" in check_tree(root, utc_now())
