"""Level 3: whole machines whose plug is pulled at random, at night. See `plug.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.power import machines, mounts
from tests.power.amounts import MACHINE_CUTS, MACHINE_CUTS_SABOTAGED
from tests.power.ran import ran

pytestmark = pytest.mark.nightly


def plug(flow: str, cuts: int, *more: str) -> dict[str, Any]:
    if reason := mounts.missing() or machines.missing():
        pytest.skip(f"no whole machines here: {reason}")
    (report,) = ran("tests.power.plug", "--flow", flow, "--cuts", str(cuts), *more)
    return report


@pytest.mark.parametrize("flow", MACHINE_CUTS)
def test_an_update_survives_the_plug_of_a_whole_machine(
    flow: str, record_property: Callable[[str, object], None]
) -> None:
    report = plug(flow, MACHINE_CUTS[flow])
    assert not report["bad"], report
    record_property("power", ("level 3", flow, report["cuts"]))


def test_a_writer_without_fsync_is_found_out_by_a_whole_machine() -> None:
    assert plug(
        "install", MACHINE_CUTS_SABOTAGED, "--sabotage", "no fsync", "--cold", "0")["bad"]
