"""The two systems of a real Jetson: what its firmware says, and that its marks can be set."""

from __future__ import annotations

from ota.system.boot import SYSTEMS, other
from ota.system.jetson import JetsonBoot
from ota.system.rauc import Rauc


def test_the_firmware_knows_two_systems_and_which_one_runs() -> None:
    control = JetsonBoot()
    assert control.booted() in SYSTEMS and control.primary() in SYSTEMS
    control.confirm()
    assert control.is_good(control.booted())


def test_a_system_is_given_up_and_healed_by_its_variable() -> None:
    control = JetsonBoot()
    idle = other(control.booted())
    try:
        control.set_good(idle, False)
        assert not control.is_good(idle)
    finally:
        control.set_good(idle, True)
    assert control.is_good(idle)


def test_rauc_knows_both_systems_and_is_new_enough() -> None:
    rauc = Rauc()
    assert rauc.version() >= (1, 15)
    assert set(rauc.systems()) == set(SYSTEMS)
