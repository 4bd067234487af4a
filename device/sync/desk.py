"""Where the agent decides: every event in, messages to broker and bus out. One thread."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.hal.base import Hal
from device.hal.health import judge
from device.messages import (
    AnswersFrom,
    CommandDone,
    EarState,
    Event,
    Happened,
    Json,
    Kept,
    Message,
    PlayerState,
    Question,
    Status,
    Unanswered,
)
from device.sync.content import Content
from device.sync.counter import JOB_PREFIX, Counter, CounterParts
from device.sync.desired import ENVELOPE_BYTES_MAX
from device.sync.follower import JOB as CONTENT_JOB
from device.sync.follower import NEWS_JOB, SCRUB_JOB, Follower, FollowerParts
from device.sync.following import Following
from device.sync.inbox import JobDone, Worker
from device.sync.ledger import Ledger
from device.sync.mqtt import Acknowledged, Arrived, LineEvent, Outgoing, Unwanted, Up
from device.sync.orders import LocalOrders
from device.sync.outbox import Outbox, Sender
from device.sync.report import Faults, iso, reported, telemetry
from device.sync.speechlog import SpeechLog
from device.sync.stick import StickDoor
from device.sync.unanswered import Postbox
from ota.clock import Deadline, monotonic_s, utc_now
from ota.errors import VitrineError
from ota.floor import FloorClock

REPORT_PAUSE_S = 0.5
HEALTH_S = 10.0
STALE_S = 10.0
SLEEP_MAX_S = 1.0
TOLD_AT_ONCE = 200
PRIVATE_FIELDS = frozenset({"text", "transcript", "heard", "audio", "words", "question"})
FAULT_TEXT = {
    "too-hot": "这台设备过热,请检查通风 / The box is too hot; check its air flow.",
    "disk-low": "磁盘快满了 / The disk is nearly full.",
    "memory-low": "内存不足 / The memory is nearly full.",
}
SILENT = {
    "player": "播放进程没有响应 / The player does not answer.",
    "ear": "听音进程没有响应 / The ear does not answer.",
}


@dataclass(frozen=True)
class DeskParts:
    """What the desk needs, passed in: everything that touches the world."""

    topic_root: str
    following: Following
    content: Content
    outbox: Outbox
    worker: Worker
    hal: Hal
    local: LocalOrders
    clock: FloorClock
    send: Callable[[Outgoing], bool]
    is_up: Callable[[], bool]
    say: Callable[[Message], None]
    disk: Path
    telemetry_s: float
    release: Callable[[], tuple[str | None, str | None]]
    install: Callable[[str], None]
    live: Callable[[Json], None]
    box: str
    run: Path
    stick: Callable[[Path], Content]
    ask: Callable[[AnswersFrom | None, Question], None]
    speech: SpeechLog
    ledger: Ledger
    update: Callable[[], Json] = dict


class Desk:
    """take(event) for all that comes in, turn() after each batch. `leaving` asks for an end."""

    def __init__(self, parts: DeskParts, session: str) -> None:
        self._parts = parts
        self._session, self._since = session, utc_now()
        self._sender = Sender(parts.outbox)
        self._faults = Faults()
        self._follower = Follower(
            FollowerParts(
                parts.following, parts.content, parts.worker, parts.clock, parts.say,
                self.note, self._faults, parts.install,
            )
        )
        self._counter = Counter(
            CounterParts(
                parts.topic_root, parts.worker, parts.local, parts.clock, parts.send, parts.say,
                self._follower.reload, parts.live, parts.ledger,
            )
        )
        self._stick = StickDoor(
            parts.run, parts.box, parts.following, self._follower, parts.stick, parts.clock.now)
        self._player: PlayerState | None = None
        self._ear: EarState | None = None
        self._heard_s = {"player": monotonic_s(), "ear": monotonic_s()}
        self._reported = b""
        self._report_pause = Deadline(0.0)
        self._health_due = Deadline(0.0)
        self._telemetry_due = Deadline(0.0)
        self._machine_faults: frozenset[str] = frozenset()
        self._release: tuple[str | None, str | None] = (None, None)
        self._update: Json = {}
        self._kept: list[Event] = []
        self._told: list[str] = []
        self._postbox = Postbox(parts.topic_root, parts.send)
        parts.speech.ask_of_gaps(parts.outbox)
        self._oversize = self._dropped = 0

    @property
    def leaving(self) -> bool:
        """True after an order to restart this process."""
        return self._counter.leaving

    def begin(self) -> None:
        """Before the first event: the box plays what it holds, network or not."""
        self._look_at_release()
        self._follower.begin()
        self._follower.turn()
        self._parts.say(Kept(ids=[]))  # here is an agent that says what it keeps

    def take(self, event: LineEvent | Message | JobDone) -> None:
        """One event. Bad input never raises: it becomes an error in `reported`."""
        if isinstance(event, Arrived):
            self._take_arrived(event)
        elif isinstance(event, Acknowledged):
            self._sender.landed(event.token)
        elif isinstance(event, Unwanted):
            self._sender.unwanted(event.token)
        elif isinstance(event, Up):
            self._take_up()
        elif isinstance(event, JobDone):
            self._take_job(event)
        elif isinstance(event, PlayerState):
            self._player = event
            self._heard_s["player"] = monotonic_s()
            self._follower.see_player(event)
        elif isinstance(event, EarState):
            self._ear = event
            self._heard_s["ear"] = monotonic_s()
        elif isinstance(event, Happened):
            detail = {k: v for k, v in event.detail.items() if k not in PRIVATE_FIELDS}
            self._kept.append(Event(id=event.id, at=event.at, kind=event.kind, detail=detail))
            self._told.append(event.id)
        elif isinstance(event, Unanswered):
            desired = self._follower.desired
            allowed = desired is not None and desired.settings.unanswered_text
            self._postbox.take(event, allowed, self._parts.clock.now())
        elif isinstance(event, Question):
            desired = self._follower.desired
            self._parts.ask(desired.settings.answers if desired else None, event)
        elif isinstance(event, CommandDone):
            self._counter.done(event)

    def turn(self, dropped: int) -> None:
        """After a batch: do what is planned, send what is due. `dropped` events did not fit."""
        self._dropped = dropped
        self._write_events()
        self._sender.settle()
        self._stick.turn()
        self._follower.turn()
        self._counter.turn()
        if self._parts.is_up():
            self._send_events()
            self._postbox.turn()
        if self._health_due.passed:
            self._health_due = Deadline(HEALTH_S)
            self._look_at_health()
            self._look_at_release()
            self._follower.tidy()
            self._follower.scrub()
            self._keep_time()
            if self._parts.is_up():
                self._follower.ask_for_news()
        if self._telemetry_due.passed and self._parts.is_up():
            self._telemetry_due = Deadline(self._parts.telemetry_s)
            self._send_telemetry()
        self._report()

    def goodbye(self) -> None:
        """A planned end is no silence: the retained status says so."""
        self._write_events(last=True)
        self._send_status(online=False)

    def confess(self, source: str, sentence: str) -> None:
        """A standing fault that was found before the desk was there."""
        self._faults.set(source, sentence)

    def note(self, kind: str, detail: dict[str, object]) -> None:
        """Keep an event of the agent's own."""
        event_id = secrets.token_hex(12)
        now = iso(self._parts.clock.now())
        self._kept.append(Event(id=event_id, at=now, kind=kind, detail=detail))

    def _take_arrived(self, message: Arrived) -> None:
        leaf = message.topic.removeprefix(self._parts.topic_root)
        if leaf == "command":
            self._counter.take(message)
        elif leaf == "desired" and message.payload:
            self._oversize += len(message.payload) > ENVELOPE_BYTES_MAX
            self._follower.offer(message.payload)

    def _take_up(self) -> None:
        self._sender.restart()
        self._send_status(online=True)
        self._reported = b""
        self._report_pause = Deadline(0.0)
        self._follower.hurry()

    def _take_job(self, job: JobDone) -> None:
        if job.name.startswith(JOB_PREFIX):
            self._counter.job_done(job)
        elif job.name == CONTENT_JOB:
            self._follower.brought(job)
        elif job.name == SCRUB_JOB:
            self._follower.scrubbed(job)
        elif job.name == NEWS_JOB:
            self._follower.got_news(job)

    def _write_events(self, last: bool = False) -> None:
        """All events of a batch with one fsync, before any of them is sent; `last` signs them."""
        events = self._parts.speech.chain(self._kept, sign=last)
        if events:
            self._parts.outbox.put_many(events)
        self._kept = []
        for first in range(0, len(self._told), TOLD_AT_ONCE):
            self._parts.say(Kept(ids=self._told[first : first + TOLD_AT_ONCE]))
        self._told = []

    def _send_events(self) -> None:
        for item in self._sender.due():
            message = Outgoing(f"{self._parts.topic_root}event", item.body, token=item.seq)
            if not self._parts.send(message):
                self._sender.unsent(item.seq)

    def _look_at_health(self) -> None:
        readings = self._parts.hal.readings(self._parts.disk)
        standing = judge(self._machine_faults, readings)
        for fault in sorted(standing - self._machine_faults):
            self._faults.set(fault, FAULT_TEXT.get(fault, fault))
            self.note("fault", {"fault": fault})
        for fault in sorted(self._machine_faults - standing):
            self._faults.clear(fault)
            self.note("fault-over", {"fault": fault})
        self._machine_faults = standing
        for name, sentence in SILENT.items():
            if monotonic_s() - self._heard_s[name] > STALE_S:
                self._faults.set(name, sentence)
            else:
                self._faults.clear(name)

    def _keep_time(self) -> None:
        try:
            self._parts.clock.keep()
        except VitrineError as error:
            self._faults.set("clock", str(error))
        else:
            self._faults.clear("clock")

    def _look_at_release(self) -> None:
        self._release, self._update = self._parts.release(), self._parts.update()
        self._follower.runs(self._release[0])

    def _send_telemetry(self) -> None:
        outbox = self._parts.outbox
        counters = {
            "outbox_events": len(outbox),
            "outbox_bytes": outbox.bytes_held,
            "outbox_dropped": sum(outbox.dropped.values()),
            "outbox_set_aside": outbox.set_aside,
            "oversize": self._oversize,
            "refused_orders": self._counter.refused,
            "dropped": self._dropped,
            "proof_rows": self._parts.speech.rows,
            "proof_unlogged": self._parts.speech.unlogged,
            **self._parts.content.counters(),
        }
        body = telemetry(
            self._parts.clock.now(), self._parts.hal.readings(self._parts.disk), self._player,
            self._ear, counters, self._machine_faults,
        )
        self._parts.send(Outgoing(f"{self._parts.topic_root}telemetry", body, qos=0))

    def _report(self) -> None:
        """Send `reported` when it differs from what the broker has, at most twice a second."""
        if not self._parts.is_up() or not self._report_pause.passed:
            return
        body = reported(
            self._follower.desired, self._follower.actual, self._faults.sentences(),
            self._player, self._ear, self._release, self._update,
        )
        if body != self._reported and self._parts.send(
            Outgoing(f"{self._parts.topic_root}reported", body, retain=True)
        ):
            self._reported = body
            self._report_pause = Deadline(REPORT_PAUSE_S)

    def _send_status(self, online: bool) -> None:
        since = self._since if online else utc_now()
        body = msgspec.json.encode(Status(online=online, session=self._session, since=iso(since)))
        self._parts.send(Outgoing(f"{self._parts.topic_root}status", body, retain=True))
