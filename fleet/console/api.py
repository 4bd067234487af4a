"""`/api/v1` for programs and `/enrol` for boxes. Every error is `{"error": sentence, ...}`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from fleet.console.ask import Answer, Ask, NotFound, Route, json_answer
from fleet.console.console import Console
from fleet.downloads import faults_in
from fleet.pictures import put_picture
from fleet.store.boxes import Box
from fleet.store.programmes import Version
from fleet.store.proof import BEGIN, Proof, place_of
from fleet.store.proof import PAGE as PROOF_PAGE
from fleet.store_values import checked, until_of
from ota.clock import utc_now
from ota.errors import Refused

API = "/api/v1"
WAIT_MAX_S = 30


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """What a box sends to be enrolled."""

    ticket: str
    csr_pem: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A place that shall get a box."""

    box: str
    minutes: int = 60
    label: str = ""


class CommandWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A command for one box (contract B6)."""

    name: str
    args: dict[str, Any] = {}


class PublishWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Publish the draft, or with `back_to` an older version under a new number."""

    note: str = ""
    back_to: int | None = None


class BoxWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to change on one box; absent fields stay."""

    label: str | None = None
    programme: str | None = None
    settings: dict[str, Any] | None = None
    variables: dict[str, str] | None = None
    override: dict[str, Any] | None = None


class DraftWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A whole `programme.json` (contract B3)."""

    document: dict[str, Any]


def health(console: Console, _ask: Ask) -> Answer:
    """Is the server ready to publish, is the broker there."""
    preparing = console.publisher.preparing
    return json_answer(
        {
            "ready": preparing.ready and console.line.is_up,
            "publisher": asdict(preparing),
            "broker": {"up": console.line.is_up, "trouble": console.line.trouble},
            "chain": console.authority.settings.chain,
            "repository": console.pruner.told(),
        }
    )


def list_boxes(console: Console, ask: Ask) -> Answer:
    """Boxes by name, `?q=`, `?only=silent|on_air|drifted|unlabelled`, `?after=`, `?limit=`."""
    limit = ask.number("limit", 100, 1, 500)
    found = console.boxes.page(
        ask.query.get("q", ""), ask.query.get("only", ""), ask.query.get("after", ""), limit
    )
    return json_answer(
        {
            "boxes": [box_json(box) for box in found],
            "counts": asdict(console.boxes.counts()),
            "next": found[-1].id if len(found) == limit else None,
        }
    )


def get_box(console: Console, ask: Ask) -> Answer:
    """One box with its desired and reported state."""
    return json_answer(box_json(_box(console, ask)))


def put_box(console: Console, ask: Ask) -> Answer:
    """Change label, programme, settings, variables or the emergency notice of one box."""
    box = _box(console, ask)
    wanted: BoxWanted = ask.decoded(BoxWanted)
    if wanted.label is not None:
        console.boxes.rename(box.id, wanted.label)
    programme = None
    if wanted.programme is not None:
        programme = console.publisher.wanted(wanted.programme)
        if programme is None:
            raise Refused(f"{wanted.programme!r} is not published yet; publish it first.")
        console.boxes.assign(box.id, wanted.programme)
    changes = (wanted.settings, wanted.variables, wanted.override)
    if any(change is not None for change in changes):
        settings = {**box.settings, **(wanted.settings or {})}
        if settings.get("download", {}) is None:
            del settings["download"]  # as its group or its chain
        elif "download" in (wanted.settings or {}) and (faults := faults_in(settings["download"])):
            raise Refused(faults[0].sentence_en)
        if wanted.variables is not None:
            versions = console.programmes.versions(wanted.programme or box.programme, 1)
            document = versions[0].document if versions else {}
            checked(document, wanted.variables)
            found = until_of(document, {}, wanted.variables, {}, utc_now(), all_new=True)
            settings["variables_until"] = {
                **found, **((wanted.settings or {}).get("variables_until") or {})}
        console.boxes.set_wishes(
            box.id,
            settings,
            box.variables if wanted.variables is None else wanted.variables,
            box.notice if wanted.override is None else wanted.override,
        )
    if programme is not None or any(change is not None for change in changes):
        try:
            console.wishes.renew([box.id], programme)
        except Refused:
            console.boxes.set_wishes(box.id, box.settings, box.variables, box.notice)
            raise
    if wanted.variables is not None and wanted.variables != box.variables:
        console.publisher.values_changed(wanted.programme or box.programme, ask.person.name)
    changed = {k: v for k, v in msgspec.to_builtins(wanted).items() if v is not None}
    console.journal.note(ask.person.name, "box.changed", box.id, utc_now(), changed)
    console.hub.announce("box", box.id)
    return json_answer(box_json(_box(console, ask)))


