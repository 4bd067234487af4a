"""Smaller promises of the agent: consent, releases, settings, and the box's own command line."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from device.agent import load_settings
from device.cli import register
from device.hal.sim import SimBox
from device.messages import Desired
from device.paths import Places
from device.sync.consent import avatar_problems, fits
from device.sync.inbox import BATCH_MAX, Inbox, take_batch
from device.sync.orders import LocalOrders
from device.sync.plan import Actual, Install, plan
from device.sync.state import box_state
from ota.box.orders import take_order
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import PublicKey, SigningKey
from tests.sim.avatar_bundle import make_bundle

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)


def programme(folder: Path, avatar: str = "sim", version: str = ">=1") -> Path:
    folder.mkdir()
    body = {"schema": 1, "id": "p", "version": 1, "avatar": {"id": avatar, "version": version}}
    (folder / "programme.json").write_text(json.dumps(body))
    return folder


def test_an_avatar_without_consent_for_this_chain_or_day_keeps_a_programme_out(
    tmp_path: Path
) -> None:
    wanted = programme(tmp_path / "p")
    bundle = make_bundle(tmp_path / "avatars" / "sim", size=(180, 320), frames=4)
    avatars, consent = bundle.parent, bundle / "consent.dsse.json"
    assert avatar_problems(wanted, avatars, "tea", NOW, ()) == []
    late = datetime(2101, 1, 1, tzinfo=timezone.utc)
    assert "ended" in avatar_problems(wanted, avatars, "tea", late, ())[0]
    stranger = SigningKey.generate()
    assert "not signed" in avatar_problems(wanted, avatars, "tea", NOW, (stranger.public,))[0]
    body = json.loads(dsse.verify(consent.read_bytes(), dsse.CONSENT, (_root(avatars),)))
    body["chains"] = ["coffee"]
    consent.write_bytes(dsse.sign(json.dumps(body).encode(), dsse.CONSENT, [stranger]))
    problem = avatar_problems(wanted, avatars, "tea", NOW, (stranger.public,))[0]
    assert "does not cover the chain 'tea'" in problem and "不能使用" in problem
    consent.unlink()
    assert "no likeness consent" in avatar_problems(wanted, avatars, "tea", NOW, ())[0]


def test_a_programme_that_needs_another_avatar_is_told_so(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "avatars" / "sim", size=(180, 320), frames=4)
    newer = programme(tmp_path / "a", version=">=99")
    assert ">=99" in avatar_problems(newer, bundle.parent, "tea", NOW, ())[0]
    other = programme(tmp_path / "b", avatar="mei")
    assert "no avatar 'mei'" in avatar_problems(other, bundle.parent, "tea", NOW, ())[0]
    assert fits("3", 3) and not fits("3", 4) and fits(">=3", 4) and not fits(">=3", 2)


def _root(avatars: Path) -> PublicKey:
    return PublicKey.load(avatars / "likeness-root.pub")


def test_a_burst_larger_than_a_batch_loses_nothing_and_keeps_its_order() -> None:
    inbox: Inbox[int] = Inbox(1000)
    for number in range(700):
        assert inbox.put(number)
    seen: list[int] = []
    sizes = [take_batch(inbox, seen.append, 0.0) for _ in range(4)]
    assert seen == list(range(700)) and sizes == [BATCH_MAX, BATCH_MAX, 700 - 2 * BATCH_MAX, 0]


def test_a_full_inbox_refuses_at_once_and_counts() -> None:
    inbox: Inbox[int] = Inbox(2)
    assert inbox.put(1) and inbox.put(2) and not inbox.put(3)
    assert inbox.dropped == 1 and not inbox.put_patiently(4, 0.01)


def test_a_wanted_release_is_asked_for_once_and_not_when_it_runs() -> None:
    desired = Desired(seq=1, release="1.2.0")
    assert plan(desired, Actual(release="1.1.0"), NOW, 0.0) == (Install("1.2.0"),)
    assert plan(desired, Actual(release="1.2.0"), NOW, 0.0) == ()
    asked = Actual(release="1.1.0", release_asked="1.2.0")  # tried, and taken back by the updater
    assert plan(desired, asked, NOW, 0.0) == ()


def test_the_updater_is_told_by_its_own_door(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert LocalOrders(places, SimBox()).ota_check() == {"asked": True}
    order = take_order(places.run)
    assert order is not None and order.name == "check"


def test_a_box_is_not_rebooted_twice_in_ten_minutes(tmp_path: Path) -> None:
    box = SimBox()
    LocalOrders(Places(tmp_path), box).reboot()
    with pytest.raises(Refused, match="ten minutes"):
        LocalOrders(Places(tmp_path), box).reboot()  # not even after a restart of the agent
    assert box.reboots == 1


def test_logs_are_the_newest_lines_and_bounded(tmp_path: Path) -> None:
    places = Places(tmp_path)
    folder = places.var / "log"
    folder.mkdir(parents=True)
    (folder / "player.log").write_text("\n".join(f"line {n}" for n in range(100_000)))
    found = LocalOrders(places, SimBox()).logs("player", 10**6)
    lines = found["logs"]["player"]
    assert lines[-1] == "line 99999" and len(lines) <= 400
    with pytest.raises(Refused):
        LocalOrders(places, SimBox()).logs("nobody", 10)


def test_a_screenshot_from_elsewhere_is_not_sent(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.run.mkdir(parents=True)
    (places.run / "shot.jpg").write_bytes(b"\xff\xd8picture")
    orders = LocalOrders(places, SimBox())
    assert orders.picture(str(places.run / "shot.jpg"))["jpeg_base64"]
    secret = tmp_path / "key.pem"
    secret.write_text("secret")
    (places.run / "link.jpg").symlink_to(secret)
    for path in (str(secret), str(places.run / ".." / "x"), str(places.run / "link.jpg")):
        with pytest.raises(Refused):
            orders.picture(path)


def test_broken_settings_are_a_sentence(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert load_settings(places).retry_max_s == 120.0
    places.etc.mkdir(parents=True)
    (places.etc / "agent.json").write_text('{"telemetry_s": "often"}')
    with pytest.raises(Refused, match=r"agent\.json"):
        load_settings(places)


def test_the_state_of_an_empty_box_is_known_to_be_empty(tmp_path: Path) -> None:
    found = box_state(Places(tmp_path), SimBox())
    assert found["enrolled"] is False and found["held"] is None and found["running"] is None


@pytest.mark.parametrize("verb", ["run", "player", "ear", "agent", "safe", "preview", "check",
                                  "status"])
def test_every_device_command_has_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser(prog="vitrine")
    register(parser.add_subparsers())
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["device", verb, "--help"])
    assert end.value.code == 0 and f"vitrine device {verb}" in capsys.readouterr().out
