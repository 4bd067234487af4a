"""The server prunes its repository once a day (`ota.publish.pruning`), with what only it knows:
which releases and systems its boxes run, and which versions of a programme an editor can go back
to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fleet.places import FleetPlaces
from fleet.store.database import Database
from fleet.store.journal import Journal
from fleet.store.programmes import LISTED
from ota.clock import utc_now
from ota.errors import Refused, VitrineError
from ota.files import read_bounded
from ota.heap import give_back
from ota.publish.needed import hashes_named
from ota.publish.pruning import GRACE, Pruned, prune, read_memory
from ota.publish.repository import Repository

EACH = timedelta(days=1)
INDEX_BYTES_MAX = 16 << 20
INDEX = re.compile(r"([1-9]\d{0,8})\.index\.json")
SYSTEM = "system"
IN_USE = """
select distinct version from (
 select json_extract(reported,'$.release') version from box
  where retired=0 and json_valid(reported)
 union select json_extract(reported,'$.update.version') from box
  where retired=0 and json_valid(reported)
 union select json_extract(reported,'$.update.system.version') from box
  where retired=0 and json_valid(reported)
 union select json_extract(reported,'$.update.system.floor') from box
  where retired=0 and json_valid(reported)
 union select json_extract(desired,'$.release') from box where retired=0 and json_valid(desired)
) where version is not null and version not in ('','0') limit 10000
"""


def versions_in_use(database: Database) -> set[str]:
    """Releases and systems that boxes run, try, or shall run, as far as they said."""
    return {str(row["version"]) for row in database.all(IN_USE)}


def kept_for_undo(programmes: Path) -> set[str]:
    """Content of the versions that the console lists for going back, by hash.

    Raises Refused: an index is there and cannot be read.
    """
    found: set[str] = set()
    for folder in sorted(programmes.glob("*/versions")):
        numbers = [int(match[1]) for path in folder.iterdir()
                   if (match := INDEX.fullmatch(path.name))]
        for number in sorted(numbers, reverse=True)[:LISTED]:
            path = folder / f"{number}.index.json"
            try:
                found |= hashes_named("", read_bounded(path, INDEX_BYTES_MAX))
            except OSError as error:
                raise Refused(f"{path} cannot be read ({error.strerror}), so it is not known what "
                              "going back needs: nothing was removed.") from error
    return found


def in_use_beside(repository: Path) -> tuple[set[str], set[str]]:
    """The same for `vitrine ota prune` on the folder of a server; nothing where none is."""
    places = FleetPlaces(repository.resolve().parent)
    if not places.database.is_file():
        return set(), set()
    database = Database(places.database)
    try:
        return versions_in_use(database), kept_for_undo(places.programmes)
    finally:
        database.close()


class Pruner:
    """Prunes when a day has passed. Names of releases stay: the server cannot sign for them."""

    def __init__(
        self, places: FleetPlaces, journal: Journal, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._places, self._journal, self._clock = places, journal, clock
        self._lock = threading.Lock()
        self._memory = read_memory(places.tuf)
        self.trouble = ""

    def when_due(self) -> Pruned | None:
        """Call it hourly. None: it was not time yet, or there is `trouble`."""
        with self._lock:
            if not self._is_due():
                return None
            try:
                pruned = self._prune()
                self._memory = read_memory(self._places.tuf)
                self._note(pruned)
            except (VitrineError, OSError) as error:
                self.trouble = str(error)
                return None
            finally:
                give_back()
            self.trouble = ""
            return pruned

    def told(self) -> dict[str, Any]:
        """For the console's health: what the last look found, and when."""
        memory = self._memory
        return {
            "bytes": memory.size_bytes,
            "waiting_bytes": memory.waiting_bytes,
            "freed_bytes": memory.freed_bytes,
            "freed_total_bytes": memory.freed_total_bytes,
            "lost_files": memory.lost,
            "pruned_at": memory.at or None,
            "trouble": self.trouble,
        }

    def _is_due(self) -> bool:
        try:
            before = datetime.fromisoformat(self._memory.at)
            return not timedelta(0) <= self._clock() - before < EACH
        except (ValueError, TypeError):
            return True

    def _note(self, pruned: Pruned) -> None:
        if pruned.goes:
            told = pruned.told()
            names = ("freed_files", "freed_bytes", "waiting_bytes", "repository_bytes")
            detail = {name: told[name] for name in names}
            self._journal.note(SYSTEM, "repository.pruned", "", self._clock(), detail)

    def _prune(self) -> Pruned:
        repository = Repository.open(self._places.tuf, {}, self._clock)
        also = kept_for_undo(self._places.programmes)
        return prune(repository, also, GRACE, self._clock())