def delete_box(console: Console, ask: Ask) -> Answer:
    """Revoke the box's certificate and take it out of the lists."""
    if not console.retire(ask.parts["box"], ask.person.name):
        raise NotFound
    return json_answer({"ok": True})


def post_command(console: Console, ask: Ask) -> Answer:
    """Send a command; `?wait_s=` waits for the answer."""
    wanted: CommandWanted = ask.decoded(CommandWanted)
    box = _box(console, ask)
    order_id = console.orders.send(box.id, wanted.name, wanted.args, ask.person.name)
    line = console.orders.wait(order_id, ask.number("wait_s", 0, 0, WAIT_MAX_S))
    return json_answer(asdict(line) if line else {"id": order_id}, 202)


def get_command(console: Console, ask: Ask) -> Answer:
    """A command and its answer; `?wait_s=` waits for it."""
    line = console.orders.wait(ask.parts["order"], ask.number("wait_s", 0, 0, WAIT_MAX_S))
    if line is None:
        raise NotFound
    return json_answer(asdict(line))


def list_programmes(console: Console, _ask: Ask) -> Answer:
    """Programmes with their newest version."""
    return json_answer({"programmes": [asdict(p) for p in console.programmes.all()]})


def get_programme(console: Console, ask: Ask) -> Answer:
    """The draft, its faults and the versions."""
    programme = _programme_id(console, ask)
    return json_answer(
        {
            "id": programme,
            "document": console.publisher.draft(programme),
            "faults": [asdict(fault) for fault in console.publisher.faults(programme)],
            "versions": [version_json(v) for v in console.programmes.versions(programme)],
        }
    )


def put_programme(console: Console, ask: Ask) -> Answer:
    """Keep a draft; the answer names its faults. Nothing is published."""
    programme = _programme_id(console, ask)
    wanted: DraftWanted = ask.decoded(DraftWanted)
    faults = console.publisher.save(programme, wanted.document, ask.person.name)
    return json_answer({"id": programme, "faults": [asdict(fault) for fault in faults]})


def post_picture(console: Console, ask: Ask) -> Answer:
    """Keep a picture (the body: WebP, PNG or JPEG) for `?product=`; answers its path."""
    programme = _programme_id(console, ask)
    draft = console.places.draft(programme)
    path = put_picture(draft, ask.query.get("product", ""), ask.body)
    console.journal.note(ask.person.name, "picture.put", programme, utc_now(), {"path": path})
    return json_answer({"path": path}, 201)


def publish(console: Console, ask: Ask) -> Answer:
    """Publish the draft to every box of the programme; 422 with the faults when it has any."""
    programme = _programme_id(console, ask)
    wanted: PublishWanted = ask.decoded(PublishWanted)
    if wanted.back_to is not None:
        version = console.publisher.roll_back(programme, wanted.back_to, ask.person.name)
    else:
        version = console.publisher.publish(programme, ask.person.name, wanted.note)
    return json_answer(version_json(version))


def post_claim(console: Console, ask: Ask) -> Answer:
    """A ticket for a new or swapped box. Its text is shown once and not kept."""
    wanted: Claim = ask.decoded(Claim)
    return json_answer(make_claim(console, wanted, ask.person.name), 201)


def make_claim(console: Console, wanted: Claim, who: str) -> dict[str, Any]:
    """Make a ticket and write it into the audit: `{"ticket", "box", "until", "url"}`."""
    ticket, text = console.authority.ticket(wanted.box, wanted.minutes)
    now = utc_now()
    console.journal.ticket_made(ticket, who, now)
    console.journal.note(who, "ticket.made", ticket.box, now, {"until": ticket.until})
    return {"ticket": text, "box": ticket.box, "until": ticket.until, "url": ticket.url}


def list_claims(console: Console, _ask: Ask) -> Answer:
    """The newest tickets, used and open, without their texts."""
    return json_answer({"claims": [asdict(line) for line in console.journal.tickets()]})


def get_authority(console: Console, _ask: Ask) -> Answer:
    """The authority's certificate. A box believes it only when it matches its ticket's pin."""
    return Answer(console.authority.ca_pem, 200, "application/x-pem-file")


def enrol(console: Console, ask: Ask) -> Answer:
    """Spend a ticket: certificate, CA, `box.json`, first TUF root."""
    wanted: Enrolment = ask.decoded(Enrolment)
    answer = console.authority.enrol(wanted.ticket, wanted.csr_pem)
    console.enrolled(answer["box"]["box"])
    return json_answer(answer)


