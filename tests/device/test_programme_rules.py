"""What no schema can see, each with its line, column and field, in both languages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from device.conversation.ask import unspoken_index
from device.conversation.script import Script
from device.programme.build import build
from device.programme.check import Presenter, check, check_bytes
from device.programme.load import PROGRAMME_BYTES_MAX, load
from device.programme.problems import Problem
from device.programme.schema import Programme, programme_json_schema
from device.programme.window_rule import estimated_s
from device.stage.withheld import WithheldNews
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey
from tests.sim.hummer import Hummer

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
Data = dict[str, Any]


def shop() -> Data:
    """A programme with everything in it, and no fault."""
    return {
        "schema": 1, "id": "all", "version": 1, "languages": ["zh-CN", "en-US"],
        "timezone": "Europe/Berlin",
        "groups": ["airport"],
        "holidays": [{"id": "spring-festival", "from": "2027-02-17", "until": "2027-02-23"}],
        "opening_hours": [{"from": "09:00", "until": "21:00", "not_on": ["spring-festival"]}],
        "variables": {
            "store": {"zh-CN": "总店", "en-US": "the main shop"},
            "tea_price": {"type": "price", "default": "¥128", "fresh_h": 24,
                          "label": {"zh-CN": "龙井价格", "en-US": "Longjing price"}},
            "tea_stock": {"type": "stock", "default": "5"}},
        "products": [
            {"id": "tea", "name": {"zh-CN": "龙井", "en-US": "Longjing"}, "price": "{tea_price}",
             "stock": "tea_stock"},
            {"id": "cup", "name": {"zh-CN": "茶杯", "en-US": "teacup"}, "price": "¥30",
             "groups": ["airport"], "valid": {"until": "2027-03-01"}}],
        "segments": [
            {"id": "hi", "say": {"zh-CN": "欢迎来到{store}。", "en-US": "Welcome to {store}."},
             "weight": 3, "apart_minutes": 10, "valid_in": {"en-US": {"until": "2027-06-01"}}},
            {"id": "tea", "say": {"zh-CN": "龙井{tea.price}。", "en-US": "Tea, {tea_price}."},
             "show": "tea", "weight": 1},
            {"id": "cup", "say": {"zh-CN": "茶杯{cup.price}。", "en-US": "A cup, {cup.price}."},
             "show": "cup", "per_hour_max": 2}],
        "answers": [
            {"id": "where", "ask": {"zh-CN": ["洗手间在哪里"], "en-US": ["where is the restroom"]},
             "say": {"zh-CN": "在后面。", "en-US": "At the back."}},
            {"id": "price", "ask": {"zh-CN": ["龙井多少钱"], "en-US": ["how much is the longjing"]},
             "say": {"zh-CN": "{tea.price}。", "en-US": "It is {tea.price}."}, "show": "tea"}],
        "fallback": {"say": {"zh-CN": "不知道。", "en-US": "No idea."}},
        "sold_out": {"say": {"zh-CN": "{product.name}卖完了。", "en-US": "It is sold out."}},
        "schedule": [
            {"days": "fri,sat", "from": "22:00", "until": "02:00", "play": ["hi", "tea"]},
            {"from": "09:00", "until": "21:00", "play": ["cup"], "not_on": ["spring-festival"]}],
    }  # fmt: skip


def written(data: Data) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1)


def found_in(data: Data) -> list[Problem]:
    return check_bytes(written(data).encode(), None, NOW, warnings=True)


def place(text: str, field: str) -> tuple[int, int]:
    """Line and column of a field's value in `written` text, found without the reader of check."""
    marker = "\ue000"
    data = json.loads(text)
    parts = field.replace("[", ".").replace("]", "").split(".")
    owner: Any = data
    for part in parts[:-1]:
        owner = owner[int(part)] if isinstance(owner, list) else owner[part]
    last: Any = int(parts[-1]) if isinstance(owner, list) else parts[-1]
    value = owner[last]
    owner[last] = marker
    before = written(data).split(f'"{marker}"')[0]
    assert written(data).replace(f'"{marker}"', "") != text or value is None
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def test_a_programme_with_everything_in_it_has_no_fault_and_fits_the_published_schema() -> None:
    assert found_in(shop()) == []
    defs = programme_json_schema()["$defs"]
    assert "TypedVariable" in defs and "Holiday" in defs
    assert set(shop()) <= set(defs["Programme"]["properties"])


