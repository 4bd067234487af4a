"""What is made and where: the plan of one avatar, and what its work folder remembers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.person.cast import character
from models.person.character import Character
from models.progress import Progress, Say
from ota.errors import Refused


@dataclass(frozen=True)
class Plan:
    """What to make and where: face and speech assets, work folder, result folder. `large` adds
    the 2160 x 3840 bundle beside the other."""

    who: Character
    assets: Path
    speech_assets: Path
    work: Path
    out: Path
    version: int
    key: Path
    threads: int = 1
    quick: bool = False
    large: bool = False


def remember(work: Path, who: Character) -> None:
    """Note in the work folder whom it makes, for `models compare` and the like."""
    (work / "plan.json").write_text(json.dumps({"who": who.id}), encoding="utf-8")


def who_of(work: Path) -> Character:
    """Whom a work folder makes. Raises Refused when it is none."""
    path = work / "plan.json"
    if not path.is_file():
        raise Refused(f"{work} is no work folder of `vitrine models make`; give one with --work.")
    return character(str(json.loads(path.read_text(encoding="utf-8")).get("who")))


def bar(say: Say, what: str) -> Callable[[int, int, float], None]:
    """A progress bar for a training loop (step, steps, loss)."""
    progress = Progress(say, what)
    return lambda step, steps, loss: progress.at(step + 1, steps, f", loss {loss:.4f}")


def write_figures(work: Path, part: str, figures: object) -> None:
    """Add one part to the work folder's figures."""
    path = work / "figures.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps({**known, part: figures}, indent=1), encoding="utf-8")
    partial.replace(path)
