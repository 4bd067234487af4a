"""What may be said and shown at a moment: days, hours, validity, variables, languages."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.programme import times
from device.programme.load import inside, is_inside_path, load, load_index
from device.programme.playable import may_say, may_show, playable
from device.programme.schema import Programme, programme_json_schema
from ota.errors import Refused

ROOT = Path(__file__).resolve().parents[2]
CHINA = timezone(timedelta(hours=8))
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=CHINA)  # a Wednesday


def programme(**more: Any) -> Programme:
    data: dict[str, Any] = {
        "schema": 1,
        "id": "p",
        "version": 1,
        "languages": ["zh-CN", "en-US"],
        "products": [
            {"id": "tea", "name": {"zh-CN": "茶"}, "price": "¥10"},
            {
                "id": "old",
                "name": {"zh-CN": "旧"},
                "price": "¥9",
                "valid": {"until": "2026-11-25T12:00+08:00"},
            },
        ],
        "segments": [
            {"id": "hello", "say": {"zh-CN": "你好", "en-US": "hello"}},
            {"id": "tea", "say": {"zh-CN": "茶"}, "show": "tea"},
            {"id": "old", "say": {"zh-CN": "旧茶"}, "show": "old"},
            {"id": "spoken", "say": {"zh-CN": "只要{old.price}"}},
            {"id": "named", "say": {"zh-CN": "欢迎来{store}"}},
        ],
        "answers": [
            {"id": "a", "ask": {"zh-CN": ["旧茶呢"]}, "say": {"zh-CN": "旧"}, "show": "old"},
            {"id": "b", "ask": {"zh-CN": ["在吗"]}, "say": {"zh-CN": "在"}},
        ],
        "fallback": {"say": {"zh-CN": "不知道"}},
    }
    return msgspec.convert({**data, **more}, Programme)


def ids(now: datetime, variables: dict[str, str] | None = None, **more: Any) -> list[str]:
    return [s.id for s in playable(programme(**more), now, variables, "zh-CN").segments]


def test_an_expired_product_is_never_shown_or_said() -> None:
    before = NOON - timedelta(seconds=1)
    assert ids(before) == ["hello", "tea", "old", "spoken"]
    assert ids(NOON) == ["hello", "tea"]
    found = playable(programme(), NOON, None, "zh-CN")
    assert set(found.products) == {"tea"} and [a.id for a in found.answers] == ["b"]
    whole = programme()
    old, spoken = whole.segments[2], whole.segments[3]
    assert may_say(whole, old, before) and not may_say(whole, old, NOON)
    assert not may_say(whole, spoken, NOON)
    assert may_show(whole, "old", before) and not may_show(whole, "old", NOON)


def test_a_line_whose_variable_has_no_value_is_left_out() -> None:
    assert "named" not in ids(NOON)
    assert "named" in ids(NOON, {"store": "南京路店"})


def test_an_expired_programme_says_nothing() -> None:
    valid = {"from": "2026-11-01T00:00+08:00", "until": "2026-11-20T24:00+08:00"}
    assert ids(NOON, valid=valid) == []
    assert playable(programme(valid=valid), NOON, None, "zh-CN").why == "expired"
    early = datetime(2026, 10, 1, tzinfo=timezone.utc)
    assert playable(programme(valid=valid), early, None, "zh-CN").why == "not yet"


def test_the_schedule_has_parts_of_the_day() -> None:
    schedule = [
        {"days": "mon-fri", "from": "09:00", "until": "12:00", "play": ["hello"]},
        {"days": "mon-fri", "from": "12:00", "until": "24:00", "play": ["tea", "hello"]},
        {"days": "sat,sun", "play": ["tea"]},
    ]
    assert ids(NOON - timedelta(minutes=1), schedule=schedule) == ["hello"]
    assert ids(NOON, schedule=schedule) == ["tea", "hello"]
    assert ids(NOON + timedelta(days=3), schedule=schedule) == ["tea"]
    assert ids(NOON - timedelta(hours=4), schedule=schedule) == []


def test_the_shop_is_where_the_shop_is() -> None:
    schedule = [{"from": "09:00", "until": "21:00", "play": ["hello"]}]
    half_past_one_utc = datetime(2026, 11, 25, 1, 30, tzinfo=timezone.utc)
    assert ids(half_past_one_utc, schedule=schedule) == ["hello"]
    assert ids(half_past_one_utc, schedule=schedule, timezone="Europe/London") == []


def test_opening_hours_are_told() -> None:
    hours = [{"days": "wed", "from": "09:00", "until": "12:00"}]
    assert playable(programme(opening_hours=hours), NOON, None, "zh-CN").is_open is False
    earlier = NOON - timedelta(hours=1)
    assert playable(programme(opening_hours=hours), earlier, None, "zh-CN").is_open is True


def test_a_missing_translation_falls_back_to_the_programmes_first_language() -> None:
    assert [s.id for s in playable(programme(), NOON, None, "en-US").segments] == ["hello", "tea"]


def test_china_needs_no_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "ZoneInfo", lambda name: {}[name])
    shop = times.zone("Asia/Shanghai")
    assert NOON.astimezone(shop).hour == 12
    with pytest.raises(times.BadTime):
        times.zone("Asia/Shanghia")


@pytest.mark.parametrize("text", ["24:01", "7", "9:5", "25:00", "12:60", "-1:00", "12:00:00", ""])
def test_impossible_clock_times(text: str) -> None:
    with pytest.raises(times.BadTime):
        times.clock_minutes(text)


def test_days_may_go_round_the_week() -> None:
    assert times.day_numbers("sat-mon") == {5, 6, 0}
    assert times.day_numbers("Mon, wed") == {0, 2}
    for wrong in ("", "mon-", "funday", "mon--sun"):
        with pytest.raises(times.BadTime):
            times.day_numbers(wrong)


@given(st.text(max_size=40))
def test_any_text_as_a_moment_is_a_moment_or_bad(text: str) -> None:
    with contextlib.suppress(times.BadTime):
        assert times.instant(text, CHINA).tzinfo is not None


@pytest.mark.parametrize(
    "path", ["../a", "a/../../b", "/etc/passwd", "C:\\x", "a\\..\\b", "", "a\n", "a\0b", "x" * 500]
)
def test_paths_that_leave_the_folder(path: str, tmp_path: Path) -> None:
    assert not is_inside_path(path)
    with pytest.raises(Refused):
        inside(tmp_path, path)


def test_loading_tells_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="right folder"):
        load(tmp_path)
    (tmp_path / "programme.json").write_text('{"schema": 1}')
    with pytest.raises(Refused, match="programme check"):
        load(tmp_path)
    with pytest.raises(Refused, match="programme build"):
        load_index(tmp_path)
    (tmp_path / "programme.json").write_bytes(b" " * (5 << 20))
    with pytest.raises(Refused, match="larger"):
        load(tmp_path)


def test_an_index_cannot_name_files_outside(tmp_path: Path) -> None:
    entry = {"sha256": "0" * 64, "bytes": 1}
    index = {"schema": 1, "files": {"../../etc/shadow": entry}, "speech": {}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(Refused, match="outside"):
        load_index(tmp_path)


def test_the_published_schema_is_the_codes_own() -> None:
    published = ROOT / "docs" / "schemas" / "programme.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json.loads(
        msgspec.json.encode(programme_json_schema())
    )
