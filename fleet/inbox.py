"""From the broker into the database: batches of messages, one transaction each, then the PUBACK."""

from __future__ import annotations

import base64
import binascii
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from device.messages import Answer, Event, Reported, Status
from fleet.live import Hub
from fleet.mqtt import QUEUE_MAX, Arrived
from fleet.places import BOX_ID
from fleet.store.boxes import take_reported, take_status, take_telemetry
from fleet.store.database import Database
from fleet.store.journal import drop_old_events, take_answer, take_event
from ota.clock import utc_now
from ota.errors import Retry

SUBSCRIBED = ("reported", "status", "telemetry", "event", "result")
BATCH = 200
PAYLOAD_BYTES_MAX = 128 * 1024
PICTURE_BYTES_MAX = 96 * 1024
PICTURE_FIELDS = ("jpeg_base64", "picture_base64", "jpeg", "png_base64")
PRUNE_EVERY = 5_000


@dataclass(frozen=True)
class Parsed:
    """One understood message of one box."""

    box: str
    topic: str
    body: Any


class Unreadable(ValueError):
    """A message that breaks the contract; it is counted and dropped."""


def parse(topic_root: str, topic: str, payload: bytes) -> Parsed:
    """Decode one message of contract B6; raises Unreadable."""
    box, _, leaf = topic.removeprefix(topic_root + "/").partition("/")
    if not topic.startswith(topic_root + "/") or not BOX_ID.fullmatch(box):
        raise Unreadable(f"no box in topic {topic[:80]}")
    if leaf not in SUBSCRIBED:
        raise Unreadable(f"unknown topic {leaf[:40]}")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Unreadable(f"{len(payload)} bytes on {leaf}")
    kinds: dict[str, Any] = {
        "reported": Reported,
        "status": Status,
        "telemetry": dict[str, Any],
        "event": Event,
        "result": Answer,
    }
    try:
        return Parsed(box, leaf, msgspec.json.decode(payload, type=kinds[leaf]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"{leaf}: {error}") from error


def split_picture(answer: Answer) -> tuple[Answer, bytes | None]:
    """Take a base64 picture out of a result, so that pages stay small."""
    for name in PICTURE_FIELDS:
        text = answer.result.get(name)
        if not isinstance(text, str) or not text:
            continue
        rest = {key: value for key, value in answer.result.items() if key != name}
        try:
            picture = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return msgspec.structs.replace(answer, result=rest), None
        fits = len(picture) <= PICTURE_BYTES_MAX
        return msgspec.structs.replace(answer, result=rest), picture if fits else None
    return answer, None


class Inbox:
    """A bounded queue and the thread that empties it."""

    def __init__(
        self,
        database: Database,
        hub: Hub,
        topic_root: str,
        ack: Callable[[Arrived], None],
        republish: Callable[[], object],
    ) -> None:
        self._database = database
        self._hub = hub
        self._root = topic_root
        self._ack = ack
        self._republish = republish
        self._waiting: queue.Queue[Arrived | None] = queue.Queue(QUEUE_MAX)
        self._up = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-inbox", daemon=True)
        self.taken = 0
        self.unreadable = 0
        self.duplicates = 0

    def start(self) -> None:
        """Begin to empty the queue."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the current batch and end."""
        self._stop.set()
        self._nudge()
        self._thread.join(timeout=10.0)

    def put(self, arrived: Arrived) -> bool:
        """Queue a message; False when there is no room. Never blocks."""
        try:
            self._waiting.put_nowait(arrived)
        except queue.Full:
            return False
        return True

    def line_is_up(self) -> None:
        """The broker welcomed us: publish every retained desired document again, soon."""
        self._up.set()
        self._nudge()

    def _nudge(self) -> None:
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return

    def _run(self) -> None:
        while not self._stop.is_set():
            batch = self._batch()
            if self._up.is_set():
                self._up.clear()
                self._republish()
            if batch:
                self._take(batch)

    def _batch(self) -> list[Arrived]:
        found: list[Arrived] = []
        item = self._waiting.get()
        while True:
            if item is not None:
                found.append(item)
            if len(found) >= BATCH:
                return found
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return found

    def _take(self, batch: list[Arrived]) -> None:
        now = utc_now()
        touched: dict[tuple[str, str], None] = {}
        while True:
            try:
                with self._database.write() as writer:
                    for arrived in batch:
                        self._take_one(writer, arrived, now, touched)
                break
            except Retry:
                # A full disk: keep the batch, unacknowledged, until there is room again.
                if self._stop.wait(2.0):
                    return
        for arrived in batch:
            self._ack(arrived)
        self.taken += len(batch)
        for topic, about in touched:
            self._hub.announce(topic, about)

    def _take_one(
        self, writer: Any, arrived: Arrived, now: datetime, touched: dict[tuple[str, str], None]
    ) -> None:
        try:
            parsed = parse(self._root, arrived.topic, arrived.payload)
        except Unreadable:
            self.unreadable += 1
            return
        box, body = parsed.box, parsed.body
        if parsed.topic == "status":
            take_status(writer, box, body, now)
        elif parsed.topic == "reported":
            take_reported(writer, box, body, now)
        elif parsed.topic == "telemetry":
            take_telemetry(writer, box, body, now)
        elif parsed.topic == "result":
            answer, picture = split_picture(body)
            take_answer(writer, box, answer, picture, now)
        elif take_event(writer, box, body, now):
            if self.taken % PRUNE_EVERY < BATCH:
                drop_old_events(writer)
        else:
            self.duplicates += 1
        touched["box", box] = None
        touched["counts", ""] = None
