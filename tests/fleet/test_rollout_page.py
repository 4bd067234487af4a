"""The page of roll-outs as a fleet admin uses it, in a real Chromium, and the command beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from rig import Fleet, SimBox, small_programme

from ota.clock import utc_now
from ota.publish.keyring import find_keys
from ota.publish.repository import ROLES, Repository
from ota.publish.spread import new_plan, sign_plan
from tests.sim.browser import launch


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Fleet]:
    running = Fleet(tmp_path / "state", small_programme(tmp_path / "tea-shop"))
    running.up()
    yield running
    running.down()


def sign(server: Fleet, version: str, waves: str) -> None:
    """At the desk where the offline keys are."""
    keys = find_keys([server.state / "offline-keys", server.state / "keys"], ROLES)
    repository = Repository.open(server.state / "tuf", keys)
    repository.add("releases", f"releases/{version}.json", b"{}")
    repository.publish()
    sign_plan(repository, new_plan(version, waves, utc_now(), held=True))


def rollout(server: Fleet, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", "fleet", "rollout", *arguments, "--url", server.http]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.nightly  # a server and a browser of its own; what it shows is test_rollouts.py's
def test_a_rollout_is_begun_and_held_back_from_page_and_command(
    server: Fleet, tmp_path: Path
) -> None:
    assert server.ask("/api/v1/rollouts")[1]["release"] is None
    box = SimBox(server, tmp_path / "box", "shanghai-001")
    assert box.enrol(server.ticket("shanghai-001"))[0] == 200
    sign(server, "1.4.0", "1%,10%@24h,100%@3d")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(f"{server.http}/rollouts")
        expect(page.locator("#state")).to_have_text("等待开始")
        page.locator("input[name=waves]").fill("5%,100%@3d")
        page.get_by_role("button", name="开始推送").click()
        expect(page.locator("#state")).to_have_text("推送中")
        expect(page.locator("#phases tbody tr")).to_have_count(2)
        expect(page.locator("#rollout")).to_contain_text("1 块屏")
        page.locator("input[name=reason]").fill("画面闪烁")
        page.get_by_role("button", name="暂停").click()
        expect(page.locator("#state")).to_have_text("已暂停")
        expect(page.locator("#reason")).to_have_text("画面闪烁")
        page.goto(f"{server.http}/language?to=en-US&back=/rollouts")
        expect(page.locator("#state")).to_have_text("paused")
        expect(page.locator("main")).to_contain_text("paused the roll-out of")
        page.screenshot(path=str(tmp_path / "rollouts.png"), full_page=True)
        browser.close()
    done = rollout(server, "resume", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["state"] == "running", done.stderr
    assert "release 1.4.0: running" in rollout(server, "status").stderr
    done = rollout(server, "start", "6.6.6")
    assert done.returncode == 1 and "cannot name a release" in done.stderr
    assert "Name the release" in rollout(server, "start").stderr
