"""A release that asks for a programme's format: the box knows what it plays, and answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device import messages as m
from device.witness import Witness
from ota.box.confirm import Verdict
from ota.box.daemon import make_parts
from ota.box.install import Parts, find_offer, install
from ota.box.seen import read_plays
from ota.box.slots import DirectorySlots
from ota.box.window import Shop, read_shop
from ota.clock import monotonic_ns
from ota.errors import Refused
from ota.publish.release import build, publish
from tests.ota.conftest import Fleet
from tests.ota.rig import QUICK, Kiosk, good_health, source_tree
from tests.ota.run_cli import Places

NEEDS = [{"what": "programme_schema", "at_least": "2", "below": "4"}]


def playing(places: Places, schema: int) -> None:
    """The player tells what it plays, and the supervisor writes it down for the updater."""
    witness, now_ns = Witness(), monotonic_ns()
    witness.note(m.PlayerState(at_ns=now_ns, ready=True, programme_id="tea",
                               programme_schema=schema))
    places.run.mkdir(parents=True, exist_ok=True)
    (places.run / "shop.json").write_text(json.dumps(witness.shop(now_ns)))


def parts_of(places: Places) -> Parts:
    """As the updater itself puts them together."""
    health = good_health(lambda: DirectorySlots(places.opt))
    return make_parts(places, lambda slot: None, health, QUICK)


def test_a_release_that_needs_a_newer_programme_waits_for_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    places = Places(tmp_path / "box")
    tree = source_tree(tmp_path / "tree", "1.2")
    publish(fleet.repository, build(tree, "1.2", tmp_path / "1.2.tar", needs=NEEDS))
    source = Kiosk(places.root, fleet.origin.url, fleet.repository.root_bytes()).source()
    offer, parts = find_offer(source), parts_of(places)
    with pytest.raises(Refused, match="this box does not say which it has"):
        install(parts, source, offer)
    for schema in (1, 4):
        playing(places, schema)
        with pytest.raises(Refused, match=rf"programmes of schema from 2 below 4, and this box has "
                                          rf"{schema}; publish this box's programme again first"):
            install(parts, source, offer)
    # Published again; the same updater, still running, sees it at its next look.
    playing(places, 2)
    assert install(parts, source, offer) is Verdict.CONFIRM


def test_where_no_player_speaks_the_disk_tells(fleet: Fleet, tmp_path: Path) -> None:
    places = Places(tmp_path / "box")
    folder = places.var / "programmes" / "tea-12"
    folder.mkdir(parents=True)
    (folder / "programme.json").write_text('{"schema": 3}')
    assert parts_of(places).machine().facts["programme_schema"] == ("3",)
    playing(places, 2)
    assert parts_of(places).machine().facts["programme_schema"] == ("2",), "what plays goes first"


def test_what_is_told_of_the_programme_is_read_with_suspicion(tmp_path: Path) -> None:
    assert read_plays(tmp_path) is None
    told = tmp_path / "shop.json"
    told.write_text('{"at_s": 100.0, "programme_schema": 2}')
    assert read_plays(tmp_path, 102.0) == 2
    assert read_plays(tmp_path, 200.0) is None and read_plays(tmp_path, 99.0) is None
    for nonsense in (b"", b"[]", b"{", b'{"programme_schema": 2}', b'{"at_s": {}}',
                     b'{"at_s": ' + b'9' * 400 + b'}', b"[" * 9000,
                     b'{"at_s": 100, "programme_schema": "2"}',
                     b'{"at_s": 100, "programme_schema": true}',
                     b'{"at_s": 100, "programme_schema": -1}',
                     b'{"at_s": 100}', b'{"at_s": 1e999, "programme_schema": 2}'):
        told.write_bytes(nonsense)
        assert read_plays(tmp_path, 101.0) is None, nonsense
        assert read_shop(tmp_path, 101.0) == Shop(), nonsense
