"""The agent process: from the broker to player and ear, and back. It may be slow; they may not.

One thread decides here, over one bounded inbox. The MQTT line, the bus reader and the worker
for slow things (downloads, self-test) have a thread each and only put into the inbox.
"""

from __future__ import annotations

import secrets
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import msgspec

from device.bus import Bus
from device.hal import Hal, open_box
from device.hal.notify import Notifier
from device.live.link import LiveDoor
from device.messages import Message
from device.paths import Places, avatars_dir, notify_socket
from device.sharing.listener import interface_for
from device.sharing.neighbours import Credentials, Neighbours
from device.sync.anew import settle
from device.sync.answers import Courier
from device.sync.budget import Budget
from device.sync.consent import avatar_problems
from device.sync.content import Content, ContentPlaces, programme_problems
from device.sync.desk import Desk, DeskParts
from device.sync.following import Following
from device.sync.identity import Identity, load_identity
from device.sync.inbox import Inbox, JobDone, Worker, take_batch
from device.sync.ledger import Ledger
from device.sync.mqtt import Line, LineEvent, LineSettings, Outgoing
from device.sync.orders import LocalOrders
from device.sync.outbox import Outbox
from device.sync.report import status
from device.sync.speechlog import Signer, SpeechLog, boot_id
from ota.box.orders import Order, give_order, release_and_slot, update_facts
from ota.box.stick import SCHEME, StickFetcher
from ota.box.store import Store
from ota.clock import Deadline, utc_now
from ota.errors import Broken, Refused, Retry
from ota.fetch import Fetcher
from ota.files import read_bounded
from ota.floor import FloorClock
from ota.system.words import system_facts
from ota.trust.client import TrustClient
from ota.trust.keys import load_public_keys

INBOX_MAX = 1024
CONTENT_BYTES_MAX = 16 << 30
TURN_S = 0.5
LINE_SILENT_MAX_S = 180.0
IDENTITY_LOOK_S = 1.0
SETTINGS_BYTES_MAX = 16_384


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`etc/vitrine/agent.json`, where a box needs other values than these."""

    telemetry_s: float = 60.0
    keepalive_s: int = 30
    retry_min_s: float = 1.0
    retry_max_s: float = 120.0
    # Give content to other boxes of the shop, and take it from them (0: any free port).
    share: bool = True
    share_port: int = 0


Incoming = LineEvent | Message | JobDone


@dataclass
class _Running:
    inbox: Inbox[Incoming]
    stopping: threading.Event


def load_settings(places: Places) -> AgentSettings:
    """The file's settings, or the defaults without one. Raises Refused when it is broken."""
    path = places.etc / "agent.json"
    try:
        return msgspec.json.decode(read_bounded(path, SETTINGS_BYTES_MAX), type=AgentSettings)
    except FileNotFoundError:
        return AgentSettings()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{path} cannot be read ({error}); correct or remove it.") from error


def run(places: Places, settings: AgentSettings | None = None) -> int:
    """Work until SIGTERM or SIGINT; returns the exit code.

    Without an identity it waits for enrolment. Raises Broken when a restart is needed.
    """
    settings = settings or load_settings(places)
    notifier = Notifier(notify_socket())
    running = _Running(Inbox(INBOX_MAX), threading.Event())
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        running.stopping.set()

    for number in previous:
        signal.signal(number, stop)
    try:
        # Waiting for enrolment is work done well: systemd need not lose patience.
        notifier.ready()
        identity = _wait_for_identity(places, running.stopping, notifier)
        if identity is None:
            return 0
        with Bus(places.run, "agent") as bus:
            return _work(places, settings, identity, bus, running, notifier)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_for_identity(
    places: Places, stopping: threading.Event, notifier: Notifier
) -> Identity | None:
    """The identity, as soon as there is one; None when stopped before."""
    while not stopping.is_set():
        if (places.identity / "box.json").exists():
            settle(places)
            return load_identity(places.identity)
        notifier.alive()
        stopping.wait(IDENTITY_LOOK_S)
    return None


def _work(
    places: Places, settings: AgentSettings, identity: Identity, bus: Bus, running: _Running,
    notifier: Notifier,
) -> int:
    inbox = running.inbox
    worker = Worker(inbox.put)
    session = secrets.token_hex(8)
    line = Line(line_settings(identity, settings, session), identity.tls(), inbox.put)
    outbox, outbox_fault = open_outbox(places.var / "outbox.db")
    hal = open_box()
    clock = FloorClock(places.var / "clock")
    neighbours = make_neighbours(places, identity, clock, settings)
    content = make_content(places, identity, clock, neighbours)
    parts = desk_parts(
        places, settings, identity, bus, line, outbox, worker, hal, clock, content)
    desk = Desk(parts, session)
    if outbox_fault is not None:
        desk.confess("outbox", outbox_fault)
    desk.begin()
    reader = threading.Thread(target=_read_bus, args=(bus, running), name="bus", daemon=True)
    try:
        if neighbours is not None:
            neighbours.start()
        worker.start()
        reader.start()
        line.start()
        return _loop(desk, line, running, identity, places, notifier)
    finally:
        running.stopping.set()
        line.stop()
        if neighbours is not None:
            neighbours.stop()
        reader.join(TURN_S * 2)
        outbox.close()


def open_outbox(path: Path) -> tuple[Outbox, str | None]:
    """The outbox on the disk; one in memory, and why, where the disk takes nothing more.

    A full disk must not keep the box from hearing its console.
    """
    try:
        return Outbox(path), None
    except Retry as error:
        return Outbox(Path(":memory:")), str(error)


