"""`python -m cli`: what the `vitrine` script at the repository's root runs, and every process of a
box. Code in a slot that has its own packages starts anew with them first, as the same process; the
updater starts the newer one in its own place, if a release brought it."""

import os
import sys
from pathlib import Path

from ota.environment import own_python

CODE = Path(__file__).resolve().parent.parent
UPDATER = ["ota", "daemon"]


def _newer_updater() -> Path | None:
    """Only for the place that the environment names: `--root` is a person's or a test's."""
    if sys.argv[1:3] != UPDATER or "--root" in sys.argv:
        return None
    from device.paths import Places
    from ota.box.updater import place_to_start

    return place_to_start(Places.from_environment().opt)


def _start() -> int:
    anew = own_python(CODE, "cli", sys.argv[1:], os.environ)
    place = None if anew else _newer_updater()
    if place is not None:
        os.chdir(place)
        anew = own_python(place, "cli.updater", sys.argv[1:], os.environ, is_needed=True)
    if anew is not None:
        os.execve(anew[0][0], *anew)
    from cli.main import main

    return main()


if __name__ == "__main__":
    raise SystemExit(_start())
