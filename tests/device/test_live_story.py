"""From the operator's microphone in a real browser to the box's loudspeaker and mouth, and back."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, sync_playwright
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from cli.benches.live import curve
from cli.benches.live_shop import BOX, LiveShop
from cli.benches.stand import Recording
from cli.sound import SPEAKER_SINK
from ota.clock import sleep_s
from tests.sim.avatar_bundle import make_bundle
from tests.sim.browser import ARGUMENTS, program
from tests.sim.built_programme import make_programme, murmur

pytestmark = pytest.mark.alone


def seen(page: Page, name: str) -> Any:
    return page.evaluate("window.vitrineLive")[name]


def refused(url: str, **options: Any) -> int:
    """The status that a WebSocket is turned away with."""
    with pytest.raises(InvalidStatus) as caught, connect(url, open_timeout=5, **options):
        pass
    return int(caught.value.response.status_code)


def test_a_person_takes_over_speaks_and_hands_back(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 25)
    programme = make_programme(tmp_path / "shop", seconds=30.0)
    voice = tmp_path / "voice.wav"
    soundfile.write(voice, murmur(3.0, 7), 48_000, subtype="PCM_16")
    with LiveShop(tmp_path / "l", programme, avatar, "--size", "270x480") as shop:
        console = shop.console
        assert console is not None

        def player() -> dict[str, Any]:
            box = console.boxes.get(BOX)
            return box.player if box else {}

        strangers_are_turned_away(shop)
        said = player()["saying"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                args=[*ARGUMENTS, "--use-fake-ui-for-media-stream",
                      "--use-fake-device-for-media-stream",
                      f"--use-file-for-fake-audio-capture={voice}"], executable_path=program())
            page = browser.new_page()
            page.goto(shop.page)
            page.click("#look")
            shop.wait("a picture", lambda: seen(page, "pictures") > 0)
            page.click("#speak")
            shop.wait("the takeover", lambda: seen(page, "phase") == "on")
            shop.wait("the report", lambda: player().get("state") == "live")
            assert player().get("saying") is None and player()["ai_label"] is True
            with Recording(f"{SPEAKER_SINK}.monitor", shop.environment()) as heard:
                sleep_s(1.5)
            loud = curve(*heard.recorded())[1]
            assert loud.max() > -3 and np.mean(loud > -3.5) > 0.3, "the voice is in the shop"
            assert 100 < page.evaluate("window.vitrineLive.totalMs") < 2000
            page.click("#speak")
            shop.wait("the script", lambda: player().get("saying") == said)
            browser.close()
        audit = [(line.who, line.what, line.about) for line in console.journal.audit(about=BOX)]
        assert ("local", "live.begun", BOX) in audit and audit[0] == ("local", "live.ended", BOX)
        ended = console.journal.audit(about=BOX)[0].detail
        assert ended["seconds"] >= 1.5 and ended["why"] == "operator"
        shop.wait("the box's own count", lambda: console.journal.events(BOX, "live"))
        figures = shop.leave_player()
        assert figures["av_offset_ms"]["p50"] is not None, "mouths were shown"


def strangers_are_turned_away(shop: LiveShop) -> None:
    host = shop.page.split("/")[2]
    console = shop.console
    assert console is not None
    url = f"ws://{host}/screens/{BOX}/live"
    assert refused(url) == 403, "no page of ours"
    assert refused(url, origin="https://evil.example") == 403
    session = console.relay.open(BOX, "li", True)
    tls = ssl.create_default_context(cafile=str(console.authority.ca_path))
    box = f"wss://127.0.0.1:{console.authority.settings.https_port}/live/box/{session.id}"
    assert refused(box, ssl=tls) == 403, "without a box's certificate nobody hears the operator"
    console.relay.close(session)


