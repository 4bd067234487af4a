"""What happens next: bus messages and time into conversation events, cues into the performer.

One thread. Everything slow (files, codes, cards) happens here, never in the present loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from device import messages as m
from device.bus import Bus
from device.conversation import cues, events
from device.conversation.script import Script
from device.conversation.state import State
from device.conversation.step import begin, step, upcoming
from device.programme.schema import Listen
from device.render.cards import Look
from device.stage.asking import (
    choice_of,
    facts_now,
    leaves_the_box,
    question_of,
    reply_event,
)
from device.stage.attract import Attract, greeting_of
from device.stage.calibration import Calibration
from device.stage.clips import answers_first
from device.stage.collector import Collector
from device.stage.day import ShopDay
from device.stage.incoming import listens, override_event, say_event
from device.stage.liveness import frozen_detail
from device.stage.performer import Performer
from device.stage.resume import Bookmark
from device.stage.standing import player_state
from device.stage.teller import Teller
from device.stage.ties import Ties
from device.stage.wardrobe import Wardrobe
from ota.clock import monotonic_ns, monotonic_s, utc_now
from ota.errors import Refused, VitrineError

TICK_S = 0.25
REPORT_S = 1.0
WAIT_S_MAX = 0.25
WAIT_S_MIN = 0.004
DEAF_S = 5.0  # an EarState, or a Seen, older than this says nothing any more
BUSY = ("listening", "answering", "fallback", "notice")
QUIET_S = 0.3  # of a pause between two sentences
COLD_MAX = 512
ANSWERS_KEPT = 1000
FAULT_CHARACTERS_MAX = 400

Snapshot = Callable[[], dict[str, Any]]
Orders = Callable[[m.Command], tuple[bool, dict[str, Any]]]


@dataclass
class Due:
    """When the repeating things are due next, monotonic seconds."""

    tick_s: float = 0.0
    report_s: float = 0.0
    deaf_s: float = 0.0
    blind_s: float = 0.0


class Director:
    """Runs until `leave`; the player's main thread presents meanwhile.

    `snapshot` gives the fields of PlayerState that the stage knows; `orders` carries out
    the console's commands that are not words or settings.
    """

    def __init__(
        self, bus: Bus, performer: Performer, look: Look, snapshot: Snapshot, orders: Orders,
        on_sentence_end: Callable[[], None], bookmark: Bookmark,
    ) -> None:
        self._bus, self._performer, self._look = bus, performer, look
        self._snapshot, self._orders = snapshot, orders
        self._on_sentence_end, self._bookmark = on_sentence_end, bookmark
        self._state: State | None = None
        self._wanted: m.ContentReady | None = None
        self._dressed: Script | None = None
        self._wardrobe: Wardrobe | None = None
        self._cold: deque[Path] = deque(maxlen=COLD_MAX)
        self._leave = threading.Event()
        self._due = Due()
        self._attract = Attract()
        self._collector = Collector()
        self.fault: str | None = None
        self.box = ""
        self.day = ShopDay()
        self.question_to_sound_ms: deque[float] = deque(maxlen=ANSWERS_KEPT)
        self.ties = Ties()
        self._muted = False
        self._teller = Teller(bus.publish)

    def begin_with(self, folder: Path) -> None:
        """Play this programme without waiting for the agent."""
        self._take(m.ContentReady(path=str(folder), programme_id="", version=0))

    def leave(self) -> None:
        """Ask `run` to end; any thread."""
        self._leave.set()

    def run(self) -> None:
        """Receive, decide, do; each turn is short."""
        while not self._leave.is_set():
            message = self._bus.receive(self._patience_s())
            if message is not None:
                self._on_message(message)
            self._on_time()

    def turn(self) -> None:
        """One turn without waiting, for tests."""
        if (message := self._bus.receive(0.0)) is not None:
            self._on_message(message)
        self._on_time()

    def _patience_s(self) -> float:
        now_s = monotonic_s()
        left = [WAIT_S_MAX, self._due.tick_s - now_s, self._due.report_s - now_s]
        if (speech_s := self._performer.left_s()) is not None:
            left.append(speech_s)
        return max(WAIT_S_MIN, min(left))

    def _on_message(self, message: m.Message) -> None:
        match message:
            case m.Voice():
                self._step(events.VoiceStarted(message.certain, message.first)
                           if message.speaking else events.VoiceEnded())
            case m.Hearing():
                self._step(events.Hearing(message.text, message.language))
            case m.Heard():
                self.ties.questions.hears(message.text)
                self._step(events.Heard(message.text, message.language, message.confidence))
                self.ties.questions.hears("")
                self._note_answer(message.speech_end_ns)
            case m.Kept():
                self._teller.kept(message)
            case m.Reply():
                if (reply := reply_event(message)) is not None:
                    self._step(reply)
            case m.Seen():
                self._seen(message)
            case m.EarState():
                self._due.deaf_s = monotonic_s() + DEAF_S if message.ready else 0.0
                self._performer.microphone(listens(message))
            case m.ContentReady():
                self._take(message)
            case m.Command():
                self._command(message)
            case m.Override():
                notice = override_event(message)
                self._performer.override(message.say, message.show, notice.until)
                self._step(notice)

    def _note_answer(self, speech_end_ns: int) -> None:
        """From the end of the question to the answer's first sound at the loudspeaker."""
        saying = self._performer.saying
        if saying is None or saying.waits or saying.say.kind not in ("answer", "fallback"):
            return
        sounds_in_s = self._performer.sounds_in_s()
        self.question_to_sound_ms.append(
            (monotonic_s() + sounds_in_s) * 1e3 - speech_end_ns / 1e6)

    def _on_time(self) -> None:
        now_s = monotonic_s()
        self._performer.look_after()
        if self.ties.calibration is not None:
            self.ties.calibration.turn()
            self._hush_for(self.ties.calibration)
        if (driven := self._performer.live_change()) is not None:
            if driven:
                self.day.wake({})  # a person may speak after hours, too
            self._step(events.Driven(driven))
            self._report(now_s)
        if (key := self._performer.done_key()) is not None:
            self._on_sentence_end()
            self._step(events.SentenceDone(key))
            self._report(now_s)
            self._greet(now_s)
        if now_s >= self._due.tick_s:
            self._due.tick_s = now_s + TICK_S
            self._live_the_day()
            self._step(events.Tick(self.day.now()))
            if self._state is not None:
                self._performer.prepare(upcoming(self._state))
                for detail in self.ties.withheld.news(self._state.script, self.day.now()):
                    self._happened("withheld", detail)
        if now_s >= self._due.report_s:
            self._performer.hears(now_s < self._due.deaf_s)
            if now_s >= self._due.deaf_s:
                self._performer.microphone(False)
            self._performer.camera(now_s < self._due.blind_s)
            self._performer.warm(self._cold)
            self._make_sense()
            self._follow_questions()
            self._report(now_s)
        self._teller.turn()
        quiet = self._performer.saying is None or self._performer.sounds_in_s() > QUIET_S
        self._collector.turn(now_s, quiet)
        for sentence in self._performer.sound_news():
            self._happened("fault", {"from": "sound", "what": sentence})
        while self._performer.faults:
            self._fault(self._performer.faults.popleft())
        while self._performer.news:
            self._happened(*self._performer.news.popleft())

    def _make_sense(self) -> None:
        if self.ties.meanings is None:
            return
        if (script := self.ties.meanings.take()) is not None:
            self._step(events.Sensed(script))
        if (fault := self.ties.meanings.fault()) is not None:
            self._happened("fault", {"from": "player", "what": fault})

    def _live_the_day(self) -> None:
        """Rest while the shop is closed; the loudness of the hour."""
        rests = self.day.look().rests
        if self._state is not None and rests != self._state.resting:
            self._step(events.Resting(rests))
        # Closed: nobody is greeted, and the camera is off.
        wanted = self._wanted is not None and self._wanted.settings.attract
        listen = self._state.script.programme.listen if self._state else Listen()
        # The ear that listens to who stands there needs the camera as well.
        self._attract.on = (wanted or listen.mode == "presence") and not rests
        self.ties.listen_to(listen.key if listen.mode == "push" else None)
        self.ties.set_volume(self.day.volume())

    def _seen(self, seen: m.Seen) -> None:
        now_s = monotonic_s()
        self._due.blind_s = now_s + DEAF_S if seen.on else 0.0
        self._performer.camera(seen.on)
        self._attract.see(seen.size, now_s, self._is_busy())
        if self._performer.saying is None:
            self._greet(now_s)

    def _is_busy(self) -> bool:
        return self._state is None or self._state.mode in BUSY

    def _greet(self, now_s: float) -> None:
        """Say the greeting that is due, between two sentences."""
        if not self._attract.take(now_s, self._is_busy()) or self._state is None:
            return
        segment_id = greeting_of(self._state.script.programme)
        if segment_id is not None:
            self._step(events.SayNow(segment_id=segment_id))
            self._performer.greet()
            self._happened("attract", {"segment": segment_id})

    def _step(self, event: events.Event) -> None:
        if self._state is None:
            return
        before = self._state
        self._state, found = step(before, event, monotonic_s())
        if self._state.script is not self._dressed:
            self._dress(self._state.script)
        # Words on screen take some milliseconds to draw: the sound goes first.
        for cue in sorted(found, key=lambda cue: isinstance(cue, cues.Caption)):
            if isinstance(cue, cues.Count):
                self._happened(cue.kind, cue.detail)
                if asked := self.ties.questions.counts(cue.kind, cue.detail, monotonic_s()):
                    self._bus.publish(asked)
            elif isinstance(cue, cues.AskBeyond):
                if (question := question_of(self._state, cue)) is not None:
                    self._bus.publish(question)
                    self._performer.expect_words()
            else:
                self._performer.perform(cue)
        if self._state.saying is not before.saying:
            self._bookmark.keep(self._state, utc_now())
            self._report(monotonic_s())

    def _take(self, content: m.ContentReady) -> None:
        """A programme, or new values for it: loaded here, begun at the next sentence."""
        if content == self._wanted:
            return
        before, self._wanted = self._wanted, content
        self.ties.set_offset(content.settings.av_offset_ms)
        self.day.follow(content.settings)
        self._performer.loudest(self.day.loudness.loudest)
        self._performer.outside(leaves_the_box(content.settings.answers))
        self._follow_questions()
        self.ties.set_volume(self.day.volume())
        try:
            script = Script.load(Path(content.path), content.variables,
                                 content.settings.variables_until, content.settings.groups)
        except VitrineError as error:
            self._fault(str(error))
            return
        self.fault = None
        self._performer.record.comes(script, content.seq)
        self._wardrobe = Wardrobe(self._look, script)
        self._wardrobe.draw_all()
        if content.settings.answers is not None:
            facts_now(script, self.day.now())  # read now, not while somebody waits
        if self.ties.meanings is not None:
            self.ties.meanings.want(script.with_meaning)
        self._performer.cool(script)
        self._cold.extend(answers_first(script, COLD_MAX))
        language = content.settings.language
        if self._state is None:
            self._state = replace(
                begin(script, language, seed=monotonic_ns()),
                beyond_s=choice_of(content.settings).limit_s)
            self._due.tick_s = 0.0
            self._collector.leave_alone()
            self._go_on_after_a_death(script.programme.id)
            return
        self._step(choice_of(content.settings))
        self._step(events.ProgrammeChanged(script))
        if before is None or before.settings.language != language:
            self._step(events.LanguageChosen(language))

    def _go_on_after_a_death(self, programme_id: str) -> None:
        found = self._bookmark.found(programme_id, utc_now())
        if found is None:
            return
        if found.fault is not None:
            self._fault(found.fault)
        self._happened("resumed", {"line": f"{found.event.kind}/{found.event.item_id}",
                                   "sentence": found.event.number, "deaths": found.deaths})
        self._step(found.event)

    def _dress(self, script: Script) -> None:
        before, self._dressed = self._dressed, script
        if before is not None and before.programme is script.programme and (
                before.variables is script.variables):
            return  # it understands more, it looks the same
        if script.programme.avatar.id != self.ties.avatar_id:
            self.ties.give_way(script.programme.avatar.id)
        ready = self._wardrobe
        fits = ready is not None and ready.script is script
        self._performer.dress(ready if ready and fits else Wardrobe(self._look, script))

    def _command(self, command: m.Command) -> None:
        try:
            if command.name == "say":
                ok, result = self._say_now(command.args)
            elif command.name == "identify":
                self._performer.identify(self.box)
                ok, result = True, {"shown": self.box}
            elif command.name == "calibrate" and self.ties.calibration is not None:
                if command.args.get("kept"):  # the box's own setting was written or removed
                    self.ties.set_offset(
                        self._wanted.settings.av_offset_ms if self._wanted else None)
                ok, result = True, self.ties.calibration.order(command.args)
                self._hush_for(self.ties.calibration)
            elif command.name == "reload" and self._wanted is not None:
                again, self._wanted = self._wanted, None
                self._take(again)
                ok, result = self.fault is None, {"fault": self.fault}
            elif command.name == "wake":
                ok, result = True, self.day.wake(command.args)
            else:
                ok, result = self._orders(command)
                if command.name == "volume":
                    self.day.order_volume(float(command.args["volume"]))
        except VitrineError as error:
            ok, result = False, {"error": str(error)[:FAULT_CHARACTERS_MAX]}
        self._bus.publish(m.CommandDone(id=command.id, ok=ok, result=result))

    def _hush_for(self, page: Calibration) -> None:
        """No words while somebody listens to the beeps."""
        if self._state is not None and page.on != self._muted:
            self._muted = page.on
            self._step(events.Muted(page.on))

    def _say_now(self, args: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        if self._state is not None and self._state.driven:
            raise Refused("A person speaks through this screen now; try again afterwards.")
        self._step(say_event(args))
        return self._state is not None, {}

    def _report(self, now_s: float) -> None:
        self._due.report_s = now_s + REPORT_S
        self._bus.publish(player_state(
            self._state, self._performer, self._attract.on, self.fault, self._snapshot()))

    def _follow_questions(self) -> None:
        on = self._wanted is not None and self._wanted.settings.unanswered_text
        self._performer.passed_on(on)
        self.ties.questions.follow(on, *self._performer.seen())

    def _happened(self, kind: str, detail: dict[str, Any]) -> None:
        self._teller.tell(kind, self._performer.record.row(kind, detail))

    def _fault(self, sentence: str) -> None:
        self.fault = sentence[:FAULT_CHARACTERS_MAX]
        self._happened("fault", {"from": "player", "what": self.fault})

    def picture_froze(self, seconds: float) -> None:
        """Any thread: the last word before this process leaves."""
        self._happened("fault", frozen_detail(seconds))
