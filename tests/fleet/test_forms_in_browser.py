"""The forms of downloads and special days as a chain's admin uses them: phone, real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rig import Fleet, SimBox, small_programme

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