def list_audit(console: Console, ask: Ask) -> Answer:
    """Who did what; `?before=` pages back, `?about=` filters."""
    lines = console.journal.audit(
        ask.number("before", 0, 0, 2**53), ask.query.get("about", "")[:80], 200
    )
    return json_answer({"audit": [asdict(line) for line in lines]})


def list_events(console: Console, ask: Ask) -> Answer:
    """What happened on boxes; `?box=`, `?kind=`, `?limit=`."""
    lines = console.journal.events(
        ask.query.get("box", ""), ask.query.get("kind", ""), ask.number("limit", 200, 1, 5000)
    )
    return json_answer({"events": [asdict(line) for line in lines]})


def list_played(console: Console, ask: Ask) -> Answer:
    """Proof of play: how often each line was said on `?day=` (UTC), `?box=`."""
    day = ask.query.get("day") or utc_now().date().isoformat()
    lines = console.journal.played_on(day[:10], ask.query.get("box", ""))
    return json_answer(
        {"day": day[:10], "played": [{"programme": p, "line": x, "count": n} for p, x, n in lines]}
    )


def list_proof(console: Console, ask: Ask) -> Answer:
    """Proof of speech, rows and signed heads by box and number; `?box=`, `?after=` (`next`)."""
    try:
        after = msgspec.json.decode(ask.query.get("after", "") or "null")
        place = BEGIN if after is None else place_of(after)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused("`after` is no place of this list; take it from `next`.") from error
    found = Proof(console.database).page(ask.query.get("box", ""), place)
    return json_answer(
        {
            "proof": [row.as_json() for row in found],
            "next": found[-1].place if len(found) == PROOF_PAGE else None,
            "authority_pem": console.authority.ca_pem.decode(),
        }
    )


def box_json(box: Box) -> dict[str, Any]:
    """One box as the API shows it."""
    return {**asdict(box), "drifted": box.drifted, "errors": box.errors}


def version_json(version: Version) -> dict[str, Any]:
    """One version without its document."""
    return {key: value for key, value in asdict(version).items() if key != "document"}


def _box(console: Console, ask: Ask) -> Box:
    box = console.boxes.get(ask.parts["box"])
    if box is None:
        raise NotFound
    return box


def _programme_id(console: Console, ask: Ask) -> str:
    programme = console.programmes.get(ask.parts["programme"])
    if programme is None:
        raise NotFound
    return programme.id


ROUTES = (
    Route("GET", "/ca.pem", get_authority, True, True, "The authority's certificate"),
    Route("POST", "/enrol", enrol, True, True, "Enrol a box with a ticket", Enrolment),
    Route("GET", f"{API}/health", health, True, True, "Is the server ready"),
    Route("GET", f"{API}/boxes", list_boxes, is_api=True, summary="Boxes"),
    Route("GET", f"{API}/boxes/{{box}}", get_box, is_api=True, summary="One box"),
    Route("PUT", f"{API}/boxes/{{box}}", put_box, False, True, "Change a box", BoxWanted),
    Route("DELETE", f"{API}/boxes/{{box}}", delete_box, is_api=True, summary="Retire a box"),
    Route(
        "POST", f"{API}/boxes/{{box}}/commands", post_command, False, True, "Command", CommandWanted
    ),
    Route("GET", f"{API}/commands/{{order}}", get_command, is_api=True, summary="A command"),
    Route("GET", f"{API}/programmes", list_programmes, is_api=True, summary="Programmes"),
    Route("GET", f"{API}/programmes/{{programme}}", get_programme, is_api=True, summary="Draft"),
    Route(
        "PUT", f"{API}/programmes/{{programme}}", put_programme, False, True, "Keep", DraftWanted
    ),
    Route(
        "POST",
        f"{API}/programmes/{{programme}}/publish",
        publish,
        False,
        True,
        "Publish or undo",
        PublishWanted,
    ),
    Route(
        "POST",
        f"{API}/programmes/{{programme}}/pictures",
        post_picture,
        is_api=True,
        summary="Keep a product picture",
    ),
    Route("GET", f"{API}/claims", list_claims, is_api=True, summary="Enrolment tickets"),
    Route("POST", f"{API}/claims", post_claim, False, True, "Make a ticket", Claim),
    Route("GET", f"{API}/audit", list_audit, is_api=True, summary="Audit"),
    Route("GET", f"{API}/events", list_events, is_api=True, summary="Events"),
    Route("GET", f"{API}/played", list_played, is_api=True, summary="Proof of play"),
    Route("GET", f"{API}/proof", list_proof, is_api=True, summary="Proof of speech"),
)
