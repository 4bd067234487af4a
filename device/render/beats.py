"""Idle beats in random order: pieces of the idle video between frames of one pose, joined anew.

The video is decoded forward only, so a beat that does not begin at a key frame is reached from
the one before it. That is done by a second reader, a frame at a time, while the beat before is
shown: no gap at the join, and no more than one extra frame decoded for each one shown.

Large pictures cannot afford that: of them no more is decoded unseen than a 1080 x 1920 picture
has pixels for each one shown. The beats that are too far from their key frame keep their first
frames, up to the next key frame, in memory once they were shown, as far as HELD_BYTES_MAX goes.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

# Two beats could only alternate, which is what the file does.
BEATS_MIN = 3
EVEN_FRAMES = 8  # the larger, the less the cost of a beat counts
UNSEEN_PX_MAX = 1080 * 1920
HELD_BYTES_MAX = 80_000_000  # six frames of 2160 x 3840


@dataclass(frozen=True)
class Beat:
    """`frames` idle frames from `first` on; `lead` frames lie between the key frame and it.

    The `held` first ones, up to the next key frame, are worth keeping in memory.
    """

    number: int
    first: int
    frames: int
    lead: int
    held: int = 0

    @property
    def end(self) -> int:
        """The first frame behind it."""
        return self.first + self.frames


def beats_of(joins: Sequence[int], frames: int, keyframes: Sequence[int]) -> tuple[Beat, ...]:
    """The beats between the joins of a video of `frames`; none where they would not be worth it.

    The first join and the first key frame have to be frame 0.
    """
    firsts, keys = sorted(set(joins)), sorted(keyframes)
    if len(firsts) < BEATS_MIN or firsts[0] != 0 or not keys or keys[0] != 0:
        return ()
    ends = [*firsts[1:], frames]
    return tuple(
        Beat(number, first, end - first, first - keys[bisect_right(keys, first) - 1])
        for number, (first, end) in enumerate(zip(firsts, ends, strict=True)))


def unseen_share(size: tuple[int, int]) -> float:
    """How many frames of that size may be decoded unseen for each one shown, at most one."""
    return min(1.0, UNSEEN_PX_MAX / (size[0] * size[1]))


def holding(
    beats: Sequence[Beat], keyframes: Sequence[int], size: tuple[int, int]
) -> tuple[Beat, ...]:
    """The beats, those marked that cannot be reached in time and whose heads fit into memory."""
    share, left_bytes = unseen_share(size), HELD_BYTES_MAX
    frame_bytes, keys = size[0] * size[1] * 3 // 2, sorted(keyframes)
    held: dict[int, int] = {}
    for beat in sorted(beats, key=lambda each: -each.lead):
        following = bisect_right(keys, beat.first)
        count = keys[following] - beat.first if following < len(keys) else beat.frames
        too_far = beat.lead > share * min(each.frames for each in beats)
        if too_far and count < beat.frames and count * frame_bytes <= left_bytes:
            held[beat.number] = count
            left_bytes -= count * frame_bytes
    return tuple(replace(each, held=held.get(each.number, 0)) for each in beats)


class Order:
    """Which beat comes next: any but the newest half, if it can be reached in time. Seeded.

    Beats near their key frame come more often: what lies before one has to be decoded unseen,
    and that at most `share` times as often as frames are shown.
    """

    def __init__(self, beats: Sequence[Beat], seed: int, share: float = 1.0) -> None:
        self._beats, self._share = beats, share
        self._random = random.Random(seed)
        self._played: deque[int] = deque(maxlen=len(beats) // 2)

    def after(self, beat: Beat, ready: Collection[int] = ()) -> Beat:
        """The beat to show when this one is over; `ready` are those whose heads are in memory."""
        self._played.append(beat.number)
        following = self._beats[(beat.number + 1) % len(self._beats)]
        costs = {each: 0 if each is following or each.number in ready else each.lead
                 for each in self._beats if each.number not in self._played}
        open_to = [each for each, cost in costs.items() if cost <= self._share * beat.frames]
        weights = [1 / (EVEN_FRAMES + costs[each]) for each in open_to]
        return self._random.choices(open_to, weights)[0] if open_to else following


class Reader:
    """One opened video decoded forward; `head` is (index, frame), the newest one decoded.

    `times` are the frames' time stamps in order. Raises ValueError when the file is not so.
    """

    def __init__(self, container: Any, stream: Any, times: Sequence[int]) -> None:
        self._container, self._stream, self._times = container, stream, times
        self._index_of = {time: index for index, time in enumerate(times)}
        self._frames: Iterator[Any] = iter(())
        self.head: tuple[int, Any] = (-1, None)

    def seek(self, key: int) -> None:
        """Stand before the key frame of that index."""
        self._container.seek(self._times[key], stream=self._stream, backward=True)
        self._frames = self._container.decode(self._stream)
        self.head = (key - 1, None)

    def step(self) -> tuple[int, Any]:
        """Decode the next frame."""
        frame = next(self._frames, None)
        index = -1
        if frame is not None and not frame.is_corrupt:
            index = self._index_of.get(frame.pts, -1)
        if index != self.head[0] + 1:
            raise ValueError(f"frame {self.head[0] + 1} is not where the file says")
        self.head = (index, frame)
        return self.head

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class Reel:
    """The endless idle row as (index, frame). Owns its two readers: close it."""

    def __init__(
        self, beats: Sequence[Beat], readers: tuple[Reader, Reader], seed: int, share: float = 1.0
    ) -> None:
        self._beats, self._readers = beats, list(readers)
        self._order = Order(beats, seed, share)
        self._heads: dict[int, list[tuple[int, Any]]] = {each.number: [] for each in beats}

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        beat = self._beats[0]
        self._readers[0].seek(beat.first - beat.lead)
        self._readers[0].step()
        while True:
            following = self._order.after(
                beat, [each.number for each in self._beats if self._is_kept(each)])
            yield from self._play(beat, following)
            beat = following

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()

    def _is_kept(self, beat: Beat) -> bool:
        return 0 < beat.held == len(self._heads[beat.number])

    def _play(self, beat: Beat, following: Beat) -> Iterator[tuple[int, Any]]:
        """The beat's frames; its first one, or the first behind its kept head, is decoded
        already. Then the next one's is."""
        reader, spare = self._readers
        goes_on = following.first == beat.end
        kept = self._heads[beat.number][:] if reader.head[0] != beat.first else []
        key, wanted = following.first - following.lead, following.first
        if self._is_kept(following):
            key = wanted = following.first + following.held
        if not goes_on:
            spare.seek(key)
        for shown in range(1, beat.frames + 1):
            yield kept[shown - 1] if shown <= len(kept) else self._noted(beat, reader.head)
            if not goes_on:
                steps = (wanted - key + 1) * shown // beat.frames
                while spare.head[0] < key - 1 + steps:
                    spare.step()
            if shown > len(kept) and (goes_on or shown < beat.frames):
                reader.step()
        if not goes_on:
            self._readers.reverse()

    def _noted(self, beat: Beat, item: tuple[int, Any]) -> tuple[int, Any]:
        """A frame on its way to the screen, kept if it is the next of a head worth keeping."""
        head = self._heads[beat.number]
        if len(head) < beat.held and item[0] == beat.first + len(head):
            head.append(item)
        return item


def scan(container: Any, stream: Any) -> tuple[list[int], list[int]]:
    """Time stamps and key frames of a video, from its packets alone: nothing is decoded."""
    packets = [each for each in container.demux(stream) if each.size and each.pts is not None]
    packets.sort(key=lambda packet: packet.pts)
    return ([packet.pts for packet in packets],
            [index for index, packet in enumerate(packets) if packet.is_keyframe])
