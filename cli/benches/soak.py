"""The accelerated soak of the stage: thousands of sentences and programme switches, one process.

`vitrine bench soak --minutes 30` runs `soak_child` and fits a line to its resident memory; the
line's interval takes into account that neighbouring readings are alike.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cli.benches.figure import Figure
from cli.benches.plot import scatter_png
from device.audio.soundfiles import read, write_opus
from device.audio.speaker import RATE_HZ
from device.paths import repository_root
from ota.errors import Broken
from ota.files import write_durable

FACTOR = 10.0
CLIP_S = 0.6
LINES_KEPT = 3
SETTLE_SHARE = 0.5  # caches, rings of figures and the heap take some minutes to fill
MIB = 1 << 20
Z95 = 1.96
# So much in a year of opening hours (some 3 million sentences) fits into any box.
FLAT_BYTES_EACH_1000 = 16_384.0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A straight line through the readings: bytes for each unit of x, with its 95 % interval."""

    slope: float
    low: float
    high: float
    start: float


@dataclass(frozen=True)
class Soak:
    """What one soak saw. Slopes are bytes of resident memory for each 1,000 sentences."""

    minutes: float
    sentences: int
    switches: int
    questions: int
    frames: int
    rss_settled_bytes: int
    rss_end_bytes: int
    slope_bytes: float
    slope_low_bytes: float
    slope_high_bytes: float

    @property
    def flat(self) -> bool:
        """Indistinguishable from zero, or so small that nothing shows it in a year."""
        return self.slope_low_bytes <= 0.0 or self.slope_high_bytes <= FLAT_BYTES_EACH_1000


def measure(minutes: float = 10.0, out: Path | None = None) -> list[Figure]:
    """Soak; soak.json and soak.png go into `out` if it is given. Raises Broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for version in (1, 2):
            short_programme(folder / f"v{version}", version)
        rows = _run(folder, minutes * 60)
    found, line = judge(rows)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        body = {**asdict(found), "flat": found.flat, "factor": FACTOR, "rows": rows}
        write_durable(out / "soak.json", json.dumps(body).encode() + b"\n")
        write_durable(out / "soak.png", picture(rows, line, found))
    return [
        Figure("soak: sentences said", found.sentences, ""),
        Figure("soak: programme switches", found.switches, ""),
        Figure("soak: memory at the end", found.rss_end_bytes / MIB, "MiB"),
        Figure("soak: slope for 1,000 sentences", found.slope_bytes / 1024, "KiB",
               note=f"95 %: {found.slope_low_bytes / 1024:.1f} .. "
                    f"{found.slope_high_bytes / 1024:.1f}"),
        Figure("soak: memory stays flat", float(found.flat), "", 1.0, at_least=True),
    ]


def short_programme(folder: Path, version: int) -> None:
    """Some of the tea shop with its clips cut to CLIP_S: many sentences fit into a minute, and a
    switch costs little."""
    shop = repository_root() / "programmes" / "tea-shop"
    shutil.copytree(shop, folder)
    programme = json.loads((folder / "programme.json").read_text())
    programme["version"] = version
    for part in ("segments", "answers"):
        programme[part] = programme[part][:LINES_KEPT]
    kept = {segment["id"] for segment in programme["segments"]}
    for row in programme["schedule"]:
        row["play"] = [each for each in row["play"] if each in kept]
    (folder / "programme.json").write_text(json.dumps(programme))
    index = json.loads((folder / "index.json").read_text())
    for clip in index["speech"].values():
        samples = read(shop / clip["file"], RATE_HZ)[: round(CLIP_S * RATE_HZ)]
        write_opus(folder / clip["file"], samples, RATE_HZ)
        clip["duration_ms"] = round(CLIP_S * 1000)
    (folder / "index.json").write_text(json.dumps(index))


def _run(folder: Path, seconds: float) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "cli.benches.soak_child", str(folder), str(seconds),
               str(FACTOR)]
    rows = []
    with subprocess.Popen(
        command, cwd=repository_root(), stdout=subprocess.PIPE, text=True
    ) as child:
        for line in child.stdout or ():
            rows.append(json.loads(line))
            if len(rows) % 30 == 0:
                print(f"vitrine: {line.strip()}", file=sys.stderr, flush=True)
    if child.returncode != 0 or len(rows) < 10:
        raise Broken(f"The soaked player ended with {child.returncode}; its message is above.")
    return rows


def judge(rows: list[dict[str, float]]) -> tuple[Soak, Line]:
    """Fit the memory over the sentences, after the first half: buffers grow to their size."""
    kept = [row for row in rows if row["sentences"] >= SETTLE_SHARE * rows[-1]["sentences"]]
    line = fit(np.array([row["sentences"] for row in kept], np.float64),
               np.array([row["rss"] for row in kept], np.float64))
    last = rows[-1]
    found = Soak(
        minutes=last["s"] / 60, sentences=int(last["sentences"]), switches=int(last["switches"]),
        questions=int(last["questions"]), frames=int(last["frames"]),
        rss_settled_bytes=int(kept[0]["rss"]), rss_end_bytes=int(last["rss"]),
        slope_bytes=line.slope * 1000, slope_low_bytes=line.low * 1000,
        slope_high_bytes=line.high * 1000)
    return found, line


def fit(x: Floats, y: Floats) -> Line:
    """Least squares; the interval is widened for residuals that are alike (AR(1))."""
    slope, start = np.polyfit(x, y, 1)
    rest = y - (slope * x + start)
    spread = float(((x - x.mean()) ** 2).sum())
    if len(x) < 4 or spread == 0.0 or not rest.any():
        return Line(float(slope), float(slope), float(slope), float(start))
    alike = float(np.clip((rest[1:] * rest[:-1]).sum() / (rest**2).sum(), 0.0, 0.99))
    independent = max(3.0, len(x) * (1 - alike) / (1 + alike))
    error = math.sqrt((rest**2).sum() / (independent - 2) / spread * len(x) / independent)
    return Line(float(slope), float(slope - Z95 * error), float(slope + Z95 * error), float(start))


def picture(rows: list[dict[str, float]], line: Line, found: Soak) -> bytes:
    """Memory over sentences as a PNG: a dot for each second, and the line."""
    last = rows[-1]["sentences"]
    ends = [(x, (line.start + line.slope * x) / MIB) for x in (SETTLE_SHARE * last, last)]
    words = (f"{found.sentences:,} sentences, {found.switches} programme switches, "
             f"{found.minutes:.0f} min: {found.slope_bytes / 1024:+.1f} KiB for 1,000 sentences "
             f"(95 %: {found.slope_low_bytes / 1024:+.1f} .. {found.slope_high_bytes / 1024:+.1f})")
    return scatter_png(
        [(row["sentences"], row["rss"] / MIB) for row in rows], ends,
        (0.0, 1.1 * max(row["rss"] for row in rows) / MIB),
        "Resident memory of the player, MiB, over sentences said", words)
