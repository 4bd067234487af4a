"""Orders that the agent carries out itself: logs, self-test, reboot, looking for updates."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import msgspec

from device.hal.base import Hal
from device.messages import Json
from device.paths import Places, repository_root
from ota.box.orders import Order, give_order
from ota.clock import utc_now
from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable

LOG_LINES_MAX = 400
LOG_BYTES_MAX = 60_000
PICTURE_BYTES_MAX = 88_000
SELFTEST_S = 90.0
REBOOT_PAUSE_S = 600.0


class LocalOrders:
    """Slow or dangerous things, one method each. They run on the worker's thread."""

    def __init__(self, places: Places, hal: Hal) -> None:
        self._places, self._hal = places, hal

    def logs(self, process: str, lines: int) -> Json:
        """The newest lines of the logs under `var/log`, of one process or of all."""
        lines = max(1, min(lines, LOG_LINES_MAX))
        folder = self._places.var / "log"
        found: dict[str, list[str]] = {}
        for path in sorted(folder.glob("*.log")):
            if process in ("", path.stem):
                found[path.stem] = _tail(path, lines)
        if not found:
            raise Refused(f"There is no log of {process or 'anything'} in {folder}.")
        return {"logs": found}

    def selftest(self) -> Json:
        """`vitrine device check --json`, as a process of its own."""
        command = [sys.executable, "-m", "cli", "device", "check", "--json"]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=SELFTEST_S, check=False,
                cwd=repository_root(),
            )
            found: Json = msgspec.json.decode(done.stdout, type=dict[str, object])
        except subprocess.TimeoutExpired as error:
            raise Retry(f"The self-test took longer than {SELFTEST_S:.0f} s.") from error
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Retry(f"The self-test could not be run ({error}).") from error
        return found

    def reboot(self) -> Json:
        """Restart the machine, at most once in ten minutes, across restarts."""
        mark = self._places.var / "rebooted-at"
        now_s = utc_now().timestamp()
        if mark.exists():
            age_s = now_s - mark.stat().st_mtime
            if 0 <= age_s < REBOOT_PAUSE_S:
                raise Refused("This box was restarted less than ten minutes ago.")
        write_durable(mark, b"")
        self._hal.reboot()
        return {}

    def ota_check(self) -> Json:
        """Ask the updater to look now. It installs only what the fleet has signed."""
        give_order(self._places.run, Order("check"))
        return {"asked": True}

    def picture(self, path: str) -> Json:
        """A screenshot that the player wrote under `run`, as base64; the file is removed."""
        file = Path(path).resolve()
        if self._places.run.resolve() not in file.parents:
            raise Refused("The screenshot lies in an unexpected place.")
        try:
            data = read_bounded(file, PICTURE_BYTES_MAX)
        except OSError as error:
            raise Retry(f"The screenshot cannot be read ({error.strerror}).") from error
        file.unlink(missing_ok=True)
        return {"jpeg_base64": base64.b64encode(data).decode()}


def _tail(path: Path, lines: int) -> list[str]:
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_BYTES_MAX))
        text = log.read(LOG_BYTES_MAX).decode("utf-8", "replace")
    return text.splitlines()[-lines:]
