"""Which recogniser hears best here: error rate, work and memory over the same recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from device.asr.folders import Measured
from models.speech.errors import distance, metric, units
from models.speech.recordings import Recording
from models.speech.shelf import Entry
from models.speech.trial import Heard, run_trial
from ota.errors import VitrineError

Progress = Callable[[str], None]
_HEADINGS = ("recogniser", "language", "errors", "clips", "wrong", "RTF", "RSS MB")


@dataclass(frozen=True)
class Row:
    """One recogniser in one language. wrong: clips with at least one error."""

    name: str
    language: str
    metric: str
    error_rate: float
    clips: int
    wrong: int
    rtf: float
    rss_bytes: int
    seconds: float

    @property
    def measured(self) -> Measured:
        """For model.json."""
        return Measured(
            language=self.language, metric=self.metric, error_rate=round(self.error_rate, 4),
            clips=self.clips, rtf=round(self.rtf, 3), rss_bytes=self.rss_bytes,
        )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Rows of those that could hear, and why the others could not."""

    rows: tuple[Row, ...]
    faults: dict[str, str]
    heard: dict[str, tuple[Heard, ...]]

    def as_json(self, words: bool) -> dict[str, object]:
        """For --json; the words themselves only when asked for."""
        document: dict[str, object] = {
            "rows": [asdict(row) for row in self.rows], "faults": self.faults,
        }  # fmt: skip
        if words:
            document["heard"] = {
                name: [
                    {"audio": str(h.recording.audio), "words": h.recording.words, "heard": h.text}
                    for h in all_heard
                ]
                for name, all_heard in self.heard.items()
            }
        return document


def compare(
    entries: Sequence[Entry], recordings: Sequence[Recording], say: Progress
) -> Comparison:
    """Every recogniser on the recordings in its own languages; each in a process of its own."""
    rows: list[Row] = []
    faults: dict[str, str] = {}
    words: dict[str, tuple[Heard, ...]] = {}
    for entry in entries:
        plain = {name.split("-")[0] for name in entry.languages}
        mine = [r for r in recordings if r.language.split("-")[0] in plain]
        if not mine:
            faults[entry.name] = f"No recording is in its languages ({', '.join(entry.languages)})."
            continue
        say(f"{entry.name}: {len(mine)} recordings")
        try:
            trial = run_trial(entry, mine)
        except VitrineError as error:
            faults[entry.name] = str(error)
            continue
        words[entry.name] = trial.heard
        rows += _rows(entry.name, trial.heard, trial.rss_bytes)
    return Comparison(tuple(rows), faults, words)


def table(comparison: Comparison) -> str:
    """For a terminal: columns in line, reasons below."""
    cells = [_HEADINGS, *(_cells(row) for row in comparison.rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADINGS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    lines += [f"{name}: {why}" for name, why in comparison.faults.items()]
    return "\n".join(line.rstrip() for line in lines)


def markdown(comparison: Comparison) -> str:
    """The same as a page."""
    lines = [f"| {' | '.join(_HEADINGS)} |", "|" + "---|" * len(_HEADINGS)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in comparison.rows]
    lines += ["", *(f"* {name}: {why}" for name, why in comparison.faults.items())]
    return "\n".join(["# Recognisers compared", "", *lines]).rstrip() + "\n"


def _rows(name: str, heard: Sequence[Heard], rss_bytes: int) -> list[Row]:
    found = []
    for language in dict.fromkeys(h.recording.language for h in heard):
        clips = [h for h in heard if h.recording.language == language]
        counts = [_errors(h, language) for h in clips]
        seconds = sum(h.seconds for h in clips)
        found.append(
            Row(
                name, language, metric(language),
                sum(wrong for wrong, _ in counts) / max(1, sum(of for _, of in counts)),
                len(clips), sum(wrong > 0 for wrong, _ in counts),
                sum(h.cpu_s for h in clips) / max(seconds, 1e-9), rss_bytes, round(seconds, 1),
            )
        )  # fmt: skip
    return found


def _errors(heard: Heard, language: str) -> tuple[int, int]:
    """(wrong, of how many)."""
    wanted = units(heard.recording.words, language)
    return distance(wanted, units(heard.text, language)), len(wanted)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name, row.language, f"{row.metric} {100 * row.error_rate:.1f} %", str(row.clips),
        str(row.wrong), f"{row.rtf:.3f}", f"{row.rss_bytes / 1e6:.0f}",
    )  # fmt: skip
