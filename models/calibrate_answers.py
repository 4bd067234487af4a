"""Learns when to answer: writes `device/conversation/verdict.txt`.

    python -m models.calibrate_answers [--write] [--check]

From the made-up shops in models/questions/training (`shop_questions.py`): first the directions of
meaning, then a logistic regression (L2, Newton's method) over the features of `sense`, each shop's
being made with directions that were learnt from other shops. What speaks for an answer may not
weigh against it: such a feature is left out, and so the other way round. The threshold is where as
many false answers are left as FALSE_SHARE_MAX, half of the questions being near misses and half
chatter, each shop again judged by what was learnt from others. Without `--write` the file is only
compared. `--check` counts the shops that nothing was learnt from.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.conversation.match import Matcher
from device.conversation.meaning import Meaning, Vectors
from device.conversation.sense import AGAINST, FOR, Sense, centred
from device.conversation.topics import topics
from device.conversation.verdict import FILE, Verdict, directions_from
from device.paths import assets_dir, repository_root
from models.shop_questions import (
    CHATTER,
    Asked,
    Shop,
    homophones,
    misheard,
    read_chatter,
    read_shops,
)
from ota.errors import Refused
from ota.files import write_durable

Array = NDArray[np.float64]
Questions = Mapping[str, Sequence[str]]

FALSE_SHARE_MAX = 0.02
DIRECTIONS, DIRECTION_RIDGE = 48, 0.3
FOLDS = 7
_RIDGE, _STEPS = 3.0, 40
_COUNT = {"answered": 1.0, "misheard": 0.5, "near": 1.0, CHATTER: 1.0}
_CHATTER_EVERY = 3  # each shop hears a third of it
_MISHEARD_EVERY = 2


@dataclass(frozen=True)
class Row:
    """One question: the shop, what it is, the guessed answer, what speaks for it."""

    shop: str
    asked: Asked
    guessed: str
    features: Mapping[str, float]

    @property
    def is_right(self) -> bool:
        """Is the guess the wanted answer?"""
        return self.asked.wanted == self.guessed


@dataclass(frozen=True)
class Remembering(Meaning):
    """An encoder that works each sentence out once."""

    memory: dict[str, Vectors] = field(default_factory=dict)

    def vector(self, sentence: str) -> Vectors:
        """As `Meaning.vector`."""
        if sentence not in self.memory:
            self.memory[sentence] = super().vector(sentence)
        return self.memory[sentence]


def folders() -> dict[str, Path]:
    """The programmes of the question files that measure."""
    tests = repository_root() / "tests" / "device" / "shops"
    tea = repository_root() / "programmes" / "tea-shop"
    return {"tea-shop": tea, "phones": tests / "phones", "skin-care": tests / "skin-care"}


def questions(which: str) -> Iterator[tuple[str, str, str]]:
    """(shop, wanted answer, question) of the set "tuning" or "held_out" of those programmes."""
    tests = repository_root() / "tests" / "device"
    shops = json.loads((tests / "shops" / "questions.json").read_text(encoding="utf-8"))[which]
    sets: list[tuple[str, Questions]] = list(shops.items())
    if which == "tuning":
        tea = json.loads((tests / "tea_questions.json").read_text(encoding="utf-8"))
        sets += [("tea-shop", asked) for asked in tea.values()]
    for shop, asked in sets:
        for wanted, each in asked.items():
            yield from ((shop, wanted, question) for question in each)


@dataclass(frozen=True)
class Learner:
    """The shops that are learnt from, their matchers and what they hear."""

    meaning: Meaning
    shops: tuple[Shop, ...]
    matchers: Mapping[str, Matcher]
    heard: Mapping[str, tuple[Asked, ...]]
    classes: Mapping[str, Sequence[Vectors]]

    @classmethod
    def of(cls, meaning: Meaning, shops: Sequence[Shop], chatter: Sequence[Asked]) -> Learner:
        """Read the shops' programmes; each also hears a part of the chatter, and some of its
        questions as a recogniser would write them."""
        rng = random.Random(5)
        pool = homophones([asked.text for shop in shops for asked in shop.asked])
        heard = {}
        for number, shop in enumerate(shops):
            answered = [asked for asked in shop.asked if asked.kind == "answered"]
            noisy = tuple(
                Asked(asked.wanted, misheard(asked.text, pool, rng), "misheard")
                for asked in answered[::_MISHEARD_EVERY]
            )
            heard[shop.programme.id] = (
                *shop.asked, *noisy, *chatter[number % _CHATTER_EVERY :: _CHATTER_EVERY]
            )  # fmt: skip
        matchers = {shop.programme.id: Matcher.of(shop.programme, meaning) for shop in shops}
        classes = {
            shop.programme.id: _classes(shop, _sense(matchers[shop.programme.id]))
            for shop in shops
        }
        return cls(meaning, tuple(shops), matchers, heard, classes)

    def directions(self, without: frozenset[str] = frozenset()) -> Vectors:
        """Learnt from the topics and the shops but some."""
        meaning = centred(self.meaning)
        classes = [meaning.vectors(wordings) for wordings in topics().values()]
        classes += [each for name in self.classes if name not in without
                    for each in self.classes[name]]
        return directions_from(classes, DIRECTIONS, DIRECTION_RIDGE)

    def rows(self, names: frozenset[str], directions: Vectors) -> list[Row]:
        """What some shops hear, with features by those directions."""
        verdict = Verdict(directions, {}, 0.0, 1.0)
        return [
            row
            for shop in self.shops
            if shop.programme.id in names
            for row in rows_of(shop.programme.id, self.matchers[shop.programme.id],
                               self.heard[shop.programme.id], verdict)
        ]  # fmt: skip

    def folds(self) -> list[frozenset[str]]:
        """The shops' names in FOLDS parts."""
        names = [shop.programme.id for shop in self.shops]
        return [frozenset(names[at::FOLDS]) for at in range(min(FOLDS, len(names)))]


