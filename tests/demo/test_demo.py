"""A day in the shop, in order: it opens, answers, obeys, survives, updates itself and closes.

The tests share one running demo and are meant to be run together, from the first to the last.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, sync_playwright

from device.paths import repository_root
from ota.box.window import VISITOR_S
from tests.demo.conftest import Demo
from tests.sim.browser import launch

pytestmark = pytest.mark.beside

PRICE = "¥139"
LINE = "今天的龙井特别新鲜,一百三十九元一盒。"
# An update waits as long for a visitor to have left, and then some for its start.
LEFT_S = VISITOR_S + 60.0


def events(demo: Demo, kind: str) -> list[dict[str, Any]]:
    url = f"{demo.urls['console']}api/v1/events?limit=500"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return [event for event in json.load(answer)["events"] if event["kind"] == kind]


def longjing(demo: Demo) -> tuple[int, int]:
    """(product number, segment number) of the tea whose price is edited."""
    url = f"{demo.urls['console']}api/v1/programmes/tea-shop"
    with urllib.request.urlopen(url, timeout=10) as answer:
        document = json.load(answer)["document"]
    products = [product["id"] for product in document["products"]]
    shows = [segment.get("show") for segment in document["segments"]]
    return products.index("longjing"), shows.index("longjing")


@pytest.fixture
def page(demo: Demo) -> Any:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        made = browser.new_page(locale="zh-CN")
        made.on("dialog", lambda dialog: dialog.accept())
        yield made
        browser.close()


def test_the_kiosk_presents_with_its_label(demo: Demo) -> None:
    demo.until("the kiosk on air", lambda: demo.box()["online"] and demo.player().get("ready"))
    player = demo.player()
    assert player["ai_label"] is True
    assert player["ai_label_px"] >= 54
    assert player["precision"] == "int8"
    wanted = demo.box()["desired"]["programme"]
    demo.until("the programme", lambda: demo.box()["reported"]["programme"] == wanted)


def test_a_question_is_heard_and_answered_and_an_unknown_one_is_not_guessed(demo: Demo) -> None:
    demo.until("two questions", lambda: len(events(demo, "asked")) >= 2, 90)
    asked = sorted(events(demo, "asked"), key=lambda event: event["at"])
    assert [event["detail"]["answer_id"] for event in asked[:2]] == ["price-longjing", None]
    for event in asked:
        assert "text" not in event["detail"], "no visitor's word leaves the box"


def test_the_preview_page_plays_pictures(demo: Demo, page: Page) -> None:
    page.goto(demo.urls["kiosk"])
    page.wait_for_function(
        """() => { const c = document.querySelector('canvas');
                   if (!c || !c.width) return false;
                   const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                   let lit = 0; for (let i = 0; i < d.length; i += 4001) lit += d[i] > 30;
                   return lit > 20; }""",
        timeout=20_000,
    )


def test_a_price_and_a_line_published_in_the_console_are_said(demo: Demo, page: Page) -> None:
    product, segment = longjing(demo)
    before = demo.player()["programme_version"]
    page.goto(f"{demo.urls['console']}programmes/tea-shop")
    page.fill(f'[name="products/{product}/price"]', PRICE)
    page.fill(f'[name="segments/{segment}/say/zh-CN"]', LINE)
    english = page.locator(f'[name="segments/{segment}/say/en-US"]')
    english.fill("Longjing is one hundred and thirty-nine yuan a box today.")
    for answer in page.locator('[name^="answers/"][name*="/say/"]').all():
        text = answer.input_value()
        answer.fill(
            text.replace("一百二十八", "一百三十九").replace("128", "139")
            .replace("one hundred and twenty-eight", "one hundred and thirty-nine")
        )
    page.wait_for_selector(".headstate .warn, #headstate .warn", timeout=20_000)
    # The console speaks the draft while its writer looks it over once more.
    demo.until("the draft's speech", lambda: _publisher_is_ready(demo), 180)
    player = demo.pid("player")
    page.click("#publish", no_wait_after=True)
    took_s = demo.until(
        "the new line on the kiosk",
        lambda: demo.player()["programme_version"] == before + 1
        and demo.player()["showing"] == "longjing",
        90,
    )
    print(f"publish to said: {took_s:.1f} s")
    assert demo.pid("player") == player, "without a restart"
    page.wait_for_selector(".banner.good", timeout=20_000)


def test_a_broken_programme_is_refused_with_its_reason(demo: Demo, page: Page) -> None:
    product, _ = longjing(demo)
    before = demo.box()["desired_seq"]
    page.goto(f"{demo.urls['console']}programmes/tea-shop")
    page.fill(f'[name="products/{product}/price"]', "¥99")
    page.click("#publish", no_wait_after=True)
    reason = page.wait_for_selector(".banner.bad", timeout=20_000)
    assert reason is not None and "products" in page.content()
    assert "99" in reason.inner_text() or "139" in reason.inner_text()
    assert demo.box()["desired_seq"] == before, "nothing was sent to the boxes"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click('[value="discard"]')


@pytest.mark.parametrize("name", ["ear", "agent", "preview", "safe", "player", "fleet"])
def test_a_killed_process_heals(demo: Demo, name: str) -> None:
    victim = demo.pid(name)
    assert victim
    os.kill(victim, signal.SIGKILL)
    demo.until(f"a new {name}", lambda: demo.pid(name) not in (0, victim))
    demo.until("the console", lambda: _console_answers(demo))
    said = demo.player().get("saying")
    demo.until("the next sentence", lambda: demo.player().get("saying") not in (said, None), 60)


def test_the_kiosk_plays_on_without_its_broker_and_catches_up(demo: Demo, page: Page) -> None:
    product, _ = longjing(demo)
    version = demo.player()["programme_version"]
    broker = psutil.Process(demo.pid("broker"))
    broker.suspend()
    try:
        page.goto(f"{demo.urls['console']}programmes/tea-shop")
        page.fill(f'[name="products/{product}/qr"]', "https://example.com/p/longjing-new")
        page.click("#publish", no_wait_after=True)
        page.wait_for_selector(".banner.good", timeout=60_000)
        page.goto(demo.urls["kiosk"])
        page.wait_for_function("() => document.querySelector('canvas').width > 0")
    finally:
        broker.resume()
    demo.until(
        "the missed programme", lambda: demo.player()["programme_version"] == version + 1, 90
    )


def test_a_release_is_installed_tried_and_confirmed(demo: Demo) -> None:
    vitrine = [sys.executable, "-m", "cli"]
    box = str(demo.root / "box")
    published = subprocess.run(
        [*vitrine, "ota", "publish", "--repository", str(demo.root / "fleet" / "tuf"),
         "--keys", str(demo.root / "fleet" / "offline-keys"),
         "--keys", str(demo.root / "fleet" / "keys"), "--version", "9.0.0", "--json"],
        cwd=repository_root(), capture_output=True, text=True, timeout=120,
    )
    assert published.returncode == 0, published.stderr
    player = demo.pid("player")
    installed = subprocess.run(
        [*vitrine, "ota", "install", "--root", box, "--json"],
        cwd=repository_root(), capture_output=True, text=True, timeout=300,
    )
    assert installed.returncode == 0, installed.stderr
    # The visitor of the tests before may not have left yet: then it lies ready, and waits.
    demo.until(
        "the new release's player", lambda: demo.pid("player") not in (0, player), LEFT_S
    )
    slot = psutil.Process(demo.pid("player")).cwd()
    assert "/box/opt/vitrine/slots/" in slot

    def confirmed() -> bool:
        status = subprocess.run(
            [*vitrine, "ota", "status", "--root", box, "--json"],
            cwd=repository_root(), capture_output=True, text=True, timeout=60,
        )
        told = json.loads(status.stdout)
        return bool(told["running"] == "9.0.0" and told["phase"] == "idle")

    demo.until("the end of the trial", confirmed, 90)
    demo.until("the release in the console", lambda: demo.box()["reported"]["release"] == "9.0.0")


def test_closing_the_shop_leaves_a_report_and_nothing_else(demo: Demo) -> None:
    children = psutil.Process(demo.popen.pid).children(recursive=True)
    assert demo.stop() == 0
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    report = json.loads(demo.report.read_bytes())
    assert report["ai_label"] is True
    assert report["provider"] == "cpu" and report["precision"] == "int8"
    assert report["frames_shown"] > 0
    assert report["rss_total_bytes"] > report["pss_total_bytes"] > 0


def _publisher_is_ready(demo: Demo) -> bool:
    with urllib.request.urlopen(f"{demo.urls['console']}api/v1/health", timeout=10) as answer:
        return bool(json.load(answer)["publisher"]["state"] == "ready")


def _console_answers(demo: Demo) -> bool:
    try:
        return bool(demo.box()["online"])
    except OSError:
        return False
