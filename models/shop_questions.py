"""Made-up shops of many trades, and what people ask in them: what understanding is learnt from.

One file a shop in `models/questions/training` and `evaluation`; no shop stands in both. A line
begins with what it is:

    product ID: Chinese names ; English names
    answer ID [PRODUCT]            what follows, up to the next answer, is about it
    ask Chinese ; English          as the programme has it
    heard Chinese ; English        in other words
    none Chinese ; English         what this shop has no answer to

Alternatives are parted by "|". `chatter.txt` is what people say that concerns no shop.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.conversation.syllables import has_han, syllables
from device.programme.schema import SCHEMA, Programme
from ota.errors import Refused

FOLDER = Path(__file__).parent / "questions"
CHATTER = "chatter"
MISHEARD_SHARE = {"zh": 0.15, "en": 0.12}


@dataclass(frozen=True)
class Asked:
    """A question and the answer that is wanted, "" for none; `kind` is "answered", "near" (the
    shop's trade, but no answer), "chatter" or "misheard"."""

    wanted: str
    text: str
    kind: str


@dataclass(frozen=True)
class Shop:
    """A programme, and what is asked of it."""

    programme: Programme
    asked: tuple[Asked, ...]


def read_shops(which: str, names: Sequence[str] | None = None) -> tuple[Shop, ...]:
    """The shops of "training" or "evaluation". Raises Refused for a line that is none."""
    paths = sorted((FOLDER / which).glob("*.txt"))
    return tuple(
        read_shop(path.stem, path.read_text(encoding="utf-8"))
        for path in paths
        if path.stem != CHATTER and (names is None or path.stem in names)
    )


def read_chatter(which: str) -> tuple[Asked, ...]:
    """What people say that concerns no shop."""
    text = (FOLDER / which / f"{CHATTER}.txt").read_text(encoding="utf-8")
    return tuple(
        Asked("", phrase, CHATTER) for line in text.splitlines() for phrase in _both(line)
    )


def read_shop(name: str, text: str) -> Shop:
    """One shop's file."""
    products: list[dict[str, object]] = []
    answers: list[dict[str, object]] = []
    asked: list[Asked] = []
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "product":
            products.append(_product(rest))
        elif kind == "answer":
            answer_id, _, product = rest.partition(" ")
            said = {"zh-CN": "好的。", "en-US": "Yes."}
            answers.append({"id": answer_id, "say": said, **({"show": product} if product else {})})
        elif kind == "ask" and answers:
            chinese, english = _languages(rest)
            answers[-1]["ask"] = {"zh-CN": chinese, "en-US": english}
        elif kind == "heard" and answers:
            wanted = str(answers[-1]["id"])
            asked += [Asked(wanted, phrase, "answered") for phrase in _both(line)]
        elif kind == "none":
            asked += [Asked("", phrase, "near") for phrase in _both(line)]
        else:
            raise Refused(f"The line {line[:40]!r} of the shop {name} is none; see its format.")
    programme = msgspec.convert(
        {
            "schema": SCHEMA, "id": name, "version": 1, "languages": ["zh-CN", "en-US"],
            "products": products, "answers": answers,
            "fallback": {"say": {"zh-CN": "我不知道。", "en-US": "I do not know."}},
        },
        Programme,
    )  # fmt: skip
    return Shop(programme, tuple(asked))


def misheard(text: str, pool: dict[str, tuple[str, ...]], rng: random.Random) -> str:
    """As a recogniser might write it: homophones in Chinese, lost words in English."""
    if has_han(text):
        return "".join(
            rng.choice(pool.get(syllables(char)[0], (char,)))
            if has_han(char) and rng.random() < MISHEARD_SHARE["zh"]
            else char
            for char in text
        )
    kept = [word for word in text.split() if rng.random() >= MISHEARD_SHARE["en"]]
    return " ".join(kept or text.split())


def homophones(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The characters of the texts by their toneless syllable."""
    pool: dict[str, set[str]] = {}
    for char in {char for text in texts for char in text if has_han(char)}:
        pool.setdefault(syllables(char)[0], set()).add(char)
    return {sound: tuple(sorted(chars)) for sound, chars in pool.items()}


def _product(rest: str) -> dict[str, object]:
    product_id, _, names = rest.partition(": ")
    chinese, english = _languages(names)
    return {
        "id": product_id, "name": {"zh-CN": chinese[0], "en-US": english[0]},
        "aliases": {"zh-CN": chinese, "en-US": english},
    }  # fmt: skip


def _both(line: str) -> list[str]:
    chinese, english = _languages(line.partition(" ")[2])
    return chinese + english


def _languages(rest: str) -> tuple[list[str], list[str]]:
    chinese, _, english = rest.partition(" ; ")
    return _phrases(chinese), _phrases(english)


def _phrases(text: str) -> list[str]:
    return [phrase.strip() for phrase in text.split("|") if phrase.strip()]
