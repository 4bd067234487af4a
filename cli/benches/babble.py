"""Hours of babble, radio and its own voice: does the ear grow, and does a word ever leave it?

`python -m cli.benches.babble [HOURS]` lets the real ear hear so many hours of a loud shop (2 by
default) as fast as one core can; `measure` is the short round for `vitrine bench`. Ending it with
Ctrl+C or SIGTERM judges what there is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cli.benches.babble_sound import QUESTIONS, TALK, build, save
from cli.benches.figure import Figure
from cli.benches.privacy import leaks, traces
from cli.benches.soak import Line, fit
from cli.benches.stand import DIES_WITH_US
from device.paths import repository_root
from device.programme.load import load_index
from ota.errors import Broken

HOURS, SHORT_S, SHORT_EACH = 2.0, 8 * 60.0, 3
ROW_S, SHORT_ROW_S = 60.0, 15.0
SETTLE_SHARE, SETTLE_S_MAX = 0.25, 1800.0  # buffers, caches and the heap grow to their size
ROWS_MIN = 10
MB = 1e6
# So much a day more is nothing to a process that may have 640 MB and starts anew each night.
FLAT_MB_A_DAY = 48.0
DRIFT_MB_MAX = 24.0  # a short run has a wide interval, and must not pass for that
COUNTED = (("threads", "threads"), ("open", "open files"), ("waiting", "queues"),
           ("files", "files"), ("bytes", "bytes in files"))
# Two lists of 8 (device/asr/hearing.py) and 32 numbers (decoder.py) are kept.
KEPT_MAX = 48.0
Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Listened:
    """What came of it. `rows` as `babble_child` prints them; `words` in how many places visitors'
    words were found; `outside` the addresses that were asked; `wrote` files opened for writing."""

    rows: Rows
    words: int
    traces: int
    outside: tuple[str, ...]
    wrote: tuple[str, ...]


def measure() -> list[Figure]:
    """Eight minutes of the shop."""
    return figures(listen(SHORT_S, SHORT_ROW_S, SHORT_EACH))


def listen(seconds: float, row_s: float, each: int = 1) -> Listened:
    """Let the ear hear so many seconds of the shop. Raises Broken when it ends by itself."""
    with tempfile.TemporaryDirectory(prefix="vitrine-babble-") as name:
        folder, root = Path(name), Path(name) / "box"
        save(build(each), folder / "sounds.npz")
        log = root / "var" / "log" / "ear.log"
        log.parent.mkdir(parents=True)
        rows, last = _run(root, folder / "sounds.npz", seconds, row_s, log)
        shop = load_index(repository_root() / "programmes" / "tea-shop").speech.values()
        spoken = [*last["heard"], *(text for *_, text in (*TALK, *QUESTIONS)),
                  *(clip.text for clip in shop)]
        wanted = traces(spoken, "")
        found = leaks(root, wanted)
    for leak in found:
        print(f"vitrine: {leak}", file=sys.stderr)
    return Listened(rows, len(found) + rows[-1]["leaks"], len(wanted),
                    tuple(last["asked_outside"]), tuple(last["wrote"]))


def _run(
    root: Path, sounds: Path, seconds: float, row_s: float, log: Path
) -> tuple[Rows, dict[str, Any]]:
    command = [*DIES_WITH_US, sys.executable, "-m", "cli.benches.babble_child", str(root),
               str(sounds), "1e9", str(seconds), str(row_s)]
    rows: list[dict[str, Any]] = []
    with log.open("wb") as file, subprocess.Popen(
        command, cwd=repository_root(), stdout=subprocess.PIPE, stderr=file, text=True,
        start_new_session=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as child:
        before = {number: signal.signal(number, lambda *_: child.terminate())
                  for number in (signal.SIGTERM, signal.SIGINT)}
        for line in child.stdout or ():
            rows.append(json.loads(line))
            if len(rows) % 10 == 0:
                print(f"vitrine: {line.strip()[:150]}", file=sys.stderr, flush=True)
        for number, handler in before.items():
            signal.signal(number, handler)
    if child.returncode != 0 or len(rows) < ROWS_MIN or "heard" not in rows[-1]:
        raise Broken(f"The ear ended with {child.returncode}; its last words: "
                     f"{log.read_text(errors='replace')[-500:]}")
    return rows[:-1], rows[-1]


def settled(rows: Rows) -> Rows:
    """Those after the warm-up."""
    from_s = min(SETTLE_SHARE * rows[-1]["s"], SETTLE_S_MAX)
    return [row for row in rows if row["s"] >= from_s]


def slope(rows: Rows, what: str) -> Line:
    """Of a value in the settled rows, for each hour of the shop."""
    kept = settled(rows)
    return fit(np.array([row["s"] / 3600 for row in kept], np.float64),
               np.array([row[what] for row in kept], np.float64))


def flat(line: Line, drift_mb: float) -> bool:
    """Not to be told from zero nor seen in the run, or so little that no day shows it."""
    unseen = line.low <= 0.0 and drift_mb <= DRIFT_MB_MAX
    return unseen or 24 * line.high / MB <= FLAT_MB_A_DAY


def drift_mb(rows: Rows) -> float:
    """The median of the last quarter of the settled rows over that of their first quarter."""
    kept = [row["rss"] / MB for row in settled(rows)]
    quarter = max(1, len(kept) // 4)
    return float(np.median(kept[-quarter:]) - np.median(kept[:quarter]))


def figures(found: Listened) -> list[Figure]:
    """What must stay as it is, and the pace. Pure."""
    rows, kept = found.rows, settled(found.rows)
    memory, blocks = slope(rows, "rss"), slope(rows, "blocks")
    last, first = rows[-1], rows[0]
    cpu_s = last["cpu_s"] - first["cpu_s"]
    fastness = (last["s"] - first["s"]) / cpu_s
    return [
        Figure("babble: hours of the shop", last["s"] / 3600, "h",
               note=f"{cpu_s / 60:.0f} min of processor, {fastness:.1f} times real time"),
        Figure("babble: utterances told", last["heard"], "",
               note=f"{last['asked']} questions put in"),
        Figure("babble: memory at the end", last["rss"] / MB, "MB"),
        Figure("babble: memory grows in an hour", memory.slope / MB, "MB",
               note=f"95 %: {memory.low / MB:+.2f} .. {memory.high / MB:+.2f}"),
        Figure("babble: memory stays flat", float(flat(memory, drift_mb(rows))), "", 1.0,
               at_least=True, note=f"{drift_mb(rows):+.1f} MB from first to last quarter"),
        Figure("babble: Python objects more in an hour", blocks.slope, "",
               note=f"95 %: {blocks.low:+.0f} .. {blocks.high:+.0f} of {last['blocks']:,}"),
        *(Figure(f"babble: {name} more than after the warm-up", _more(kept, key), "", 0.0,
                 note=f"{kept[0][key]} .. {max(row[key] for row in kept)}")
          for key, name in COUNTED),
        Figure("babble: results and ends that wait for each other, most",
               max(row["kept"] for row in rows), "", KEPT_MAX),
        Figure("babble: bytes in the log", last["log"], ""),
        Figure("babble: sockets and addresses that are not the box's own bus",
               last["inet"] + len(found.outside), "", 0.0, note=" ".join(found.outside)[:60]),
        Figure("babble: files opened for writing", len(found.wrote), "", 1.0,
               note=" ".join(Path(each).name for each in found.wrote)[:60]),
        Figure("babble: spoken words in files, messages and logs", found.words, "", 0.0,
               note=f"{found.traces} traces looked for"),
    ]


def _more(rows: Rows, key: str) -> float:
    """The last quarter's least over the first half's most: queues fill and empty."""
    half, quarter = len(rows) // 2, max(1, len(rows) // 4)
    return max(0.0, float(min(row[key] for row in rows[-quarter:]) -
                          max(row[key] for row in rows[:half])))


def main() -> None:
    """Print the figures."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else HOURS
    found = listen(hours * 3600, ROW_S)
    for figure in figures(found):
        print(figure.as_line())
    print(json.dumps({"rows": found.rows}))


if __name__ == "__main__":
    main()
