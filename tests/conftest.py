"""Says at the end of a run how many power cuts were tried (see tests/power)."""

from __future__ import annotations

from collections import Counter

import pytest


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
