"""How likely an answer is the one that is meant: words and meaning weighed together.

A question is compared with the programme's in three ways: as it is, with product names taken out,
and along the directions of meaning that count (`verdict.py`). Topics that the programme answers
(`topics.py`) lend their wordings to its answers; the other topics and what strangers say speak
against it. A logistic regression makes one probability of all that; its weights, and those of the
directions, were learnt from shops that are none of those it is measured with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from device.conversation.meaning import Meaning, Vectors, seen_from
from device.conversation.reading import Names, Reading, is_unknown, units
from device.conversation.rewriting import Lexicon, unnamed
from device.conversation.strangers import strangers
from device.conversation.topics import topics
from device.conversation.verdict import Verdict, learnt

# A stranger's question that the programme itself answers is none.
_ITS_OWN = 0.75
_TOPIC_FLOOR = 0.62  # an answer whose questions lie so near a topic on average is about it
_OTHER_OPTION, _ANY_OPTION = 0.55, 0.92
_LEAD_MAX, _TURNED_LEAD_MAX = 0.4, 0.6
_SHARPNESS = 8.0
_NONE = -1.0
# The shares by which answers are put in order: words, as it is, unnamed, turned, the two nearest.
_RANK = (0.3, 0.3, 0.3, 0.5, 0.2)
_RANK_UNNAMED = 0.15
FOR = ("words", "meaning", "unnamed", "turned", "two", "lead", "turned_lead", "share", "ahead")
AGAINST = ("stranger_turned", "stranger", "strange", "lacks", "unknown", "beside", "short")
# These weigh otherwise where the answer is about no product, one that is named, or is not named.
BY_CASE = (
    "words", "meaning", "turned", "two", "stranger_turned", "stranger", "unknown", "beside",
    "short",
)  # fmt: skip
CASES = ("general", "named", "no_name")


@dataclass(frozen=True)
class Known:
    """One question of the programme, as far as it is needed here."""

    answer_id: str
    reading: Reading


@dataclass(frozen=True)
class Guess:
    """The likeliest answer, its probability, and whether that is enough."""

    answer_id: str
    probability: float
    is_sure: bool


@dataclass(frozen=True)
class Told:
    """What compares with a question: as it is (c) and along the directions that count (t)."""

    c: Vectors
    t: Vectors

    @classmethod
    def of(cls, vectors: Vectors, verdict: Verdict) -> Told:
        """Both from the first."""
        return cls(vectors, verdict.turned(vectors))

    def nearest(self, other: Told) -> tuple[float, float]:
        """The greatest likeness of any of these with the one `other`."""
        if not len(self.c):
            return 0.0, 0.0
        return float((self.c @ other.c[0]).max()), float((self.t @ other.t[0]).max())


@dataclass(frozen=True)
class Sense:
    """A programme's questions by their meaning, the topics of its answers, and strangers'."""

    meaning: Meaning
    names: Names
    lexicon: Lexicon
    verdict: Verdict
    questions: tuple[Known, ...]
    plain: Vectors
    bare: Told
    lent: Mapping[str, Told]
    strange: Told

    @classmethod
    def of(
        cls,
        meaning: Meaning,
        questions: Sequence[tuple[str, str, Reading]],
        names: Names,
    ) -> Sense:
        """From (answer id, question, its reading) of every question; 13 to 26 ms each."""
        verdict, meaning = learnt(), centred(meaning)
        texts = [text for _, text, _ in questions]
        plain = meaning.vectors(texts)
        bare_texts = [unnamed(text, names) for text in texts]
        bare = plain.copy()
        changed = [i for i, text in enumerate(texts) if bare_texts[i] != text]
        if changed:
            bare[changed] = meaning.vectors([bare_texts[i] for i in changed])
        known = tuple(Known(answer_id, reading) for answer_id, _, reading in questions)
        said = _said(meaning)
        about = _topics_of(known, bare, said)
        strange = np.concatenate([
            _not_its_own(said[""], bare),
            *(said[name] for name in topics() if name not in about.values()),
        ])  # fmt: skip
        lent = {answer_id: Told.of(said[name], verdict) for answer_id, name in about.items()}
        return cls(
            meaning, names, Lexicon.of(texts), verdict, known, plain, Told.of(bare, verdict),
            lent, Told.of(strange, verdict),
        )  # fmt: skip

    def judged_by(self, verdict: Verdict) -> Sense:
        """The same questions, judged by another verdict."""
        return replace(
            self, verdict=verdict, bare=Told.of(self.bare.c, verdict),
            strange=Told.of(self.strange.c, verdict),
            lent={name: Told.of(each.c, verdict) for name, each in self.lent.items()},
        )  # fmt: skip

    def guess(self, text: str, asked: Reading, words: Mapping[str, float]) -> Guess | None:
        """The likeliest answer to `text`; `words` is the words' score of each answer."""
        ranked, features = self.features(text, asked, words)
        if not ranked:
            return None
        probability = self.verdict.probability(features)
        return Guess(ranked[0], probability, probability >= self.verdict.accept)

    def vectors_of(self, text: str) -> tuple[Vectors, Told]:
        """A question as it is, and put right and without names."""
        bare_text = unnamed(self.lexicon.corrected(text), self.names)
        both = self.meaning.vectors([text] if bare_text == text else [text, bare_text])
        return both[0], Told.of(both[-1:], self.verdict)

    def features(
        self, text: str, asked: Reading, words: Mapping[str, float]
    ) -> tuple[list[str], dict[str, float]]:
        """The answers, likeliest first, and what speaks FOR and AGAINST the first."""
        plain, bare = self.vectors_of(text)
        near = self._near(plain, bare, asked)
        if not near:
            return [], {}
        about = self._products()
        scores = {
            answer_id: words.get(answer_id, 0.0) * _RANK[0]
            + float(np.dot(_RANK[1:], each))
            - _RANK_UNNAMED * (not asked.products and bool(about[answer_id]))
            for answer_id, each in near.items()
        }
        ranked = sorted(scores, key=lambda answer_id: -scores[answer_id])
        first, nothing = ranked[0], (0.0, 0.0, 0.0, 0.0)
        best, second = near[first], near[ranked[1]] if len(ranked) > 1 else nothing
        ahead = scores[first] - (scores[ranked[1]] if len(ranked) > 1 else 0.0)
        c, t = self.strange.nearest(bare)
        other = self.strange.c @ plain
        stranger = max(c, float(other.max()) if len(other) else 0.0)
        powers = np.exp(_SHARPNESS * np.array([*(each[2] for each in near.values()), t]))
        found = {
            "words": words.get(first, 0.0), "meaning": best[0], "unnamed": best[1],
            "turned": best[2], "two": best[3], "lead": min(_LEAD_MAX, best[0] - second[0]),
            "turned_lead": min(_TURNED_LEAD_MAX, best[2] - second[2]),
            "stranger_turned": t, "stranger": stranger,
            "share": _SHARPNESS * best[2] - float(np.log(powers.sum())),
            "ahead": min(1.0, ahead), "short": 1.0 / max(1, len(units(text, asked.family))),
            **self._misfits(asked, first, words.get(first, 0.0)),
        }  # fmt: skip
        case = "general"
        if about[first]:
            case = "named" if asked.products else "no_name"
        return ranked, by_case(found, case)

    def _near(
        self, plain: Vectors, bare: Told, asked: Reading
    ) -> dict[str, tuple[float, float, float, float]]:
        """Of each answer that may be meant: as it is, unnamed, turned, the two nearest turned."""
        c, u, t = self.plain @ plain, self.bare.c @ bare.c[0], self.bare.t @ bare.t[0]
        places: dict[str, list[int]] = {}
        for place, question in enumerate(self.questions):
            about = question.reading.products
            strange = asked.products and about and asked.products != about
            if not strange and options_agree(asked, question.reading) > _OTHER_OPTION:
                places.setdefault(question.answer_id, []).append(place)
        found = {}
        for answer_id, each in places.items():
            lent = self.lent.get(answer_id)
            topic = lent.nearest(bare) if lent else (_NONE, _NONE)
            two = float(np.sort(t[each])[-2:].mean())
            found[answer_id] = (
                float(c[each].max()), max(float(u[each].max()), topic[0]),
                max(float(t[each].max()), topic[1]), two,
            )  # fmt: skip
        return found

    def _products(self) -> dict[str, frozenset[str]]:
        """The products that any question of each answer names."""
        found: dict[str, frozenset[str]] = {}
        for question in self.questions:
            before = found.get(question.answer_id, frozenset())
            found[question.answer_id] = before | question.reading.products
        return found

    def _misfits(self, asked: Reading, answer_id: str, words: float) -> dict[str, float]:
        """A concept that none of its questions has; none of the concept they all have; words
        that no question has, and such beside others that fit."""
        concepts = [q.reading.concepts for q in self.questions if q.answer_id == answer_id]
        common = frozenset.intersection(*concepts)
        unknown = sum(t.weight for t in asked.tokens if is_unknown(t, asked.family))
        share = unknown / max(asked.weight + (1.0 if asked.products else 0.0), 0.1)
        return {
            "strange": float(bool(asked.concepts - frozenset().union(*concepts))),
            "lacks": float(bool(common) and not common & asked.concepts),
            "unknown": share,
            "beside": words * share,
        }


