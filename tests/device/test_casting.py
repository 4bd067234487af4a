"""The programme names the avatar: another one comes in a new process, at the end of a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.paths import Places, avatars_dir
from device.processes import EXIT_RECAST
from device.stage import casting
from tests.sim.built_programme import make_programme
from tests.sim.player_box import Box


@pytest.mark.parametrize("note", [None, b"", b"{", b'{"id": 3}', b'{"id": "../lin"}',
                                  b'{"id": "nobody"}', b'{"id": "lin"}'])
def test_without_a_usable_note_the_default_avatar_is_shown(
    note: bytes | None, tmp_path: Path
) -> None:
    places = Places(tmp_path)
    if note is not None:
        (places.var / "player").mkdir(parents=True)
        (places.var / "player" / "avatar.json").write_bytes(note)
    assert casting.chosen(places) == avatars_dir() / "lin"


def test_what_a_programme_named_is_kept(tmp_path: Path) -> None:
    casting.remember(Places(tmp_path), "chen")
    assert casting.chosen(Places(tmp_path)) == avatars_dir() / "chen"


def test_a_programme_with_another_avatar_brings_it_on(tmp_path: Path) -> None:
    folder = make_programme(tmp_path / "programme")
    words = json.loads((folder / "programme.json").read_text())
    (folder / "programme.json").write_text(json.dumps({**words, "avatar": {"id": "chen"}}))
    box = Box(tmp_path / "root", None, {})
    try:
        box.start("--no-sound")
        assert box.state(lambda s: s.avatar is not None).avatar.startswith("lin/")
        assert box.process is not None
        box.play(folder)
        assert box.process.wait(20) == EXIT_RECAST
        box.start("--no-sound")
        assert box.state(lambda s: s.ready and s.avatar is not None).avatar.startswith("chen/")
        box.play(folder)
        box.state(lambda s: bool(s.saying), 20)
        assert box.stop() == 0
    finally:
        box.close()

