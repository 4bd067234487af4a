"""What the technician is told about the echo, for every outcome of the measurement."""

from __future__ import annotations

import numpy as np
import pytest

from device.audio.echo import ADAPTING, CANCELLING, NO_REFERENCE, NOT_NEEDED
from device.selftest.echo import Measured, babble, echo_finding


def measured(state: str, erle_db: float | None, heard: int = 300, running: bool = True) -> Measured:
    return Measured(running, heard, state, erle_db, 47.2, None, None)


@pytest.mark.parametrize(("found", "ok", "says"), [
    (measured(CANCELLING, 31.4), True, "31 dB are removed"),
    (measured(CANCELLING, 17.0), None, "Only 17 dB"),
    (measured(ADAPTING, 4.0), False, "it does not hear visitors"),
    (measured(ADAPTING, None), False, "Only 0 dB"),
    (measured(NOT_NEEDED, None), True, "does not hear the loudspeaker"),
    (measured(NO_REFERENCE, None), None, "No echo is cancelled"),
    (measured(NO_REFERENCE, None, heard=0), None, "no sound device"),
    (measured(NO_REFERENCE, None, running=False), None, "no sound device"),
])
def test_each_outcome_is_said_in_both_languages(
    found: Measured, ok: bool | None, says: str
) -> None:
    finding = echo_finding(found, 10.0)
    assert finding.ok is ok and says in finding.en and finding.zh
    assert bool(finding.next_en) == bool(finding.next_zh) == (ok is not True)


def test_the_murmur_is_bounded_and_has_pauses() -> None:
    sound = babble(4.0)
    assert len(sound) == 4 * 48_000 and float(np.abs(sound).max()) <= 0.9
    loud = np.sqrt(np.mean(sound.reshape(-1, 960) ** 2, axis=1))
    assert loud.min() < 0.05 * loud.max()
