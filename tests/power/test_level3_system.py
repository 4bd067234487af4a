"""Level 3, the operating system: RAUC writes `verity` bundles in a machine that really restarts."""

from __future__ import annotations

import json

import pytest

from tests.power import two_systems
from tests.power.ran import ran


def verdict(life: list[str]) -> str:
    """What `ota system start --json` decided."""
    (told,) = (json.loads(line[5:]) for line in life if line.startswith("SAYS {"))
    return str(told["verdict"])


@pytest.mark.nightly
def test_a_machine_with_two_systems_takes_the_good_one_and_leaves_the_others() -> None:
    if reason := two_systems.missing():
        pytest.skip(f"no machine with two systems here: {reason}")
    (said,) = ran("tests.power.two_systems")
    assert not any(line.startswith("BAD") for life in said.values() for line in life), said
    written = said["refused and written"]
    assert len([line for line in written if line.startswith("REFUSED")]) == 2, "torn and stranger"
    assert "STARTS A 36.4.0" in written
    assert "STARTS B 36.5.0" in said["tried"] and "UPDATER idle, floor 36.5.0" in said["tried"]
    for number in (1, 2, 3):
        life = said[f"fell back {number}"]
        assert "STARTS A 36.6.0, which hangs" in life and "STARTS B 36.5.0" in life
        assert (verdict(life) == "rollback") == (number == 3), "a cut looks like this: three tries"
