"""The desired state this box follows: kept on the disk, so that it plays on without a network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from device.messages import Desired
from device.sync import desired as rules
from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable
from ota.floor import TwoCopies
from ota.trust import dsse
from ota.trust.keys import PublicKey


class Following:
    """The newest accepted desired state of one box, and its number as a durable floor."""

    def __init__(
        self, path: Path, floor_path: Path, keys: Sequence[PublicKey], chain: str, box: str
    ) -> None:
        self._path, self._keys, self._chain, self._box = path, keys, chain, box
        self._floor = TwoCopies(floor_path)
        self.desired: Desired | None = None

    @property
    def floor(self) -> int:
        """The highest number ever accepted, even when the document itself was lost."""
        body = self._floor.read() or {}
        number = body.get("seq", -1)
        kept = number if isinstance(number, int) else -1
        return kept if self.desired is None else max(kept, self.desired.seq)

    def load(self) -> None:
        """Take up what was followed before a restart. Raises Refused when it is damaged."""
        try:
            envelope = read_bounded(self._path, rules.ENVELOPE_BYTES_MAX)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Refused(f"{self._path} cannot be read ({error.strerror}).") from error
        found = rules.decode(dsse.verify(envelope, dsse.DESIRED, self._keys))
        if found.chain in ("", self._chain) and found.box in ("", self._box):
            self.desired = found

    def offer(self, envelope: bytes, now: datetime) -> bool:
        """Take up a new envelope; False when it is what we follow already. Raises Refused.

        Raises Retry when it is followed from now on but the disk could not keep it.
        """
        accepted = rules.accept(
            envelope, self._keys, self._chain, self._box, self.desired, now, self.floor
        )
        if accepted is None:
            return False
        self.desired = accepted.desired
        try:
            # The number first: the broker brings the word again, but once it is here, nothing
            # would write the number that a cut between the two had left out.
            self._floor.write({"seq": accepted.desired.seq})
            write_durable(self._path, accepted.envelope, sole=True)
        except OSError as error:
            raise Retry(f"{self._path} was not kept ({error.strerror}); check the disk.") from error
        return True
