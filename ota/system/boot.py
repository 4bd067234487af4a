"""What a machine's firmware knows of its two systems, A and B. Two small seams, chosen once."""

from __future__ import annotations

from typing import Protocol

SYSTEMS = ("A", "B")


class BootControl(Protocol):
    """The firmware's memory. Every setter is durable when it returns; all raise Broken when the
    firmware does not answer."""

    def booted(self) -> str:
        """The system that runs."""

    def primary(self) -> str:
        """The system that the next start tries first."""

    def set_primary(self, system: str) -> None:
        """Try that one first from now on."""

    def is_good(self, system: str) -> bool:
        """May the firmware start it?"""

    def set_good(self, system: str, good: bool) -> None:
        """Let the firmware start it, or never."""

    def confirm(self) -> None:
        """This start did well: the firmware gives the running system all its tries again."""


def other(system: str) -> str:
    """The system that does not run."""
    return SYSTEMS[1 - SYSTEMS.index(system)]
