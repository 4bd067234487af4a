"""Level 1: `vitrine ota install | confirm | rollback` and the outbox, killed from outside.

What level 0 cannot see is seen here: calls of SQLite, of other libraries and of C. Like level 0
it does not lose the page cache, so a writer without fsync passes it: level 2 is for that.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.power.amounts import KILLS, SEED
from tests.power.camera import develop, photograph
from tests.power.flow import Flow, survive
from tests.power.killed import CHECKOUT, Moment, kill_at, missing, moments
from tests.power.rehearsal import stage
from tests.power.update_flows import Updates

PUT = (
    "import sys; from pathlib import Path; from tests.power.box_flows import Events; "
    "Events(Path()).run(Path(sys.argv[1]), lambda said: print(said, flush=True))"
)
COMMANDS = {"install": "install", "confirm": "confirm", "go back": "rollback", "outbox": ""}


@dataclass
class Bench:
    """A flow whose command is run; `before` is what its root was."""

    name: str
    flow: Flow
    root: Path

    def __post_init__(self) -> None:
        self.before = photograph(self.root)
        self.box = self.root.with_name("box")
        if isinstance(self.flow, Updates):
            self._enrol(self.flow)

    def _enrol(self, flow: Updates) -> None:
        """The places of a real box, which are those of the flow."""
        identity = self.box / "etc" / "vitrine" / "identity"
        for folder in (identity, self.box / "opt", self.box / "var" / "lib"):
            folder.mkdir(parents=True)
        (self.box / "opt" / "vitrine").symlink_to(self.root / "opt")
        (self.box / "var" / "lib" / "vitrine").symlink_to(self.root / "var")
        (identity / "box.json").write_text(json.dumps({"content_url": "https://127.0.0.1:9"}))
        (identity / "tuf-root.json").write_bytes(flow.tuf_root)

    @property
    def command(self) -> list[str]:
        if self.name == "outbox":
            return ["-c", PUT, str(self.root)]
        order = ["-m", "cli", "ota", COMMANDS[self.name]]
        stick = self.root.with_name("home") / "tuf"
        return [*order, "--from", str(stick)] if self.name == "install" else order

    @property
    def environment(self) -> dict[str, str]:
        return {"VITRINE_ROOT": str(self.box)}

    def told_by(self, done: subprocess.CompletedProcess[str]) -> set[str]:
        """What the command had told somebody when it was killed."""
        return set(done.stdout.split("\n")) - {""} if self.name == "outbox" else set()


def killed_each(bench: Bench, chosen: list[Moment]) -> int:
    """How many were killed: progress is written by the clock, so a run has a few calls less."""
    killed = 0
    for moment in chosen:
        develop(bench.before, bench.root)
        done = kill_at(moment, bench.command, bench.environment)
        assert done.returncode in (0, -9, 137), f"{moment}: {done.stderr[-500:]}"
        killed += done.returncode != 0
        try:
            survive(bench.flow, bench.root, bench.told_by(done))
        except Exception as error:
            raise AssertionError(f"{bench.name}, killed at {moment}: {error!r}") from error
    return killed


def prepared(name: str, root: Path, flow: Flow, log: Path) -> tuple[Bench, list[Moment]]:
    if reason := missing():
        pytest.skip(reason)
    bench = Bench(name, flow, root)
    found = moments(bench.command, bench.environment, root, log)
    assert len(found) > 20 and CHECKOUT.exists()
    return bench, found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_some_call_leaves_a_box_that_goes_on(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with stage(name) as (flow, root):
        bench, found = prepared(name, root, flow, tmp_path / "trace")
        chosen = random.Random(SEED).sample(found, KILLS)
        killed = killed_each(bench, chosen)
    assert killed > KILLS / 2
    record_property("power", ("level 1", name, killed))


@pytest.mark.nightly
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_any_call_leaves_a_box_that_goes_on(
    name: str, tmp_path: Path
) -> None:
    with stage(name) as (flow, root):
        bench, found = prepared(name, root, flow, tmp_path / "trace")
        assert killed_each(bench, found) > 0.9 * len(found)
