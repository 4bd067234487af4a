"""From wishes to signed desired documents: numbered, kept in the database, then published."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from device.messages import ProgrammeWanted
from fleet.desired import next_desired, programme_of, seal
from fleet.mqtt import Outgoing
from fleet.store.boxes import Box, Boxes
from ota.clock import utc_now
from ota.trust.keys import SigningKey


class Wishes:
    """The only place that gives out desired sequence numbers."""

    def __init__(
        self,
        boxes: Boxes,
        key: SigningKey,
        chain: str,
        topic_root: str,
        send: Callable[[Outgoing], bool],
        complete: Callable[[Box], Box] = lambda box: box,
    ) -> None:
        """`complete` adds the settings that a box has from its groups and its chain."""
        self._boxes = boxes
        self._key = key
        self._chain = chain
        self._root = topic_root
        self._send, self._complete = send, complete
        self._lock = threading.Lock()

    def renew(self, boxes: Sequence[str], programme: ProgrammeWanted | None = None) -> int:
        """Make, keep and publish the next document of each box; returns how many.

        Without `programme` each box keeps the one it has. Nothing is changed when one of the
        documents cannot be made (raises Refused).
        """
        with self._lock:
            made: list[tuple[str, int, bytes, bytes]] = []
            for box_id in boxes:
                box = self._boxes.get(box_id)
                if box is None:
                    continue
                wanted = programme or programme_of(box.desired)
                avatar, release = box.desired.get("avatar"), box.desired.get("release")
                desired = next_desired(
                    self._chain, self._complete(box), wanted, avatar, release)
                made.append((box.id, desired.seq, *seal(desired, self._key)))
            # First on disk, then on the wire: a number that a box may have seen is never lost.
            self._boxes.put_desired(made, utc_now())
            for box_id, _, _, envelope in made:
                self._publish(box_id, envelope)
        return len(made)

    def republish(self) -> int:
        """Publish every kept document again: the broker's retained copy is only a cache."""
        with self._lock:
            kept = self._boxes.envelopes()
            for box_id, envelope in kept:
                self._publish(box_id, envelope)
        return len(kept)

    def forget(self, box: Box) -> None:
        """Clear the retained documents of a box that is no more."""
        for leaf in ("desired", "reported", "status"):
            self._send(Outgoing(f"{self._root}/{box.id}/{leaf}", b"", retain=True))

    def _publish(self, box: str, envelope: bytes) -> None:
        self._send(Outgoing(f"{self._root}/{box}/desired", envelope, retain=True))
