"""Level 0, everything else that is kept: programmes, words of the console, keys, the identity, and
the publisher's folder. What SQLite writes (the outbox) is cut at levels 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.power.amounts import FIRST_CUTS, FIRST_CUTS_NIGHTLY, PAIRS, PAIRS_NIGHTLY, SEED
from tests.power.rehearsal import rehearse, stage

CUTS_AT_LEAST = {
    "content": 200, "eviction": 200, "desired": 60, "enrol": 50, "enrol anew": 70,
    "follow new keys": 50, "publish and rotate": 150, "prune": 40,
}  # fmt: skip


@pytest.mark.parametrize("name", CUTS_AT_LEAST)
def test_what_a_box_keeps_survives_a_cut_at_every_storage_call(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    with stage(name) as (flow, root):
        done = rehearse(flow, root, PAIRS, FIRST_CUTS, SEED)
    record_property("power", ("level 0", name, done.cuts + done.pairs))
    assert done.cuts >= CUTS_AT_LEAST[name] and len(done.found) > 1, done


@pytest.mark.nightly
@pytest.mark.parametrize("name", CUTS_AT_LEAST)
def test_what_a_box_keeps_survives_a_second_cut_wherever_it_comes(name: str) -> None:
    with stage(name) as (flow, root):
        done = rehearse(flow, root, PAIRS_NIGHTLY, FIRST_CUTS_NIGHTLY, SEED + 1)
    assert done.pairs > 100
