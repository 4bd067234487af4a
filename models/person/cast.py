"""Everybody whom `vitrine models make` can make from the face mesh."""

from __future__ import annotations

from models.person.character import Character
from models.person.chen import CHEN
from models.person.lin import LIN
from ota.errors import Refused

CAST: dict[str, Character] = {each.id: each for each in (LIN, CHEN)}


def character(name: str) -> Character:
    """The member of the cast called `name`; raises Refused with those there are."""
    if name not in CAST:
        raise Refused(f"There is no synthetic person {name!r}; choose {', '.join(CAST)}, or make "
                      "your own person with --video.")
    return CAST[name]
