"""All flows under the power rig, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.power.box_flows import DesiredState, Events, NewKeys, Publishing
from tests.power.content_flows import Copies, Eviction, Programmes
from tests.power.enrol_flow import EnrolledAnew, EnrolledFirst
from tests.power.flow import Flow
from tests.power.pruning_flow import Pruning
from tests.power.system_flow import NewSystem
from tests.power.update_flows import Confirmed, GoneBack, TakenBack, Updates

FLOWS: dict[str, Callable[[Path], Flow]] = {
    made.name: made
    for made in (
        Updates, TakenBack, Confirmed, GoneBack, Programmes, Copies, Eviction, DesiredState,
        Events, EnrolledFirst, EnrolledAnew, NewKeys, Publishing, Pruning, NewSystem,
    )
}  # fmt: skip
