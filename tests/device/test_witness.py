"""What the supervisor believes of a release: only what player and ear prove since they run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from device import messages as m
from device.audio.speaker import Speaker
from device.audio.tone import ProofTone
from device.bus import Bus
from device.paths import Places
from device.processes import Process
from device.stage.day import ShopDay
from device.stage.keeper import Presence
from device.stage.liveness import Liveness
from device.supervisor import Supervisor
from device.warmup import NEWCOMER, Warmup
from device.witness import Witness
from ota.box.window import SHOP, read_shop
from ota.clock import Deadline, monotonic_ns, sleep_s

SECOND_NS = 1_000_000_000


def player(at_ns: int, **more: object) -> m.PlayerState:
    told = {"ready": True, "frames_shown": 5, "programme_id": "tea", **more}
    return m.PlayerState(at_ns=at_ns, **told)  # type: ignore[arg-type]


def test_other_code_has_to_prove_everything_anew() -> None:
    witness = Witness()
    witness.note(player(SECOND_NS, saying="hello", tone_passed=True))
    witness.note(m.EarState(at_ns=SECOND_NS, ready=True))
    seen = witness.health("/a", 2, 2 * SECOND_NS)
    assert (seen.player_presented, seen.ear_ready, seen.sound, seen.plays) == (True,) * 4
    witness.moved(2, 3 * SECOND_NS)
    witness.note(player(2 * SECOND_NS, saying="hello"))  # the old one's last word
    seen = witness.health("/b", 3, 4 * SECOND_NS)
    assert (seen.player_presented, seen.crashes, seen.plays) == (False, 1, None)
    witness.note(player(4 * SECOND_NS))
    assert witness.health("/b", 3, 5 * SECOND_NS).plays is False, "nothing was said yet"
    witness.note(player(5 * SECOND_NS, state="resting"))
    assert witness.health("/b", 3, 5 * SECOND_NS).plays is True, "the shop is closed"
    assert not witness.health("/b", 3, 99 * SECOND_NS).player_presented, "an old word"


def test_an_older_player_that_tells_less_is_no_bad_one() -> None:
    witness = Witness()
    witness.note(player(SECOND_NS, programme_id=""))
    seen = witness.health("/a", 0, SECOND_NS)
    assert seen.player_presented and seen.sound is None and seen.plays is None
    assert witness.shop(SECOND_NS)["open"] is None


def test_a_visitor_is_told_to_the_updater(tmp_path: Path) -> None:
    import json

    witness, now_ns = Witness(), monotonic_ns()
    assert witness.shop(now_ns)["visitor_ago_s"] is None
    witness.note(player(now_ns, state="answering", shop_open=True, shop_utc_offset_s=28800.0))
    witness.moved(0, now_ns)  # a visitor stays one when the code changes
    (tmp_path / SHOP).write_text(json.dumps(witness.shop(now_ns + 3 * SECOND_NS)))
    told = read_shop(tmp_path, now_ns / 1e9 + 4)
    assert told.visitor_ago_s == pytest.approx(4, abs=0.1) and not told.takeover
    witness.note(player(now_ns + SECOND_NS, state="live", shop_open=True))
    assert witness.shop(now_ns + 2 * SECOND_NS)["takeover"] is True


def test_a_black_picture_that_moves_is_no_picture() -> None:
    liveness, canvas = Liveness(), np.zeros((160, 90, 4), np.uint8)
    for number in range(20):
        canvas[..., :3] = number % 7  # moves, and nobody can see anything
        liveness.note(canvas)
    assert liveness.black and not liveness.alive
    canvas[80:, :, 1] = 200
    for _ in range(6):
        liveness.note(canvas)
    assert not liveness.black and liveness.alive


def test_without_a_device_nobody_can_tell_of_the_tone() -> None:
    speaker = Speaker(enabled=False)
    tone = ProofTone(speaker)
    assert tone.passed is None
    tone.begin()
    assert tone.passed is None


def test_the_day_tells_when_the_shop_closes() -> None:
    day = ShopDay()
    assert "shop_open" not in day.told() and day.told()["shop_utc_offset_s"] == 28800.0
    day.follow(m.Settings(hours="00:00-24:00; 2031-01-01 closed", timezone="Asia/Shanghai"))
    assert day.told()["shop_open"] is True and day.told()["shop_changes_at"] is None


NEWCOMERS = {
    "warm": "import os, pathlib, time; "
            "pathlib.Path('player.warm').write_text(str(os.getpid())); time.sleep(60)",
    "dies": "raise SystemExit('no graphics driver')",
}


@pytest.mark.parametrize("kind", ["warm", "dies"])
def test_a_new_player_takes_over_only_when_it_is_ready(tmp_path: Path, kind: str) -> None:
    places, supervisor = Places(tmp_path), Supervisor(tmp_path / "log", lambda ended: None)
    places.run.mkdir(parents=True)
    presence = Presence(places)
    presence.hold()
    line = Process("player", (), stop_s=2)
    old = (sys.executable, "-c", "import time; time.sleep(60)")
    try:
        supervisor.start(line, old, tmp_path, dict(os.environ))
        before = supervisor.pid("player")
        command = (sys.executable, "-c", NEWCOMERS[kind])
        warmup = Warmup(places, supervisor, line, command, places.run, dict(os.environ))
        deadline = Deadline(20)
        while not (warmup.ready or warmup.crashes >= 2):
            assert not deadline.passed
            supervisor.poll()
            sleep_s(0.02)
        assert supervisor.pid("player") == before, "the picture was never disturbed"
        if kind == "dies":
            warmup.cancel()
            assert supervisor.alive("player") and supervisor.pid(NEWCOMER) is None
            return
        newcomer = supervisor.pid(NEWCOMER)
        warmup.take_over(dict(os.environ))
        assert supervisor.pid("player") == newcomer and supervisor.pid(NEWCOMER) is None
    finally:
        supervisor.stop_all()
        presence.close()


def test_a_name_on_the_bus_changes_hands(tmp_path: Path) -> None:
    with Bus(tmp_path, "player") as old, Bus(tmp_path, "player", bound=False) as new:
        ear = Bus(tmp_path, "ear")
        new.bind()
        old.close()  # must not take away what is the newcomer's now
        ear.publish(m.Voice(at_ns=1, speaking=True))
        assert isinstance(new.receive(2.0), m.Voice)
        ear.close()
