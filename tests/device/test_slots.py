"""What is named is found though it was misheard; the price of another size is never said."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.benches.order_menu import MENU
from device.conversation.match import Matcher
from device.conversation.phones import closeness, phonemes
from device.conversation.sizes import sizes
from device.conversation.slots import Vocabulary, read_slots
from device.programme.check import check_bytes
from device.programme.load import load
from ota.clock import utc_now

SHOPS = Path(__file__).with_name("shops")
COFFEE = Vocabulary.of(MENU)
SKIN_CARE = Vocabulary.of_programme(load(SHOPS / "skin-care"))
PHONES = Matcher.of(load(SHOPS / "phones"))
TEA = Matcher.of(load(Path(__file__).resolve().parents[2] / "programmes" / "tea-shop"))


def named(text: str, vocabulary: Vocabulary, language: str = "en-US") -> dict[str, str]:
    return {each.slot: each.value for each in read_slots(text, language, vocabulary)}


@pytest.mark.parametrize(
    ("heard", "slots"),
    [
        ("Can I get a late roast small latte?",
         {"roast": "light roast", "size": "small", "coffeeDrink": "latte"}),
        ("I'd like a Dark Rose triple-shot house coffee with brown sugar.",
         {"roast": "dark roast", "numberOfShots": "triple shot", "coffeeDrink": "house coffee",
          "sugarAmount": "brown sugar"}),
        ("I want a 16 ounce ice mocha with lots of home milk",
         {"size": "sixteen ounce", "coffeeDrink": "iced mocha",
          "milkAmount": "lots of whole milk"}),
        ("a medium roast americana", {"roast": "medium roast", "coffeeDrink": "americano"}),
        ("what is the weather like", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_an_order_is_read_by_its_sound(heard: str, slots: dict[str, str]) -> None:
    assert named(heard, COFFEE) == slots


@pytest.mark.parametrize(
    ("heard", "slots"),
    [
        ("两盒大的面膜", {"number": "2", "option": "large", "product": "mask"}),
        ("三瓶小瓶的面爽", {"number": "3", "option": "small", "product": "cream"}),
        ("two boxes of the seaweed musk", {"number": "2", "product": "mask"}),
        ("我要10瓶精滑液", {"product": "serum"}),
        ("给我拿个房晒双", {"product": "sunscreen"}),
    ],
)
def test_a_programmes_own_words_are_slots(heard: str, slots: dict[str, str]) -> None:
    found = named(heard, SKIN_CARE)
    assert found.items() >= slots.items()


def test_sounds_that_are_alike_and_not() -> None:
    assert phonemes("light") == "lIt" and phonemes("roast") == "rOst"
    assert closeness("lAtrOst", "lItrOst") > 0.9 > 0.8 > closeness("darkrOst", "lItrOst")
    assert closeness("", "") == 1.0 and closeness("a", "") == 0.0


def test_sizes_are_the_same_however_they_are_said() -> None:
    for text in ("250克", "两百五十克的", "250 g", "the 250-gram one", "250 grams"):
        assert sizes(text) == {"250g"}, text
    assert sizes("sixteen ounces") == sizes("16 oz") == {"16oz"}
    assert sizes("how many grams") == sizes("五个") == frozenset()


@pytest.mark.parametrize(
    ("matcher", "heard", "wanted"),
    [
        (PHONES, "how much is the 256 gigabyte Nova", "price-nova-256"),
        (PHONES, "新星256G多少钱", "price-nova-256"),
        (PHONES, "how much is the Nova", "price-nova"),
        (PHONES, "how much is the 128 gig Nova", None),
        (PHONES, "猎户512G多少钱", None),
        (TEA, "两罐龙井多少钱", "price-longjing"),
        (TEA, "how much are two tins of the longjing", "price-longjing"),
        (TEA, "五十克的龙井多少钱", "price-longjing"),
        (TEA, "250克的龙井多少钱", None),
        (TEA, "what does the 250 gram cost?", None),
    ],
)
def test_the_price_of_another_size_is_never_said(
    matcher: Matcher, heard: str, wanted: str | None
) -> None:
    assert matcher.match(heard, showing="longjing").answer_id == wanted


def test_two_options_must_not_be_called_the_same() -> None:
    data = msgspec.json.decode((SHOPS / "skin-care" / "programme.json").read_bytes())
    options = data["products"][0]["options"]
    options[1]["aliases"]["en-US"] = ["Small  One"]
    options.append({**options[0]})
    text = msgspec.json.format(msgspec.json.encode(data), indent=1)
    found = [p for p in check_bytes(text, None, utc_now()) if "options" in p.field]
    assert {p.field for p in found} >= {"products[0].options[1]", "products[0].options[2].id"}
    assert all(p.severity == "error" and p.line > 5 for p in found)
    for problem in found:
        assert problem.sentence_zh and "option" in problem.sentence_en


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    for each in read_slots(text, "en-US", SKIN_CARE):
        assert 0.0 < each.score <= 1.0 and each.start < each.end
