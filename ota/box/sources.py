"""Where this box gets releases and systems from: the chain's server by its identity, metered, or a
stick with the same checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from ota.box.budget import OF_AGENT, OF_UPDATER, Budget, read_limits
from ota.box.install import Source
from ota.box.slots import MARK
from ota.box.stick import SCHEME, StickFetcher
from ota.box.window import read_shop
from ota.errors import Refused
from ota.fetch import Fetcher, tls_for_downloads
from ota.files import read_bounded
from ota.floor import FloorClock
from ota.trust.client import TrustClient

FILE_BYTES_MAX = 1 << 20


class Roots(Protocol):
    """What is needed of `device.paths.Places`."""

    @property
    def identity(self) -> Path: ...
    @property
    def var(self) -> Path: ...
    @property
    def opt(self) -> Path: ...
    @property
    def run(self) -> Path: ...


def open_source(
    places: Roots, clock: FloorClock, stick: str | None = None, urgent: bool = False
) -> Source:
    """The chain's repository, or the one on a stick. What is `urgent` (a person ordered it) is
    not held back by the download limits.

    Raises Refused: not enrolled.
    """
    folder = places.identity.resolve()
    try:
        box = json.loads(read_bounded(folder / "box.json", FILE_BYTES_MAX))
        url = str(box["content_url"]).rstrip("/")
        root = read_bounded(folder / "tuf-root.json", FILE_BYTES_MAX)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused("This box is not enrolled yet; run `vitrine provision enrol`.") from error
    fetcher: Fetcher | StickFetcher
    budget = None
    if stick is None:
        budget = updaters_budget(places, clock)
        fetcher = Fetcher(tls_for_downloads(folder, clock.now()), meter=budget.spend)
    else:
        url, fetcher = SCHEME, StickFetcher(Path(stick))
    trust = TrustClient(places.var / "ota" / "trust", f"{url}/metadata", fetcher, clock)
    trust.bootstrap(root)
    running = places.opt / "current" / MARK
    return Source(trust, fetcher, f"{url}/targets", running=running, budget=budget, urgent=urgent)


def updaters_budget(places: Roots, clock: FloorClock) -> Budget:
    """Counts what the updater brings, together with what the agent does."""

    def rate() -> int | None:
        # The supervisor says whether the shop is open; where nobody says it, there is no limit.
        is_open = read_shop(places.run).is_open
        return read_limits(places.var).open_bytes_per_s if is_open else None

    return Budget(
        places.var / OF_UPDATER, clock.now, (places.var / OF_AGENT,),
        lambda: read_limits(places.var), rate)
