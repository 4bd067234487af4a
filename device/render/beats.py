"""Idle beats in random order: pieces of the idle video between frames of one pose, joined anew.

The video is decoded forward only, so a beat that does not begin at a key frame is reached from
the one before it. That is done by a second reader, a frame at a time, while the beat before is
shown: no gap at the join, and no more than one extra frame decoded for each one shown.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# Two beats could only alternate, which is what the file does.
BEATS_MIN = 3
EVEN_FRAMES = 8  # the larger, the less the cost of a beat counts


@dataclass(frozen=True)
class Beat:
    """`frames` idle frames from `first` on; `lead` frames lie between the key frame and it."""

    number: int
    first: int
    frames: int
    lead: int

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


class Order:
    """Which beat comes next: any but the newest half, if it can be reached in time. Seeded.

    Beats near their key frame come more often: what lies before one has to be decoded unseen.
    """

    def __init__(self, beats: Sequence[Beat], seed: int) -> None:
        self._beats = beats
        self._random = random.Random(seed)
        self._played: deque[int] = deque(maxlen=len(beats) // 2)

    def after(self, beat: Beat) -> Beat:
        """The beat to show when this one is over."""
        self._played.append(beat.number)
        following = self._beats[(beat.number + 1) % len(self._beats)]
        open_to = [
            each for each in self._beats
            if each.number not in self._played and (each is following or each.lead <= beat.frames)]
        costs = [0 if each is following else each.lead for each in open_to]
        weights = [1 / (EVEN_FRAMES + cost) for cost in costs]
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

    def seek(self, beat: Beat) -> None:
        """Stand before the key frame from which `beat` can be reached."""
        key = beat.first - beat.lead
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

    def __init__(self, beats: Sequence[Beat], readers: tuple[Reader, Reader], seed: int) -> None:
        self._beats, self._readers = beats, list(readers)
        self._order = Order(beats, seed)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        beat = self._beats[0]
        self._readers[0].seek(beat)
        self._readers[0].step()
        while True:
            following = self._order.after(beat)
            yield from self._play(beat, following)
            beat = following

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()

    def _play(self, beat: Beat, following: Beat) -> Iterator[tuple[int, Any]]:
        """The beat's frames, its first one decoded already; then the next one's first is."""
        reader, spare = self._readers
        goes_on = following.first == beat.end
        if not goes_on:
            spare.seek(following)
        for shown in range(1, beat.frames + 1):
            yield reader.head
            if not goes_on:
                wanted = (following.lead + 1) * shown // beat.frames
                while spare.head[0] < following.first - following.lead - 1 + wanted:
                    spare.step()
            if goes_on or shown < beat.frames:
                reader.step()
        if not goes_on:
            self._readers.reverse()


def scan(container: Any, stream: Any) -> tuple[list[int], list[int]]:
    """Time stamps and key frames of a video, from its packets alone: nothing is decoded."""
    packets = [each for each in container.demux(stream) if each.size and each.pts is not None]
    packets.sort(key=lambda packet: packet.pts)
    return ([packet.pts for packet in packets],
            [index for index, packet in enumerate(packets) if packet.is_keyframe])
