"""What runs inside the machine of level 3: one life of a box with the updater's flow on its disk.

It waits for one line of JSON: `life` is "run" for the flow itself, "again" for what follows a cut;
`flow`, `home`, `told`, `sabotage`, and the disk's mount `options`.
"""

from __future__ import annotations

import base64
import json
import os
import select
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.power import mounts
from tests.power.sabotage import SABOTAGES
from tests.power.update_flows import Confirmed, GoneBack, TakenBack, Updates

DISK, POINT = "/dev/vdb", Path("/mnt")
FLOW_FILE = "flow.json"
ASK_EACH_S = 1.0
# Not `flows.py`, which brings all that a box is.
UPDATES = {made.name: made for made in (Updates, TakenBack, Confirmed, GoneBack)}
# What somebody may rely on once a flow was gone on from to its end.
LAST_WORD = {"go back": "back"}


def keep(flow: Updates, home: Path) -> None:
    """What a flow must know of its past, for another process."""
    told = {"tuf_root": base64.b64encode(flow.tuf_root).decode(), "floors": flow.floors}
    (home / FLOW_FILE).write_text(json.dumps(told))


def kept(name: str, home: Path) -> Updates:
    """The flow as it was kept."""
    told = json.loads((home / FLOW_FILE).read_text())
    return UPDATES[name].known(home, base64.b64decode(told["tuf_root"]), told["floors"])


def live(given: dict[str, Any], root: Path) -> None:
    """Run the flow, or judge what the cut left and go on. Raises AssertionError and others."""
    flow = kept(given["flow"], Path(given["home"]))
    SABOTAGES[given["sabotage"]]()
    if given["life"] == "run":
        say("BEGIN")
        flow.run(root, lambda told: say(f"TOLD {told}"))
    else:
        say(f"FOUND {flow.judge(root, set(given['told']))}")
        say("BEGIN")
        flow.again(root)
        flow.finished(root)
        say(f"TOLD {LAST_WORD.get(flow.name, 'ended')}")
    say("END")


def asked() -> dict[str, Any]:
    """The line that says what to do. Asks for it until it comes."""
    while not select.select([sys.stdin], [], [], ASK_EACH_S)[0]:
        say("READY")
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    return given


def main() -> None:
    """One life; the machine goes on until its plug is pulled."""
    given = asked()
    try:
        say("ON")
        disk = os.open(DISK, os.O_RDWR)
        mounts.forget_cache(disk)
        os.close(disk)
        mounts.mount(DISK, POINT, "ext4", given["options"])
        live(given, POINT / "box")
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        say(f"BAD {type(error).__name__}: {error} ({place.name}: {place.line})"[:300])


def say(text: str) -> None:
    """To the serial line."""
    print(f"\n@@{text}", flush=True)


if __name__ == "__main__":
    main()
