"""Everything a handler may use, put together once at the start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fleet.authority import Authority
from fleet.broker import reload_revocations
from fleet.downloads import Downloads
from fleet.inbox import SUBSCRIBED, Inbox
from fleet.live import Hub
from fleet.mqtt import Address, Line
from fleet.orders import Orders
from fleet.places import CONSOLE_ID, FleetPlaces
from fleet.pruning import Pruner
from fleet.publisher import Publisher, Tables
from fleet.relay import Relay
from fleet.repository import open_or_create
from fleet.ring import Bell
from fleet.rollouts import Rollouts
from fleet.store.boxes import Boxes
from fleet.store.database import Database
from fleet.store.journal import Journal
from fleet.store.programmes import Programmes
from fleet.studio import Studio
from fleet.subjects import SYSTEMS
from fleet.wishes import Wishes
from ota.clock import utc_now
from ota.publish.repository import Repository


@dataclass(frozen=True)
class Console:
    """The running server: its tables, its line to the broker, its publisher."""

    places: FleetPlaces
    authority: Authority
    database: Database
    boxes: Boxes
    programmes: Programmes
    journal: Journal
    hub: Hub
    line: Line
    inbox: Inbox
    wishes: Wishes
    downloads: Downloads
    orders: Orders
    publisher: Publisher
    relay: Relay
    rollouts: Rollouts
    systems: Rollouts
    bell: Bell
    repository: Repository
    pruner: Pruner
    token: str
    started_at: datetime

    def start(self, first: Path | None) -> None:
        """Begin to listen to the broker and to publish; `first` is the programme of a new fleet."""
        self.inbox.start()
        self.line.start()
        self.publisher.start(first)
        self.bell.start()
        self.rollouts.start()
        self.systems.start()

    def stop(self) -> None:
        """End every thread and close the database."""
        self.systems.stop()
        self.rollouts.stop()
        self.bell.stop()
        self.publisher.stop()
        self.line.stop()
        self.inbox.stop()
        self.database.close()

    def enrolled(self, box: str) -> None:
        """A box got its certificate: know it, tell it what to play, drop its old certificate."""
        issued = self.authority.issued(box)
        if issued is None:
            return
        now = utc_now()
        known = self.boxes.get(box)
        programme = known.programme if known else self.authority.settings.programme
        programme = programme or _only_programme(self.programmes)
        self.boxes.enrolled(box, programme, issued.until, now)
        self.journal.ticket_used(box, now)
        self.wishes.renew([box], self.publisher.wanted(programme) if programme else None)
        reload_revocations(self.places.state)
        self.journal.note(box, "box.enrolled", box, now, {"until": issued.until})
        self.hub.announce("box", box)

    def retire(self, box: str, who: str) -> bool:
        """Revoke a box's certificate, clear its topics and take it out of the lists."""
        found = self.boxes.get(box)
        if found is None:
            return False
        self.authority.revoke(box)
        reload_revocations(self.places.state)
        self.wishes.forget(found)
        self.boxes.retire(box)
        self.journal.note(who, "box.retired", box, utc_now())
        self.hub.announce("counts", "")
        return True


def open_console(places: FleetPlaces, studio: Studio, token: str) -> Console:
    """Open or make every part under `places`; nothing runs before `Console.start`."""
    authority = Authority.open_or_create(places.state)
    settings = authority.settings
    repository = open_or_create(places)
    database = Database(places.database)
    tables = Tables(Boxes(database), Programmes(database), Journal(database))
    hub = Hub()
    root = settings.topic_root
    # The line and the inbox need each other: the line hands over through these two names.
    inbox = Inbox(
        database,
        hub,
        root,
        ack=lambda arrived: line.ack(arrived),
        republish=lambda: wishes.republish(),
    )
    line = Line(
        Address(
            settings.host,
            settings.broker_port,
            authority.ca_path,
            places.console / "cert.pem",
            places.console / "key.pem",
        ),
        CONSOLE_ID,
        [f"{root}/+/{leaf}" for leaf in SUBSCRIBED],
        emit=inbox.put,
        on_up=inbox.line_is_up,
    )
    bell = Bell(root, line.publish)
    downloads = Downloads(database, tables.boxes, tables.journal, settings.chain)
    wishes = Wishes(tables.boxes, authority.desired_key, settings.chain, root, line.publish,
                    downloads.with_limits)
    return Console(
        places=places,
        authority=authority,
        database=database,
        boxes=tables.boxes,
        programmes=tables.programmes,
        journal=tables.journal,
        hub=hub,
        line=line,
        inbox=inbox,
        wishes=wishes,
        downloads=downloads,
        orders=Orders(tables.boxes, tables.journal, root, line.publish),
        publisher=Publisher(places, tables, repository, studio, wishes, hub,
                            settings.chain),
        relay=Relay(),
        rollouts=Rollouts(repository, database, tables.journal, hub, ring=bell.ring),
        systems=Rollouts(repository, database, tables.journal, hub, ring=bell.ring,
                         subject=SYSTEMS),
        bell=bell,
        repository=repository,
        pruner=Pruner(places, tables.journal),
        token=token,
        started_at=utc_now(),
    )


def _only_programme(programmes: Programmes) -> str:
    known = programmes.all()
    return known[0].id if known else ""
