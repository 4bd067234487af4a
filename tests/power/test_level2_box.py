"""Level 2, everything else that is kept: what the disk may hold after a power cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.power.amounts import BLOCK_SHARE, FILE_SYSTEMS, STATES, STATES_NIGHTLY, states_of
from tests.power.flows import FLOWS as ALL
from tests.power.ran import drill
from tests.power.test_level2_updates import FLOWS as UPDATES

FLOWS = tuple(name for name in ALL if name not in UPDATES)


@pytest.mark.parametrize(
    "whole", [STATES, pytest.param(STATES_NIGHTLY, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", FLOWS)
def test_what_a_box_keeps_survives_a_cut_of_the_power(
    name: str, whole: int, record_property: Callable[[str, object], None]
) -> None:
    reports = drill(name, FILE_SYSTEMS, states_of(name, whole))
    assert len(reports) == len(FILE_SYSTEMS)
    assert not any(report["bad"] for report in reports), reports
    record_property("power", ("level 2", name, sum(report["states"] for report in reports)))


def test_a_push_tries_two_thousand_states_and_a_night_ten_times_that() -> None:
    assert set(BLOCK_SHARE) == set(ALL) and abs(sum(BLOCK_SHARE.values()) - 1) < 1e-9
    for whole, least in ((STATES, 2_000), (STATES_NIGHTLY, 20_000)):
        assert sum(states_of(name, whole) for name in ALL) * len(FILE_SYSTEMS) >= least
