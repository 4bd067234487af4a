"""Phonemes with times -> a track of mouth codes, with coarticulation.

Dominance model of Cohen and Massaro (Modeling coarticulation in synthetic visual speech, 1993):
every phoneme pulls each code towards its target with a weight that decays with the time from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.articulation.visemes import target
from models.person.face import CODE_NAMES

Floats = NDArray[np.float32]
RATE_HZ = 100
PER_FRAME = 4  # 25 codes a second

# Kokoro's symbols (IPA); two visemes where the sound glides.
_SYMBOLS: dict[str, tuple[str, ...]] = {}
for _viseme, _signs in {
    "PP": "pbm", "FF": "fvʋ", "TH": "θð", "DD": "tdnlTɾɲɳɖʈ", "KK": "kgɡŋxhɣχʔcɟ",
    "CH": "ʃʒʧʤʂꭧɻ", "SS": "szɕʦʨʣʥç", "RR": "ɹrʁɽ", "AA": "aɑɐɒ", "EH": "ɛeæ", "IY": "iɪjʝ",
    "OW": "oɔ", "UW": "uwʊɯ", "YU": "yɥø", "AH": "əʌᵊɤɨᵻ", "ER": "ɚɜœ",
}.items():
    _SYMBOLS.update(dict.fromkeys(_signs, (_viseme,)))
_SYMBOLS.update({"A": ("EH", "IY"), "I": ("AA", "IY"), "O": ("OW", "UW"), "Q": ("AH", "UW"),
                 "W": ("AA", "UW"), "Y": ("OW", "IY")})
_LENGTHENS_LAST = set("ːʰʲ↓→↗↘̃ˑ")
_LENGTHENS_NEXT = set("ˈˌ")
_LONG_SPACE_MS = 110.0
# Lip rounding of the neighbours shows through these sounds.
_OPEN_TO_ROUNDING = {"DD", "KK", "AH", "SS", "TH"}
_ROUND = [CODE_NAMES.index(n) for n in ("funnel", "pucker")]
_JAW = CODE_NAMES.index("jaw_open")


@dataclass(frozen=True)
class Piece:
    """One viseme from start to end, seconds."""

    viseme: str
    start_s: float
    end_s: float


def pieces(symbols: Iterable[str], starts_ms: Iterable[float], ends_ms: Iterable[float]
           ) -> list[Piece]:
    """Visemes in order; stress and tone marks lengthen their sound, marks and gaps are silence."""
    result: list[Piece] = []
    pending: float | None = None
    for symbol, start, end in zip(symbols, starts_ms, ends_ms, strict=True):
        start, end = start / 1000, end / 1000
        if symbol in _LENGTHENS_NEXT or (symbol == " " and end - start < _LONG_SPACE_MS / 1000):
            pending = start if pending is None else pending
        elif symbol in _LENGTHENS_LAST:
            if result:
                result[-1] = Piece(result[-1].viseme, result[-1].start_s, end)
        else:
            visemes = _SYMBOLS.get(symbol, ("sil",))
            first = start if pending is None else (pending + start) / 2
            if pending is not None and result:
                result[-1] = Piece(result[-1].viseme, result[-1].start_s, first)
            cuts = np.linspace(first, end, len(visemes) + 1)
            result += [Piece(v, float(cuts[i]), float(cuts[i + 1])) for i, v in enumerate(visemes)]
            pending = None
    return result


def _strength(viseme: str) -> Floats:
    """How strongly a viseme insists on each code."""
    strength = np.full(len(CODE_NAMES), {"sil": 0.7, "AH": 0.7, "KK": 0.5}.get(viseme, 1.0))
    if viseme in _OPEN_TO_ROUNDING:
        strength[_ROUND] = 0.12
    if viseme == "PP":
        strength[:] = 3.2
        strength[_ROUND] = 0.25
    elif viseme in ("FF", "SS", "CH"):
        strength[_JAW] = 2.0
    if viseme == "FF":
        strength[CODE_NAMES.index("roll_lower")] = 3.0
    return strength.astype(np.float32)


def code_track(timeline: list[Piece], duration_s: float, levels_db: Floats | None = None) -> Floats:
    """(frames, K) codes at 25 Hz for the middle of each frame.

    `levels_db` at 100 Hz lets loud syllables open the jaw more than quiet ones.
    """
    steps = int(np.ceil(duration_s * 25)) * PER_FRAME
    t = (np.arange(steps) + 0.5)[:, None] / RATE_HZ
    edges = [Piece("sil", -1.0, 0.0), *timeline, Piece("sil", duration_s, duration_s + 1.0)]
    total = np.full((steps, len(CODE_NAMES)), 1e-6)
    track = np.zeros((steps, len(CODE_NAMES)))
    for piece in edges:
        length = max(piece.end_s - piece.start_s, 0.02)
        outside = np.maximum(np.maximum(piece.start_s - t, t - piece.end_s), 0)
        middle = np.abs(t - (piece.start_s + piece.end_s) / 2) / length
        reach = 0.028 if piece.viseme in ("PP", "FF") else 0.045
        pull = _strength(piece.viseme) * np.exp(-outside / reach) * np.exp(-0.5 * middle**2)
        if piece.viseme == "sil" and length < 0.09:
            pull *= 0.35
        # A short sound does not reach its target.
        reached = 1.0 if piece.viseme in ("PP", "FF", "sil") else min(1.0, 0.62 + length / 0.24)
        total += pull
        track += pull * target(piece.viseme) * reached
    track /= total
    if levels_db is not None:
        track[:, _JAW] *= _loudness_gain(levels_db, steps)
    kernel = np.hanning(9)[1:-1] / np.hanning(9).sum()
    padded = np.pad(track, ((3, 3), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(row, kernel, "valid") for row in padded.T], 1)
    codes = smooth.reshape(-1, PER_FRAME, track.shape[1]).mean(1)
    return _closed_lips(codes, timeline).astype(np.float32)


def _loudness_gain(levels_db: Floats, steps: int) -> Floats:
    level = np.full(steps, float(levels_db.min(initial=-90.0)))
    level[: len(levels_db)] = levels_db[:steps]
    level = np.convolve(np.pad(level, 6, mode="edge"), np.ones(13) / 13, "valid")
    top = float(np.quantile(level, 0.9))
    return np.clip(1.05 + 0.022 * (level - top + 4), 0.6, 1.2).astype(np.float32)


def _closed_lips(codes: NDArray[np.float64], timeline: list[Piece]) -> NDArray[np.float64]:
    """A plosive closes the lips in at least one whole frame, however short it is."""
    for piece in timeline:
        if piece.viseme == "PP":
            frame = int((piece.start_s + piece.end_s) / 2 * 25)
            if 0 <= frame < len(codes):
                rounding = codes[frame, _ROUND].copy()
                codes[frame] += 0.9 * (target("PP") - codes[frame])
                codes[frame, _ROUND] = rounding * 0.8
    return codes
