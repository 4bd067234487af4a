"""How likely an answer is the one that is meant: words and meaning weighed together.

The words' score, the meaning's nearness and its lead over the next answer, and how much nearer
the question is to the programme than to what strangers say make one probability (logistic
regression). `python -m models.calibrate_answers` chose the weights and the threshold from the
tuning questions of three shops; it prints them anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from device.conversation.meaning import Meaning, Vectors
from device.conversation.reading import Reading, is_unknown
from device.conversation.strangers import strangers

# A stranger's question that the programme itself answers is none.
_ITS_OWN = 0.75
_OTHER_OPTION, _ANY_OPTION = 0.55, 0.92
_LEAD_MAX, _NEARER_MAX = 0.4, 0.4
RANK_WORDS = 0.3  # the words' share when answers are put in order; the meaning has the rest
FEATURES = ("words", "meaning", "lead", "nearer", "unnamed", "strange", "lacks", "unknown")
WEIGHTS = (2.93, 0.7, 3.74, 7.01, -4.27, -0.5, -4.48, -8.55)
BIAS = -0.41
ACCEPT_PROBABILITY = 0.65


@dataclass(frozen=True)
class Known:
    """One question of the programme, as far as it is needed here."""

    answer_id: str
    reading: Reading


@dataclass(frozen=True)
class Guess:
    """The likeliest answer, its probability, and the next one."""

    answer_id: str
    probability: float
    runner_up: str | None


@dataclass(frozen=True)
class Sense:
    """A programme's questions by their meaning, and those of strangers."""

    meaning: Meaning
    questions: tuple[Known, ...]
    vectors: Vectors
    strange: Vectors

    @classmethod
    def of(cls, meaning: Meaning, questions: Sequence[tuple[str, str, Reading]]) -> Sense:
        """From (answer id, question, its reading) of every question; 5 ms each."""
        vectors = meaning.vectors([text for _, text, _ in questions])
        strange = _strange_vectors(meaning)
        if len(vectors):
            strange = strange[(strange @ vectors.T).max(axis=1) < _ITS_OWN]
        known = tuple(Known(answer_id, reading) for answer_id, _, reading in questions)
        return cls(meaning, known, vectors, strange)

    def guess(self, text: str, asked: Reading, words: Mapping[str, float]) -> Guess | None:
        """The likeliest answer to `text`; `words` is the words' score of each answer."""
        ranked, features = self.features(text, asked, words)
        if not ranked:
            return None
        exponent = BIAS + sum(w * f for w, f in zip(WEIGHTS, features, strict=True))
        second = ranked[1] if len(ranked) > 1 else None
        return Guess(ranked[0], 1.0 / (1.0 + math.exp(-exponent)), second)

    def features(
        self, text: str, asked: Reading, words: Mapping[str, float]
    ) -> tuple[list[str], tuple[float, ...]]:
        """The answers, likeliest first, and what speaks for the first one (see FEATURES)."""
        vector = self.meaning.vectors([text])[0]
        near: dict[str, float] = {}
        for question, cosine in zip(self.questions, self.vectors @ vector, strict=True):
            about = question.reading.products
            strange = asked.products and about and asked.products != about
            if not strange and options_agree(asked, question.reading) > _OTHER_OPTION:
                answer_id = question.answer_id
                near[answer_id] = max(near.get(answer_id, 0.0), float(cosine))

        def rank(answer_id: str) -> float:
            words_score = words.get(answer_id, 0.0)
            return RANK_WORDS * words_score + (1.0 - RANK_WORDS) * near[answer_id]

        ranked = sorted(near, key=rank, reverse=True)
        if not ranked:
            return [], ()
        first = ranked[0]
        lead = near[first] - (near[ranked[1]] if len(ranked) > 1 else 0.0)
        stranger = float((self.strange @ vector).max()) if len(self.strange) else 0.0
        nearer = max(-_NEARER_MAX, min(_NEARER_MAX, near[first] - stranger))
        return ranked, (
            words.get(first, 0.0),
            near[first],
            min(lead, _LEAD_MAX),
            nearer,
            *self._misfits(asked, first, words.get(first, 0.0)),
        )

    def _misfits(self, asked: Reading, answer_id: str, words: float) -> tuple[float, ...]:
        """No product named where each question has one; a concept that none of them has; none of
        the concept they all have; words that nobody knows beside those that fit."""
        about = [q.reading for q in self.questions if q.answer_id == answer_id]
        concepts = [reading.concepts for reading in about]
        common = frozenset.intersection(*concepts)
        unknown = sum(t.weight for t in asked.tokens if is_unknown(t, asked.family))
        total = asked.weight + (1.0 if asked.products else 0.0)
        return (
            float(not asked.products and all(reading.products for reading in about)),
            float(bool(asked.concepts - frozenset().union(*concepts))),
            float(bool(common) and not common & asked.concepts),
            words * unknown / max(total, 0.1),
        )


def options_agree(asked: Reading, question: Reading) -> float:
    """0..1: how well the sizes agree. The price of another size is never said."""
    if asked.options == question.options:
        return 1.0
    if not asked.options:
        return _OTHER_OPTION
    about_price = "<price>" in asked.concepts | question.concepts
    return 0.0 if about_price or question.options else _ANY_OPTION


_STRANGE: dict[int, Vectors] = {}


def _strange_vectors(meaning: Meaning) -> Vectors:
    """Worked out once for each loaded encoder (0.8 s)."""
    if id(meaning.table) not in _STRANGE:
        _STRANGE.clear()
        _STRANGE[id(meaning.table)] = np.asarray(meaning.vectors(strangers()), np.float32)
    return _STRANGE[id(meaning.table)]
