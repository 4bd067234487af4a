"""The learnt part of understanding: which directions of meaning count, and when to answer.

`verdict.txt` holds what `python -m models.calibrate_answers` learnt from made-up shops of 28
trades: a linear discriminant analysis of the encoder's space (Fisher 1936; wordings of one
question near each other, questions of one shop apart), the weights of a logistic regression over
what speaks for an answer, and the probability that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from device.conversation.meaning import Vectors

FILE = Path(__file__).with_name("verdict.txt")
_TENTHS = 127.0  # a direction's numbers are whole, of its largest


@dataclass(frozen=True)
class Verdict:
    """`directions` (WIDTH, n); `weights` by feature; `accept` the least probability to answer."""

    directions: Vectors
    weights: Mapping[str, float]
    bias: float
    accept: float

    def probability(self, features: Mapping[str, float]) -> float:
        """That the answer is the one that is meant; what has no weight is ignored."""
        exponent = self.bias + sum(w * features[name] for name, w in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, exponent))))

    def turned(self, vectors: Vectors) -> Vectors:
        """(m, WIDTH) to (m, n) of length 1: along the directions that count."""
        along = vectors @ self.directions
        return np.asarray(along / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9))

    def written(self) -> str:
        """As `verdict.txt` has it."""
        lines = [f"accept {self.accept:.3f}", f"bias {self.bias:.4f}"]
        lines += [f"weight {name} {value:.4f}" for name, value in self.weights.items()]
        whole = np.rint(self.directions / _largest(self.directions) * _TENTHS).astype(np.int8)
        return "\n".join([*lines, *(f"row {row.tobytes().hex()}" for row in whole)]) + "\n"


def read_verdict(text: str) -> Verdict:
    """From the text of `Verdict.written`. Raises ValueError or KeyError when it is none."""
    lines = [line.split() for line in text.splitlines()]
    plain = {words[0]: float(words[1]) for words in lines if words[0] in ("accept", "bias")}
    weights = {words[1]: float(words[2]) for words in lines if words[0] == "weight"}
    rows = [bytes.fromhex(words[1]) for words in lines if words[0] == "row"]
    directions = np.array([np.frombuffer(row, np.int8) for row in rows], np.float32) / _TENTHS
    return Verdict(directions, weights, plain["bias"], plain["accept"])


@lru_cache(maxsize=1)
def learnt() -> Verdict:
    """The one in the code."""
    return read_verdict(FILE.read_text(encoding="utf-8"))


def directions_from(classes: Sequence[Vectors], number: int, ridge: float) -> Vectors:
    """(WIDTH, number): along these, wordings of one class lie near and classes lie apart.

    `ridge` is added to the scatter within the classes, as a share of ten times its mean.
    """
    apart = np.concatenate([each - each.mean(axis=0) for each in classes]).astype(np.float64)
    within = apart.T @ apart / sum(len(each) - 1 for each in classes)
    width = len(within)
    values, axes = np.linalg.eigh(
        within + ridge * 10.0 * np.trace(within) / width * np.eye(width)
    )
    white = axes / np.sqrt(values)
    means = np.array([each.mean(axis=0) for each in classes], np.float64)
    spread = (means - means.mean(axis=0)) @ white
    _, turned = np.linalg.eigh(spread.T @ spread / len(means))
    found = white @ turned[:, ::-1][:, :number]
    return np.asarray(found / _largest(found), np.float32)


def _largest(directions: Vectors) -> float:
    """One scale for all: their lengths say how much each counts."""
    return float(np.abs(directions).max())
