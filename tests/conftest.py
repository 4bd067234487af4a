"""What holds for all tests, and how many power cuts were tried (see tests/power)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# How quick a machine is that others use too says nothing of the example it draws.
settings.register_profile(
    "vitrine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vitrine")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tried: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "power" and getattr(report, "when", "") == "call":
                    tried[str(value[0])] += int(value[2])
    if tried:
        words = ", ".join(f"{level}: {tried[level]} states" for level in sorted(tried))
        terminalreporter.write_line(f"power cuts survived: {words}")