Edit = Callable[[Data], None]
FIGHT = {"id": "loo", "ask": {"zh-CN": ["洗手间在那里呀"], "en-US": ["where is the toilet then"]},
         "say": {"zh-CN": "楼上。", "en-US": "Upstairs."}}  # fmt: skip
# (what was done, the field that is named, words of the sentences, is it an error?)
TABLE: list[tuple[Edit, str, str, str, bool]] = [
    (lambda d: d["answers"].append(FIGHT), "answers[0].ask.zh-CN[0]", "争抢", "fight", True),
    (lambda d: d["products"][1]["valid"].update(until="2027-01-01") or d["schedule"][1].update(
        valid={"from": "2027-02-01"}),
     "products[1].valid.until", "之前就已过期", "expires before", True),
    (lambda d: d["products"][1].update(valid={"from": "2027-05-01"}) or d.update(
        valid={"until": "2027-04-01"}),
     "products[1].valid.from", "才开始有效", "only after", True),
    (lambda d: d["segments"][2].update(valid={"until": "2027-02-01"}) or d["schedule"][1].update(
        only_on=["spring-festival"], not_on=[]),
     "segments[2].valid", "没有重叠", "never plays", True),
    (lambda d: d["schedule"][1].update(only_on=["spring-festival"], not_on=[],
                                       valid={"until": "2026-12-31"}),
     "schedule[1]", "永远不会播放", "never plays", True),
    (lambda d: d["segments"][0]["say"].update({"zh-CN": "欢迎{nobody}。"}),
     "segments[0].say.zh-CN", "没有名为“nobody”的变量", 'no variable "nobody"', True),
    (lambda d: d["variables"]["tea_price"].pop("default") and None,
     "variables.tea_price", "没有默认值", "has no default", False),
    (lambda d: d["variables"].update(idle={"type": "number", "default": "3"}),
     "variables.idle", "没有被任何台词用到", "no line uses", False),
    (lambda d: d["variables"]["tea_price"].update(default="128 or so"),
     "variables.tea_price.default", "不是一个价格", "not a price", True),
    (lambda d: d["variables"]["store"].update({"zh-CN": 3}),
     "variables.store.zh-CN", "一段文字", "must be a text", True),
    (lambda d: d["variables"]["store"].update({"zh-CN": ""}),
     "variables.store.zh-CN", "一段文字", "must be a text", True),
    (lambda d: d["variables"]["tea_price"].update(type="prize"),
     "variables.tea_price.type", "“price”", '"price"', True),
    (lambda d: d["variables"]["tea_price"].update(fresh_h=0),
     "variables.tea_price.fresh_h", "1 – 8760", "1 – 8760", True),
    (lambda d: d["variables"]["tea_price"].update(defualt="¥1"),
     "variables.tea_price.defualt", "没有“defualt”", "no field", True),
    (lambda d: d["schedule"][1].update({"until": "09:01", "play": ["cup"] * 30}),
     "schedule[1].play", "只有 1 分钟", "the entry has 1", True),
    (lambda d: d["segments"][1]["say"].update({"zh-CN": "龙井99元。"}),
     "segments[1].say.zh-CN", "不一致", "is not the price", True),
    (lambda d: d["sold_out"]["say"].update({"zh-CN": "没有ก了。"}),
     "sold_out.say.zh-CN", "内置字体没有", "cannot draw", True),
    (lambda d: d["products"][0].update(stock="tea_stok"),
     "products[0].stock", "“tea_stock”", '"tea_stock"', True),
    (lambda d: d.pop("sold_out") and None, "products[0].stock", "sold_out", "sold_out", False),
    (lambda d: d["segments"][0].update(groups=["airprot"]),
     "segments[0].groups[0]", "“airport”", '"airport"', True),
    (lambda d: d.update(groups=["airport", "city"]), "groups[1]", "city", "city", False),
    (lambda d: d["schedule"][1].update(not_on=["spring"]),
     "schedule[1].not_on[0]", "没有假日", "no holiday", True),
    (lambda d: d["holidays"][0].update(until="2027-02-30"),
     "holidays[0].until", "不是日期", "is no day", True),
    (lambda d: d["holidays"][0].update(until="2027-02-01"),
     "holidays[0].until", "早于第一天", "before its first", True),
    (lambda d: d["segments"][0].update(valid_in={"en-GB": {}}),
     "segments[0].valid_in.en-GB", "没有 en-GB 的台词", "no line in en-GB", True),
    (lambda d: d["schedule"][1].update({"from": "02:15", "until": "02:45"}),
     "schedule[1].from", "夏令时", "summer time", False),
    (lambda d: d["products"][1]["valid"].update(until="2027-10-31T02:30"),
     "products[1].valid.until", "两次", "twice", False),
    (lambda d: d["products"][1]["valid"].update(until="2027-03-28T02:30"),
     "products[1].valid.until", "跳过", "skips", False),
    (lambda d: d["segments"][0].update(weight=0), "segments[0].weight", "1 – 100", "1 – 100", True),
    (lambda d: d["products"][1].update(id="Tea"), "products[1].id", "写法不对", "written", True),
    (lambda d: d["products"][1].update(id="tea"), "products[1].id", "重复", "twice", True),
    (lambda d: d["segments"][0].update(id="h\0i"), "segments[0].id", "控制字符", "control", True),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "field", "zh", "en", "is_error"), TABLE)
