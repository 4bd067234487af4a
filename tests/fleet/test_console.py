"""The console as a fleet admin uses it, in a real Chromium; and what keeps other people out."""

from __future__ import annotations

import json
import re
import struct
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from rig import Fleet, SimBox, small_programme, wait_until

from fleet.console.templates import HERE
from tests.sim.browser import launch


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
def page(browser: Browser, server: Fleet, kiosk: SimBox) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("dialog", lambda dialog: dialog.accept())
    yield opened
    context.close()
    assert errors == []


def png_bytes() -> bytes:
    """The smallest honest PNG: one green pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\x0f\x7a\x5c")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_an_admin_changes_a_price_and_a_line_and_the_kiosk_gets_them(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/programmes/tea-shop")
    before = int(page.locator("#versions tr").first.locator("b").inner_text()[1:])
    page.get_by_label("价格").first.fill("¥99")
    page.get_by_label("说 zh-CN").first.fill("欢迎光临,今天龙井特价。")
    page.locator("#publish").click()
    expect(page.get_by_role("status")).to_contain_text(f"版本 {before + 1} 已发布到 1 块屏")
    expect(page.locator("#versions tr").first).to_contain_text(f"v{before + 1}")
    desired = kiosk.follow()
    assert desired.programme is not None and desired.programme.version == before + 1

    page.goto(f"{server.http}/programmes/tea-shop/versions/{before + 1}")
    expect(page.locator(".diff")).to_contain_text("¥128")
    expect(page.locator(".diff")).to_contain_text("¥99")

    # Undo is one click, and a new version too.
    page.goto(f"{server.http}/programmes/tea-shop")
    page.get_by_role("button", name=f"恢复 v{before}").click()
    expect(page.get_by_role("status")).to_contain_text(f"版本 {before + 2}")
    expect(page.get_by_label("价格").first).to_have_value("¥128")
    assert kiosk.follow().programme.version == before + 2  # type: ignore[union-attr]


def test_a_mistake_is_shown_beside_its_field_in_both_languages_and_nothing_is_published(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/programmes/tea-shop")
    versions = page.locator("#versions tr").count()
    page.get_by_label("说 zh-CN").first.fill("欢迎光临{shop_name}。")
    page.locator("#publish").click()
    expect(page.get_by_role("alert")).to_contain_text("没有发布")
    cell = page.locator(".cell.wrong", has=page.locator("[name='segments/0/say/zh-CN']"))
    expect(cell.locator(".fault").first).to_contain_text("shop_name")
    expect(cell.locator(".fault small").first).to_contain_text(re.compile("[a-z]{4}"))
    assert page.locator("#versions tr").count() == versions
    assert kiosk.desired.empty()
    # The admin's words are still there to be corrected; discarding brings the old ones back.
    expect(page.get_by_label("说 zh-CN").first).to_have_value("欢迎光临{shop_name}。")
    page.get_by_role("button", name="放弃修改").click()
    expect(page.get_by_label("说 zh-CN").first).to_have_value("欢迎光临{store_name}。")
    expect(page.locator(".cell.wrong")).to_have_count(0)


def test_the_draft_keeps_itself_and_speech_is_ready_before_publishing(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/programmes/tea-shop")
    line = page.get_by_label("说 en-US").first
    line.fill("Good morning, dear neighbours.")
    line.blur()
    wait_until(lambda: "Good morning, dear neighbours." in server.studio.voice.said, what="speech")
    expect(page.locator("#changes")).to_contain_text("Good morning")
    expect(page.locator("#speech")).to_contain_text("语音已备好")
    # A fault shows beside the field while one writes, without any button.
    line.fill("Good morning, {nobody}.")
    cell = page.locator(".cell.wrong", has=page.locator("[name='segments/0/say/en-US']"))
    expect(cell.locator(".fault").first).to_contain_text("nobody")
    assert kiosk.desired.empty()
    line.fill("Good morning, dear neighbours.")
    expect(page.locator(".cell.wrong")).to_have_count(0)
    said = len(server.studio.voice.said)
    page.locator("#publish").click()
    expect(page.get_by_role("status")).to_contain_text("已发布")
    assert len(server.studio.voice.said) == said
    kiosk.follow()
    page.reload()
    assert server.console is not None
    lines = [a for a in server.console.journal.audit(limit=3) if a.what == "draft.saved"]
    assert len(lines) == 1


def test_a_picture_chosen_in_the_browser_is_published(
    server: Fleet, kiosk: SimBox, page: Page, tmp_path: Path
) -> None:
    picture = tmp_path / "tin.png"
    picture.write_bytes(png_bytes())
    page.goto(f"{server.http}/programmes/tea-shop")
    page.locator("input[data-picture=longjing]").set_input_files(picture)
    expect(page.locator("#changes")).to_contain_text("products/longjing/image")
    page.locator("#publish").click()
    expect(page.get_by_role("status")).to_contain_text("已发布")
    kiosk.follow()
    assert server.console is not None
    newest = server.console.programmes.versions("tea-shop", 1)[0]
    name = newest.document["products"][0]["image"]
    assert re.fullmatch(r"assets/longjing-[0-9a-f]{12}\.png", name)
    content = {path.read_bytes() for path in server.console.places.content.iterdir()}
    assert picture.read_bytes() in content
    text = tmp_path / "text.png"
    text.write_text("no picture")
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.locator("input[data-picture=longjing]").set_input_files(text)
    wait_until(lambda: said or page.wait_for_timeout(50), what="the reason")
    assert "no WebP, PNG or JPEG" in said[0]


def test_a_picture_that_was_chosen_before_the_page_was_ready_is_not_lost(
    server: Fleet, page: Page, tmp_path: Path
) -> None:
    held: list[Route] = []
    page.route("**/console.js", lambda route: held.append(route))
    page.goto(f"{server.http}/programmes/tea-shop", wait_until="commit")
    text = tmp_path / "text.png"
    text.write_text("no picture")
    page.locator("input[data-picture=longjing]").set_input_files(text)
    wait_until(lambda: held or page.wait_for_timeout(50), what="the script")
    with page.expect_event("dialog") as told:
        held[0].continue_()
    assert "no WebP, PNG or JPEG" in told.value.message


def test_what_happens_before_the_page_listens_is_on_it_soon(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    def news_first(route: Route) -> None:
        kiosk.publish("reported", {"desired_seq": 1, "release": "7.7.7"}, retain=True)
        wait_until(lambda: _release_of(server, "shanghai-001") == "7.7.7", what="the report")
        route.continue_()

    page.route("**/live", news_first)
    page.goto(f"{server.http}/screens/shanghai-001")
    expect(page.locator("main")).to_contain_text("7.7.7")


def _release_of(server: Fleet, box: str) -> str | None:
    told = server.ask(f"/api/v1/boxes/{box}")[1]["reported"] or {}
    release: str | None = told.get("release")
    return release


def test_two_editors_cannot_overwrite_each_other(server: Fleet, page: Page) -> None:
    page.goto(f"{server.http}/programmes/tea-shop")
    document = server.ask("/api/v1/programmes/tea-shop")[1]["document"]
    document["fallback"]["say"]["en-US"] = "Let me call a colleague."
    server.ask("/api/v1/programmes/tea-shop", {"document": document}, "PUT")
    page.get_by_label("价格").first.fill("¥1")
    # The page saves by itself and is told; its words stay in the form, the draft is not touched.
    expect(page.get_by_role("alert")).to_contain_text("别处修改")
    expect(page.get_by_label("价格").first).to_have_value("¥1")
    page.locator("#publish").click()
    expect(page.get_by_role("alert")).to_contain_text("别处修改")
    expect(page.get_by_label("价格").first).to_have_value("¥128")
    assert "colleague" in json.dumps(server.ask("/api/v1/programmes/tea-shop")[1]["document"])


def test_a_ticket_made_in_the_console_enrols_a_box_and_the_list_shows_it(
    server: Fleet, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{server.http}/enrolment")
    page.get_by_label("屏幕编号").fill("hangzhou-007")
    page.get_by_role("button", name="制作入网票据").click()
    text = page.locator("#ticket").input_value()
    assert text.startswith("VITRINE1:")
    assert page.locator(".qr svg path").count() >= 1
    page.goto(f"{server.http}/screens")
    new = SimBox(server, tmp_path, "hangzhou-007")
    assert new.enrol(text)[0] == 200
    new.connect()
    new.report(new.desired.get(timeout=10), saying="龙井一罐")
    # Nobody reloads: the page hears of it.
    row = page.locator("tr", has_text="hangzhou-007")
    expect(row).to_contain_text("在播", timeout=15_000)
    expect(row).to_contain_text("龙井一罐", timeout=15_000)
    new.die()
    expect(row).to_contain_text("失联", timeout=40_000)


def test_commands_from_the_screen_page_show_their_answers(
    server: Fleet, kiosk: SimBox, page: Page
) -> None:
    page.goto(f"{server.http}/screens/shanghai-001")
    page.locator("select[name=line]").select_option("segment/longjing")
    page.get_by_role("button", name="说这一句").click(no_wait_after=True)
    order = kiosk.answer(True)
    assert order["name"] == "say" and order["args"] == {"segment": "longjing"}
    expect(page.locator("#orders tr").first).to_contain_text("完成", timeout=15_000)
    page.get_by_role("button", name="自检").click(no_wait_after=True)
    kiosk.answer(False, error="no microphone")
    expect(page.locator("#orders tr").first).to_contain_text("no microphone", timeout=15_000)


def test_every_page_speaks_both_languages_and_names_no_other_host(
    server: Fleet, page: Page
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    pages = [
        "/",
        "/screens",
        "/screens/shanghai-001",
        "/programmes/tea-shop",
        "/enrolment",
        "/audit",
        "/programmes/tea-shop/versions/3",
        "/nowhere",
    ]
    for language, word in (("en-US", "Screens"), ("zh-CN", "屏幕")):
        page.goto(f"{server.http}/language?to={language}&back=/")
        for path in pages:
            page.goto(server.http + path)
            expect(page.locator("nav.side")).to_contain_text(word)
            assert page.locator("html").get_attribute("lang") == language
            # A key that nobody translated would stand there as itself.
            assert not re.search(
                r"\b(audit|publisher|command|confirm|event)\.[a-z]",
                page.locator("body").inner_text(),
            )
    assert {urllib.parse.urlsplit(url).netloc for url in asked} == {server.http[7:]}


def test_the_console_fits_a_phone(server: Fleet, browser: Browser, kiosk: SimBox) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    phone = context.new_page()
    for path in ("/", "/screens", "/screens/shanghai-001", "/programmes/tea-shop", "/enrolment"):
        phone.goto(server.http + path)
        width = phone.evaluate("document.documentElement.scrollWidth")
        assert width <= 392, f"{path} is {width} px wide"
    context.close()


def post(server: Fleet, path: str, form: dict[str, str], **headers: str) -> int:
    data = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(server.http + path, data)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_another_sites_page_cannot_use_the_admins_browser(server: Fleet, kiosk: SimBox) -> None:
    path, form = "/screens/shanghai-001/command", {"name": "reboot"}
    assert post(server, path, form) == 403
    assert post(server, path, {**form, "csrf": "guess"}, Cookie="vitrine_csrf=other") == 403
    good = {**form, "csrf": "t" * 32}
    cookie = f"vitrine_csrf={'t' * 32}"
    assert post(server, path, good, Cookie=cookie, Origin="https://evil.example") == 403
    # DNS rebinding: the request comes from this machine but names another host.
    assert post(server, path, good, Cookie=cookie, Host="evil.example") == 401
    status, _ = server.ask(
        "/api/v1/claims", {"box": "x"}, headers={"Origin": "https://evil.example"}
    )
    assert status == 403
    assert kiosk.commands.empty()


def test_other_machines_need_the_token(server: Fleet) -> None:
    from dataclasses import replace

    from fleet.console.access import person_of
    from fleet.console.ask import Ask

    token = (server.state / "api-token").read_text()
    ask = Ask("GET", "/", {}, {}, {}, b"", {}, {"host": "fleet.example.com"}, "10.0.0.9", True)
    assert person_of(ask, token).roles == frozenset()
    bearer = {**ask.headers, "authorization": f"Bearer {token}"}
    assert "admin" in person_of(replace(ask, headers=bearer), token).roles
    wrong = {**ask.headers, "authorization": "Bearer wrong"}
    assert person_of(replace(ask, headers=wrong), token).roles == frozenset()


def test_the_api_describes_itself_and_its_figures(server: Fleet) -> None:
    status, document = server.ask("/api/v1/openapi.json")
    assert status == 200 and document["openapi"] == "3.1.0"
    refs = re.findall(r"#/components/schemas/(\w+)", json.dumps(document))
    assert refs and set(refs) <= set(document["components"]["schemas"])
    assert document["paths"]["/api/v1/claims"]["post"]["requestBody"]
    # A new server looks at once for what its repository may forget.
    wait_until(lambda: server.ask("/api/v1/health")[1]["repository"]["pruned_at"])
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert re.search(r"^vitrine_broker_up 1$", text, re.M)
    assert re.search(r"^vitrine_repository_pruned_seconds [1-9]", text, re.M)
    assert re.search(r"^vitrine_repository_prune_failed 0$", text, re.M)
    assert all(re.match(r"(# (HELP|TYPE) )?vitrine_\w+ ", line) for line in text.splitlines())


def test_oversize_and_broken_requests_are_answered_not_crashed(server: Fleet) -> None:
    for path, body in (
        ("/api/v1/claims", b"{"),
        ("/api/v1/claims", b'{"box": 7}'),
        ("/enrol", b"[]"),
        ("/enrol", b"[" * 100_000),
    ):
        request = urllib.request.Request(server.http + path, body)
        request.add_header("content-type", "application/json")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=20)
        assert caught.value.code == 422
        assert json.loads(caught.value.read())["error"]
    request = urllib.request.Request(f"{server.http}/enrol", b"x" * (6 << 20))
    with pytest.raises((urllib.error.HTTPError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(request, timeout=20)
    if isinstance(refused.value, urllib.error.HTTPError):
        assert refused.value.code == 413


def test_every_text_is_there_in_both_languages() -> None:
    texts = json.loads((HERE / "texts.json").read_text())
    assert all(len(pair) == 2 and all(pair) for pair in texts.values())
    source = "".join(path.read_text() for path in (HERE / "templates").glob("*.html"))
    used = set(re.findall(r"\bt\('([^']+)'\s*[,)]", source))
    assert used - set(texts) == set()
    assert {
        f"command.{name}"
        for name in (
            "screenshot",
            "say",
            "volume",
            "identify",
            "selftest",
            "reload",
            "restart",
            "reboot",
            "ota-check",
            "logs",
        )
    } <= set(texts)


def test_the_cli_talks_to_the_server(server: Fleet, kiosk: SimBox, capsys: object) -> None:
    import argparse

    from fleet import cli
    from ota.errors import Refused, Retry

    parser = argparse.ArgumentParser()
    cli.register(parser.add_subparsers())

    def run(*words: str) -> int:
        args = parser.parse_args(["fleet", *words, "--url", server.http])
        return int(args.run(args))

    read = capsys.readouterr  # type: ignore[attr-defined]
    assert run("boxes", "--json") == 0
    assert "shanghai-001" in [box["id"] for box in json.loads(read().out)["boxes"]]
    assert run("export", "audit") == 0
    assert all(json.loads(line)["who"] for line in read().out.splitlines())
    assert run("publish", "tea-shop", "--note", "from the shell", "--json") == 0
    assert json.loads(read().out)["note"] == "from the shell"
    kiosk.follow()
    assert run("command", "shanghai-001", "identify", "--wait", "0") == 1
    kiosk.answer(True)
    with pytest.raises(Refused, match="no version 99"):
        run("publish", "tea-shop", "--back-to", "99")
    with pytest.raises(Retry, match="does not answer"):
        parser_args = parser.parse_args(["fleet", "boxes", "--url", "http://127.0.0.1:9"])
        parser_args.run(parser_args)
    wait_until(lambda: server.ask("/api/v1/health")[0] == 200)
