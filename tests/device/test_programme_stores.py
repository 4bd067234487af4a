"""One programme, many stores: groups, stock, prices that grow old, and a line's own validity."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from device.conversation.ask import unspoken_index
from device.conversation.cues import Count, ShowCard
from device.conversation.facts import Facts
from device.conversation.script import Script
from device.messages import Settings
from device.programme.schema import Programme
from device.programme.variables import wrong
from device.stage.settings import check_settings
from device.stage.withheld import WithheldNews
from ota.errors import Refused
from tests.sim.kiosk import SHOP, START, Kiosk, of

SOON = (START + timedelta(minutes=5)).isoformat()
LATER = START + timedelta(minutes=6)
Values = dict[str, str]


def shop() -> dict[str, Any]:
    """The small shop, whose tea has a price and a stock of each store."""
    data = copy.deepcopy(SHOP)
    data["variables"] = {
        "store": "本店",
        "tea_price": {"type": "price", "default": "¥128", "fresh_h": 24},
        "tea_stock": {"type": "stock"},
    }
    data["products"][0] |= {"price": "{tea_price}", "stock": "tea_stock"}
    data["sold_out"] = {"say": {"zh-CN": "{product.name}今天卖完了。", "en-US": "Sold out."}}
    return data


def in_store(
    data: dict[str, Any], variables: Values | None = None, until: Values | None = None,
    groups: tuple[str, ...] = (),
) -> Script:
    """As a box of that store reads it, whose values were spoken by the build."""
    programme = msgspec.convert(data, Programme)
    index = unspoken_index(programme, variables)
    return Script.of(programme, index, Path("/v1"), variables, until, groups)


def ids(store: Script, now: datetime = START) -> list[str]:
    return [each.id for each in store.playable(now, "zh-CN").segments]


def all_said(kiosk: Kiosk, sentences: int = 12) -> list[str]:
    for _ in range(sentences):
        kiosk.finish() if kiosk.saying else kiosk.tick(2)
    return kiosk.said()


def test_a_store_of_a_group_has_its_own_lines_cards_and_answers() -> None:
    data = shop()
    data["groups"] = ["airport", "city"]
    data["segments"][0]["groups"] = ["airport"]
    data["products"][1]["groups"] = ["city"]
    data["answers"][2]["groups"] = ["airport"]
    data["schedule"] = [{"play": ["hello", "tea"], "groups": ["airport", "city"]},
                        {"play": ["cup"]}]
    assert ids(in_store(data, groups=("airport",))) == ["hello", "tea"]
    assert ids(in_store(data, groups=("city", "other"))) == ["tea", "cup"]
    assert ids(in_store(data)) == [], "the cup is for the city alone"
    city = Kiosk(in_store(data, groups=("city",)))
    city.hear("几点关门")
    assert city.saying == "这个我不清楚。"
    airport = Kiosk(in_store(data, groups=("airport",)))
    airport.hear("几点关门")
    assert airport.saying == "晚上九点关门。"


def test_what_is_sold_out_is_not_offered_and_the_answer_says_so() -> None:
    data = shop()
    kiosk = Kiosk(in_store(data, {"tea_stock": "0"}))
    assert not any("龙井" in each for each in all_said(kiosk))
    assert ShowCard("tea") not in kiosk.cues
    found = kiosk.hear("龙井多少钱")
    assert kiosk.saying == "龙井今天卖完了。", "with the name of what was asked for"
    (asked,) = [c for c in of(Count, found) if c.kind == "asked"]
    assert asked.detail["answer_id"] is None and asked.detail["why"] == "sold out"
    kiosk.finish()
    assert kiosk.state.mode == "listening", "as after an answer"
    facts = Facts.of(kiosk.state.script, START)
    assert "tea" not in facts.sold, "nor does the endpoint offer it"
    again = Kiosk(in_store(data, {"tea_stock": "7"}))
    again.hear("龙井多少钱")
    assert again.saying == "龙井128元一罐。"


def test_without_words_for_it_the_fallback_is_said_and_a_night_with_no_stock_count_offers_all(
) -> None:
    data = shop()
    del data["sold_out"]
    kiosk = Kiosk(in_store(data, {"tea_stock": "0"}))
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "这个我不清楚。"
    assert "tea" in ids(in_store(shop())), "nobody counts: it is offered"


def test_a_price_of_the_store_is_said_as_people_say_it_and_shown_as_it_is_written() -> None:
    own = in_store(shop(), {"tea_price": "¥99.50"})
    assert own.product("tea").price == "¥99.50"  # type: ignore[union-attr]
    kiosk = Kiosk(own)
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "龙井99.5元一罐。"


def test_a_price_that_is_too_old_is_neither_said_nor_shown_and_an_event_tells() -> None:
    values, until = {"tea_price": "¥99"}, {"tea_price": SOON}
    store = in_store(shop(), values, until)
    assert "tea" in ids(store)
    assert "tea" not in ids(store, LATER)
    kiosk = Kiosk(store)
    kiosk.utc = LATER
    kiosk.tick()
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "这个我不清楚。", "not ¥99, and not the default of another day"
    assert not any("99" in fact.text for fact in Facts.of(store, LATER).facts)
    news = WithheldNews()
    assert [each["variable"] for each in news.news(store, START)] == ["tea_stock"]
    (told,) = news.news(store, LATER)
    assert (told["variable"], told["why"]) == ("tea_price", "stale") and "/" in str(told["what"])
    assert news.news(store, LATER) == [], "once"


def test_the_sentence_that_sounds_ends_and_its_stale_rest_is_left_out() -> None:
    kiosk = Kiosk(in_store(shop(), {"tea_price": "¥99"}, {"tea_price": SOON}))
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "龙井99元一罐。"
    kiosk.utc = LATER
    kiosk.tick()
    assert kiosk.state.showing is None, "the card with the old price goes at once"
    kiosk.finish()
    assert kiosk.saying != "可以试喝。"


@pytest.mark.parametrize("bad", ["abc", "¥12a8", "¥-3", "¥0", "128", "1e999", "¥1\x002", "{x}"])
def test_a_malformed_price_is_no_price_and_the_default_does_not_stand_in(bad: str) -> None:
    store = in_store(shop(), {"tea_price": bad})
    assert "tea" not in ids(store)
    found = {each["variable"]: each["why"] for each in WithheldNews().news(store, START)}
    assert found["tea_price"] == "malformed"


def test_a_line_ends_in_one_language_and_goes_on_in_the_other() -> None:
    data = copy.deepcopy(SHOP)
    data["segments"][0]["valid_in"] = {"en-US": {"until": SOON}}
    data["answers"][2]["valid_in"] = {"en-US": {"until": SOON}}
    store = in_store(data)
    hello = store.programme.segments[0]
    assert store.sentences(hello, "en-US", START)[0].text == "Welcome."
    spoken = store.sentences(hello, "en-US", LATER)
    assert spoken[0].text == "欢迎来到本店。" and spoken[0].over_in == {"en-US"}
    second = second_line(store, spoken[0].key, spoken[0].over_in)
    assert second == "", "nor is it written below"
    kiosk = Kiosk(store)
    kiosk.hear("when do you close", "en-US")
    assert kiosk.saying == "At nine."
    kiosk.utc = LATER
    kiosk.tick()
    kiosk.hear("when do you close", "en-US")
    assert kiosk.saying == "晚上九点关门。"
    data["answers"][2]["valid_in"]["zh-CN"] = {"until": SOON}
    late = Kiosk(in_store(data))
    late.utc = LATER
    late.tick()
    late.hear("几点关门")
    assert late.saying == "这个我不清楚。"


def second_line(store: Script, key: str, over_in: frozenset[str]) -> str:
    from device.programme.reading import second_sentence

    return second_sentence(store.programme, store.variables, key, 2, over_in)


@pytest.mark.parametrize(("kind", "good", "bad"), [
    ("price", ["¥128", "128元", "$12.50", "１２８元", "128 yuan"], ["", "时价", "¥1,2", "¥128起"]),
    ("stock", ["0", "12"], ["-1", "1.5", "many", "1234567"]),
    ("number", ["3", "-2.5"], ["1e999", "nan", "3,5", "٣"]),
    ("time", ["9:00", "21:30", "24:00"], ["25:00", "9", "9:60"]),
    ("text", ["南京路店", ""], ["x" * 201, "{store}", "a\0b"]),
])  # fmt: skip
def test_what_is_a_value_of_a_type(kind: str, good: list[str], bad: list[str]) -> None:
    assert [each for each in good if wrong(kind, each)] == []
    assert [each for each in bad if not wrong(kind, each)] == []


def test_groups_and_ends_of_values_are_judged_before_a_box_follows_them() -> None:
    check_settings(Settings(groups=["flagship"], variables_until={"a": SOON}))
    for bad in (Settings(groups=["Flag ship"]), Settings(groups=["a"] * 51),
                Settings(variables_until={"a": "tomorrow"})):
        with pytest.raises(Refused):
            check_settings(bad)
