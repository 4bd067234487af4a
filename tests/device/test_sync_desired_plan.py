"""What the console wants: only its own signed, newer, readable word counts; the plan converges."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.messages import Desired, Notice, Order, ProgrammeWanted, Settings
from device.sync import commands
from device.sync.desired import ENVELOPE_BYTES_MAX, accept, decode
from device.sync.following import Following
from device.sync.mqtt import Arrived, retry_wait_s
from device.sync.plan import (
    Actual,
    Announce,
    Bring,
    Install,
    OnDisk,
    Play,
    Waiting,
    plan,
)
from ota.clock import utc_now
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey

KEY, STRANGER = SigningKey.generate(), SigningKey.generate()
NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
HELD = Desired(seq=5, chain="tea", box="b-1")


def signed(body: object, key: SigningKey = KEY) -> bytes:
    return dsse.sign(json.dumps(body).encode(), dsse.DESIRED, [key])


def judge(body: object, held: Desired | None = HELD, key: SigningKey = KEY) -> object:
    return accept(signed(body, key), [KEY.public], "tea", "b-1", held, NOW)


def test_a_newer_signed_document_is_taken_up_and_its_unknown_fields_are_ignored() -> None:
    taken = judge({"seq": 6, "chain": "tea", "box": "b-1", "of_tomorrow": {"x": 1}})
    assert taken is not None and taken.desired.seq == 6  # type: ignore[attr-defined]


def test_the_same_document_again_is_nothing_new() -> None:
    assert judge({"seq": 5, "chain": "tea", "box": "b-1"}) is None


@pytest.mark.parametrize(("body", "words"), [
    ({"seq": 4}, "older than 5"),
    ({"seq": 5, "release": "2.0"}, "two different"),
    ({"seq": 6, "schema": 2}, "does not know"),
    ({"seq": 6, "box": "b-2"}, "but this is tea/b-1"),
    ({"seq": 6, "chain": "coffee"}, "but this is tea/b-1"),
    ({"seq": 6, "expires": "2026-11-21T11:59:59Z"}, "ran out"),
    ({"seq": 6, "expires": "tomorrow"}, "not a time"),
    ({"seq": 6, "settings": {"volume": 1.5}}, "volume"),
    ({"seq": 6, "programme": {"target": "releases/1.json", "version": 1}}, "not the name"),
    ({"seq": 6, "programme": {"target": "programmes/../x", "version": 1}}, "not the name"),
    ({"seq": 6, "override": {"until": "soon"}}, "not a time"),
    ({"seq": 6, "variables": {f"v{n}": "x" for n in range(501)}}, "too many"),
    ({"seq": "six"}, "malformed"),
    ({"programme": None}, "malformed"),
    ([], "malformed"),
])
def test_what_is_refused_and_why(body: object, words: str) -> None:
    with pytest.raises(Refused, match=words):
        judge(body)


def test_another_signature_type_or_size_is_refused() -> None:
    with pytest.raises(Refused, match="not signed by a key"):
        judge({"seq": 6}, key=STRANGER)
    ticket = dsse.sign(b'{"seq": 6}', dsse.TICKET, [KEY])
    with pytest.raises(Refused, match="of type"):
        accept(ticket, [KEY.public], "tea", "b-1", None, NOW)
    with pytest.raises(Refused, match="over the limit"):
        accept(b"x" * (ENVELOPE_BYTES_MAX + 1), [KEY.public], "tea", "b-1", None, NOW)


def test_the_number_survives_the_loss_of_the_document(tmp_path: Path) -> None:
    def follow() -> Following:
        return Following(tmp_path / "desired.json", tmp_path / "floor", [KEY.public], "tea", "b-1")

    first = follow()
    first.offer(signed({"seq": 9}), NOW)
    (tmp_path / "desired.json").write_bytes(b"{torn")
    second = follow()
    with pytest.raises(Refused):
        second.load()
    with pytest.raises(Refused, match="older than 9"):
        second.offer(signed({"seq": 8}), NOW)
    assert second.offer(signed({"seq": 9}), NOW)
    assert follow().floor == 9


def test_a_document_of_the_previous_owner_is_not_followed(tmp_path: Path) -> None:
    Following(tmp_path / "d", tmp_path / "f", [KEY.public], "tea", "b-1").offer(
        signed({"seq": 1, "chain": "tea", "box": "b-1"}), NOW)
    other = Following(tmp_path / "d", tmp_path / "f", [KEY.public], "tea", "b-2")
    other.load()
    assert other.desired is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_from_the_broker_can_raise_anything_but_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        accept(data, [KEY.public], "tea", "b-1", None, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner,
                                                               max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_no_signed_json_can_raise_anything_but_refused(body: object) -> None:
    with contextlib.suppress(Refused):
        decode(json.dumps(body).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | JSON.map(lambda body: json.dumps(body).encode()))
def test_no_order_can_raise_anything_but_refused(payload: bytes) -> None:
    with contextlib.suppress(Refused):
        commands.judge(Arrived("t", payload), NOW)


def test_an_order_cannot_put_words_on_the_screen() -> None:
    def order(**args: object) -> Order:
        body = json.dumps({"id": "1", "name": "say", "args": args}).encode()
        return commands.judge(Arrived("t", body), NOW)

    assert order(segment="welcome").name == "say"
    for args in ({"text": "free"}, {}, {"segment": "a", "answer": "b"},
                 {"segment": "a", "text": "free"}, {"segment": {"zh-CN": "free"}}):
        with pytest.raises(Refused, match="signed override"):
            order(**args)


def test_an_answer_stays_in_the_boxs_own_branch() -> None:
    orders = commands.Orders("vitrine/1/tea/b-1/")
    inside = orders.caller(Arrived("t", b"", response_topic="vitrine/1/tea/b-1/result/7"))
    assert inside.topic == "vitrine/1/tea/b-1/result/7"
    for topic in ("vitrine/1/tea/b-2/desired", "#", "vitrine/1/tea/b-1/+", None):
        assert orders.caller(Arrived("t", b"", response_topic=topic)).topic.endswith("b-1/result")


@given(st.integers(0, 60), st.floats(0, 1))
def test_retries_are_bounded_and_spread(attempt: int, draw: float) -> None:
    wait_s = retry_wait_s(attempt, 1.0, 120.0, draw)
    assert 0 <= wait_s <= min(120.0, 2.0**attempt)


# The plan ------------------------------------------------------------------------------------

WANTED = st.builds(
    lambda number, version: ProgrammeWanted(target=f"programmes/p{number}/{version}.json",
                                            version=version),
    st.integers(0, 2), st.integers(1, 3),
)
NOTICE = st.builds(
    lambda hours: Notice(until=(NOW + timedelta(hours=hours)).isoformat(), say={"zh-CN": "x"}),
    st.integers(-2, 2),
)
DESIRED = st.builds(
    Desired, seq=st.integers(1, 9), programme=st.none() | WANTED,
    settings=st.builds(Settings, volume=st.sampled_from([0.2, 0.8])),
    variables=st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=3)),
    override=st.none() | NOTICE, release=st.sampled_from([None, "1.0", "2.0"]),
)
ON_DISK = st.builds(lambda wanted: OnDisk(wanted, "p", f"/p/{wanted.target}"), WANTED)
ACTUAL = st.builds(Actual, on_disk=st.none() | ON_DISK, notice=st.none() | NOTICE,
                   release=st.sampled_from([None, "1.0"]))


def do(actual: Actual, step: object) -> Actual:
    """What the world does with a step when everything goes well."""
    if isinstance(step, Bring):
        return replace(actual, on_disk=OnDisk(step.wanted, "p", f"/p/{step.wanted.target}"))
    if isinstance(step, Play):
        return replace(actual, played=step.played)
    if isinstance(step, Install):
        return replace(actual, release_asked=step.release)
    assert isinstance(step, Announce)
    return replace(actual, notice=step.notice)


@settings(deadline=None)
@given(DESIRED, ACTUAL)
def test_doing_what_is_planned_ends_with_nothing_to_do(desired: Desired, actual: Actual) -> None:
    for _ in range(4):
        for step in plan(desired, actual, NOW, 0.0):
            actual = do(actual, step)
    assert plan(desired, actual, NOW, 0.0) == ()
    if desired.programme is not None:
        assert actual.played is not None and actual.played.on_disk.wanted == desired.programme
        assert actual.played.variables == desired.variables


@settings(deadline=None)
@given(DESIRED, ACTUAL)
def test_a_programme_that_cannot_be_had_never_takes_the_old_one_away(
    desired: Desired, actual: Actual
) -> None:
    if desired.programme is None:
        return
    waiting = Waiting(desired.programme, until_s=100.0, attempt=3)
    actual = replace(actual, waiting=waiting)
    steps = plan(desired, actual, NOW, 50.0)
    assert not any(isinstance(step, Bring) for step in steps)
    for step in steps:
        if isinstance(step, Play):
            assert step.played.on_disk == actual.on_disk
    if actual.on_disk is None or actual.on_disk.wanted != desired.programme:
        assert any(isinstance(s, Bring) for s in plan(desired, actual, NOW, 100.0))


def test_a_notice_ends_by_its_own_time() -> None:
    desired = Desired(seq=1, override=Notice(until="2026-11-21T12:30Z", say={"zh-CN": "x"}))
    standing = do(Actual(), plan(desired, Actual(), NOW, 0.0)[0])
    assert standing.notice is not None
    later = plan(desired, standing, NOW + timedelta(hours=1), 0.0)
    assert later == (Announce(None),)


def test_an_emergency_reaches_a_box_that_was_away_if_it_still_stands(tmp_path: Path) -> None:
    """What the broker keeps is the newest word; the box judges its end when it comes back."""
    override = {"until": "2026-11-21T12:30Z", "show": "exit", "say": {"en-US": "Please leave."}}
    for comes_back, stands in ((NOW + timedelta(minutes=29), True),
                               (NOW + timedelta(minutes=31), False)):
        folder = tmp_path / str(stands)
        box = Following(folder / "d", folder / "f", [KEY.public], "tea", "b-1")
        assert box.offer(signed({"seq": 3, "override": override}), comes_back)
        steps = plan(box.desired, Actual(), comes_back, 0.0)
        assert [isinstance(step, Announce) for step in steps] == ([True] if stands else [])
        again = Following(folder / "d", folder / "f", [KEY.public], "tea", "b-1")
        again.load()  # the power went, and there is no network
        assert plan(again.desired, Actual(), comes_back, 0.0) == steps


def test_no_wish_means_no_change() -> None:
    assert plan(None, Actual(), utc_now(), 0.0) == ()
