"""Levels 2 and 3 as a test sees them: a process of its own, and what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.power import mounts

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RUN_S = 4 * 3600


@cache
def _missing() -> str | None:
    return mounts.missing()


def drill(flow: str, file_systems: Sequence[str], states: int, *more: str) -> list[dict[str, Any]]:
    """The drill's reports, one for each file system (mount options) and `states` of each.

    Skips the test, with the reason, where nothing can be mounted.
    """
    if reason := _missing():
        pytest.skip(f"no power cuts at the block level here: {reason}")
    return ran("tests.power.drill", "--flow", flow, "--states", str(states), *more,
               *(f"--options={options}" for options in file_systems))


def ran(module: str, *words: str) -> list[dict[str, Any]]:
    """The lines of JSON that a command of the rig prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words], cwd=CHECKOUT, text=True, capture_output=True,
        timeout=RUN_S, check=False, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]
