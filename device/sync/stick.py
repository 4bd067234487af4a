"""Programmes from a USB stick, for a shop without a line: the chain's signed repository and the
signed wishes, brought by hand. The same trust, the same checks; only the bytes come another way.

    metadata/, targets/        as the chain's server gives them out
    desired/<box>.json         what the console wants of each box (DSSE)

A person's command leaves an order in `run/import-order.json`; the agent works and answers in
`run/import-told.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from device.messages import ProgrammeWanted
from device.sync.content import Content
from device.sync.desired import ENVELOPE_BYTES_MAX
from device.sync.follower import Follower
from device.sync.following import Following
from ota.box.stick import SCHEME, StickFetcher
from ota.clock import Deadline, sleep_s
from ota.errors import Refused, Retry, VitrineError
from ota.files import read_bounded, write_durable

ORDER, TOLD = "import-order.json", "import-told.json"
FILE_BYTES_MAX = 16_384
TAKEN_WITHIN_S = 15.0
DONE_WITHIN_S = 3600.0
LOOK_S = 0.2


class StickOrder(msgspec.Struct, frozen=True):
    """Where the stick is."""

    folder: str


class Told(msgspec.Struct, frozen=True):
    """How far the agent is."""

    done: bool
    ok: bool
    message: str


def envelope_for(folder: Path, box: str) -> bytes | None:
    """The signed wishes for this box on the stick; None without any. Raises Refused, Retry."""
    try:
        return StickFetcher(folder).bytes(f"{SCHEME}/desired/{box}.json", ENVELOPE_BYTES_MAX)
    except Retry as error:
        if getattr(error, "status", None) == 404:
            return None
        raise


class StickDoor:
    """The agent's side: takes an order, lets the follower bring, tells the person."""

    def __init__(
        self, run: Path, box: str, following: Following, follower: Follower,
        open_content: Callable[[Path], Content], now: Callable[[], datetime],
    ) -> None:
        self._run, self._box = run, box
        self._following, self._follower = following, follower
        self._open, self._now = open_content, now
        self._content: Content | None = None
        self._wanted: ProgrammeWanted | None = None

    def turn(self) -> None:
        """Once in a while, on the agent's own thread."""
        if self._wanted is not None:
            self._look()
            return
        order = _take(self._run / ORDER)
        if order is not None:
            try:
                self._begin(Path(order.folder))
            except VitrineError as error:
                self._tell(True, False, str(error))

    def _begin(self, folder: Path) -> None:
        self._tell(False, True, "The stick is read.")
        envelope = envelope_for(folder, self._box)
        if envelope is not None:
            self._following.offer(envelope, self._now())
        desired = self._follower.desired
        if desired is None or desired.programme is None:
            raise Refused(
                f"The stick holds nothing for {self._box}; write it again at the console.")
        self._content, self._wanted = self._open(folder), desired.programme
        self._look()

    def _look(self) -> None:
        """Begin as soon as nothing else is brought; tell when it has ended."""
        actual, wanted = self._follower.actual, self._wanted
        if actual.on_disk is not None and actual.on_disk.wanted == wanted:
            name = actual.on_disk.programme_id
            self._end(True, f"Programme {name} {actual.on_disk.wanted.version} is here.")
        elif actual.working:
            return
        elif self._content is not None:
            content, self._content = self._content, None
            self._follower.bring_from(content)
        else:
            self._end(False, self._follower.trouble or "It did not come; try again.")

    def _end(self, ok: bool, message: str) -> None:
        self._content = self._wanted = None
        self._tell(True, ok, message)

    def _tell(self, done: bool, ok: bool, message: str) -> None:
        write_durable(self._run / TOLD, msgspec.json.encode(Told(done, ok, message)))


def import_from(run: Path, folder: Path, tell: Callable[[str], None]) -> str:
    """The person's side: leave the order, wait for its end; returns what was done.

    Raises Refused: no stick, no agent, or what the agent refused.
    """
    if not (folder / "metadata" / "timestamp.json").is_file():
        raise Refused(f"{folder} holds no signed repository; write one with `vitrine fleet stick`.")
    (run / TOLD).unlink(missing_ok=True)
    write_durable(run / ORDER, msgspec.json.encode(StickOrder(str(folder.absolute()))))
    taken, done = Deadline(TAKEN_WITHIN_S), Deadline(DONE_WITHIN_S)
    shown = ""
    while not done.passed:
        told = _told(run / TOLD)
        if told is None and taken.passed:
            (run / ORDER).unlink(missing_ok=True)
            raise Refused("This box's agent does not run; start it with `vitrine device run`.")
        if told is not None and told.done:
            if not told.ok:
                raise Refused(told.message)
            return told.message
        if told is not None and told.message != shown:
            shown = told.message
            tell(shown)
        sleep_s(LOOK_S)
    raise Retry("The box is still at it; `vitrine device status` says what it holds.")


def _take(path: Path) -> StickOrder | None:
    """The order, once; nonsense is none."""
    try:
        order = msgspec.json.decode(read_bounded(path, FILE_BYTES_MAX), type=StickOrder)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Refused):
        order = None
    path.unlink(missing_ok=True)
    return order


def _told(path: Path) -> Told | None:
    try:
        return msgspec.json.decode(read_bounded(path, FILE_BYTES_MAX), type=Told)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Refused):
        return None
