"""The player's side of answering beyond the script: questions out, replies in, and the notice."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from device import messages as m
from device.conversation import cues, events
from device.conversation.beyond import messages
from device.conversation.facts import Facts
from device.conversation.script import Script
from device.conversation.speaking import BEYOND
from device.conversation.state import State
from ota.clock import monotonic_s


def facts_now(script: Script, now: datetime) -> Facts:
    """The facts of that moment; reading a large programme for the first time takes a second."""
    return Facts.of(script, now)


def question_of(state: State, cue: cues.AskBeyond) -> m.Question | None:
    """What the agent is to ask; None before the wall clock is known."""
    moment = state.now(monotonic_s())
    if moment is None:
        return None
    facts = facts_now(state.script, moment)
    return m.Question(
        id=str(cue.number), messages=messages(facts, cue.text, cue.language, state.showing))


def reply_event(reply: m.Reply) -> events.Replied | None:
    """The agent's reply, None for one with no number of ours."""
    if not reply.id.isdecimal():
        return None
    return events.Replied(int(reply.id), reply.text, reply.why, reply.took_ms)


def choice_of(settings: m.Settings) -> events.BeyondChosen:
    """What the settings allow."""
    answers = settings.answers
    return events.BeyondChosen(None if answers is None else answers.limit_ms / 1000)


def leaves_the_box(answers: m.AnswersFrom | None) -> bool:
    """Would a visitor's words go to another machine?"""
    if answers is None:
        return False
    try:
        host = urlsplit(answers.url).hostname or ""
    except ValueError:
        return True
    if host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def told_outside(saying: cues.Sentence | None) -> str | None:
    """What others may know of the sentence that sounds: not a reply that no programme holds."""
    if saying is None or saying.key.startswith(f"answer/{BEYOND}/"):
        return None
    return saying.text
