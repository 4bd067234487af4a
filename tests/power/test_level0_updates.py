"""Level 0, updates: the plug is pulled before every storage call of an install and of a way back.

A process that dies keeps all that it wrote; torn writes leave their first half. Invariants: the
switch points at a fully verified slot; the version is the old or the new one; a restart completes
what was begun; no floor sinks; nothing promised is lost; the disk does not fill.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.power.amounts import (
    FIRST_CUTS,
    FIRST_CUTS_NIGHTLY,
    PAIRS,
    PAIRS_NIGHTLY,
    PAIRS_OF,
    SEED,
)
from tests.power.rehearsal import rehearse, stage

CUTS_AT_LEAST = {"install": 250, "take back": 250, "confirm": 20, "go back": 30, "system": 100}


@pytest.mark.parametrize("name", CUTS_AT_LEAST)
def test_an_update_survives_a_cut_at_every_storage_call(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    with stage(name) as (flow, root):
        done = rehearse(flow, root, PAIRS_OF.get(name, PAIRS), FIRST_CUTS, SEED)
    record_property("power", ("level 0", name, done.cuts + done.pairs))
    assert done.cuts >= CUTS_AT_LEAST[name] and len(done.found) > 1, done


@pytest.mark.nightly
@pytest.mark.parametrize("name", CUTS_AT_LEAST)
def test_an_update_survives_a_second_cut_wherever_it_comes(name: str) -> None:
    with stage(name) as (flow, root):
        done = rehearse(flow, root, PAIRS_NIGHTLY, FIRST_CUTS_NIGHTLY, SEED + 1)
    assert done.pairs > 200
