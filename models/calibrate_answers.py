"""Chooses the weights and the threshold of `device.conversation.sense` from tuning questions.

    python -m models.calibrate_answers [--check]

Logistic regression (L2, Newton's method) on the tuning questions of three shops in
tests/device; the threshold is the lowest one that answers at most 2 % of the strangers'
questions there. `--check` also reads the held-out questions, counts only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.conversation.match import Matcher
from device.conversation.meaning import Meaning
from device.conversation.sense import ACCEPT_PROBABILITY, BIAS, FEATURES, WEIGHTS
from device.paths import assets_dir, repository_root
from device.programme.load import load
from ota.errors import Refused

Array = NDArray[np.float64]
Questions = Mapping[str, Sequence[str]]

FALSE_SHARE_MAX = 0.02
_RIDGE = 0.3
_NEW_SHOPS_COUNT = 3.0  # one question of the two small shops counts as three of the tea shop's
_STEPS = 60


@dataclass(frozen=True)
class Row:
    """One question: the wanted answer ("" for none), the guessed one, what speaks for it."""

    wanted: str
    guessed: str
    features: tuple[float, ...]
    count: float


def folders() -> dict[str, Path]:
    """The programmes of the question files."""
    tests = repository_root() / "tests" / "device" / "shops"
    tea = repository_root() / "programmes" / "tea-shop"
    return {"tea-shop": tea, "phones": tests / "phones", "skin-care": tests / "skin-care"}


def questions(which: str) -> Iterator[tuple[str, str, str]]:
    """(shop, wanted answer, question) of the set "tuning" or "held_out"."""
    tests = repository_root() / "tests" / "device"
    shops = json.loads((tests / "shops" / "questions.json").read_text(encoding="utf-8"))[which]
    sets: list[tuple[str, Questions]] = list(shops.items())
    if which == "tuning":
        tea = json.loads((tests / "tea_questions.json").read_text(encoding="utf-8"))
        sets += [("tea-shop", asked) for asked in tea.values()]
    for shop, asked in sets:
        for wanted, each in asked.items():
            yield from ((shop, wanted, question) for question in each)


def rows(which: str, matchers: Mapping[str, Matcher]) -> list[Row]:
    """Every question of a set with its features."""
    found = []
    for shop, wanted, question in questions(which):
        matcher = matchers[shop]
        asked = matcher.read(question)
        if matcher.sense is None:
            raise Refused("The meanings are missing; run ./vitrine models fetch.")
        ranked, features = matcher.sense.features(question, asked, matcher.scores(asked))
        count = 1.0 if shop == "tea-shop" else _NEW_SHOPS_COUNT
        found.append(Row(wanted, ranked[0], features, count))
    return found


def fitted(found: Sequence[Row]) -> tuple[Array, float]:
    """Weights and bias of the regression: is the guessed answer the wanted one?"""
    x = np.array([row.features for row in found], dtype=np.float64)
    y = np.array([row.wanted == row.guessed for row in found], dtype=np.float64)
    count = np.array([row.count for row in found])
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    z = np.c_[(x - middle) / spread, np.ones(len(x))]
    ridge = _RIDGE * np.eye(z.shape[1])
    weights = np.zeros(z.shape[1])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-z @ weights))
        slope = z.T @ (count * (p - y)) + ridge @ weights
        weights -= np.linalg.solve((z * (count * p * (1.0 - p))[:, None]).T @ z + ridge, slope)
    plain = weights[:-1] / spread
    return plain, float(weights[-1] - plain @ middle)


def outcome(found: Sequence[Row], weights: Array, bias: float, accept: float) -> tuple[int, ...]:
    """(right, wrong, asked, false, strangers) at a threshold."""
    right = wrong = asked = false = others = 0
    for row in found:
        p = 1.0 / (1.0 + np.exp(-(float(weights @ np.array(row.features)) + bias)))
        if row.wanted:
            asked += 1
            right += bool(p >= accept) and row.guessed == row.wanted
            wrong += bool(p >= accept) and row.guessed != row.wanted
        else:
            others += 1
            false += bool(p >= accept)
    return right, wrong, asked, false, others


def threshold(found: Sequence[Row], weights: Array, bias: float) -> float:
    """The lowest probability at which few enough strangers are answered."""
    for percent in range(30, 100):
        false, others = outcome(found, weights, bias, percent / 100)[3:]
        if false <= FALSE_SHARE_MAX * others:
            return percent / 100
    return 1.0


def main() -> int:
    """Print the constants for `sense`, and what comes of them."""
    parser = argparse.ArgumentParser(description="choose the weights and threshold of answers")
    parser.add_argument("--check", action="store_true", help="count the held-out questions too")
    args = parser.parse_args()
    meaning = Meaning.load(assets_dir())
    matchers = {shop: Matcher.of(load(folder), meaning) for shop, folder in folders().items()}
    tuning = rows("tuning", matchers)
    weights, bias = fitted(tuning)
    accept = threshold(tuning, weights, bias)
    print("FEATURES =", FEATURES)
    print("WEIGHTS =", tuple(round(float(w), 2) for w in weights))
    print(f"BIAS = {bias:.2f}\nACCEPT_PROBABILITY = {accept:.2f}")
    sets = {"tuning": tuning, **({"held out": rows("held_out", matchers)} if args.check else {})}
    for name, found in sets.items():
        new = outcome(found, weights, bias, accept)
        old = outcome(found, np.array(WEIGHTS), BIAS, ACCEPT_PROBABILITY)
        print(f"{name}: (right, wrong, asked, false, strangers) {new}; in the code now {old}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
