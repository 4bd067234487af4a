"""When to answer is learnt from shops that it is not measured with, and can be learnt again."""

from __future__ import annotations

import json
import random
from functools import lru_cache

import numpy as np
import pytest

from device.conversation.match import Matcher
from device.conversation.meaning import WIDTH, Meaning
from device.conversation.reading import Name
from device.conversation.rewriting import Lexicon, unnamed
from device.conversation.sense import AGAINST, CASES, FOR, centred
from device.conversation.topics import topics
from device.conversation.verdict import FILE, directions_from, learnt, read_verdict
from device.paths import assets_dir, repository_root
from models.calibrate_answers import Learner, Remembering, learn, rows_of
from models.shop_questions import homophones, misheard, read_chatter, read_shop, read_shops
from ota.errors import Refused

NAMES = {"longjing": (Name.of("龙井"), Name.of("longjing"), Name.of("longjing green tea"))}


@lru_cache(maxsize=1)
def meaning() -> Meaning:
    loaded = Meaning.load(assets_dir())
    return Remembering(loaded.pieces, loaded.table, loaded.places, loaded.session)


def test_no_shop_and_no_question_stands_on_both_sides() -> None:
    """What measures is never learnt from: not a shop, not a sentence of any set."""
    training, evaluation = read_shops("training"), read_shops("evaluation")
    assert len(training) >= 25 and len(evaluation) >= 6
    names = {shop.programme.id for shop in training}
    assert not names & {shop.programme.id for shop in evaluation}
    assert not names & {"tea-shop", "phones", "skin-care"}
    learnt_from = {a.text for s in training for a in s.asked if a.kind == "answered"}
    measured = {a.text for s in evaluation for a in s.asked if a.kind == "answered"}
    assert not learnt_from & measured
    chatter = [{a.text for a in read_chatter(which)} for which in ("training", "evaluation")]
    assert not chatter[0] & chatter[1]
    tests = repository_root() / "tests" / "device"
    held_out = json.loads((tests / "shops" / "questions.json").read_text("utf-8"))["held_out"]
    asked = {q for shop in held_out.values() for each in shop.values() for q in each}
    wordings = {phrase for each in topics().values() for phrase in each}
    assert len(asked & learnt_from) <= 0.02 * len(asked)
    assert len(asked & wordings) <= 0.05 * len(asked), "everyday questions may be the same"


def test_every_training_shop_has_both_languages_and_what_it_cannot_answer() -> None:
    for shop in (*read_shops("training"), *read_shops("evaluation")):
        kinds = {asked.kind for asked in shop.asked}
        assert kinds == {"answered", "near"}
        for answer in shop.programme.answers:
            assert set(answer.ask) == {"zh-CN", "en-US"}
            assert sum(asked.wanted == answer.id for asked in shop.asked) >= 5


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="is none"):
        read_shop("x", "sell 鱼 ; fish")
    with pytest.raises(Refused, match="is none"):
        read_shop("x", "ask 多少钱 ; how much")


def test_the_verdict_file_is_whole_and_reads_as_it_was_written() -> None:
    verdict = learnt()
    assert verdict.directions.shape[0] == WIDTH
    assert {name.split(".")[-1] for name in verdict.weights} == {*FOR, *AGAINST, *CASES[1:]}
    for name, weight in verdict.weights.items():
        assert weight >= 0.0 or name.split(".")[-1] not in FOR, name
        assert weight <= 0.0 or name.split(".")[-1] not in AGAINST, name
    assert 0.3 < verdict.accept < 1.0
    again = read_verdict(verdict.written())
    assert again.written() == verdict.written() == FILE.read_text(encoding="utf-8")
    with pytest.raises((KeyError, ValueError)):
        read_verdict("not a verdict")


