"""What every flow under the power rig has, and how it is judged after a cut."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

Tell = Callable[[str], None]


class Flow(Protocol):
    """A flow that writes below one folder, its `root`; what it needs besides lies elsewhere.

    All methods open what they need anew, as after a start. They raise AssertionError when an
    invariant does not hold.
    """

    name: str

    def prepare(self, root: Path) -> None:
        """The state before: durable, and whole."""

    def run(self, root: Path, tell: Tell) -> None:
        """The flow itself. `tell` is called when somebody is told that something is done."""

    def judge(self, root: Path, told: Collection[str]) -> str:
        """What must hold at once after a cut, before anything is mended; names what was found."""
        ...

    def again(self, root: Path) -> None:
        """What the box does after the start: recovers, and does again what is still to do."""

    def finished(self, root: Path) -> None:
        """What must hold when it was left alone after the cut."""


def survive(flow: Flow, root: Path, told: Collection[str]) -> str:
    """Judge what lies in `root`, go on from it and judge the end; names what was found first."""
    found = flow.judge(root, told)
    flow.again(root)
    flow.finished(root)
    return found
