"""All facts of a box in one JSON for an expert who is not there. No keys, no visitor's words."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Any

from device.paths import Places
from ota.clock import utc_now
from ota.errors import VitrineError
from provisioning.enrol import read_identity
from provisioning.selftest import check_box
from provisioning.x509 import certificate_until

LOG_LINES = 40
LOG_BYTES_MAX = 20_000


def diagnose(places: Places) -> dict[str, Any]:
    """Identity (public parts), disk, self-test and the last lines of the logs."""
    return {
        "at": utc_now().isoformat(timespec="seconds"),
        "machine": {
            "system": platform.system(), "kernel": platform.release(),
            "architecture": platform.machine(), "python": platform.python_version(),
        },
        "root": str(places.root),
        "identity": _identity(places),
        "disk": _disk(places.root),
        "selftest": _selftest(),
        "logs": {
            path.stem: _tail(path) for path in sorted((places.var / "log").glob("*.log"))
        },
    }


def _identity(places: Places) -> dict[str, Any]:
    try:
        box, certificate = read_identity(places)
        return {
            "enrolled": True, "chain": box.chain, "box": box.box,
            "broker": f"{box.broker.host}:{box.broker.port}", "content": box.content_url,
            "certificate_until": certificate_until(certificate).isoformat(),
        }
    except VitrineError as error:
        return {"enrolled": False, "fault": str(error)}


def _disk(path: Path) -> dict[str, int]:
    while not path.exists():
        path = path.parent
    usage = shutil.disk_usage(path)
    return {"total_bytes": usage.total, "free_bytes": usage.free}


def _selftest() -> dict[str, Any]:
    try:
        return check_box()
    except VitrineError as error:
        return {"ok": False, "fault": str(error), "checks": []}


def _tail(path: Path) -> list[str]:
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_BYTES_MAX))
        return log.read(LOG_BYTES_MAX).decode("utf-8", "replace").splitlines()[-LOG_LINES:]