def rows_of(
    shop: str, matcher: Matcher, heard: Sequence[Asked], verdict: Verdict | None = None
) -> list[Row]:
    """Questions with what speaks for the likeliest answer to each."""
    sense = _sense(matcher)
    sense = sense.judged_by(verdict) if verdict else sense
    found = []
    for asked in heard:
        reading = matcher.read(asked.text)
        ranked, features = sense.features(asked.text, reading, matcher.scores(reading))
        if ranked:
            found.append(Row(shop, asked, ranked[0], features))
    return found


def learn(learner: Learner) -> tuple[Verdict, list[Row]]:
    """The verdict, and every row that it was learnt from (by its fold's directions)."""
    parts = [learner.rows(fold, learner.directions(fold)) for fold in learner.folds()]
    names = _names(parts[0])
    probability: list[float] = []
    for number, part in enumerate(parts):
        others = [row for at, each in enumerate(parts) if at != number for row in each]
        weights, bias = fitted(others, names)
        probability += list(1.0 / (1.0 + np.exp(-(_table(part, names) @ weights + bias))))
    rows = [row for part in parts for row in part]
    weights, bias = fitted(rows, names)
    by_name = {name: float(weight) for name, weight in zip(names, weights, strict=True)}
    accept = threshold(rows, probability)
    return Verdict(learner.directions(), by_name, bias, accept), rows


def fitted(rows: Sequence[Row], names: Sequence[str]) -> tuple[Array, float]:
    """Weights and bias of the regression: is the guessed answer the wanted one?"""
    x, y = _table(rows, names), np.array([float(row.is_right) for row in rows])
    count = np.array([_COUNT[row.asked.kind] for row in rows])
    sign = np.array([_sign(name) for name in names])
    kept = np.ones(len(names), np.bool_)
    while True:
        weights, bias = _regression(x[:, kept], y, count)
        wrong = weights * sign[kept] < 0.0
        if not wrong.any():
            found = np.zeros(len(names))
            found[kept] = weights
            return found, bias
        kept[np.flatnonzero(kept)[wrong]] = False