def test_each_is_named_where_it_stands_in_both_languages(
    edit: Edit, field: str, zh: str, en: str, is_error: bool
) -> None:
    data = shop()
    edit(data)
    found = [p for p in found_in(data) if p.field == field]
    assert found, found_in(data)
    (told,) = [p for p in found if zh in p.sentence_zh and en in p.sentence_en]
    assert (told.severity == "error") == is_error and told.file == "programme.json"
    at = place(written(data), field)
    assert told.line == at[0] and told.column in (at[1], column_of_key(data, field, told)), told


def column_of_key(data: Data, field: str, told: Problem) -> int:
    """Where the field's name stands, for faults about the name."""
    row = written(data).splitlines()[told.line - 1]
    return row.find(f'"{field.rpartition(".")[2]}"') + 1


def test_answers_of_different_stores_may_claim_the_same_question() -> None:
    data = shop()
    data["groups"] = ["airport", "city"]
    data["answers"] += [
        {**FIGHT, "id": name, "groups": [name], "ask": {"zh-CN": ["怎么停车"], "en-US": []}}
        for name in ("airport", "city")]
    assert [p for p in found_in(data) if p.severity == "error"] == []
    data["answers"][-1]["groups"] = ["city", "airport"]
    assert [p.field for p in found_in(data) if p.severity == "error"] == [
        "answers[3].ask.zh-CN[0]"]


def test_what_was_built_counts_before_what_is_estimated(tmp_path: Path) -> None:
    data = shop()
    data["schedule"] = [{"from": "09:00", "until": "09:01", "play": ["cup"]}]
    (tmp_path / "programme.json").write_text(written(data), encoding="utf-8")
    assert check(tmp_path, NOW) == []
    build(tmp_path, Hummer())
    index = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    for key, clip in index["speech"].items():
        if key.startswith("segment/cup/"):
            clip["duration_ms"] = 90_000
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (told,) = check(tmp_path, NOW)
    assert told.field == "schedule[0].play" and "1.5" in told.sentence_en
    assert 2.0 < estimated_s("今年的明前龙井,清明前采的嫩芽。") < 5.0


def consented(folder: Path, chain: str, until: str) -> None:
    """A bundle as far as a consent looks into it: description, video and the owner's word."""
    folder.mkdir(parents=True)
    (folder / "base.mp4").write_bytes(b"a face")
    sha256 = hashlib.sha256(b"a face").hexdigest()
    key = SigningKey.generate()
    (folder.parent / "likeness-root.pub").write_text(key.public.to_pem())
    statement = {
        "avatar": folder.name, "owner": "nobody", "chains": [chain], "regions": ["*"],
        "uses": ["*"], "from": "2020-01-01T00:00:00Z", "until": until, "revocation_id": "1",
        "base_sha256": sha256}
    (folder / "consent").write_bytes(dsse.sign(json.dumps(statement).encode(), dsse.CONSENT, [key]))
    (folder / "avatar.json").write_text(json.dumps({
        "id": folder.name, "base": {"file": "base.mp4", "sha256": sha256}, "consent": "consent"}))


