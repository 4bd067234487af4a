"""What follows from what a visitor said: an answer, the fallback, or nothing. Pure."""

from __future__ import annotations

from dataclasses import replace

from device.conversation import events
from device.conversation.asking_back import ask_back, declined, question_of, reply_to
from device.conversation.beyond import doubt, line_of_reply
from device.conversation.context import Context, Resolved, resolve
from device.conversation.cues import AskBeyond, Caption, Count, Thinking
from device.conversation.facts import Facts
from device.conversation.interrupting import (
    HEARD_WAIT_S,
    has_words,
    heard_out,
    is_deaf,
    is_own_voice,
    one_more_useless,
)
from device.conversation.match import Match
from device.conversation.obeying import obey
from device.conversation.script import Item
from device.conversation.speaking import Moved, begin_line, hush, line_of, take_over
from device.conversation.state import AskedBack, Asking, Line, State, Voices
from device.programme.lines import SOLD_OUT
from device.programme.playable import may_say
from device.programme.schema import Answer

# So many times within so long it says that it does not know; then it is talk beside the kiosk.
FALLBACKS_MAX, FALLBACKS_S = 3, 60.0
# A programme without questions can answer nobody: once is enough.
FALLBACKS_MAX_MUTE = 1
COURIER_S = 0.3  # from player to agent and back, on top of the endpoint's own time


def heard(state: State, event: events.Heard, now_s: float) -> Moved:
    """A finished utterance."""
    state, louder = heard_out(state)
    if state.driven:
        return state, louder
    if is_own_voice(state, event.text, now_s) or not has_words(event.text):
        # Nobody asked anything: no reason to wait any longer.
        waits = state.mode == "listening" and state.resume is None and state.line is None
        return (state if waits else replace(state, wait_until_s=now_s)), louder
    if is_deaf(state, now_s):
        return state, louder
    state, cues = take_over(state)
    language = _language(state, event)
    before, state = state.asked_back, replace(state, asked_back=None)
    is_meant = reply_to(before, event.text, now_s)
    if is_meant is False:
        state, more = declined(state, language, now_s)
        return state, (*louder, *cues, *more, Caption(event.text, language))
    context = state.talk.context.at(now_s, state.showing)
    if is_meant and before is not None:
        language, resolved = before.language, _meant(before, context, state)
    else:
        resolved = resolve(event.text, language, context, state.script)
    caption = Caption(event.text, language)
    if resolved.match is None:
        state, more = obey(state, resolved, caption, now_s)
    else:
        state, more = _question(state, resolved, resolved.match, before, caption, now_s)
    return state, (*louder, *cues, *more)


def _question(
    state: State, resolved: Resolved, found: Match, before: AskedBack | None, caption: Caption,
    now_s: float,
) -> Moved:  # fmt: skip
    """Answer it; or say that it is sold out; or ask back, ask the endpoint, or say the fallback."""
    language, answer = caption.language, _answer_now(state, found.answer_id, now_s)
    if answer is None and (gone := _sold_out(state, found, language, now_s)) is not None:
        talk = replace(state.talk, last_s=now_s)
        state = replace(state, voices=_after(state.voices, True, now_s), talk=talk)
        state, stopped = hush(state)
        state, more = begin_line(state, gone, now_s)
        return state, (*stopped, caption, _asked(found, None, language, "sold out"), *more)
    if answer is None and (why := _not_for_us(state, now_s)):
        state = replace(state, wait_until_s=now_s) if state.saying is None else state
        return replace(state, asked_back=before), (_asked(found, None, language, why),)
    state = replace(state, voices=_after(state.voices, answer is not None, now_s))
    state, stopped = hush(state)
    asked = _asked(found, answer, language)
    if answer is not None:
        also = _answer_now(state, resolved.also.answer_id, now_s) if resolved.also else None
        also_line = _line_now(state, also, language, now_s) if also else None
        context = state.talk.context.at(now_s, state.showing).after(resolved, language, now_s)
        talk = replace(state.talk, context=context, last_s=now_s)
        state = replace(state, also=also_line, talk=talk)
    elif state.beyond_s is not None:
        state, more = ask_beyond(state, caption.text or "", language, now_s)
        return state, (*stopped, caption, asked, *more)
    elif (maybe := _answer_now(state, found.maybe, now_s)) is not None and (
            back := ask_back(state, maybe, language, now_s, before)) is not None:
        state, line, question = back
        asked.detail["asked_back"] = maybe.id
        state, more = begin_line(state, line, now_s)
        return state, (*stopped, asked, *more, Caption(question, language, asked_back=True))
    state, more = answered(state, answer, language, now_s)
    return state, (*stopped, caption, asked, *more)


def _meant(asked: AskedBack, context: Context, state: State) -> Resolved:
    """Yes: as if the question had been asked in the programme's own words."""
    answer = state.script.programme.answer(asked.answer_id)
    question = question_of(answer, asked.language) if answer else ""
    resolved = resolve(question, asked.language, context, state.script)
    return replace(resolved, kind="question", match=Match(asked.answer_id, 1.0, "asked back"))


def _language(state: State, event: events.Heard) -> str:
    """The language to answer in: the one that was asked for, else the one that was spoken."""
    languages = state.script.programme.languages
    if state.talk.language in languages:
        return str(state.talk.language)
    return visitor_language(event.text, event.language, languages)


