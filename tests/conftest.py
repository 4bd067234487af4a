"""What holds for all tests, and how many power cuts were tried (see tests/power)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How quick a machine is that others use too says nothing of the example it draws.
settings.register_profile(
    "vitrine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vitrine")

# The files that take longest, the longest first: so the processes of a run end together.
LONGEST = (
    "test_tidy.py", "test_daemon.py", "test_tts_voice.py", "test_level0_box.py",
    "test_level2_box.py", "test_ask.py", "test_level2_updates.py", "test_sync_agent.py",
    "test_level1_commands.py", "test_ear.py", "test_ear_modes.py", "test_console.py",
    "test_level0_updates.py", "test_asr_people.py", "test_selftest.py", "test_enrol.py",
    "test_programme_build.py", "test_programme_drawing.py", "test_import.py", "test_publish.py",
    "test_render_movie.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Each process of a run begins reading elsewhere, and finds compiled what the others read."""
    worker = getattr(config, "workerinput", None)
    if worker is not None and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        files = sorted(str(path) for path in Path(__file__).parent.rglob("test_*.py"))
        number = int(worker["workerid"].removeprefix("gw"))
        first = number * len(files) // int(worker["workercount"])
        config.args = files[first:] + files[:first]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> tuple[int, str]:
        name = item.path.name
        return LONGEST.index(name) if name in LONGEST else len(LONGEST), str(item.path)

    items.sort(key=turn)


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
