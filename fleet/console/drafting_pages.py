"""Script lines drafted by a language model: asked for, read by a person, taken one by one."""

from __future__ import annotations

import threading

from fleet.chat import Chat, NoReply, complete
from fleet.console.ask import Answer, Ask, see_other
from fleet.console.console import Console
from fleet.console.drafted import Drafted
from fleet.console.pages import pages
from fleet.console.programme_pages import programme_of, with_drafted
from fleet.drafting import (
    LINE_CHARS_MAX,
    NOTES_CHARS_MAX,
    NotDraftable,
    Proposal,
    facts_of,
    judged,
    parsed,
    prompt,
    with_line,
)
from ota.clock import monotonic_s, utc_now

# One question at a time: an endpoint that hangs holds one thread of the server, never all.
_ASKING = threading.Lock()


def propose(console: Console, ask: Ask) -> Answer:
    """Ask the drafting server for lines on a product, and show them beside the draft."""
    programme = programme_of(console, ask)
    product, notes = _asked(ask)
    chat = console.authority.settings.drafting
    if chat is None:
        return _trouble(console, ask, programme, "drafting.off")
    if not _ASKING.acquire(blocking=False):
        return _trouble(console, ask, programme, "drafting.busy")
    begun_s = monotonic_s()
    try:
        proposals = _proposals(console, programme, chat, product, notes)
        why = words = ""
    except (NoReply, NotDraftable) as error:
        proposals, why, words = [], error.why, _words(ask, error)
    finally:
        _ASKING.release()
    console.journal.note(ask.person.name, "draft.proposed", programme, utc_now(), {
        "product": product, "lines": len(proposals), "why": why,
        "refused": sum(not each.may_be_taken for each in proposals),
        "took_ms": round((monotonic_s() - begun_s) * 1000),
    })  # fmt: skip
    return with_drafted(console, ask, programme, Drafted(product, notes, proposals, words))


def _proposals(
    console: Console, programme: str, chat: Chat, product: str, notes: str
) -> list[Proposal]:
    sources = facts_of(console.places.draft(programme), product, notes, utc_now())
    reply = complete(chat, prompt(sources, notes), console.places.chat_keys)
    found = parsed(reply, sources.programme.languages)
    if not found:
        raise NoReply("garbage")
    return [judged(sources, say) for say in found]


def take(console: Console, ask: Ask) -> Answer:
    """A person takes a line as it stands in the form: it is looked at again, then it is a new
    segment of the draft."""
    programme = programme_of(console, ask)
    product, notes = _asked(ask)
    try:
        sources = facts_of(console.places.draft(programme), product, notes, utc_now())
    except NotDraftable as error:
        return with_drafted(
            console, ask, programme, Drafted(product, notes, trouble=_words(ask, error)))
    say = {each: ask.form.get(f"say/{each}", "")[: 4 * LINE_CHARS_MAX]
           for each in sources.programme.languages}
    proposal = judged(sources, say)
    if not proposal.may_be_taken:
        words = pages().text("drafting.untrue", ask.language)
        return with_drafted(
            console, ask, programme, Drafted(product, notes, [proposal], words))
    document, segment = with_line(
        console.publisher.draft(programme), proposal.say, product)
    if not segment:
        return _trouble(console, ask, programme, "drafting.full")
    console.publisher.save(programme, document, ask.person.name)
    console.journal.note(ask.person.name, "draft.taken", programme, utc_now(), {
        "segment": segment, "product": product, "unusual": list(proposal.unusual)})
    return see_other(f"/programmes/{programme}#segments")


def _asked(ask: Ask) -> tuple[str, str]:
    return ask.form.get("product", "")[:64], ask.form.get("notes", "")[:NOTES_CHARS_MAX]


def _words(ask: Ask, error: NoReply | NotDraftable) -> str:
    return pages().text(f"drafting.{error.why}", ask.language, detail=error.detail)


def _trouble(console: Console, ask: Ask, programme: str, key: str) -> Answer:
    words = pages().text(key, ask.language)
    return with_drafted(console, ask, programme, Drafted(*_asked(ask), trouble=words))