def _sign(name: str) -> float:
    """1 for what speaks for an answer, -1 against it, 0 for either."""
    name = name.split(".")[-1]
    return float(name in FOR) - float(name in AGAINST)


def _regression(x: Array, y: Array, count: Array) -> tuple[Array, float]:
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


def threshold(rows: Sequence[Row], probability: Sequence[float]) -> float:
    """The least probability at which few enough get a false answer; chatter and near misses count
    half each."""
    kinds = ("near", CHATTER)
    by_kind = {
        kind: np.array([p for row, p in zip(rows, probability, strict=True)
                        if row.asked.kind == kind])
        for kind in kinds
    }  # fmt: skip
    for percent in range(30, 1000):
        shares = [float((each >= percent / 1000).mean()) for each in by_kind.values() if len(each)]
        if not shares or sum(shares) / len(shares) <= FALSE_SHARE_MAX:
            return percent / 1000
    return 1.0


def outcome(rows: Sequence[Row], verdict: Verdict) -> dict[str, str]:
    """By kind: right, wrong and unanswered questions, or false answers, of how many."""
    found = {}
    for kind in dict.fromkeys(row.asked.kind for row in rows):
        some = [row for row in rows if row.asked.kind == kind]
        said = [row for row in some if verdict.probability(row.features) >= verdict.accept]
        right = sum(row.is_right for row in said)
        found[kind] = f"{right} right, {len(said) - right} wrong of {len(some)}"
    return found


def main() -> int:
    """Learn; write or compare the file; say what comes of it."""
    parser = argparse.ArgumentParser(description="learn when to answer")
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    parser.add_argument("--check", action="store_true", help="count the evaluation shops too")
    args = parser.parse_args()
    loaded = Meaning.load(assets_dir())
    meaning = Remembering(loaded.pieces, loaded.table, loaded.places, loaded.session)
    learner = Learner.of(meaning, read_shops("training"), read_chatter("training"))
    verdict, rows = learn(learner)
    print(f"accept {verdict.accept}; on what was learnt from: {outcome(rows, verdict)}")
    if args.write:
        write_durable(FILE, verdict.written().encode())
    elif verdict.written() != FILE.read_text(encoding="utf-8"):
        print(f"{FILE} differs; --write it.", file=sys.stderr)
        return 1
    if args.check:
        for shop in read_shops("evaluation"):
            matcher = Matcher.of(shop.programme, meaning)
            heard = (*shop.asked, *read_chatter("evaluation"))
            found = rows_of(shop.programme.id, matcher, heard, verdict)
            print(f"{shop.programme.id}: {outcome(found, verdict)}")
    return 0


def _names(rows: Sequence[Row]) -> list[str]:
    return list(rows[0].features)


def _table(rows: Sequence[Row], names: Sequence[str]) -> Array:
    return np.array([[row.features[name] for name in names] for row in rows], np.float64)


def _sense(matcher: Matcher) -> Sense:
    if matcher.sense is None:
        raise Refused("The meanings are missing; run ./vitrine models fetch.")
    return matcher.sense


def _classes(shop: Shop, sense: Sense) -> list[Vectors]:
    """For each answer, its wordings without names: the programme's and those in other words."""
    found = []
    for answer in shop.programme.answers:
        own = [at for at, known in enumerate(sense.questions) if known.answer_id == answer.id]
        heard = [
            sense.vectors_of(asked.text)[1].c for asked in shop.asked if asked.wanted == answer.id
        ]
        found.append(np.concatenate([sense.bare.c[own], *heard]))
    return found


if __name__ == "__main__":
    raise SystemExit(main())
