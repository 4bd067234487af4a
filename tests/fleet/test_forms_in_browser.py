"""The forms of downloads, special days and a system's roll-out as a chain's admin uses them:
phone, real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright
from rig import Fleet, SimBox, small_programme

from ota.clock import utc_now
from ota.publish.keyring import find_keys
from ota.publish.repository import ROLES, Repository
from ota.publish.spread import new_plan
from tests.ota.system_rig import make_bundle, publish_bundle
from tests.sim.browser import launch

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    running = Fleet(folder / "state", small_programme(folder / "tea-shop"))
    running.up()
    yield running
    running.down()


@pytest.fixture(scope="module")
def kiosk(server: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimBox]:
    sim = SimBox(server, tmp_path_factory.mktemp("box"), "shanghai-001")
    assert sim.enrol(server.ticket("shanghai-001"))[0] == 200
    sim.connect()
    sim.follow()
    yield sim
    sim.leave()


@pytest.fixture()
def page(browser: Browser, kiosk: SimBox) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, locale="zh-CN")  # type: ignore[arg-type]
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def fits(page: Page) -> bool:
    return int(page.evaluate("document.documentElement.scrollWidth")) <= PHONE["width"] + 2


def test_the_chains_downloads_are_limited_and_brought_back(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/screens")
    page.get_by_role("link", name="下载流量").click()
    expect(page.get_by_label("每天最多")).to_be_hidden()
    page.get_by_label("单独设置").check()
    day, hour = page.locator("[name=bytes_per_day]"), page.locator("[name=bytes_per_hour]")
    day.fill("500")
    hour.fill("2 GB")
    # While one types: what will happen, and what is wrong beside its field.
    wrong = page.locator(".cell.wrong", has=hour)
    expect(wrong).to_contain_text("一小时不能比一天还多")
    with page.expect_navigation():  # the old page says the same: what is typed there is lost
        page.get_by_role("button", name="签名并下发").click()
    expect(wrong).to_contain_text("cannot have more than the day")
    assert kiosk.desired.empty() and day.input_value() == "500", "nothing was saved or lost"
    hour.fill("100")
    expect(page.locator("#preview")).to_contain_text("每天最多 500 MB,每小时最多 100 MB")
    expect(page.locator("#preview")).to_contain_text("涉及 1 块屏")
    expect(page.locator(".cell.wrong")).to_have_count(0)
    assert fits(page)
    page.get_by_role("button", name="签名并下发").click()
    expect(page.locator(".banner.good")).to_contain_text("已保存")
    got = kiosk.follow().settings.download
    assert (got.bytes_per_day, got.bytes_per_hour) == (500_000_000, 100_000_000)
    page.goto(f"{server.http}/language?to=en-US&back=/downloads")
    expect(page.locator("#preview")).to_contain_text("at most 500 MB a day")
    expect(page.locator(".undo")).to_contain_text("Before that: no own limits")
    page.get_by_role("button", name="Bring back").click()
    assert kiosk.follow().settings.download.bytes_per_day is None
    expect(page.get_by_label("As usual:")).to_be_checked()


def test_a_holiday_is_written_into_the_programme_published_and_taken_back(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/programmes/tea-shop")
    page.get_by_role("link", name="节假日和特别的日子").click()
    page.locator("[name='days/0/name/zh-CN']").fill("春节")
    page.locator("[name='days/0/name/en-US']").fill("Spring Festival")
    page.locator("[name='days/0/from']").fill("2037-02-17")
    page.locator("[name='days/0/until']").fill("2037-02-10")
    wrong = page.locator(".cell.wrong", has=page.locator("[name='days/0/until']"))
    expect(wrong).to_contain_text("最后一天早于第一天")
    page.locator("[name='days/0/until']").fill("2037-02-23")
    expect(page.locator("#preview")).to_contain_text(
        "2037-02-17 周二 到 2037-02-23 周一(共 7 天)休息(春节)")
    page.get_by_role("button", name="加一行").click()
    opens = page.locator("[name='days/1/opens']")
    expect(opens).to_be_hidden()
    page.locator("[name='days/1/from']").fill("2037-02-16")
    page.locator("[name='days/1/kind']").select_option("hours")
    opens.fill("10:00")
    page.locator("[name='days/1/closes']").fill("15:00")
    expect(page.locator("#preview")).to_contain_text("2037-02-16 周一营业 10:00–15:00")
    assert fits(page)
    page.get_by_role("button", name="发布到 1 块屏").click()
    expect(page.locator(".banner.good")).to_contain_text("已保存")
    first = kiosk.follow().programme
    document = server.ask("/api/v1/programmes/tea-shop")[1]["document"]
    assert [day["id"] for day in document["holidays"]] == ["spring-festival", "day-2037-02-16"]
    assert document["schedule"][0]["not_on"] == ["spring-festival", "day-2037-02-16"]
    page.get_by_role("button", name="删除 2037-02-16").click()
    expect(page.locator("#preview")).not_to_contain_text("营业")
    page.get_by_role("button", name="改回去").click()
    expect(page.locator("#preview")).to_contain_text("没有特别的日子")
    second = kiosk.follow().programme
    assert first is not None and second is not None and second.version == first.version + 1
    document = server.ask("/api/v1/programmes/tea-shop")[1]["document"]
    assert "holidays" not in document and "not_on" not in document["schedule"][0]


@pytest.mark.nightly  # the same form; what it keeps is shown by test_special_days.py
def test_one_store_is_closed_for_a_day_and_open_again(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/language?to=en-US&back=/screens/shanghai-001")
    page.get_by_role("link", name="Closed days and other hours").click()
    page.locator("[name='days/0/from']").fill("2037-02-17")
    expect(page.locator("#preview")).to_contain_text("Closed on 2037-02-17 Tue")
    page.get_by_role("button", name="Sign and send").click()
    expect(page.locator(".banner.good")).to_be_visible()
    assert kiosk.follow().settings.hours == "mon-sun 00:00-24:00; 2037-02-17 closed"
    # Somebody else writes hours meanwhile: this page is too old to save over them.
    hours = {"settings": {"hours": "mon-sun 09:00-21:00; 2037-02-17 closed"}}
    assert server.ask("/api/v1/boxes/shanghai-001", hours, "PUT")[0] == 200
    kiosk.follow()
    page.locator("[name='days/0/from']").fill("2037-02-18")
    page.get_by_role("button", name="Sign and send").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert kiosk.desired.empty()
    page.reload()
    page.goto(f"{server.http}/screens/shanghai-001/days")
    page.get_by_role("button", name="Remove 2037-02-17").click()
    page.get_by_role("button", name="Sign and send").click()
    assert kiosk.follow().settings.hours == "mon-sun 09:00-21:00"
    page.get_by_role("button", name="Bring back").click()
    assert kiosk.follow().settings.hours == "mon-sun 09:00-21:00; 2037-02-17 closed"
    assert fits(page)


def sign_systems(server: Fleet, folder: Path) -> None:
    """At the desk where the offline keys are: two boards, an older system, and a plan."""
    keys = find_keys([server.state / "offline-keys", server.state / "keys"], ROLES)
    desk = Repository.open(server.state / "tuf", keys)
    publish_bundle(desk, make_bundle(folder / "1.raucb", "36.4.4"))
    publish_bundle(desk, make_bundle(folder / "2.raucb", "36.4.4", "vitrine-nano"))
    plan = new_plan("36.5.1", "1%,10%@24h,100%@3d", utc_now(), held=True)
    publish_bundle(desk, make_bundle(folder / "3.raucb", "36.5.1"), plan=plan)


def test_a_system_is_rolled_out_paused_and_brought_back(
    server: Fleet, kiosk: SimBox, page: Page, tmp_path: Path
) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", answer)
    page.goto(f"{server.http}/rollouts")
    page.get_by_role("link", name="操作系统").click()
    expect(page.locator("#rollout")).to_contain_text("还没有签发任何系统")
    sign_systems(server, tmp_path)
    kiosk.publish("reported", {"desired_seq": 1, "update": {"phase": "idle", "system": {
        "phase": "ready", "version": "36.5.1", "floor": "36.4.4", "refused": []}}}, retain=True)
    page.reload()
    expect(page.locator("#state")).to_have_text("等待开始")
    rows = page.locator("#systems tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("36.5.1")
    expect(rows.nth(0)).not_to_contain_text("面向所有屏幕")
    expect(rows.nth(1)).to_contain_text("vitrine-nano 面向所有屏幕")
    # Runs the old one, has the new one ready.
    expect(rows.nth(0).locator("td.n")).to_have_text(["0.3", "0", "0", "1", "0"])
    expect(rows.nth(1).locator("td.n")).to_have_text(["0.3", "1", "0", "0", "0"])
    page.locator("input[name=waves]").fill("5%,100%@3d")
    page.get_by_role("button", name="开始推送").click()
    expect(page.locator("#state")).to_have_text("推送中")
    expect(page.locator("#phases tbody tr")).to_have_count(2)
    page.locator("input[name=reason]").fill("启动太慢")
    page.get_by_role("button", name="暂停").click()
    expect(page.locator("#state")).to_have_text("已暂停")
    expect(page.locator("#reason")).to_have_text("启动太慢")
    assert len(asked) == 2 and "36.5.1" in asked[1] and fits(page)
    page.goto(f"{server.http}/language?to=en-US&back=/rollouts/systems")
    expect(page.locator(".undo")).to_contain_text("Before that: running")
    stale = page.locator(".undo input[name=change]").input_value()
    page.get_by_role("button", name="Bring back").click()
    expect(page.locator("#state")).to_have_text("running")
    assert server.ask("/api/v1/rollouts?kind=system")[1]["waves"] == "5%,100%@3d"
    assert server.ask("/api/v1/rollouts")[1]["release"] is None, "the application's is another"
    page.screenshot(path=str(tmp_path / "systems.png"), full_page=True)
    # A page that is older than the last change brings nothing back.
    page.locator(".undo input[name=change]").evaluate(f"each => each.value = {stale}")
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_role("alert")).to_contain_text("changed since")


def test_without_its_repository_the_page_says_so(
    server: Fleet, page: Page
) -> None:
    tuf = server.state / "tuf"
    tuf.rename(server.state / "away")
    try:
        for path in ("/rollouts", "/rollouts/systems"):
            answer = page.goto(server.http + path)
            assert answer is not None and answer.status == 200
            expect(page.get_by_role("alert")).to_contain_text("from its backup")
    finally:
        (server.state / "away").rename(tuf)
