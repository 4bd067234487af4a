"""Tests for a real Jetson on the bench: `pytest hw-tests --box NAME`. Elsewhere they skip."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--box", default="orin-nano-8gb", help="a table of budgets.toml")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from device.paths import JETSON_MARK

    if not JETSON_MARK.exists():
        skip = pytest.mark.skip(reason="this machine is no Jetson: nothing was measured")
        for item in items:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def budget(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The limits of the box under test. An unknown box is an error, not a pass."""
    tables = read_budgets((HERE / "budgets.toml").read_text())
    name = request.config.getoption("--box")
    assert name in tables, f"budgets.toml has no table {name!r}; it has {', '.join(tables)}"
    return tables[name]


def read_budgets(text: str) -> dict[str, dict[str, float]]:
    """The few lines of TOML that budgets are made of (Python 3.10 has no tomllib)."""
    tables: dict[str, dict[str, float]] = {}
    table = ""
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("["):
            table = line.strip("[]")
            tables[table] = {}
        elif line:
            name, _, value = line.partition("=")
            tables[table][name.strip()] = float(value.strip().replace("_", ""))
    return tables
