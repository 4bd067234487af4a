"""What other processes tell the player: the console's words as events, the ear's state."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from device import messages as m
from device.conversation import cues, events
from ota.errors import Refused

NOTICE_CHARACTERS_MAX = 600


def say_event(args: dict[str, Any]) -> events.SayNow:
    """The order `say`: a line of the programme, or a text. Raises Refused without either."""
    segment, answer, text = args.get("segment"), args.get("answer"), args.get("text")
    if isinstance(segment, str):
        return events.SayNow(segment_id=segment)
    if isinstance(answer, str):
        return events.SayNow(answer_id=answer)
    if isinstance(text, str) and text:
        words = text[:NOTICE_CHARACTERS_MAX]
        return events.SayNow(sentences=(cues.Sentence("notice/console/-/0", words, "", None),))
    raise Refused("say needs a text, or the id of a segment or an answer.")


def override_event(message: m.Override) -> events.Override:
    """The emergency notice, in every language that was sent."""
    sentences = tuple(
        cues.Sentence(f"notice/override/{language}/0", text, language, None)
        for language, text in (message.say or {}).items())
    return events.Override(sentences, message.show, _moment(message.until))


def _moment(text: str | None) -> datetime | None:
    """An ISO moment, aware; None for none or nonsense: a notice then stays until taken back."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=timezone.utc) if found and found.tzinfo is None else found


def listens(ear: m.EarState) -> bool:
    """Is sound of the shop looked through for words, be it for a wake phrase alone?"""
    return ear.ready and ear.listening != "deaf" and ear.level_dbfs is not None