def test_directions_bring_wordings_together_and_set_questions_apart() -> None:
    rng = np.random.default_rng(2)
    centre = np.zeros((2, WIDTH), np.float32)
    centre[0, 3] = centre[1, 4] = 1.0
    noise = rng.standard_normal((2, 40, WIDTH)) * np.repeat([0.01, 0.5], WIDTH // 2)
    classes = [np.asarray(centre[i] + noise[i], np.float32) for i in range(2)]
    turned = [each @ directions_from(classes, 1, 0.01) for each in classes]
    assert turned[0].std() + turned[1].std() < abs(turned[0].mean() - turned[1].mean())


def test_it_is_learnt_again_from_the_files_the_same_each_time() -> None:
    """Two small shops; the whole is `python -m models.calibrate_answers`."""
    shops, chatter = read_shops("training", ("library", "gym")), read_chatter("training")[:30]
    first, rows = learn(Learner.of(meaning(), shops, chatter))
    again, _ = learn(Learner.of(meaning(), shops, chatter))
    assert first.written() == again.written()
    assert {row.shop for row in rows} == {"library", "gym"}
    right = [row for row in rows if row.is_right and row.asked.kind == "answered"]
    others = [row for row in rows if row.asked.kind == "chatter"]
    middle = [float(np.median([first.probability(r.features) for r in x])) for x in (right, others)]
    assert middle[0] > 0.5 > middle[1]


@pytest.mark.nightly
def test_the_whole_verdict_can_be_made_again() -> None:
    """Two minutes. Another processor's rounding may move a direction by one step of 254."""
    learner = Learner.of(meaning(), read_shops("training"), read_chatter("training"))
    verdict, _ = learn(learner)
    kept = learnt()
    assert abs(verdict.accept - kept.accept) <= 0.02
    assert all(abs(verdict.weights[n] - w) <= 0.05 for n, w in kept.weights.items())


@pytest.mark.nightly
def test_six_shops_that_nothing_was_learnt_from_are_understood_as_well_as_documented() -> None:
    """Half a minute; the floors lie just under docs/understanding.md's figures."""
    said = []
    for shop in read_shops("evaluation"):
        matcher = Matcher.of(shop.programme, meaning())
        rows = rows_of(shop.programme.id, matcher, shop.asked)
        said += [r for r in rows if learnt().probability(r.features) >= learnt().accept]
    answered = [row.is_right for row in said if row.asked.wanted]
    assert sum(answered) >= 160
    assert len(answered) - sum(answered) <= 4
    assert len(said) - len(answered) <= 12


def test_a_shop_of_another_trade_is_understood_and_its_neighbours_are_not() -> None:
    """The floor under docs/understanding.md's figures, for one shop that nothing was tuned to."""
    shop = read_shops("evaluation", ("bookshop",))[0]
    matcher = Matcher.of(shop.programme, meaning())
    rows = rows_of("bookshop", matcher, (*shop.asked, *read_chatter("evaluation")[::3]))
    said = [row for row in rows if learnt().probability(row.features) >= learnt().accept]
    answered = [row for row in said if row.asked.wanted]
    assert sum(row.is_right for row in answered) >= 22 and len(answered) <= 42
    assert len(said) - len(answered) <= 4


def test_a_topic_lends_its_words_only_to_a_programme_that_answers_it() -> None:
    shop = read_shops("evaluation", ("hotel",))[0]
    sense = Matcher.of(shop.programme, meaning()).sense
    assert sense is not None and "wifi" in sense.lent and "price-suite" in sense.lent
    strange = centred(meaning()).vectors(["where can I park", "what is the wifi password"])
    near = (sense.strange.c @ strange.T).max(axis=0)
    assert near[0] > 0.99 > 0.9 > near[1]


def test_names_give_way_to_this_and_misheard_words_are_put_right() -> None:
    assert unnamed("龙井多少钱", NAMES) == "这个多少钱"
    assert unnamed("龙警多少钱?", NAMES) == "这个多少钱?"
    assert unnamed("How much is the Longjing green tea?", NAMES) == "How much is this?"
    assert unnamed("it's 5 o'clock İ 🙂", NAMES) == "it's 5 o'clock İ 🙂"
    lexicon = Lexicon.of(["龙井可以试喝吗"])
    assert lexicon.corrected("龙警多少前") == "龙井多少钱"
    assert lexicon.corrected("龙警可以是喝吗") == "龙井可以试喝吗"
    assert lexicon.corrected("葡萄牙 hello") == "葡萄牙 hello" and lexicon.corrected("") == ""


def test_a_recogniser_s_errors_are_made_up_alike_each_time() -> None:
    pool = homophones(["是试事市", "钱前"])
    made = [misheard("试试多少钱", pool, random.Random(3)) for _ in range(2)]
    assert made[0] == made[1] and len(made[0]) == 5
    assert misheard("how much", pool, random.Random(1)).strip()
