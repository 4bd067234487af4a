"""What a store's form sets for its programme: judged by type, signed, and good for its hours."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from rig import Fleet, SimBox, wait_until

from fleet.drafts import with_fields
from fleet.store_values import checked, fields, groups_of, posted, until_of
from ota.clock import utc_now
from ota.errors import Refused

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)
DOCUMENT: dict[str, Any] = {"variables": {
    "store_name": "清和茶铺",
    "price": {"type": "price", "default": "¥128", "fresh_h": 24,
              "label": {"zh-CN": "龙井价格", "en-US": "Longjing price"}},
    "left": {"type": "stock"},
    "odd": {"type": "of tomorrow"},
}}  # fmt: skip


def test_the_form_has_an_input_for_each_typed_variable_in_the_readers_language() -> None:
    found = fields(DOCUMENT, {"price": "¥99"}, {"price": "2026-11-26T12:00:00+00:00"}, "zh-CN")
    assert [(f.name, f.kind, f.label, f.default, f.value) for f in found] == [
        ("price", "price", "龙井价格", "¥128", "¥99"), ("left", "stock", "left", "", "")]
    assert fields(DOCUMENT, {}, {}, "en-US")[0].label == "Longjing price"
    assert fields({}, {}, {}, "zh-CN") == fields({"variables": []}, {}, {}, "zh-CN") == []


def test_every_value_that_is_none_of_its_type_is_named_in_both_languages() -> None:
    with pytest.raises(Refused) as refused:
        posted({"var/price": "99 or so", "var/left": "many", "variables": "store_name = 南京路店"},
               DOCUMENT)
    first, second = str(refused.value).splitlines()
    assert "price" in first and "不是一个价格" in first and "not a price such as ¥128" in first
    assert "left" in second and "件数" in second and "number of pieces" in second
    with pytest.raises(Refused, match="Line 2"):
        posted({"variables": "a = b\nnonsense"}, DOCUMENT)
    good = {"var/price": " ¥99 ", "var/left": "", "variables": "store_name = 南京路店"}
    assert posted(good, DOCUMENT) == {"price": "¥99", "store_name": "南京路店"}
    checked(DOCUMENT, {"unknown": "anything", "odd": "of an older server"})


def test_a_value_is_good_for_its_hours_from_when_it_was_set() -> None:
    first = until_of(DOCUMENT, {}, {"price": "¥99", "left": "3"}, {}, NOW, all_new=False)
    assert first == {"price": "2026-11-26T12:00:00+00:00"}
    later = NOW + timedelta(hours=5)
    same, other = {"price": "¥99"}, {"price": "¥98"}
    assert until_of(DOCUMENT, same, same, first, later, all_new=False) == first, (
        "who saves the volume does not confirm the price")
    new = {"price": "2026-11-26T17:00:00+00:00"}
    assert until_of(DOCUMENT, same, other, first, later, all_new=False) == new
    assert until_of(DOCUMENT, same, same, first, later, all_new=True) == new, "the till confirms it"
    assert until_of(DOCUMENT, same, {}, first, later, all_new=False) == {}


def test_the_programmes_form_sets_groups_limits_and_what_is_sold_out_and_leaves_no_litter() -> None:
    draft = {"segments": [{"id": "a", "say": {"zh-CN": "好。"}}], "products": [{"id": "p"}]}
    form = {"segments/0/weight": "3", "segments/0/per_hour_max": "often",
            "segments/0/groups": "airport， city", "segments/0/valid/until": "",
            "products/0/stock": "left", "products/0/groups": "", "sold_out/say/zh-CN": ""}
    changed = with_fields(draft, form)
    assert changed == {
        "segments": [{"id": "a", "say": {"zh-CN": "好。"}, "weight": 3, "per_hour_max": "often",
                      "groups": ["airport", "city"]}],
        "products": [{"id": "p", "stock": "left"}]}
    said = with_fields(changed, {"sold_out/say/zh-CN": "卖完了。"})
    assert said["sold_out"] == {"say": {"zh-CN": "卖完了。"}}
    assert "sold_out" not in with_fields(said, {"sold_out/say/zh-CN": ""})
    asks = with_fields(changed, {"did_you_mean/say/zh-CN": "是这个吗?", "sold_out/say/zh-CN": ""})
    assert asks["did_you_mean"] == {"say": {"zh-CN": "是这个吗?"}} and "sold_out" not in asks
    assert "did_you_mean" not in with_fields(asks, {"did_you_mean/say/zh-CN": ""})
    assert groups_of(" flagship,airport flagship ") == ["flagship", "airport"]


def page(fleet: Fleet, form: dict[str, str] | None = None) -> tuple[int, str]:
    url = f"{fleet.http}/screens/shanghai-001"
    data = urllib.parse.urlencode({**form, "csrf": "t" * 32}).encode() if form else None
    request = urllib.request.Request(url, data, {"Cookie": f"vitrine_csrf={'t' * 32}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_price_set_in_the_stores_form_reaches_its_box_signed_and_with_its_end(
    fleet: Fleet, box: SimBox
) -> None:
    path = "/api/v1/programmes/tea-shop"
    document = fleet.ask(path)[1]["document"]
    document["variables"] |= {"price": DOCUMENT["variables"]["price"],
                              "left": {"type": "stock", "default": "5"}}
    document["products"][0] |= {"price": "{price}", "stock": "left"}
    assert fleet.ask(path, {"document": document}, "PUT")[0] == 200
    assert fleet.ask(f"{path}/publish", {"note": "typed"})[0] == 200
    assert box.follow().programme is not None
    status, shown = page(fleet)
    assert status == 200 and 'name="var/price"' in shown and 'placeholder="¥128"' in shown
    status, shown = page(fleet, {"var/price": "cheap", "groups": "flagship"})
    assert status == 422 and "不是一个价格" in shown and "not a price such as" in shown
    assert page(fleet, {"var/price": "¥99", "var/left": "0", "groups": "flagship"})[0] == 200
    desired = box.follow()
    assert desired.programme is not None and desired.programme.version == 4
    assert desired.variables == {"price": "¥99", "left": "0"}
    assert desired.settings.groups == ["flagship"]
    until = datetime.fromisoformat(desired.settings.variables_until["price"])
    assert timedelta(hours=23) < until - utc_now() <= timedelta(hours=24)
    spoken = box.follow()
    assert spoken.programme is not None and spoken.programme.version == 5
    assert spoken.variables == desired.variables
    assert any("99" in line for line in fleet.studio.voice.said), "the new price can be said"
    api = f"/api/v1/boxes/{box.box}"
    status, answer = fleet.ask(api, {"variables": {"left": "-1"}}, "PUT")
    assert status == 422 and "件数" in answer["error"]
    assert fleet.ask(api, {"variables": {"price": "¥97"}}, "PUT")[0] == 200
    assert box.follow().variables == {"price": "¥97"}
    assert box.follow().programme.version == 6  # type: ignore[union-attr]
    status, shown = page(fleet)
    assert "¥97" in shown and "flagship" in shown
    document = fleet.ask(path)[1]["document"]
    document["segments"][0]["say"]["zh-CN"] = "还没定下来。"
    assert fleet.ask(path, {"document": document}, "PUT")[0] == 200
    assert fleet.ask(api, {"variables": {"price": "¥96", "left": "4"}}, "PUT")[0] == 200
    assert box.follow().variables == {"price": "¥96", "left": "4"}
    assert fleet.console is not None
    wait_until(lambda: fleet.console and fleet.console.publisher.preparing.ready
               and any("96" in line for line in fleet.studio.voice.said))
    assert fleet.console.programmes.get("tea-shop").version == 6, (  # type: ignore[union-attr]
        "a draft that somebody is writing is not published by a till")
