"""The pages for people: Today, Screens, one Screen, Enrolment, Audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from fleet.console.api import Claim, make_claim
from fleet.console.ask import LANGUAGES, Answer, Ask, NotFound, see_other
from fleet.console.console import Console
from fleet.console.day_form import curve_lines, day_settings
from fleet.console.qr import qr_svg
from fleet.console.templates import Pages
from fleet.console.web import fresh_csrf
from fleet.drafts import Document, languages_of
from fleet.store.boxes import PAGE, Box
from fleet.store.proof import Proof
from fleet.store_values import fields, groups_of, others, posted, until_of
from ota.clock import utc_now
from ota.errors import Refused, VitrineError

STATIC = Path(__file__).parent / "static"
STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
ONLY = ("on_air", "silent", "drifted", "unlabelled")
NOTICE_MINUTES = (10, 30, 60, 240)
SIMPLE_COMMANDS = ("identify", "screenshot", "selftest", "reload", "wake", "restart", "reboot",
                   "ota-check")


@cache
def pages() -> Pages:
    """The compiled templates, once a process."""
    return Pages()


def show(console: Console, ask: Ask, template: str, status: int = 200, **values: Any) -> Answer:
    """Render a page with what every page needs."""
    csrf, cookies = fresh_csrf(ask)
    html = pages().render(
        template,
        ask,
        csrf,
        chain=console.authority.settings.chain,
        line=console.line,
        preparing=console.publisher.preparing,
        counts=console.boxes.counts(),
        flash=ask.query.get("flash", "")[:300],
        **values,
    )
    return Answer(html.encode(), status, cookies=cookies)


def error_page(console: Console, ask: Ask, status: int, sentence: str) -> Answer:
    """A page that says what went wrong and where to go."""
    return show(console, ask, "error.html", status, number=status, sentence=sentence)


def today(console: Console, ask: Ask) -> Answer:
    """The four numbers, what needs a person, what was said."""
    day = utc_now().date().isoformat()
    attention = [
        box
        for only in ("unlabelled", "silent", "drifted")
        for box in console.boxes.page(only=only, limit=8)
    ]
    failing = [box for box in console.boxes.page(only="on_air", limit=PAGE) if box.errors]
    unique = list({box.id: box for box in [*attention, *failing]}.values())[:10]
    return show(
        console,
        ask,
        "today.html",
        attention=unique,
        programmes=console.programmes.all(),
        played=console.journal.played_on(day)[:10],
        played_total=console.journal.played_total(day),
        audit=console.journal.audit(limit=8),
        asked=console.journal.events(kind="asked", limit=6),
        wanted=console.journal.events(kind="unanswered", limit=6),
    )


@dataclass(frozen=True)
class Row:
    """One line of the table of screens."""

    box: Box
    beats: list[bool | None]


def screens(console: Console, ask: Ask) -> Answer:
    """The table; `?q=`, `?only=`, `?after=`."""
    only = ask.query.get("only", "")
    query = ask.query.get("q", "")[:80]
    found = console.boxes.page(query, only if only in ONLY else "", ask.query.get("after", ""))
    now = utc_now()
    rows = [Row(box, console.boxes.presence(box.id, now)) for box in found]
    after = found[-1].id if len(found) == PAGE else ""
    return show(
        console, ask, "screens.html", rows=rows, query=query, only=only, after=after, kinds=ONLY
    )


def screen(console: Console, ask: Ask) -> Answer:
    """One box: what it should do, what it does, how it is, what it was told."""
    return _screen(console, ask)


def _screen(console: Console, ask: Ask, fault: str = "", status: int = 200) -> Answer:
    box = _box(console, ask)
    now, document = utc_now(), _document(console, box.programme)
    until = box.settings.get("variables_until") or {}
    return show(
        console,
        ask,
        "screen.html",
        status,
        row=Row(box, console.boxes.presence(box.id, now)),
        box=box,
        lines=_lines(console, box),
        orders=console.journal.orders(box.id),
        events=console.journal.events(box.id, limit=15),
        said=Proof(console.database).said(box.id),
        played=console.journal.played_on(now.date().isoformat(), box.id)[:8],
        picture=console.journal.picture(box.id),
        curve=curve_lines(box.settings.get("volume_curve") or {}),
        commands=SIMPLE_COMMANDS,
        minutes=NOTICE_MINUTES,
        fault=fault,
        preview=_preview(console, box),
        now=now.isoformat(timespec="seconds"),
        health=_health(box),
        programmes=[p for p in console.programmes.all() if p.version],
        fields=fields(document, box.variables, until, ask.language),
        other_variables=others(document, box.variables),
        languages=languages_of(document),
        cards=[each.get("id", "") for each in document.get("products", [])],
    )


def _health(box: Box) -> list[tuple[str, str]]:
    """The readings of the last telemetry in people's units; unknown is shown as a dash."""
    found = box.telemetry.get("health")
    return [reading(*item) for item in found.items()] if isinstance(found, dict) else []