def answered(state: State, answer: Answer | None, language: str, now_s: float) -> Moved:
    """Say the answer, or the fallback where there is none (in that language)."""
    line = _line_now(state, answer, language, now_s) if answer else None
    line = line or _line_now(state, state.script.programme.fallback, language, now_s)
    if line is None:
        return replace(state, mode="listening", wait_until_s=now_s + HEARD_WAIT_S), ()
    if line.kind == "fallback" and line.show is None:
        line = replace(line, show=state.showing)
    return begin_line(state, line, now_s)


def ask_beyond(state: State, text: str, language: str, now_s: float) -> Moved:
    """No answer fits: ask the endpoint, and wait as long as the shop allows."""
    number, until_s = state.asked_beyond + 1, now_s + (state.beyond_s or 0.0) + COURIER_S
    state = replace(
        state, mode="listening", wait_until_s=until_s, asked_beyond=number,
        asking=Asking(number, language, until_s),
    )  # fmt: skip
    return state, (AskBeyond(number, text, language), Thinking())


def replied(state: State, event: events.Replied, now_s: float) -> Moved:
    """The endpoint's reply, if it is still waited for: said when all of it is a fact."""
    asking, moment = state.asking, state.now(now_s)
    if asking is None or event.number != asking.number or moment is None:
        return state, ()
    state, cues = take_over(state)
    facts = Facts.of(state.script, moment)
    why = event.why
    if event.text is not None:
        why = doubt(facts, event.text, asking.language, state.showing)
    if event.text is None or why:
        state, more = no_reply(state, why or "no answer", now_s, event.took_ms)
        return state, (*cues, *more)
    line = line_of_reply(facts, event.text, asking.language)
    line = line if line.show else replace(line, show=state.showing)
    state = replace(state, asking=None, talk=replace(state.talk, last_s=now_s))
    counted = Count("beyond", {"ok": True, "why": "", "took_ms": round(event.took_ms)})
    state, more = begin_line(state, line, now_s)
    return state, (*cues, counted, *more)


def no_reply(state: State, why: str, now_s: float, took_ms: float = 0.0) -> Moved:
    """Nothing that may be said has come: the script's own words."""
    assert state.asking is not None
    language = state.asking.language
    counted = Count("beyond", {"ok": False, "why": why, "took_ms": round(took_ms)})
    state, cues = answered(replace(state, asking=None), None, language, now_s)
    return state, (counted, *cues)


def _not_for_us(state: State, now_s: float) -> str:
    """Why words without an answer are most likely talk beside the kiosk; "" when they are not."""
    voices, line = state.voices, state.line
    busy = state.saying is not None or voices.stopped_at_s is not None
    if busy and line is not None and line.kind in ("answer", "fallback", "notice"):
        return "while answering"
    if now_s < voices.calm_until_s:
        return "talk beside the kiosk"
    most = FALLBACKS_MAX if state.script.programme.answers else FALLBACKS_MAX_MUTE
    said = [at_s for at_s in voices.unanswered_at_s if now_s - at_s < FALLBACKS_S]
    return "talk beside the kiosk" if len(said) >= most else ""


def _after(voices: Voices, answered: bool, now_s: float) -> Voices:
    """Somebody who gets an answer is a visitor; who gets none may be talking to another one."""
    if answered:
        return replace(voices, useless_at_s=(), calm_until_s=now_s, unanswered_at_s=())
    if voices.stopped_at_s is not None:
        voices = one_more_useless(voices, now_s)
    recent = (*voices.unanswered_at_s, now_s)[-FALLBACKS_MAX:]
    return replace(voices, unanswered_at_s=recent)


def _answer_now(state: State, answer_id: str | None, now_s: float) -> Answer | None:
    """That answer, unless it may not be said (any more)."""
    programme = state.script.programme
    answer = programme.answer(answer_id) if answer_id else None
    moment = state.now(now_s)
    if answer is None or moment is None or not may_say(programme, answer, moment):
        return None
    return answer


def _line_now(state: State, item: Item, language: str, now_s: float) -> Line | None:
    return line_of(state.script, item, language, state.now(now_s))


def _sold_out(state: State, found: Match, language: str, now_s: float) -> Line | None:
    """The words for a question about something of which the store has none left."""
    moment, written = state.now(now_s), state.script.whole.sold_out
    if moment is None or found.answer_id is None or written is None:
        return None
    sentences = state.script.sold_out(found.answer_id, language, moment)
    if not sentences:
        return None
    return Line("fallback", SOLD_OUT, sentences, 0, written.show, written.gesture)


def _asked(found: Match, answer: Answer | None, language: str, beside: str = "") -> Count:
    why = found.why or ("not valid now" if found.answer_id and answer is None else "")
    return Count(
        "asked",
        {
            "answer_id": answer.id if answer else None,
            "language": language,
            "score": round(found.score, 3),
            "why": beside or why,
        },
    )


def visitor_language(text: str, heard: str, languages: tuple[str, ...]) -> str:
    """The programme's language that the visitor spoke: by the script first, then by the ear."""
    family = "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else heard.split("-")[0] or "en"
    if family == "zh" and not any("\u4e00" <= c <= "\u9fff" for c in text):
        family = "en"
    return next((each for each in languages if each.split("-")[0] == family), languages[0])
