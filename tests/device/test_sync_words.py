"""Visitors' words between a real agent and a real broker: only where the signed settings say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.messages import Settings, Unanswered
from tests.device.box_process import BoxProcess
from tests.sim.chain import Chain

BOX = "shanghai-001"
ASKED = Unanswered(text="有没有停车场", language="zh-CN", visitors=3, noticed_s=30.0)


@pytest.mark.parametrize("on", [False, True])
def test_a_question_leaves_only_when_it_is_switched_on_and_is_never_written(
    chain: Chain, tmp_path: Path, on: bool
) -> None:
    box = BoxProcess(chain.enrol(tmp_path / "b", BOX))
    try:
        chain.broker_up()
        console = chain.console_up()
        wanted = chain.publish(1)
        chain.desire(BOX, 1, programme=wanted, settings=Settings(unanswered_text=on))
        box.start()
        box.told_to_play(1, 40)
        box.player.publish(ASKED)
        box.happened("after")  # what was sent before it has come before it
        console.wait("event", lambda e: e["id"] == "after", 40)
        if on:
            told = console.wait("event", lambda e: e["kind"] == "unanswered", 20)
            assert told["detail"]["asked_text"] == ASKED.text
        else:
            console.pump(0.5)
            assert all(event["kind"] != "unanswered" for event in console.bodies("event"))
        assert box.stop() == 0
        words = ASKED.text.encode()
        files = [path for path in box.places.root.rglob("*") if path.is_file()]
        assert files and not [path for path in files if words in path.read_bytes()]
        escaped = ASKED.text.encode("unicode_escape")
        assert not [path for path in files if escaped in path.read_bytes()]
    finally:
        box.close()