def reading(name: str, value: Any) -> tuple[str, str]:
    """`("disk_free_bytes", 12e9)` as `("disk free", "12.0 GB")`; units come from the name."""
    stem, _, unit = name.rpartition("_")
    words = name.replace("_", " ")
    if value is None:
        return words, "–"
    if isinstance(value, bool):
        return words, "✓" if value else "✗"
    if not isinstance(value, int | float):
        return words, str(value)[:80]
    shown = {
        "bytes": lambda: f"{value / 1e9:.1f} GB",
        "c": lambda: f"{value:.0f} °C",
        "percent": lambda: f"{value:.0f} %",
        "hz": lambda: f"{value / 1e6:.0f} MHz",
        "s": lambda: f"{value:.0f} s",
        "mw": lambda: f"{value / 1000:.1f} W",
        "w": lambda: f"{value:.1f} W",
        "rpm": lambda: f"{value:.0f} rpm",
    }.get(unit)
    return (stem.replace("_", " "), shown()) if shown else (words, f"{value:g}")


def _preview(console: Console, box: Box) -> str:
    url = console.authority.settings.preview_url.replace("{box}", box.id)
    return url if url.startswith(("http://", "https://")) else ""


def _lines(console: Console, box: Box) -> list[tuple[str, str]]:
    """(kind/id, words) of every line that `say` may name."""
    document = _document(console, box.programme)
    language = languages_of(document)[0]
    return [
        (f"{kind[:-1]}/{item['id']}", str(item.get("say", {}).get(language, ""))[:40])
        for kind in ("segments", "answers")
        for item in document.get(kind, [])
    ]


def send_command(console: Console, ask: Ask) -> Answer:
    """A button of the screen page."""
    box = _box(console, ask)
    name = ask.form.get("name", "")
    args: dict[str, Any] = {}
    if name == "say":
        kind, _, item = ask.form.get("line", "").partition("/")
        args = {kind: item}
    elif name == "volume":
        percent = ask.form.get("percent", "")
        args = {"volume": min(100, int(percent)) / 100 if percent.isdecimal() else 0.8}
    elif name not in SIMPLE_COMMANDS:
        raise NotFound
    try:
        order_id = console.orders.send(box.id, name, args, ask.person.name)
        console.orders.wait(order_id, 3.0)
    except VitrineError as error:
        return _screen(console, ask, str(error), 422)
    return see_other(f"/screens/{box.id}#orders")


def save_screen(console: Console, ask: Ask) -> Answer:
    """Name, programme, loudness, hours, screen and language of one box: signed state."""
    box = _box(console, ask)
    form = ask.form
    console.boxes.rename(box.id, form.get("label", box.label).strip())
    percent = form.get("percent", "")
    settings = {**box.settings}
    if percent.isdecimal():
        settings["volume"] = min(100, int(percent)) / 100
    settings["language"] = form.get("box_language") or None
    settings["attract"] = form.get("attract") == "on"
    settings["unanswered_text"] = form.get("unanswered_text") == "on"
    programme = form.get("programme", "")
    wanted = console.publisher.wanted(programme) if programme != box.programme else None
    if wanted is not None:
        console.boxes.assign(box.id, programme)
    try:
        document = _document(console, programme or box.programme)
        variables = posted(form, document)
        settings.update(day_settings(form))
        if "groups" in form:
            settings["groups"] = groups_of(form["groups"])
        settings["variables_until"] = until_of(
            document, box.variables, variables, settings.get("variables_until") or {}, utc_now(),
            all_new=False)
        console.boxes.set_wishes(box.id, settings, variables, box.notice)
        console.wishes.renew([box.id], wanted)
    except VitrineError as error:
        console.boxes.set_wishes(box.id, box.settings, box.variables, box.notice)
        return _screen(console, ask, str(error), 422)
    if variables != box.variables:
        console.publisher.values_changed(programme or box.programme, ask.person.name)
    detail = {"settings": settings, "variables": variables, "programme": programme}
    console.journal.note(ask.person.name, "box.changed", box.id, utc_now(), detail)
    return see_other(f"/screens/{box.id}")


