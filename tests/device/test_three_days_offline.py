"""Seventy-two hours without a line, the clock set two years back and forward at random: nothing
expired is said, nobody withdrawn is shown, nothing older is followed. The box's own rules decide;
only time is simulated."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.messages import Desired
from device.paths import Places
from device.programme.playable import may_say, may_show, playable
from device.programme.schema import Programme
from device.stage.permission import Permission
from device.sync.following import Following
from device.sync.plan import standing_notice
from ota.errors import Refused, VitrineError
from ota.floor import FloorClock
from ota.trust import dsse
from ota.trust.consent import Consent
from ota.trust.keys import SigningKey
from ota.trust.withdrawn import Withdrawn

HOURS = 72
YEARS = timedelta(days=730)
START = datetime(2027, 3, 1, 8, tzinfo=timezone.utc)
KEY = SigningKey.generate()
CLOCK_MOVES = {"back": -YEARS, "forward": YEARS, "right": timedelta(0), "leave": None}
# Products run out one after the other, at odd minutes; the last ones never do.
ENDS_H = (1.25, 5.5, 11.9, 23.75, 24.0, 36.1, 47.99, 60.5, 71.5, None)
hour = st.tuples(
    st.sampled_from(sorted(CLOCK_MOVES)), st.booleans(), st.integers(0, 5),
    st.sampled_from(("old", "torn", "none")))


def after(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


def programme() -> Programme:
    products = [
        {"id": f"p{n}", "name": {"en-US": f"Tea {n}"}, "price": f"{n} yuan",
         **({} if end is None else {"valid": {"until": after(end)}})}
        for n, end in enumerate(ENDS_H)
    ]
    segments = [
        {"id": f"s{n}", "say": {"en-US": f"Only {{p{n}.price}} today"}, "show": f"p{n}"}
        for n in range(len(ENDS_H))
    ]
    body = {"schema": 1, "id": "tea", "version": 1, "languages": ["en-US"], "products": products,
            "segments": segments, "fallback": {"say": {"en-US": "Please ask the staff"}}}
    return msgspec.convert(body, Programme)


def consent(until_h: float) -> Consent:
    return Consent(
        avatar="mei", owner="Mei", chains=["*"], regions=["*"], uses=["*"],
        valid_from=START - timedelta(days=1500), valid_until=START + timedelta(hours=until_h),
        revocation_id=f"mei-{until_h}", base_sha256="0" * 64)


def envelope(seq: int, **fields: object) -> bytes:
    return dsse.sign(json.dumps({"seq": seq, **fields}).encode(), dsse.DESIRED, [KEY])


class Shop:
    """One box: its places, its true time and its wrong clock; counts what must never happen."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root)
        self.places.var.mkdir(parents=True)
        self.true, self.up_s, self.wrong = START, 0.0, timedelta(0)
        self.programme, self.held = programme(), {"seq": 40}
        self.faces = [consent(6.5), consent(30.25), consent(HOURS * 2)]
        self.taken_back = self.faces[2].revocation_id
        self.wall_seen: set[bool] = set()
        self.expired = self.shown = self.older = self.notices = 0
        self.restart()
        self.clock.seen(START)
        for seq in range(36, 41):
            self.following.offer(self.wanted(seq), self.clock.now())
        Withdrawn(self.places.var / "withdrawn").learn([self.taken_back])

    def wanted(self, seq: int) -> bytes:
        notice = {"say": {"en-US": "Closed today"}, "until": after(3.5)}
        return envelope(seq, override=notice, expires=after(HOURS * 9))

    def restart(self) -> None:
        """Player and agent die and begin again in the same start of the machine."""
        self.clock = FloorClock(self.places.var / "clock", lambda: self.true + self.wrong,
                                lambda: self.up_s, lambda: "this boot")
        self.following = Following(self.places.desired, self.places.var / "desired-seq",
                                   [KEY.public], "tea", "b-1")
        try:
            self.following.load()
        except Refused:
            assert self.following.desired is None

    def live(self, span: timedelta) -> None:
        self.true += span
        self.up_s += span.total_seconds()

    def offer_old(self, seq: int) -> None:
        """Someone replays what was once signed, or the broker's disk brought it back."""
        floor = self.following.floor
        try:
            taken = self.following.offer(self.wanted(seq), self.clock.now())
        except VitrineError:
            return
        self.older += taken and seq < floor

    def tear(self) -> None:
        self.places.desired.write_bytes(b"{torn")

    def look(self) -> None:
        """What would be said and shown at this moment?"""
        now, true = self.clock.now(), self.true
        ended = {f"p{n}" for n, end in enumerate(ENDS_H)
                 if end is not None and START + timedelta(hours=end) <= true}
        found = playable(self.programme, now, None, "en-US")
        self.expired += len(ended & found.products.keys())
        self.expired += sum(item.show in ended for item in (*found.segments, *found.answers))
        self.expired += sum(may_say(self.programme, item, now) for item in self.programme.segments
                            if item.show in ended)
        self.expired += sum(may_show(self.programme, each, now) for each in ended)
        for face in self.faces:
            gone = face.revocation_id == self.taken_back or face.valid_until <= true
            allowed = Permission(self.places, face, "tea", lambda: now).judged() is None
            self.shown += gone and allowed
        desired: Desired | None = self.following.desired
        if desired is not None and true >= START + timedelta(hours=3.5):
            self.notices += standing_notice(desired, now) is not None


def three_days(hours: list[tuple[str, bool, int, str]]) -> Shop:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        for move, dies, minutes, attack in hours:
            shop.live(timedelta(minutes=minutes))
            offset = CLOCK_MOVES[move]
            shop.wrong = shop.wrong if offset is None else offset
            if attack == "torn":
                shop.tear()
            if dies:
                shop.restart()
            if attack == "old":
                shop.offer_old(35 + minutes)
            shop.look()
            shop.live(timedelta(minutes=60 - minutes))
            shop.look()
        return shop


def counts(shop: Shop) -> tuple[int, int, int, int]:
    return shop.expired, shop.shown, shop.older, shop.notices


def story(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])


@story(5)
@given(st.lists(hour, min_size=HOURS, max_size=HOURS))
def test_nothing_expired_withdrawn_or_older_in_72_hours(hours: list[tuple[str, bool, int, str]]
                                                        ) -> None:
    assert counts(three_days(hours)) == (0, 0, 0, 0)


@pytest.mark.nightly
@story(1000)
@given(st.lists(hour, min_size=HOURS, max_size=HOURS))
def test_the_same_a_thousand_times(hours: list[tuple[str, bool, int, str]]) -> None:
    assert counts(three_days(hours)) == (0, 0, 0, 0)


def test_the_story_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that believes the wall alone, the very same hours count many."""
    monkeypatch.setattr(FloorClock, "now", lambda self: self._wall())
    bad = three_days([("back", True, 3, "none")] * HOURS)
    assert bad.expired > 100 and bad.shown > 50


def test_with_a_right_clock_everything_in_date_is_played() -> None:
    """A box that says nothing at all would count zero as well."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        for hours, products in ((1, 10), (6, 8), (40, 4), (72, 1)):
            shop.live(START + timedelta(hours=hours) - shop.true)
            shop.wrong = -YEARS
            assert len(playable(shop.programme, shop.clock.now(), None, "en-US").products) == (
                products), hours
        assert Permission(shop.places, consent(99.0), "tea", shop.clock.now).judged() is None