def by_case(found: Mapping[str, float], case: str) -> dict[str, float]:
    """The features, with those of BY_CASE apart for each case."""
    out = {name: value for name, value in found.items() if name not in BY_CASE}
    out.update({each: float(each == case) for each in CASES[1:]})
    for each in CASES:
        out.update({f"{each}.{name}": found[name] * (each == case) for name in BY_CASE})
    return out


def options_agree(asked: Reading, question: Reading) -> float:
    """0..1: how well the sizes agree. The price of another size is never said."""
    if asked.options == question.options:
        return 1.0
    if not asked.options:
        return _OTHER_OPTION
    about_price = "<price>" in asked.concepts | question.concepts
    return 0.0 if about_price or question.options else _ANY_OPTION


def _topics_of(
    known: Sequence[Known], bare: Vectors, said: Mapping[str, Vectors]
) -> dict[str, str]:
    """The topic of each answer that is about one."""
    if not len(bare):
        return {}
    names = list(topics())
    near = np.stack([(bare @ said[name].T).max(axis=1) for name in names], axis=1)
    found = {}
    for answer_id in dict.fromkeys(question.answer_id for question in known):
        mean = near[[question.answer_id == answer_id for question in known]].mean(axis=0)
        if mean.max() >= _TOPIC_FLOOR:
            found[answer_id] = names[int(mean.argmax())]
    return found


