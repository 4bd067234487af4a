"""RAUC's `bootloader-custom-backend`: it asks in words, the machine's firmware answers.

Protocol: RAUC's documentation, "Custom bootloader backend interface". Run as
`python -m ota.system.backend get-primary`; exit 1 and a sentence on stderr when it cannot.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ota.errors import Refused, VitrineError
from ota.system.boot import SYSTEMS, BootControl

STATES = ("good", "bad")


def answer(control: BootControl, words: Sequence[str]) -> str:
    """What to print for RAUC's question. Raises Refused for one that RAUC does not ask."""
    match list(words):
        case ["get-primary"]:
            return control.primary()
        case ["get-current"]:
            return control.booted()
        case ["set-primary", system] if system in SYSTEMS:
            # RAUC marked it bad before writing and means it to start now.
            control.set_good(system, True)
            control.set_primary(system)
            return ""
        case ["get-state", system] if system in SYSTEMS:
            return STATES[0] if control.is_good(system) else STATES[1]
        case ["set-state", system, state] if system in SYSTEMS and state in STATES:
            control.set_good(system, state == STATES[0])
            return ""
    raise Refused(f"{' '.join(words)[:80]!r} is no question of RAUC's; see its custom backend.")


def main(words: Sequence[str]) -> int:
    """Answer one question on stdout; the exit code."""
    from ota.system.jetson import JetsonBoot

    try:
        print(answer(JetsonBoot(), words))
    except VitrineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
