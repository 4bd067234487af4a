"""Download limits: for programs under `/api/v1/downloads`, and the form for people."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from device.messages import Download
from fleet.console.ask import Answer, Ask, NotFound, json_answer, see_other
from fleet.console.console import Console
from fleet.console.download_form import Typed, limits_words, sentences, shown, typed
from fleet.console.pages import pages, show
from fleet.console.programme_pages import Faults
from fleet.console.undoing import last_change
from fleet.downloads import CHANGED, Scope
from ota.errors import Refused, VitrineError


class DownloadWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in bytes (`null` in one of them: no limit); `null` as a whole: as what is above."""

    limits: Download | None


def get_download(console: Console, ask: Ask) -> Answer:
    """The limits of the chain, a group or a box: `own`, what `holds`, `from` whom, `boxes`."""
    return json_answer(_told(console, _scope(console, ask)))


def put_download(console: Console, ask: Ask) -> Answer:
    """Set or take away the limits of the chain, a group or a box. The boxes are told at once."""
    scope = _scope(console, ask)
    wanted: DownloadWanted = ask.decoded(DownloadWanted)
    console.downloads.limit(scope, wanted.limits, ask.person.name, console.wishes)
    _announce(console, scope)
    return json_answer(_told(console, scope))


def chain_download(console: Console, _ask: Ask) -> Answer:
    """The chain's form is the first one."""
    return see_other(f"/downloads/chain/{quote(console.downloads.chain.name)}")


def download(console: Console, ask: Ask) -> Answer:
    """The form of one scope."""
    scope = _scope(console, ask)
    own, above = console.downloads.own(scope), _above(console, scope)
    return _page(console, ask, scope, shown(own, above[0]))


def save_download(console: Console, ask: Ask) -> Answer:
    """A button of the form: look, save, undo."""
    scope, do = _scope(console, ask), ask.form.get("do", "save")
    if do == "undo":
        line = last_change(console, CHANGED, scope.about)
        if line is None or ask.form.get("change") != str(line.number):
            raise NotFound
        before = line.detail.get("before")
        wanted = Typed(before is not None, {}, msgspec.convert(before, Download | None), [])
    else:
        wanted = typed(ask.form)
    if wanted.faults or do == "look":
        return _page(console, ask, scope, wanted, 422 if do != "look" else 200)
    try:
        console.downloads.limit(scope, wanted.limits, ask.person.name, console.wishes)
    except VitrineError as error:
        return _page(console, ask, scope, wanted, 422, str(error))
    _announce(console, scope)
    return see_other(f"/downloads/{scope.kind}/{quote(scope.name)}?saved=1")


def _page(
    console: Console, ask: Ask, scope: Scope, form: Typed, status: int = 200, refused: str = ""
) -> Answer:
    t = partial(pages().text, language=ask.language)
    usual, source = _above(console, scope)
    followers = console.downloads.followers(scope)
    line = last_change(console, CHANGED, scope.about)
    own = msgspec.to_builtins(console.downloads.own(scope))
    if line is not None and line.detail.get("after") != own:
        line = None  # a program has set others meanwhile
    before = None if line is None else msgspec.convert(line.detail.get("before"), Download | None)
    wanted = form.limits or usual
    return show(
        console, ask, "download.html", status,
        scope=scope, form=form, faults=Faults(form.faults), refused=refused,
        source=source, usual=limits_words(usual, t),
        preview=[] if form.faults else sentences(wanted, len(followers), t),
        last=line, before=limits_words(before, t) if before else t("download.above"),
        chain_scope=console.downloads.chain,
        groups=console.downloads.groups(),
        own_boxes=[box for box in console.boxes.every() if "download" in box.settings][:50],
        saved=ask.query.get("saved") == "1" and not form.faults and not refused,
    )


def _above(console: Console, scope: Scope) -> tuple[Download, str]:
    """What holds where this scope sets nothing, and whose it is, as a key of the texts."""
    if scope.kind == "box":
        box = console.boxes.get(scope.name)
        found = console.downloads.inherited(box) if box is not None else None
        if found is not None and found.scope is not None:
            return found.limits, found.scope.kind
        return Download(), "usual"
    of_chain = console.downloads.own(console.downloads.chain)
    if scope.kind == "group" and of_chain is not None:
        return of_chain, "chain"
    return Download(), "usual"


def _told(console: Console, scope: Scope) -> dict[str, Any]:
    own, (above, source) = console.downloads.own(scope), _above(console, scope)
    return {
        "own": msgspec.to_builtins(own),
        "holds": msgspec.to_builtins(own or above),
        "from": scope.kind if own is not None else source,
        "boxes": len(console.downloads.followers(scope)),
    }


def _scope(console: Console, ask: Ask) -> Scope:
    scope = Scope(ask.parts["kind"], ask.parts["name"])
    try:
        console.downloads.check_scope(scope)
    except Refused as error:
        raise NotFound from error
    return scope


def _announce(console: Console, scope: Scope) -> None:
    console.hub.announce(*(("box", scope.name) if scope.kind == "box" else ("counts", "")))