def test_a_face_is_shown_by_the_chains_and_on_the_dates_of_its_consent(tmp_path: Path) -> None:
    consented(tmp_path / "avatars" / "sim", "tea", "2027-06-01T00:00:00Z")
    data = {**shop(), "avatar": {"id": "sim"}, "valid": {"until": "2027-05-01"}}
    data["segments"][0].pop("valid_in")

    def judged(chain: str, **more: Any) -> list[tuple[str, str, str]]:
        text = written({**data, **more}).encode()
        presenter = Presenter(tmp_path / "avatars", chain)
        return [(p.field, p.sentence_zh, p.sentence_en) for p in
                check_bytes(text, None, NOW, presenter=presenter)]

    assert judged("tea") == []
    ((field, zh, en),) = judged("coffee")
    assert field == "avatar.id" and "不能使用" in zh and "coffee" in en
    ((field, zh, en),) = judged("tea", valid={"until": "2027-07-01"})
    assert field == "valid.until" and "早于节目结束" in zh and "before the programme" in en
    ((field, zh, en),) = judged("tea", avatar={"id": "nobody"})
    assert field == "avatar.id" and "没有数字人" in zh and "no avatar" in en


@pytest.mark.parametrize(("text", "words"), [
    ('{"schema": 1e999}', "whole number"),
    ('{"version": 1e999, "variables": {"a": 1e999}}', "whole number"),
    ("[" * 100_000, "nested"),
    ('{"a":' * 100_000, "nested"),
    ('{"id": "a\0b"}', "forbidden"),
    ('{"id": "a", "id": "b"}', "twice"),
    ('{"variables": {"a": {"type": "price", "type": "stock"}}}', "twice"),
    ('{"variables": {"a": {"type": ["price"]}}, "holidays": {}, "groups": [[]]}', "a list"),
])  # fmt: skip
def test_bad_input_is_a_sentence_and_never_a_traceback(
    text: str, words: str, tmp_path: Path
) -> None:
    problems = check_bytes(text.encode(), None, NOW, warnings=True)
    assert any(words in p.sentence_en for p in problems), problems
    assert all(p.sentence_zh for p in problems)
    (tmp_path / "programme.json").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match="programme check"):
        load(tmp_path)


def test_two_gibibytes_are_refused_before_a_byte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "programme.json"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 2 << 30)
    (told,) = check(tmp_path, NOW)
    assert "larger" in told.sentence_en and str(PROGRAMME_BYTES_MAX) in told.sentence_en
    with pytest.raises(Refused, match="larger"):
        load(tmp_path)


def test_a_programme_behind_a_link_is_none(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "programmes" / "tea-shop", tmp_path / "there", symlinks=True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "programme.json").symlink_to(tmp_path / "there" / "programme.json")
    (told,) = check(tmp_path / "here", NOW)
    assert "symbolic link" in told.sentence_en and told.sentence_zh


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(
        ["price", "2027-02-30", "25:00", "{x}", "tea", "zh-CN", "airport", "¥1", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "default", "from", "until", "zh-CN", "id"]), inner, max_size=3),
    max_leaves=6)  # fmt: skip


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = list(value.items() if isinstance(value, dict) else
                 enumerate(value) if isinstance(value, list) else ())
    return [path, *(found for key, inner in items for found in _paths(inner, (*path, key)))]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(_paths(shop())[1:]), value=JSON_VALUES, own=st.text(max_size=8),
       until=st.text(max_size=12) | st.just("2026-11-25T00:00Z"))  # fmt: skip
@example(path=("variables", "tea_price", "default"), value={"type": None}, own="", until="")
def test_fuzz_whatever_stands_anywhere_the_check_and_the_box_cope(
    path: tuple[Any, ...], value: Any, own: str, until: str
) -> None:
    data = shop()
    around: Any = data
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = value
    for told in found_in(data):
        assert told.line >= 1 and told.sentence_zh and told.sentence_en
    try:
        programme = msgspec.convert(data, Programme)
    except msgspec.ValidationError:
        return  # a box refuses it
    values = {"tea_price": own, "tea_stock": own, "store": own}
    ends = dict.fromkeys(values, until)
    store = Script.of(
        programme, unspoken_index(programme, values), Path("/v"), values, ends, [own])
    for language in ("zh-CN", "en-US"):
        for segment in store.playable(NOW, language).segments:
            said = "".join(each.text for each in store.sentences(segment, language, NOW))
            assert "{" not in said or "{" in own, "a brace is never said"
    WithheldNews().news(store, NOW)
