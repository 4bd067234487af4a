"""The live page in real Chromium: picture and sound in step, and the safe picture in between."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from device.paths import Places
from device.preview.server import Preview, safe_jpeg
from device.preview.wire import framed, packet, read_packet
from device.render.pixels import picture_from_bytes
from ota.clock import Deadline, sleep_s
from ota.errors import Refused
from tests.sim.avatar_bundle import make_bundle
from tests.sim.browser import launch
from tests.sim.built_programme import make_programme
from tests.sim.player_box import Box
from tests.sim.sound import sound_server

SYNC_MS_MAX = 80  # one frame of the player and two of the browser's screen


@pytest.fixture()
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            yield browser.new_page(viewport={"width": 1280, "height": 1000})
        finally:
            browser.close()


def serving(places: Places) -> Preview:
    preview = Preview(places, 0)
    threading.Thread(target=preview.serve_forever, daemon=True).start()
    return preview


def seen(page: Page) -> Any:
    return page.evaluate("window.vitrine")


def wait_until(page: Page, script: str, seconds: float = 20) -> None:
    page.wait_for_function(script, timeout=seconds * 1000)


@pytest.mark.alone
def test_a_browser_sees_and_hears_the_kiosk_and_its_recovery(tmp_path: Path, page: Page) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (540, 960), 25)
    shop = make_programme(tmp_path / "shop")
    with sound_server(tmp_path / "sound") as sound:
        box = Box(tmp_path / "root", avatar, sound.environment)
        preview = serving(box.places)
        try:
            page.goto(f"http://127.0.0.1:{preview.port}/")
            wait_until(page, "document.body.classList.contains('safe')")
            assert "recovering" in page.inner_text("#state"), "no player yet: the safe picture"

            box.start("--programme", str(shop))
            wait_until(page, "window.vitrine.drawn > 25")
            assert "on air" in page.inner_text("#state")
            page.click("#sound")
            wait_until(page, "window.vitrine.sounds > 40")
            offsets = []
            for _ in range(15):
                sleep_s(0.15)
                offsets.append(seen(page)["syncMs"])
            # The middle one: a busy machine may decode single pictures late.
            assert sorted(map(abs, offsets))[7] < SYNC_MS_MAX, offsets
            before, _ = seen(page)["drawn"], sleep_s(2.0)
            assert seen(page)["drawn"] - before > 30, "about 25 pictures a second"

            assert box.process is not None
            box.process.kill()
            box.process.wait()
            wait_until(page, "!window.vitrine.live && document.body.classList.contains('safe')")
            light = page.evaluate(
                "() => { const c = document.getElementById('screen').getContext('2d');"
                " const d = c.getImageData(270, 300, 60, 60).data; let s = 0;"
                " for (let i = 0; i < d.length; i += 4) s += d[i]; return s / (d.length / 4); }")
            assert light > 60, "the last picture stays"
            box.start("--programme", str(shop))
            wait_until(page, "window.vitrine.live")
            box.stop()
        finally:
            preview.close()
            box.close()


def test_nobody_is_served_from_outside_and_nothing_else_is_served(tmp_path: Path) -> None:
    preview = serving(Places(tmp_path))
    try:
        for host, path, status in (
            ("127.0.0.1", "/", 200), ("evil.example", "/", 403), ("127.0.0.1", "/etc/passwd", 404),
            ("127.0.0.1", "/safe.jpg?1", 200),
        ):
            line = http.client.HTTPConnection("127.0.0.1", preview.port, timeout=5)
            line.request("GET", path, headers={"Host": f"{host}:{preview.port}"})
            assert line.getresponse().status == status, (host, path)
            line.close()
        line = http.client.HTTPConnection("127.0.0.1", preview.port, timeout=5)
        line.request("GET", "/stream", headers={"Origin": "https://evil.example"})
        assert line.getresponse().status == 403, "another site may not watch through a browser"
        line.close()
    finally:
        preview.close()


def test_a_taken_port_is_said_with_the_way_out(tmp_path: Path) -> None:
    preview = serving(Places(tmp_path))
    try:
        with pytest.raises(Refused, match="--port"):
            Preview(Places(tmp_path), preview.port)
    finally:
        preview.close()


def test_a_box_that_never_played_has_a_brand_picture(tmp_path: Path) -> None:
    assert picture_from_bytes(safe_jpeg(Places(tmp_path)), "safe").shape == (960, 540, 4)


def test_packets_come_back_whole_and_an_impossible_length_is_refused() -> None:
    import socket

    one, other = socket.socketpair()
    with one, other:
        one.sendall(framed(packet(b"J", 1.5, b"x" * 70_000)) + framed(packet(b"S", 0.0)))
        assert read_packet(other) == packet(b"J", 1.5, b"x" * 70_000)
        assert read_packet(other) == packet(b"S", 0.0)
        one.sendall(b"\xff\xff\xff\xff")
        with pytest.raises(Refused, match="packet"):
            read_packet(other)
        one.close()
        deadline = Deadline(1)
        assert read_packet(other) is None and not deadline.passed