def _loop(
    desk: Desk, line: Line, running: _Running, identity: Identity, places: Places,
    notifier: Notifier,
) -> int:
    identity_look = Deadline(IDENTITY_LOOK_S)
    while not running.stopping.is_set():
        take_batch(running.inbox, desk.take, TURN_S)
        desk.turn(running.inbox.dropped + line.events_dropped)
        notifier.alive()
        if desk.leaving:
            return 0
        if line.silent_s > LINE_SILENT_MAX_S:
            raise Broken("The connection to the broker hangs; the agent starts again.")
        if identity_look.passed:
            identity_look = Deadline(IDENTITY_LOOK_S)
            if places.identity.resolve() != identity.folder:
                return 0  # enrolled anew: the supervisor starts us with the new identity
    desk.goodbye()
    return 0


def _read_bus(bus: Bus, running: _Running) -> None:
    while not running.stopping.is_set():
        message = bus.receive(TURN_S)
        while message is not None and not running.stopping.is_set():
            if running.inbox.put_patiently(message, TURN_S):
                break


def line_settings(identity: Identity, settings: AgentSettings, session: str) -> LineSettings:
    """The connection of this box, with its last will."""
    root = identity.topic_root
    return LineSettings(
        host=identity.box.broker.host,
        port=identity.box.broker.port,
        client_id=identity.box.box,
        will=Outgoing(f"{root}status", status(False, session, utc_now()), retain=True),
        subscriptions=(f"{root}desired", f"{root}command"),
        keepalive_s=settings.keepalive_s,
        retry_min_s=settings.retry_min_s,
        retry_max_s=settings.retry_max_s,
    )


def make_neighbours(
    places: Places, identity: Identity, clock: FloorClock, settings: AgentSettings
) -> Neighbours | None:
    """Sharing with the other boxes of the shop; None where it is switched off or cannot be."""
    if not settings.share:
        return None
    folder = identity.folder
    mine = Credentials(
        identity.box.chain, identity.box.box, folder / "ca.pem", folder / "cert.pem",
        folder / "key.pem")
    interface = interface_for(urlsplit(identity.box.content_url).hostname or "")
    store = Store(places.content, CONTENT_BYTES_MAX)
    try:
        return Neighbours(mine, store, clock.now, interface, settings.share_port)
    except Refused:
        return None  # a box plays without neighbours


def make_content(
    places: Places, identity: Identity, clock: FloorClock, neighbours: Neighbours | None = None
) -> Content:
    """The content store of this box, with its trust and its mutual TLS."""
    budget = Budget(places.var, clock.now)
    fetcher = Fetcher(identity.tls_for_downloads(), meter=budget.spend)
    url = identity.box.content_url.rstrip("/")
    return _content(places, identity, clock, fetcher, url, neighbours, budget)


def stick_content(
    places: Places, identity: Identity, clock: FloorClock, folder: Path
) -> Content:
    """The same store, filled from the signed repository on a stick."""
    return _content(places, identity, clock, StickFetcher(folder), SCHEME)


def _content(
    places: Places, identity: Identity, clock: FloorClock, fetcher: Fetcher | StickFetcher,
    url: str, neighbours: Neighbours | None = None, budget: Budget | None = None,
) -> Content:
    trust = TrustClient(places.var / "trust", f"{url}/metadata/", fetcher, clock)
    trust.bootstrap(identity.tuf_root)
    where = ContentPlaces(
        store=Store(places.content, CONTENT_BYTES_MAX), programmes=places.programmes,
        held=places.var / "held.json", url=url,
    )

    def check(folder: Path) -> list[str]:
        return programme_problems(folder) + avatar_problems(
            folder, avatars_dir(), identity.box.chain, clock.now(),
            load_public_keys(identity.box.likeness_keys), where.withdrawn.ids(),
        )

    return Content(where, trust, fetcher, check, neighbours, budget)


def desk_parts(
    places: Places, settings: AgentSettings, identity: Identity, bus: Bus, line: Line,
    outbox: Outbox, worker: Worker, hal: Hal, clock: FloorClock, content: Content,
) -> DeskParts:
    """The world of one box, for the desk."""
    box = identity.box
    following = Following(
        places.desired, places.var / "desired-seq", identity.desired_keys, box.chain, box.box
    )
    door = LiveDoor(places, identity)
    return DeskParts(
        topic_root=identity.topic_root,
        following=following,
        content=content,
        outbox=outbox,
        worker=worker,
        hal=hal,
        local=LocalOrders(places, hal),
        clock=clock,
        send=line.send,
        is_up=lambda: line.up,
        say=bus.publish,
        disk=places.var,
        telemetry_s=settings.telemetry_s,
        release=lambda: release_and_slot(places.var),
        install=lambda version: give_order(places.run, Order("install", version, by="fleet")),
        live=lambda args: door.open(args, clock.now()),
        box=box.box,
        run=places.run,
        stick=lambda folder: stick_content(places, identity, clock, folder),
        ask=Courier(places.etc / "keys", bus.publish).ask,
        speech=speech_log(places, identity, clock),
        ledger=Ledger(places.var / "orders.json"),
        update=lambda: {**update_facts(places.var), "system": system_facts(places.var)},
    )


def speech_log(places: Places, identity: Identity, clock: FloorClock) -> SpeechLog:
    """The log of what this screen says, signed with the box's key."""
    box = identity.box
    version, slot = release_and_slot(places.var)
    began = {"boot": boot_id(), "release": version or "", "slot": slot or ""}
    signer = Signer.of(box.chain, box.box, identity.folder)
    return SpeechLog(places.var / "proof", signer, clock.now, began)
