"""Level 2, updates: what the disk may hold after a power cut, on three settings of ext4.

The page cache is lost, writes come in another order, and are torn. See `drill.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.power.amounts import FILE_SYSTEMS, STATES, STATES_NIGHTLY, states_of
from tests.power.ran import drill

FLOWS = ("install", "take back", "confirm", "go back")


@pytest.mark.parametrize(
    "whole", [STATES, pytest.param(STATES_NIGHTLY, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", FLOWS)
def test_an_update_survives_a_cut_of_the_power(
    name: str, whole: int, record_property: Callable[[str, object], None]
) -> None:
    reports = drill(name, FILE_SYSTEMS, states_of(name, whole))
    assert len(reports) == len(FILE_SYSTEMS)
    assert not any(report["bad"] for report in reports), reports
    record_property("power", ("level 2", name, sum(report["states"] for report in reports)))
