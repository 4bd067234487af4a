"""What the player says of itself each second, put together out of conversation and stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device.conversation.state import State, told_mode
from device.messages import PlayerState
from device.stage.asking import told_outside
from device.stage.performer import Performer
from ota.clock import monotonic_ns


def player_state(
    state: State | None, performer: Performer, attract: bool, fault: str | None,
    known: Mapping[str, Any],
) -> PlayerState:
    """`known` are the fields that the stage knows; a fault of ours gives way to one of its."""
    saying = performer.saying
    programme = state.script.programme if state else None
    return PlayerState(
        at_ns=monotonic_ns(),
        programme_id=programme.id if programme else "",
        programme_version=programme.version if programme else 0,
        programme_schema=programme.schema if programme else 0,
        saying=told_outside(saying.say.sentence if saying else None),
        speaking=saying is not None,
        showing=performer.showing,
        state=told_mode(state),
        attract=attract,
        **{"fault": fault, **{k: v for k, v in known.items() if v is not None}})