def save_notice(console: Console, ask: Ask) -> Answer:
    """Begin or end the emergency notice of one box."""
    box = _box(console, ask)
    words = {lang: ask.form.get(f"say/{lang}", "").strip()[:300] for lang in LANGUAGES}
    say = {language: text for language, text in words.items() if text}
    minutes = ask.form.get("minutes", "30")
    until = utc_now() + timedelta(minutes=int(minutes) if minutes.isdecimal() else 30)
    notice: dict[str, Any] = {}
    card = ask.form.get("show", "")[:48]
    if ask.form.get("do") == "begin" and (say or card):
        notice = {"until": until.isoformat(timespec="seconds")}
        notice |= ({"say": say} if say else {}) | ({"show": card} if card else {})
    try:
        console.boxes.set_wishes(box.id, box.settings, box.variables, notice)
        console.wishes.renew([box.id])
    except VitrineError as error:
        console.boxes.set_wishes(box.id, box.settings, box.variables, box.notice)
        return _screen(console, ask, str(error), 422)
    what = "notice.begun" if notice else "notice.ended"
    console.journal.note(ask.person.name, what, box.id, utc_now(), notice)
    return see_other(f"/screens/{box.id}#notice")


def retire(console: Console, ask: Ask) -> Answer:
    """Take a box out of service; its name must be typed."""
    box = _box(console, ask)
    if ask.form.get("confirm", "").strip() != box.id:
        return _screen(console, ask, pages().text("retire.mistyped", ask.language), 422)
    console.retire(box.id, ask.person.name)
    return see_other("/screens")


def picture(console: Console, ask: Ask) -> Answer:
    """The newest screenshot of a box."""
    found = console.journal.picture(_box(console, ask).id)
    if found is None:
        raise NotFound
    return Answer(found[0], media_type="image/jpeg")


def enrolment(console: Console, ask: Ask) -> Answer:
    """Make a ticket; see the open and the used ones."""
    return show(
        console,
        ask,
        "enrolment.html",
        claim=None,
        tickets=console.journal.tickets(),
        fault="",
        wanted=ask.query.get("box", "")[:48],
    )


def make_ticket(console: Console, ask: Ask) -> Answer:
    """The ticket as text and QR, shown this once."""
    form = ask.form
    minutes = form.get("minutes", "60")
    claim, fault, code = None, "", ""
    try:
        wanted = Claim(box=form.get("box", "").strip(), minutes=int(minutes or "0"))
        claim = make_claim(console, wanted, ask.person.name)
        code = qr_svg(claim["ticket"])
    except (Refused, ValueError) as error:
        fault = str(error)
    return show(
        console,
        ask,
        "enrolment.html",
        422 if fault else 200,
        claim=claim,
        code=code,
        tickets=console.journal.tickets(),
        fault=fault,
        wanted=form.get("box", "")[:48],
    )


def audit(console: Console, ask: Ask) -> Answer:
    """Every action, newest first."""
    before = ask.number("before", 0, 0, 2**53)
    about = ask.query.get("about", "")[:80]
    lines = console.journal.audit(before, about, 100)
    details = {
        line.number: msgspec.json.encode(line.detail).decode() if line.detail else ""
        for line in lines
    }
    older = lines[-1].number if len(lines) == 100 else 0
    return show(console, ask, "audit.html", lines=lines, details=details, older=older, about=about)


def choose_language(_console: Console, ask: Ask) -> Answer:
    """Remember the reader's language and go back."""
    wanted = ask.query.get("to", "")
    back = ask.query.get("back", "/")
    # Only paths of this console: "//evil" would be another host.
    back = back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/"
    answer = see_other(quote(back, safe="/?=&%-._~"))
    if wanted not in LANGUAGES:
        return answer
    return Answer(status=303, headers=answer.headers, cookies={"vitrine_language": wanted})


def static(_console: Console, ask: Ask) -> Answer:
    """Style sheet, script and mark of the console."""
    name = ask.parts["name"]
    path = STATIC / name
    if "/" in name or path.suffix not in STATIC_TYPES or not path.is_file():
        raise NotFound
    return Answer(
        file=path,
        media_type=STATIC_TYPES[path.suffix],
        headers={"cache-control": "no-cache"},
    )


def _box(console: Console, ask: Ask) -> Box:
    box = console.boxes.get(ask.parts["box"])
    if box is None:
        raise NotFound
    return box


def _document(console: Console, programme: str) -> Document:
    """The newest published programme, {} before the first."""
    version = console.programmes.versions(programme, 1) if programme else []
    return version[0].document if version else {}
