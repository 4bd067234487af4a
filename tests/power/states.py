"""From a log of block writes to the disks that a power cut may leave. Pure.

A disk keeps what was written before its last flush. Of later writes it has kept any, torn between
sectors. Two kinds of states follow: the prefix (the first k writes in their order) and the
volatile (all before the last flush, and a random part of what came after it).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.power.logged_disk import LOG_HEADER

PAGE_BYTES, SECTOR_BYTES = 4096, 512
ZEROS = bytes(PAGE_BYTES)
KEPT_SHARES = (0.2, 0.5, 0.8)
TORN_SHARE = 0.2
# ext4 has no answer to a torn superblock, and no drive of today tears 4096 bytes at its place.
NEVER_TORN_BELOW = PAGE_BYTES
Pages = dict[int, bytes]
Told = frozenset[str]


@dataclass(frozen=True)
class Write:
    """Bytes that reached the disk's memory; `offset` from the beginning of the disk."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Flush:
    """All before it is safe."""


@dataclass(frozen=True)
class Note:
    """What the flow had told somebody by then."""

    text: str


Step = Write | Flush | Note


@dataclass(frozen=True)
class State:
    """A disk after a cut: what is not in `pages` is zero. `told` is what had been promised."""

    name: str
    pages: Pages
    told: Told

    @property
    def key(self) -> tuple[int, Told]:
        """Equal for equal disks and promises."""
        return hash(frozenset(self.pages.items())), self.told


def steps_of(log: bytes) -> Iterator[Step]:
    """Read what `logged_disk.py` wrote."""
    at = 0
    while at < len(log):
        kind, offset, length = LOG_HEADER.unpack_from(log, at)
        at += LOG_HEADER.size
        data = log[at : at + length]
        at += length
        if kind == b"W":
            yield Write(offset, data)
        else:
            yield Flush() if kind == b"F" else Note(data.decode())


def pages_of(disk: bytes) -> Pages:
    """The pages of a disk that are not all zeros."""
    found = {}
    for number in range(len(disk) // PAGE_BYTES):
        page = disk[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]
        if page != ZEROS:
            found[number] = page
    return found


def put(pages: Pages, write: Write) -> None:
    """Lay a write onto the pages."""
    at, data = write.offset, write.data
    while data:
        number, inside = divmod(at, PAGE_BYTES)
        piece = data[: PAGE_BYTES - inside]
        if len(piece) == PAGE_BYTES:
            pages[number] = piece
        else:
            old = pages.get(number, ZEROS)
            pages[number] = old[:inside] + piece + old[inside + len(piece) :]
        at, data = at + len(piece), data[len(piece) :]


def prefixes(base: Pages, steps: list[Step]) -> Iterator[State]:
    """The disk before the first write and after each one."""
    pages, told, count = dict(base), frozenset[str](), 0
    yield State("0", dict(pages), told)
    for step in steps:
        if isinstance(step, Write):
            count += 1
            put(pages, step)
            yield State(str(count), dict(pages), told)
        elif isinstance(step, Note):
            told |= {step.text}
            yield State(f"{count}!", dict(pages), told)


def volatiles(base: Pages, steps: list[Step], chance: random.Random) -> Iterator[State]:
    """One random disk after each write and each note; call again for others."""
    safe, pending, told, count = dict(base), [], frozenset[str](), 0
    for step in steps:
        if isinstance(step, Flush):
            _put_all(safe, pending)
            pending = []
            continue
        if isinstance(step, Write):
            count += 1
            pending.append(step)
        else:
            told |= {step.text}
        yield State(f"{count}~", _kept(safe, pending, chance), told)


def left_by(base: Pages, steps: list[Step], chance: random.Random) -> Pages:
    """One random disk after the last of these steps, which may be a flush."""
    writes = [step for step in steps if not isinstance(step, Note)]
    flushed = max((at for at, step in enumerate(writes) if isinstance(step, Flush)), default=0)
    safe = dict(base)
    _put_all(safe, [step for step in writes[:flushed] if isinstance(step, Write)])
    return _kept(safe, [step for step in writes[flushed:] if isinstance(step, Write)], chance)


def disk_of(pages: Pages, length_bytes: int) -> bytes:
    """The bytes of a whole disk."""
    disk = bytearray(length_bytes)
    for number, page in pages.items():
        disk[number * PAGE_BYTES : (number + 1) * PAGE_BYTES] = page
    return bytes(disk)


def chosen(base: Pages, steps: list[Step], amount: int, chance: random.Random) -> list[State]:
    """`amount` different states: all prefixes while they fit, and for the rest volatile ones."""
    found: dict[tuple[int, Told], State] = {}
    whole = {state.key: state for state in prefixes(base, steps)}
    keys = sorted(whole, key=lambda key: chance.random())
    # Half for the prefixes where there are too many: the order of writes is the smaller risk.
    for key in keys[: max(amount // 2, amount - 2 * len(whole))]:
        found[key] = whole[key]
    rounds = 0
    while len(found) < amount and rounds < 100:
        rounds += 1
        fresh = [s for s in volatiles(base, steps, chance) if s.key not in found]
        if not fresh:
            continue
        for state in chance.sample(fresh, min(len(fresh), amount - len(found))):
            found[state.key] = state
    return list(found.values())


def _put_all(pages: Pages, writes: Sequence[Write]) -> None:
    for write in writes:
        put(pages, write)


def _kept(safe: Pages, pending: Sequence[Write], chance: random.Random) -> Pages:
    """What is safe, and a random part of what was not flushed."""
    pages, share = dict(safe), chance.choice(KEPT_SHARES)
    for write in pending:
        if chance.random() < share:
            put(pages, write)
        elif chance.random() < TORN_SHARE:
            _put_torn(pages, write, chance)
    return pages


def _put_torn(pages: Pages, write: Write, chance: random.Random) -> None:
    for at in range(0, len(write.data), SECTOR_BYTES):
        if write.offset + at >= NEVER_TORN_BELOW and chance.random() < 0.5:
            put(pages, Write(write.offset + at, write.data[at : at + SECTOR_BYTES]))
