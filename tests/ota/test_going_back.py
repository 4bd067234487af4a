"""A person orders a rollback: of what is tried or lies ready, the application or the system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ota.box import daemon
from ota.box.going_back import rolled_back
from ota.box.install import find_offer, install
from ota.box.orders import Order, give_order, read_progress
from ota.box.state import Begin, Phase, Written, step
from ota.box.window import Shop, Wait
from ota.errors import Refused
from ota.system.update import Phase as SystemPhase
from tests.ota.conftest import Fleet
from tests.ota.rig import QUICK, Kiosk, release_to
from tests.ota.run_cli import Places
from tests.ota.system_rig import SystemBox, make_bundle, publish_bundle

NEW, NEWER = "36.5.1", "36.6.0"


@pytest.fixture
def box(tmp_path: Path, fleet: Fleet) -> Iterator[SystemBox]:
    """A system lies ready, and waits until nobody speaks through the screen."""
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    made = SystemBox(tmp_path / "box", kiosk)
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW, size=20_000))
    made.shop = Shop(takeover=True)
    assert "lies ready" in made.beside.turn()[0]
    made.shop = Shop()
    yield made
    made.firmware.close()


def test_a_system_that_a_person_put_off_is_not_begun_tonight_nor_brought_again(
    box: SystemBox, fleet: Fleet, tmp_path: Path
) -> None:
    assert rolled_back(box.kiosk.parts(), box.beside.decline) == f"system {NEW} was put off"
    assert box.state.phase is SystemPhase.IDLE and box.state.refused == ()
    box.beside.go_on()
    box.restarted()
    assert box.beside.turn() == ("", "") and box.restarts == 0, "the fleet still wants it"
    assert box.disk.versions["A"] == "36.4.0" and box.firmware.running == "A"
    # A newer one is another matter, and so is a person who changed her mind.
    publish_bundle(fleet.repository, make_bundle(tmp_path / "b.raucb", NEWER, size=20_000))
    box.shop = Shop(takeover=True)
    assert "lies ready" in box.beside.turn()[0] and box.state.version == NEWER
    rolled_back(box.kiosk.parts(), box.beside.decline)
    box.shop = Shop()
    assert "restarts into it" in box.beside.turn(Order("system"))[0]
    box.restarted()
    assert box.state.floor == NEWER


def test_between_the_order_to_restart_and_the_restart_a_rollback_says_when(
    box: SystemBox,
) -> None:
    box.beside.turn(Order("system"))
    assert box.restarts == 1
    with pytest.raises(Refused, match="order the rollback again when it is up"):
        rolled_back(box.kiosk.parts(), box.beside.decline)
    # It is up, and no updater runs yet.
    box.firmware.start_until_up()
    said = rolled_back(box.kiosk.parts(), box.beside.decline)
    assert said.startswith(f"system {NEW} was taken back") and box.restarts == 2
    box.restarted()
    assert box.firmware.running == "A" and box.state.refused == (NEW,)


def test_the_updater_takes_the_order_and_leaves_the_earlier_release_alone(
    box: SystemBox, tmp_path: Path
) -> None:
    places = Places(tmp_path / "updater")
    # The updater's start must not begin it before the order is read.
    box.shop = Shop(takeover=True)
    give_order(places.run, Order("rollback"))
    said: list[str] = []
    daemon.run(places, settings=QUICK, stop=lambda: bool(said), say=said.append,
               beside=lambda parts: box.beside)
    assert said == [f"system {NEW} was put off"]
    assert read_progress(places.run)["message"] == said[0]
    with pytest.raises(Refused, match="no earlier release"):
        daemon.apply_alone(places, Order("rollback"), QUICK, lambda parts: box.beside)


def test_both_that_lie_ready_are_put_off(box: SystemBox) -> None:
    application = box.kiosk.parts()
    application.take(Begin("1.4.0"))
    application.take(Written())
    assert rolled_back(application, box.beside.decline) == (
        f"release 1.4.0 was put off; system {NEW} was put off")


def test_a_release_that_a_person_put_off_is_left_until_somebody_orders_it(
    tmp_path: Path, fleet: Fleet
) -> None:
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    release_to(fleet.repository, tmp_path / "work", "1.0.0")
    kiosk.wait = Wait("open")
    parts, source = kiosk.parts(), kiosk.source()
    install(parts, source, find_offer(source))
    assert rolled_back(parts, lambda: "") == "release 1.0.0 was put off"
    places, gate = Places(kiosk.root), daemon.make_gate(Places(kiosk.root))
    ask = daemon._wanted
    assert ask(parts, places, source, Order("check"), gate) is None
    assert ask(parts, places, source, Order("install"), gate) == "1.0.0"
    state = step(parts.state.load(), Begin("1.0.0"))
    assert (state.declined, state.phase) == ("", Phase.INSTALLING)
