"""The programme editor: a form over the draft, faults beside their fields, publish and undo."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import msgspec

from fleet.console.ask import Answer, Ask, NotFound, see_other
from fleet.console.console import Console
from fleet.console.drafted import Drafted
from fleet.console.pages import pages, show
from fleet.drafts import (
    Document,
    RestBroken,
    changed_fields,
    differences,
    languages_of,
    rest_of,
    theme_of,
    with_fields,
    with_new_item,
    with_rest,
    without_item,
)
from fleet.publisher import NotPlayable, blocking
from fleet.studio import Fault
from ota.errors import VitrineError

IMAGE_TYPES = {
    ".webp": "image/webp",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


@dataclass(frozen=True)
class Faults:
    """Faults by the field they belong to; the rest is shown on top."""

    all: list[Fault]

    def at(self, path: str) -> list[Fault]:
        """Faults of this very field, or of a part of it."""
        return [f for f in self.all if f.field == path or f.field.startswith(path + "/")]

    def of(self, path: str) -> list[Fault]:
        """Faults that name an entry as a whole (`products/2`)."""
        return [fault for fault in self.all if fault.field == path]


def programmes(console: Console, ask: Ask) -> Answer:
    """The list; with one programme only, straight to it."""
    found = console.programmes.all()
    if len(found) == 1:
        return see_other(f"/programmes/{found[0].id}")
    return show(console, ask, "programmes.html", programmes=found)


def editor(console: Console, ask: Ask) -> Answer:
    """The draft as a form."""
    programme = programme_of(console, ask)
    document = console.publisher.draft(programme)
    return _editor(console, ask, programme, document, console.publisher.faults(programme))


def _editor(
    console: Console,
    ask: Ask,
    programme: str,
    document: Document,
    faults: list[Fault],
    refused: str = "",
    rest: str | None = None,
    status: int = 200,
    drafted: Drafted | None = None,
) -> Answer:
    versions = console.programmes.versions(programme)
    changes = differences(versions[0].document, document) if versions else []
    data = console.publisher.draft_bytes(programme)
    shown_rest = rest
    if shown_rest is None:
        shown_rest = msgspec.json.format(msgspec.json.encode(rest_of(document)), indent=2).decode()
    return show(
        console,
        ask,
        "programme.html",
        status,
        programme=programme,
        known=console.programmes.get(programme),
        document=document,
        languages=languages_of(document),
        theme=theme_of(document),
        faults=Faults(faults),
        blocked=bool(blocking(faults)),
        refused=refused,
        rest=shown_rest,
        revision=_revision(data),
        versions=versions,
        changes=changes,
        changed=changed_fields(document, changes),
        page=ask.form.get("page", "")[:40] or secrets.token_hex(8),
        boxes=len(console.boxes.with_programme(programme)),
        drafting=console.authority.settings.drafting is not None,
        drafted=drafted,
        just_published=ask.query.get("published") == "1" and not refused,
    )


def with_drafted(console: Console, ask: Ask, programme: str, drafted: Drafted) -> Answer:
    """The editor with proposed lines, or with the reason why there are none."""
    document = console.publisher.draft(programme)
    status = 422 if drafted.trouble else 200
    faults = console.publisher.faults(programme)
    return _editor(console, ask, programme, document, faults, status=status, drafted=drafted)


def edit(console: Console, ask: Ask) -> Answer:
    """Every button of the editor: save, publish, add, remove, discard."""
    programme = programme_of(console, ask)
    form, do = ask.form, ask.form.get("do", "save")
    own_page = console.publisher.is_last_page(programme, form.get("page", ""))
    if not own_page and form.get("revision") != _revision(console.publisher.draft_bytes(programme)):
        fault = pages().text("editor.conflict", ask.language)
        document = console.publisher.draft(programme)
        faults = console.publisher.faults(programme)
        return _editor(console, ask, programme, document, faults, fault, status=409)
    document = with_fields(console.publisher.draft(programme), form)
    try:
        document = with_rest(document, form.get("rest", "{}"))
    except RestBroken as broken:
        return _editor(
            console,
            ask,
            programme,
            document,
            [broken.fault],
            broken.fault.sentence(ask.language),
            form.get("rest", ""),
            422,
        )
    if do.startswith("add:"):
        document = with_new_item(document, do[4:])
    elif do.startswith("remove:"):
        document = without_item(document, do[7:])
    elif do == "discard":
        newest = console.programmes.versions(programme, 1)
        document = newest[0].document if newest else document
    faults = console.publisher.save(programme, document, ask.person.name, form.get("page", "")[:40])
    if do.startswith(("add:", "remove:")):
        kind = do.partition(":")[2].partition("/")[0]
        return see_other(f"/programmes/{programme}#{kind}")
    if do != "publish":
        return see_other(f"/programmes/{programme}")
    return _publish(console, ask, programme, faults)


def _publish(console: Console, ask: Ask, programme: str, faults: list[Fault]) -> Answer:
    try:
        console.publisher.publish(programme, ask.person.name, ask.form.get("note", ""))
    except NotPlayable as error:
        sentence = pages().text("editor.refused", ask.language, n=len(error.faults))
        document = console.publisher.draft(programme)
        return _editor(console, ask, programme, document, error.faults, sentence, status=422)
    except VitrineError as error:
        document = console.publisher.draft(programme)
        return _editor(console, ask, programme, document, faults, str(error), status=422)
    return see_other(f"/programmes/{programme}?published=1")


def undo(console: Console, ask: Ask) -> Answer:
    """Publish an older version's document under a new number."""
    programme = programme_of(console, ask)
    to = ask.form.get("to", "")
    if not to.isdecimal():
        raise NotFound
    try:
        console.publisher.roll_back(programme, int(to), ask.person.name)
    except VitrineError as error:
        faults = error.faults if isinstance(error, NotPlayable) else []
        document = console.publisher.draft(programme)
        return _editor(console, ask, programme, document, faults, str(error), status=422)
    return see_other(f"/programmes/{programme}?published=1#versions")


def version(console: Console, ask: Ask) -> Answer:
    """What one version changed, and its whole document."""
    programme = programme_of(console, ask)
    number = ask.parts["version"]
    found = console.programmes.version(programme, int(number)) if number.isdecimal() else None
    if found is None:
        raise NotFound
    before = [v for v in console.programmes.versions(programme, 500) if v.version < found.version]
    changes = differences(before[0].document if before else {}, found.document)
    text = msgspec.json.format(msgspec.json.encode(found.document), indent=2).decode()
    return show(
        console,
        ask,
        "version.html",
        programme=programme,
        version=found,
        changes=changes,
        text=text,
        first=not before,
    )


def asset(console: Console, ask: Ask) -> Answer:
    """A picture of the draft, for the product table."""
    programme = programme_of(console, ask)
    root = console.places.draft(programme).resolve()
    path = (root / ask.parts["path"]).resolve()
    if not path.is_relative_to(root) or path.suffix.lower() not in IMAGE_TYPES:
        raise NotFound
    if not path.is_file():
        raise NotFound
    return Answer(
        file=path,
        media_type=IMAGE_TYPES[path.suffix.lower()],
        headers={"cache-control": "no-cache"},
    )


def programme_of(console: Console, ask: Ask) -> str:
    """The programme that the address names. Raises NotFound."""
    known = console.programmes.get(ask.parts["programme"])
    if known is None:
        raise NotFound
    return known.id


def _revision(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
