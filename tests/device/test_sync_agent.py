"""The agent between a real broker and a player: what a shop would notice if it were wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.messages import Notice, Order, Override, ProgrammeWanted, Settings
from ota.clock import monotonic_s
from tests.device.box_process import BoxProcess
from tests.sim.chain import Chain, Console, wait_until

BOX = "shanghai-001"


@pytest.fixture
def box(chain: Chain, tmp_path: Path) -> Iterator[BoxProcess]:
    made = BoxProcess(chain.enrol(tmp_path / "b", BOX))
    yield made
    made.close()


def on_air(chain: Chain, box: BoxProcess) -> Console:
    """Broker, console and agent up, programme 1 playing."""
    chain.broker_up()
    console = chain.console_up()
    wanted = chain.publish(1)
    chain.desire(BOX, 1, programme=wanted)
    box.start()
    box.told_to_play(1)
    box.plays("spring-tea", 1)
    console.wait("reported", lambda r: r["desired_seq"] == 1 and r["programme"])
    return console


def test_a_published_programme_is_on_the_disk_and_told_to_the_player(
    chain: Chain, box: BoxProcess
) -> None:
    console = on_air(chain, box)
    assert console.wait("status", lambda s: s["online"])["session"]
    start_s = monotonic_s()
    wanted = chain.publish(2, extra=b"second flush")
    chain.desire(BOX, 2, programme=wanted, variables={"store_name": "春山"},
                 settings=Settings(volume=0.4))
    ready = box.told_to_play(2)
    assert monotonic_s() - start_s < 3.0
    assert (Path(ready.path) / "assets" / "extra.bin").read_bytes() == b"second flush"
    assert ready.variables == {"store_name": "春山"} and ready.settings.volume == 0.4
    box.plays("spring-tea", 2)
    found = console.wait("reported", lambda r: r["programme"] == {
        "target": "programmes/spring-tea/2.json", "version": 2})
    assert found["errors"] == [] and found["desired_seq"] == 2


def test_only_what_changed_is_fetched(chain: Chain, box: BoxProcess) -> None:
    on_air(chain, box)
    chain.requests.clear()
    chain.desire(BOX, 2, programme=chain.publish(2))
    box.told_to_play(2)
    content = [path for path in chain.requests if "/content/" in path]
    assert len(content) == 1, content  # programme.json; the other file was here


def test_without_a_network_it_plays_what_it_had_and_catches_up_by_itself(
    chain: Chain, box: BoxProcess
) -> None:
    on_air(chain, box)
    assert box.stop() == 0
    chain.broker_kill()
    wanted = chain.publish(2)
    box.start()
    assert box.told_to_play(1, 5.0).seq == 1  # no broker anywhere
    chain.broker_up()
    assert chain.console is not None and chain.console.line.wait_up(15)
    chain.desire(BOX, 2, programme=wanted)
    box.told_to_play(2)


def test_an_older_desired_state_is_refused_even_after_a_restart(
    chain: Chain, box: BoxProcess
) -> None:
    console = on_air(chain, box)
    second = chain.publish(2)
    chain.desire(BOX, 7, programme=second)
    box.told_to_play(2)
    box.plays("spring-tea", 2)
    box.kill()
    box.start()
    box.told_to_play(2)
    box.plays("spring-tea", 2)
    chain.desire(BOX, 6, programme=ProgrammeWanted(target="programmes/spring-tea/1.json",
                                                   version=1))
    found = console.wait("reported", lambda r: r["errors"])
    assert found["desired_seq"] == 7 and "older than 7" in found["errors"][0]
    assert found["programme"]["version"] == 2


def test_a_strangers_signature_and_another_boxs_document_change_nothing(
    chain: Chain, box: BoxProcess, tmp_path: Path
) -> None:
    console = on_air(chain, box)
    with Chain(tmp_path / "thief") as thief:
        thief_envelope = thief.envelope(BOX, 99, programme=ProgrammeWanted(
            target="programmes/evil/1.json", version=1))
    chain.send(f"{BOX}/desired", thief_envelope, retain=True)
    console.wait("reported", lambda r: any("not signed by a key" in e for e in r["errors"]))
    chain.send(f"{BOX}/desired", chain.envelope("shanghai-002", 98), retain=True)
    console.wait("reported", lambda r: any("shanghai-002" in e for e in r["errors"]))
    chain.send(f"{BOX}/desired", b"x" * 20_000, retain=True)
    found = console.wait("reported", lambda r: any("over the limit" in e for e in r["errors"]))
    assert found["desired_seq"] == 1 and found["programme"]["version"] == 1
    console.wait("telemetry", lambda t: t["agent"]["oversize"] == 1)


def test_a_tampered_file_is_refused_and_the_old_programme_stays(
    chain: Chain, box: BoxProcess
) -> None:
    console = on_air(chain, box)
    good = b"the true leaves"
    wanted = chain.publish(2, extra=good)
    chain.content_path(good).write_bytes(b"the fake leave!")
    chain.desire(BOX, 2, programme=wanted)
    found = console.wait("reported", lambda r: r["desired_seq"] == 2 and r["errors"])
    assert found["programme"]["version"] == 1
    assert not list(box.places.content.rglob("*fake*"))
    assert sorted(p.name for p in box.places.programmes.iterdir()) == ["spring-tea-1"]
    event = console.wait("event", lambda e: e["kind"] == "content-refused")
    assert event["detail"]["target"].endswith("/2.json")
    # The publisher repairs it: the next number brings it without a hand on the box.
    chain.content_path(good).write_bytes(good)
    chain.desire(BOX, 3, programme=wanted)
    box.told_to_play(2)


def test_a_broken_programme_is_refused_with_the_reason(chain: Chain, box: BoxProcess) -> None:
    console = on_air(chain, box)
    chain.desire(BOX, 2, programme=chain.publish(2, broken=True))
    found = console.wait("reported", lambda r: r["desired_seq"] == 2 and r["errors"])
    assert "no-such-product" in found["errors"][0]
    assert found["programme"]["version"] == 1


def test_events_survive_a_killed_broker_and_a_killed_agent_and_count_once(
    chain: Chain, box: BoxProcess
) -> None:
    console = on_air(chain, box)
    sent = 0

    def some(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            box.happened(f"e-{sent}", line=sent)
            sent += 1

    some(100)
    wait_until(lambda: len(console.bodies("event")) >= 20)
    chain.broker_kill()
    some(100)
    agent_has_all(box, sent)
    box.kill()  # in the middle of an outbox that nobody takes
    box.start()
    box.told_to_play(1)
    some(100)
    chain.broker_up()
    wait_until(lambda: len({e["id"] for e in console.bodies("event")
                            if e["id"].startswith("e-")}) == sent, 30, "every event")
    ids = [e["id"] for e in console.bodies("event") if e["id"].startswith("e-")]
    assert len(set(ids)) == sent
    assert {e["id"]: e["detail"]["line"] for e in console.bodies("event")
            if e["id"].startswith("e-")} == {f"e-{n}": n for n in range(sent)}


def agent_has_all(box: BoxProcess, count: int) -> None:
    """Wait until the agent has written what the bus gave it: only then may it be killed."""
    import sqlite3

    def written() -> bool:
        with sqlite3.connect(f"file:{box.places.var / 'outbox.db'}?mode=ro", uri=True) as db:
            last = db.execute("SELECT max(seq) FROM held").fetchone()[0]
        return last is not None and last >= count

    wait_until(written, 15, "the outbox")


def test_orders_are_answered_once_and_free_text_is_refused(chain: Chain, box: BoxProcess) -> None:
    console = on_air(chain, box)
    chain.order(BOX, Order(id="r1", name="reload"), correlation=b"r1")
    assert console.wait("result", lambda r: r["id"] == "r1")["ok"]
    chain.order(BOX, Order(id="s1", name="say", args={"text": "the shop is closed for ever"}))
    refused = console.wait("result", lambda r: r["id"] == "s1")
    assert not refused["ok"] and "signed override" in refused["result"]["error"]
    chain.order(BOX, Order(id="v1", name="volume", args={"volume": 0.5}))
    from device.messages import Command, CommandDone

    command = box.heard(Command)
    assert isinstance(command, Command) and command.name == "volume"
    box.player.publish(CommandDone(id="v1", ok=True, result={"volume": 0.5}))
    assert console.wait("result", lambda r: r["id"] == "v1")["ok"]
    console.forget()
    chain.order(BOX, Order(id="v1", name="volume", args={"volume": 0.9}))
    again = console.wait("result", lambda r: r["id"] == "v1")
    assert again["result"] == {"volume": 0.5}  # remembered, not done again
    chain.order(BOX, Order(id="late", name="volume", args={"volume": 1}, until="2020-01-01T00:00Z"))
    assert "too late" in console.wait("result", lambda r: r["id"] == "late")["result"]["error"]


def test_a_signed_emergency_notice_reaches_the_player_and_ends(
    chain: Chain, box: BoxProcess
) -> None:
    on_air(chain, box)
    wanted = ProgrammeWanted(target="programmes/spring-tea/1.json", version=1)
    notice = Notice(until="2099-01-01T00:00:00+00:00", say={"zh-CN": "请离店"})
    chain.desire(BOX, 2, programme=wanted, override=notice)
    said = box.heard(Override)
    assert isinstance(said, Override) and said.say == {"zh-CN": "请离店"}
    box.plays("", 0)  # the player began anew and knows of nothing
    assert box.heard(Override) == said
    chain.desire(BOX, 3, programme=wanted)
    ended = box.heard(Override)
    assert isinstance(ended, Override) and ended.say is None


def test_a_visitors_words_never_leave_the_box(chain: Chain, box: BoxProcess) -> None:
    console = on_air(chain, box)
    box.happened("q1", kind="asked", answer_id="price", text="my secret question",
                 transcript="my secret question")
    event = console.wait("event", lambda e: e["id"] == "q1")
    assert event["detail"] == {"answer_id": "price"}


def test_a_planned_stop_says_offline_and_a_kill_leaves_it_to_the_will(
    chain: Chain, box: BoxProcess
) -> None:
    console = on_air(chain, box)
    console.forget()
    assert box.stop() == 0
    assert console.wait("status", lambda s: not s["online"])["session"]
    box.start()
    console.forget()
    box.kill()
    box.start()  # within the will's delay: the shop was never offline
    console.wait("status", lambda s: s["online"])
    assert all(status["online"] for status in console.bodies("status"))


def test_a_box_that_is_not_enrolled_waits_and_begins_after_enrolment(
    chain: Chain, tmp_path: Path
) -> None:
    from device.paths import Places

    box = BoxProcess(Places(tmp_path / "n"))
    try:
        chain.broker_up()
        console = chain.console_up()
        box.start()
        chain.enrol(tmp_path / "n", "shanghai-009")
        console.wait("status", lambda s: s["online"])
        assert json.loads((box.places.identity / "box.json").read_text())["box"] == "shanghai-009"
    finally:
        box.close()


@pytest.fixture
def small_disk(chain: Chain, tmp_path: Path) -> Iterator[BoxProcess]:
    """A box whose `var` is a real file system of 24 MB."""
    places = chain.enrol(tmp_path / "d", BOX)
    places.var.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(places.var)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a real full disk needs the right to mount one")
    made = BoxProcess(places)
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["umount", "-l", str(places.var)], check=True)


def test_on_a_full_disk_it_plays_tells_and_recovers(
    chain: Chain, small_disk: BoxProcess
) -> None:
    box = small_disk
    console = on_air(chain, box)
    junk = box.places.var / "junk"
    with junk.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 65_536)
    for number in range(50):
        box.happened(f"full-{number}")
    console.wait("event", lambda e: e["id"] == "full-49")  # straight from memory
    chain.desire(BOX, 2, programme=chain.publish(2, extra=b"y" * 3_000_000))
    console.wait("reported", lambda r: r["desired_seq"] == 2
                 and any("No space" in e or "disk is full" in e for e in r["errors"]))
    box.kill()
    box.start()
    box.told_to_play(1)  # the old programme, after a restart with no byte free
    box.plays("spring-tea", 1)
    junk.unlink()
    chain.desire(BOX, 3, programme=chain.publish(3))
    box.told_to_play(3)