def _not_its_own(strange: Vectors, bare: Vectors) -> Vectors:
    if not len(bare):
        return strange
    return np.asarray(strange[(strange @ bare.T).max(axis=1) < _ITS_OWN])


_SAID: dict[int, tuple[Vectors, dict[str, Vectors]]] = {}


def centred(meaning: Meaning) -> Meaning:
    """The encoder, seen from the middle of what shops are asked."""
    return meaning.seen_from(_heard(meaning)[0])


def _said(meaning: Meaning) -> dict[str, Vectors]:
    """What strangers say ("") and the wordings of each topic."""
    return _heard(meaning)[1]


def _heard(meaning: Meaning) -> tuple[Vectors, dict[str, Vectors]]:
    """The mean of all wordings of topics, and from there those of `_said`; once an encoder."""
    if id(meaning.table) not in _SAID:
        groups = {"": strangers(), **topics()}
        every = [each for said in groups.values() for each in said]
        made = replace(meaning, centre=None).kept_vectors("said", every)
        centre = made[len(groups[""]):].mean(axis=0)
        ends = np.cumsum([len(said) for said in groups.values()])
        parts = np.split(seen_from(centre, made), ends[:-1])
        _SAID.clear()
        _SAID[id(meaning.table)] = centre, dict(zip(groups, parts, strict=True))
    return _SAID[id(meaning.table)]
