"""Chooses the held-out sentences to measure on and writes their sound and true codes."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.articulation.tracks import Piece
from ota.errors import Refused

if TYPE_CHECKING:
    from models.articulation.voice import Clip

Floats = NDArray[np.float32]
RATE_HZ, CODE_FPS = 16_000, 25
# The silence before and after, as the voice network is trained with.
EDGE_S = 0.3
SPEECH_MIN_S, SPEECH_MAX_S = 2.2, 3.4
FADE_S = 0.02
LIPS_CLOSE = ("PP",)


@dataclass(frozen=True)
class Sentence:
    """One line: codes (f, K) at 25 Hz, samples (f * 640,) at 16 kHz, visemes with their times."""

    number: int
    codes: Floats
    samples: Floats
    language: str
    kind: str
    text: str
    timeline: list[Piece]

    @property
    def name(self) -> str:
        """As shown to people: `zh-CN ordinary`."""
        return f"{self.language} {self.kind}"


def closings_per_s(timeline: list[Piece]) -> float:
    """How often the lips close, a second of speech."""
    spoken = [p for p in timeline if p.viseme != "sil"]
    seconds = max(sum(p.end_s - p.start_s for p in spoken), 0.1)
    return sum(p.viseme in LIPS_CLOSE for p in spoken) / seconds


def choose(timelines: list[list[Piece]], texts: list[str]) -> tuple[int, int]:
    """(ordinary, plosive-rich) of lines of one language: the one that closes the lips most, and of
    the other sentences the one nearest to the median. Raises Refused for fewer than two."""
    if len(set(texts)) < 2:
        raise Refused("Fewer than two held-out sentences of a language: speak the whole corpus "
                      "first (models.articulation.speech).")
    rates = np.array([closings_per_s(t) for t in timelines])
    rich = int(rates.argmax())
    others = [i for i in range(len(texts)) if texts[i] != texts[rich]]
    middle = float(np.median(rates[others]))
    return min(others, key=lambda i: (abs(rates[i] - middle), i)), rich


def cut_at(timeline: list[Piece], word_ends_s: list[float], duration_s: float) -> float:
    """Where to end a clip, seconds: whole if short, else the last pause's middle, else the last
    word's end, within SPEECH_MIN_S..SPEECH_MAX_S."""
    if duration_s <= SPEECH_MAX_S:
        return duration_s
    pauses = [(p.start_s + p.end_s) / 2 for p in timeline if p.viseme == "sil"]
    for places in (pauses, word_ends_s):
        fit = [t for t in places if SPEECH_MIN_S <= t <= SPEECH_MAX_S]
        if fit:
            return max(fit)
    return SPEECH_MAX_S


def shortened(samples: Floats, timeline: list[Piece], end_s: float) -> tuple[Floats, list[Piece]]:
    """Sound and visemes up to end_s; the sound fades over the last FADE_S."""
    kept = samples[: round(end_s * RATE_HZ)].astype(np.float32)
    if len(kept) < len(samples):
        fade = min(len(kept), round(FADE_S * RATE_HZ))
        kept[len(kept) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    pieces = [Piece(p.viseme, p.start_s, min(p.end_s, end_s)) for p in timeline
              if p.start_s < end_s - 0.005]
    return kept, pieces


def write(speech: Path, folder: Path) -> list[dict[str, Any]]:
    """Write folder/S/codes.npy (f, K), sound.npz (samples, and the visemes' times in them) and
    about.json for four held-out sentences. Sentences that are there are kept: renders of them
    are expensive. Returns what each is. Raises Refused when a held-out line is not spoken yet."""
    from models.articulation.corpus import ENGLISH, MANDARIN, lines
    from models.articulation.voice import HELD_OUT_EVERY, read_clips

    script = lines()
    files = [p for p in sorted(speech.glob("[0-9]*.npz")) if not p.name.endswith(".part.npz")]
    clips = dict(zip((int(p.stem) for p in files), read_clips(speech), strict=True))
    # After the written sentences come random words.
    wanted = [i for i in range(2 * (len(MANDARIN) + len(ENGLISH)))
              if i // 2 % HELD_OUT_EVERY == HELD_OUT_EVERY - 1]
    absent = [i for i in wanted if i not in clips]
    if absent:
        raise Refused(f"{speech} lacks {len(absent)} held-out lines (first {absent[0]:03d}.npz); "
                      "let the speech be finished: `python -m models.articulation.speech`.")
    result: list[dict[str, Any]] = []
    for language in ("zh-CN", "en-US"):
        held = [i for i in wanted if script[i][0] == language]
        picked = choose([clips[i].timeline for i in held], [script[i][2] for i in held])
        for kind, i in zip(("ordinary", "plosives"), picked, strict=True):
            place = folder / str(len(result))
            result.append(_write_one(place, clips[held[i]], _word_ends_s(speech, held[i]),
                                     {"language": language, "kind": kind,
                                      "line": held[i], "text": script[held[i]][2]}))
    return result


def _word_ends_s(speech: Path, line: int) -> list[float]:
    from models.articulation.speech import TIMES_LATE_MS

    with np.load(speech / f"{line:03d}.npz") as z:
        return [(float(start) - TIMES_LATE_MS) / 1000
                for symbol, start in zip(z["symbols"].tolist(), z["starts_ms"], strict=True)
                if symbol == " "]


def _write_one(place: Path, clip: Clip, word_ends_s: list[float], about: dict[str, Any]
               ) -> dict[str, Any]:
    from dataclasses import replace

    from models.articulation.voice import example

    if (place / "about.json").exists():
        known: dict[str, Any] = json.loads((place / "about.json").read_text(encoding="utf-8"))
        return known
    place.mkdir(parents=True, exist_ok=True)
    end_s = cut_at(clip.timeline, word_ends_s, len(clip.samples) / RATE_HZ)
    samples, timeline = shortened(clip.samples, clip.timeline, end_s)
    _, codes = example(replace(clip, samples=samples, timeline=timeline), None)
    edge = np.zeros(int(RATE_HZ * EDGE_S), np.float32)
    whole = np.concatenate([edge, samples, edge])[: len(codes) * RATE_HZ // CODE_FPS]
    np.savez(place / "sound.npz", samples=whole, visemes=np.array([p.viseme for p in timeline]),
             starts_s=np.array([p.start_s + EDGE_S for p in timeline]),
             ends_s=np.array([p.end_s + EDGE_S for p in timeline]))
    np.save(place / "codes.npy", codes.astype(np.float32))
    about = {**about, "frames": len(codes), "closings_per_s": round(closings_per_s(timeline), 2)}
    # Written last: its presence says that the others are whole.
    (place / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
    return about


def read(folder: Path) -> list[Sentence]:
    """The sentences of a folder that write() made; [] when there are none."""
    result = []
    for about_file in sorted(folder.glob("*/about.json"), key=lambda p: int(p.parent.name)):
        place = about_file.parent
        about = json.loads(about_file.read_text(encoding="utf-8"))
        with np.load(place / "sound.npz") as z:
            times = zip(z["visemes"].tolist(), z["starts_s"], z["ends_s"], strict=True)
            timeline = [Piece(str(v), float(a), float(b)) for v, a, b in times]
            samples = z["samples"].astype(np.float32)
        result.append(Sentence(int(place.name), np.load(place / "codes.npy"), samples,
                               about["language"], about["kind"], about["text"], timeline))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".work/lin"))
    args = parser.parse_args()
    for number, about in enumerate(write(args.work / "speech", args.work / "sentences")):
        print(number, about)


if __name__ == "__main__":
    main()
