"""From a changed line to a signed desired document in a box's hand, and the ways it fails."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from rig import Fleet, SimBox, small_programme, wait_until

from device.messages import Desired
from fleet.broker import find_mosquitto
from ota.clock import utc_now
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.formats.shortcuts import read, shortcuts_of
from ota.trust.client import TrustClient

PATH = "/api/v1/programmes/tea-shop"


def draft(fleet: Fleet) -> dict[str, Any]:
    status, found = fleet.ask(PATH)
    assert status == 200
    document: dict[str, Any] = found["document"]
    return document


def put(fleet: Fleet, document: dict[str, Any]) -> dict[str, Any]:
    status, answer = fleet.ask(PATH, {"document": document}, "PUT")
    assert status == 200, answer
    return dict(answer)


def trusted_index(fleet: Fleet, box: SimBox, folder: Path, desired: Desired) -> dict[str, Any]:
    """What the box may believe: the TUF target the desired document names, fetched over TLS."""
    clock = FloorClock(folder / "floor")
    fetcher = Fetcher(fleet.tls())
    url = box.identity["box"]["content_url"]
    client = TrustClient(folder / "trust", f"{url}/metadata", fetcher, clock)
    client.bootstrap(base64.b64decode(box.identity["tuf_root"]))
    client.refresh()
    assert desired.programme is not None
    target = client.target(desired.programme.target)
    data = fetcher.bytes(target.url(f"{url}/targets"), target.length_bytes)
    index: dict[str, Any] = json.loads(data)
    for entry in index["files"].values():
        body = fetcher.bytes(f"{url}/targets/content/{entry['sha256']}", entry["bytes"])
        assert len(body) == entry["bytes"]
    # The last one in part, as a box with some of its chunks asks for it.
    part = b"".join(fetcher.span(f"{url}/targets/content/{entry['sha256']}", 10, 100))
    assert part == body[10:110]
    side = client.target(shortcuts_of(target.path))
    shortcuts = read(fetcher.bytes(side.url(f"{url}/targets"), side.length_bytes))
    delta = shortcuts.deltas[target.sha256][0]
    assert delta.bytes < target.length_bytes / 2
    assert len(fetcher.bytes(f"{url}/targets/content/{delta.sha256}", delta.bytes)) == delta.bytes
    return index


def test_a_new_price_reaches_the_box_signed_and_only_its_lines_are_spoken_again(
    fleet: Fleet, box: SimBox, tmp_path: Path
) -> None:
    document = draft(fleet)
    assert document["version"] == 3
    document["products"][0]["price"] = "¥99"
    assert put(fleet, document)["faults"] == []
    # It was ready with the old price, too.
    wait_until(lambda: any("99" in line for line in fleet.studio.voice.said)
               and fleet.console and fleet.console.publisher.preparing.ready)
    said_ahead = list(fleet.studio.voice.said)
    status, version = fleet.ask(f"{PATH}/publish", {"note": "autumn price"})
    assert status == 200 and version["version"] == 4

    desired = box.follow()
    assert desired.programme is not None and desired.programme.version == 4
    assert (desired.seq, desired.box, desired.chain) == (2, "shanghai-001", "tea")
    index = trusted_index(fleet, box, tmp_path / "box", desired)
    texts = " ".join(clip["text"] for clip in index["speech"].values())
    assert "99" in texts or "九十九" in texts
    assert "128" not in texts
    # Speech was ready before the button: publishing itself synthesised nothing more.
    assert fleet.studio.voice.said == said_ahead
    assert sum("欢迎" in line for line in said_ahead) == 1
    assert fleet.console is not None
    wait_until(lambda: not fleet.console.boxes.get("shanghai-001").drifted)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda d: d["segments"][1].update(show="oolong"), "segments/1/show"),
        (lambda d: d["segments"][0]["say"].update({"zh-CN": "欢迎光临{shop}。"}), "segments/0/say"),
        (lambda d: d["products"][0].update(pirce="¥1"), "products/0/pirce"),
        (lambda d: d["schedule"][0].update({"from": "25:00"}), "schedule/0/from"),
        (lambda d: d["products"][0].update(image="../../etc/passwd"), "products/0/image"),
    ],
)
def test_a_broken_programme_is_refused_with_its_reason_and_the_old_one_stays(
    fleet: Fleet, box: SimBox, spoil: Any, field: str
) -> None:
    assert fleet.console is not None
    kept = fleet.console.boxes.envelopes()
    targets = fleet.console.repository.listed("programmes")
    document = draft(fleet)
    spoil(document)
    put(fleet, document)
    status, answer = fleet.ask(f"{PATH}/publish", {"note": "oops"})
    assert status == 422
    fault = answer["faults"][0]
    assert fault["field"].startswith(field)
    assert fault["sentence_zh"] and fault["sentence_en"] and fault["sentence_en"] in answer["error"]
    assert fleet.console.boxes.envelopes() == kept
    assert fleet.console.repository.listed("programmes") == targets
    assert fleet.console.programmes.get("tea-shop").version == 3  # type: ignore[union-attr]
    assert box.desired.empty()
    audit = fleet.ask("/api/v1/audit")[1]["audit"]
    assert audit[0]["what"] == "publish.refused" and audit[0]["who"] == "local"


def test_undo_publishes_the_old_words_under_a_new_number(fleet: Fleet, box: SimBox) -> None:
    document = draft(fleet)
    document["segments"][0]["say"]["zh-CN"] = "今天全场八折。"
    put(fleet, document)
    assert fleet.ask(f"{PATH}/publish", {})[0] == 200
    assert box.follow().programme.version == 4  # type: ignore[union-attr]
    said = len(fleet.studio.voice.said)
    status, version = fleet.ask(f"{PATH}/publish", {"back_to": 3})
    assert status == 200 and version["version"] == 5
    assert box.follow().programme.version == 5  # type: ignore[union-attr]
    assert draft(fleet)["segments"][0]["say"]["zh-CN"] == "欢迎光临{store_name}。"
    # The old clips came back from the content store instead of the synthesiser.
    assert len(fleet.studio.voice.said) == said


def test_a_console_that_starts_again_publishes_what_it_wants_again(
    fleet: Fleet, box: SimBox, tmp_path: Path
) -> None:
    """The broker lost everything (its disk died): the database is the truth, not the broker."""
    assert fleet.console is not None
    wanted = fleet.console.boxes.get("shanghai-001").desired_seq  # type: ignore[union-attr]
    box.leave()
    fleet.down()
    for kept in (fleet.state / "broker" / "data").iterdir():
        kept.unlink()
    fleet.up()
    box.desired.queue.clear()
    box.connect()
    assert box.follow().seq == wanted


def test_the_broker_killed_in_the_middle_costs_nothing(fleet: Fleet, box: SimBox) -> None:
    """kill -9 of a broker that had not saved: the console fills it again by itself."""
    pid = int((fleet.state / "broker" / "mosquitto.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    console = fleet.console
    assert console is not None
    wait_until(lambda: not console.line.is_up)
    # Published while there is no broker: kept, and delivered when it is back.
    document = draft(fleet)
    document["segments"][0]["say"]["en-US"] = "Good evening."
    put(fleet, document)
    assert fleet.ask(f"{PATH}/publish", {})[0] == 200
    settings = str(fleet.state / "broker" / "mosquitto.conf")
    again = subprocess.Popen([str(find_mosquitto(fleet.state)), "-c", settings])
    try:
        assert box.follow(40).programme.version == 4  # type: ignore[union-attr]
    finally:
        box.leave()
        fleet.down()
        again.terminate()
        again.wait(10)


def test_enrolment_over_tls_refuses_replays_and_late_tickets(fleet: Fleet, tmp_path: Path) -> None:
    ticket = fleet.ticket("nanjing-001")
    first = SimBox(fleet, tmp_path / "a", "nanjing-001")
    assert first.enrol(ticket)[0] == 200
    status, answer = SimBox(fleet, tmp_path / "b", "nanjing-001").enrol(ticket)
    assert status == 422 and "already used" in answer["error"]
    late = fleet.ticket("nanjing-002")
    assert fleet.console is not None
    with patch("fleet.authority.utc_now", lambda: utc_now() + timedelta(hours=2)):
        status, answer = SimBox(fleet, tmp_path / "c", "nanjing-002").enrol(late)
    assert status == 422 and "ended" in answer["error"]
    # Another machine may enrol and fetch, but not command the fleet.
    with urllib.request.urlopen(
        f"{fleet.https}/tuf/metadata/timestamp.json", context=fleet.tls(), timeout=10
    ) as answer_:
        assert answer_.headers["cache-control"] == "no-cache"


def test_a_download_can_be_resumed_and_never_leaves_the_published_folder(fleet: Fleet) -> None:
    assert fleet.console is not None
    name = max(fleet.console.places.content.iterdir(), key=lambda path: path.stat().st_size)
    url = f"{fleet.https}/tuf/targets/content/{name.name}"
    request = urllib.request.Request(url, headers={"range": "bytes=10-19"})
    with urllib.request.urlopen(request, context=fleet.tls(), timeout=10) as answer:
        assert answer.status == 206
        assert answer.read() == name.read_bytes()[10:20]
    for path in ("%2e%2e/console.db", "lock", "targets/../../fleet.json", "metadata/.x"):
        status, _ = fleet.ask(f"{fleet.https}/tuf/{path}")
        assert status == 404


def test_commands_are_correlated_and_their_answers_kept(fleet: Fleet, box: SimBox) -> None:
    status, line = fleet.ask(
        "/api/v1/boxes/shanghai-001/commands", {"name": "volume", "args": {"volume": 0.4}}
    )
    assert status == 202 and line["ok"] is None
    order = box.answer(True, volume=0.4)
    assert order["args"] == {"volume": 0.4} and order["until"] > utc_now().isoformat()
    status, line = fleet.ask(f"/api/v1/commands/{order['id']}?wait_s=10")
    assert line["ok"] is True and line["result"] == {"volume": 0.4}
    assert fleet.ask("/api/v1/boxes/shanghai-001/commands", {"name": "explode"})[0] == 422
    assert fleet.ask("/api/v1/boxes/nobody/commands", {"name": "identify"})[0] == 404


def test_the_same_event_twice_is_counted_once(fleet: Fleet, box: SimBox) -> None:
    event = {
        "id": "e-1",
        "at": utc_now().isoformat(),
        "kind": "played",
        "detail": {"segment": "welcome", "complete": True, "programme": "tea-shop"},
    }
    box.publish("event", event)
    box.publish("event", event)
    box.publish("event", {**event, "id": "e-2"})
    assert fleet.console is not None
    said = {"programme": "tea-shop", "line": "segment/welcome", "count": 2}
    wait_until(lambda: fleet.ask("/api/v1/played")[1]["played"] == [said], what="both")
    assert fleet.console.inbox.duplicates == 1
    assert len(fleet.ask("/api/v1/events?kind=played")[1]["events"]) == 2


def test_settings_and_a_notice_travel_signed(fleet: Fleet, box: SimBox) -> None:
    notice = {"say": {"zh-CN": "请从左侧离场"}, "until": "2099-01-01T00:00:00+00:00"}
    status, _ = fleet.ask(
        "/api/v1/boxes/shanghai-001", {"settings": {"volume": 0.3}, "override": notice}, "PUT"
    )
    assert status == 200
    desired = box.follow()
    assert desired.settings.volume == 0.3
    assert desired.override is not None and desired.override.say == {"zh-CN": "请从左侧离场"}
    assert desired.programme is not None and desired.programme.version == 3
    status, answer = fleet.ask(
        "/api/v1/boxes/shanghai-001", {"settings": {"volume": "loud"}}, "PUT"
    )
    assert status == 422 and "volume" in answer["error"]
    assert fleet.ask("/api/v1/boxes/shanghai-001")[1]["settings"] == {"volume": 0.3}


def test_a_new_fleet_publishes_the_shipped_programme_by_itself(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "state", small_programme(tmp_path / "tea-shop"))
    fleet.up()
    fleet.down()
    said = len(fleet.studio.voice.said)
    fleet.up()
    assert fleet.ask(PATH)[1]["versions"][0]["version"] == 3
    assert len(fleet.studio.voice.said) == said
    fleet.down()
