"""A person's `rollback`: what is on trial is taken back, what lies ready is put off, else the
release before runs again. One thing at a time, so that nobody loses more than was meant."""

from __future__ import annotations

from collections.abc import Callable

from ota.box.install import Parts, go_back, put_off, recover, roll_back
from ota.box.state import Phase

REFUSED = "a person refused it"


def rolled_back(parts: Parts, decline: Callable[[], str]) -> str:
    """Carry the order out; returns a sentence. `decline` does it for the system and returns one,
    "" where nothing of it lies ready or is tried.

    What was put off is left alone until a person orders it, or there is a newer one. Raises
    Refused: there is nothing to go back to, or a restart cannot be held any more.
    """
    state = parts.state.load()
    if state.phase is Phase.INSTALLING:
        state = recover(parts)  # a full disk stopped it in its middle
    if state.phase is Phase.TRIAL:
        roll_back(parts, REFUSED)
        return f"release {state.version} was taken back"
    system = decline()
    if state.phase is Phase.WAITING:
        put_off(parts, REFUSED, declined=True)
        return "; ".join(filter(None, (f"release {state.version} was put off", system)))
    return system or f"went back to release {go_back(parts).good_version}"
