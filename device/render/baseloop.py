"""The base video of an avatar as an endless row of frames, with gestures in it.

One thread decodes the base forward for ever, READ_AHEAD frames before they are needed, so
that the 33-164 ms a seek to the start takes is never seen. With a seed the beats between joins
come in random order (`device.render.beats`), without one as they are in the file. A gesture that
was asked for is opened by the same thread at once and played when the next idle frame is a join.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from device.render.beats import Reader, Reel, beats_of, holding, scan, unseen_share
from device.render.bundle import Bundle
from device.render.gestures import Gesture, Wish, Wishes
from device.render.pixels import Picture
from device.render.video import PlanePool, VideoError, open_video, size_of, whole_frames
from ota.errors import Broken, Refused

READ_AHEAD = 6
# Those ahead, the one being decoded, and those that the screen and its watchers look at.
PLANES_KEPT = READ_AHEAD + 4
FAULTS_MAX = 8
_WAIT_S = 0.2


class BaseLoop:
    """The base video as an endless row of (index, I420 planes), with gestures in it.

    BaseLoop(path, frames).start(); `take()` gives the next frame; index counts 0..frames-1
    and begins again. A gesture's frames have indices beyond those; after its last one the row
    goes on with the very idle frame before which it began. `size` is (width, height) in pixels,
    `faults` what is wrong with gestures, for people. Close it, or use `with`.
    """

    def __init__(
        self, path: Path, frames: int, gestures: Sequence[Gesture] = (),
        joins: Iterable[int] = (), seed: int | None = None,
    ) -> None:
        """Opens the file; raises Refused when it holds no such video."""
        self.path, self.frames = path, frames
        self.fault: str | None = None
        self.faults: deque[str] = deque(maxlen=FAULTS_MAX)
        self.gestures_shown = 0
        self._gestures = {each.name: each for each in gestures}
        self._firsts = frozenset(each.first for each in gestures)
        self._joins = frozenset(joins)
        self._wishes = Wishes()
        self._broken: set[str] = set()
        self._mended = False
        self._clip: _Clip | None = None
        self._row = 0
        self._pool = PlanePool(PLANES_KEPT)
        self._queue: queue.Queue[tuple[int, Picture]] = queue.Queue(READ_AHEAD)
        self._stop = threading.Event()
        self._container, self._stream = open_video(path)
        self.size: tuple[int, int] = size_of(self._stream)
        self._reel = None if seed is None else _reel(path, frames, sorted(self._joins), seed)
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)

    @classmethod
    def of(cls, bundle: Bundle, seed: int | None = None) -> BaseLoop:
        """The idle video of an avatar, and its gestures; `seed` as in the module's head."""
        manifest = bundle.manifest
        return cls(bundle.base_path, manifest.base.frames, bundle.gestures, manifest.joins, seed)

    @property
    def waiting(self) -> bool:
        """Does a gesture wait for its join?"""
        return self._wishes.waiting(self._row) is not None

    def ask(self, name: str | None, not_before: int = 0) -> bool:
        """Play that gesture at the next join, at the earliest as frame `not_before` of the row.

        The newest wish wins; one that finds no join in 3 s is dropped; None takes it back.
        False when the avatar has no such gesture. Any thread.
        """
        if name is None:
            self._wishes.ask(None)
            return True
        if name not in self._gestures:
            return False
        if name not in self._broken:
            self._wishes.ask(Wish(name, max(not_before, self._row)))
        return True

    def start(self) -> BaseLoop:
        """Begin to decode ahead."""
        self._thread.start()
        return self

    def take(self, timeout_s: float = 2.0) -> tuple[int, Picture]:
        """The next frame, waiting at most `timeout_s`. Raises Broken when decoding ended."""
        try:
            return self._noted(self._queue.get(timeout=timeout_s))
        except queue.Empty:
            raise Broken(
                f"The base video {self.path} stopped ({self.fault or 'too slow'}); restarting."
            ) from None

    def take_now(self) -> tuple[int, Picture] | None:
        """The next frame if it is decoded already."""
        try:
            return self._noted(self._queue.get_nowait())
        except queue.Empty:
            return None

    def coming(self) -> list[int]:
        """The indices of the next frames as far as they are decoded. Any thread."""
        with self._queue.mutex:
            return [index for index, _ in self._queue.queue]

    def close(self) -> None:
        """Stop the thread and close the file."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        self._close_clip()
        self._container.close()
        if self._reel is not None:
            self._reel.close()

    def __enter__(self) -> BaseLoop:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _decode(self) -> None:
        try:
            if self._reel is not None:
                self._shuffled(self._reel)
            while not self._stop.is_set():
                if self._once() == 0:
                    raise ValueError("it has no frame that can be shown")
        except (VideoError, ValueError) as error:
            self.fault = str(error)

    def _shuffled(self, reel: Reel) -> None:
        """Beats in random order, for ever; returns where the file does not allow it."""
        try:
            for index, frame in reel:
                if self._stop.is_set():
                    return
                self._before(index)
                self._put((index, self._pool.planes(frame)))
        except (VideoError, ValueError) as error:
            self.faults.append(f"The idle video {self.path.name} cannot be joined anew ({error}); "
                               "it repeats as it is. Install the avatar again.")

    def _once(self) -> int:
        """One pass over the file; short files are told by their own count of frames. A frame that
        is broken is the one before it once more, so that the mouth stays where the head is."""
        index = 0
        for number, frame in whole_frames(self._container, self._stream):
            planes = self._pool.planes(frame)
            while index <= number and index < self.frames and not self._stop.is_set():
                self._before(index)
                self._put((index, planes))
                self._mend(index < number)
                index += 1
            if self._stop.is_set() or index >= self.frames:
                break
        return index

    def _mend(self, missing: bool) -> None:
        if missing and not self._mended:
            self._mended = True
            self.faults.append(f"Frames of the idle video {self.path.name} are broken; those "
                               "beside them stand in. Install the avatar again.")

    def _before(self, index: int) -> None:
        """Make the gesture that waits ready; play it when idle frame `index` is a join."""
        wish = self._wishes.waiting(self._row)
        if wish is None:
            self._close_clip()
            return
        try:
            clip = self._ready(self._gestures[wish.name])
            due = index in self._joins and self._row >= wish.not_before
            if due and self._wishes.take(wish):
                self._play(clip)
        except (Refused, VideoError, ValueError) as error:
            self._wishes.take(wish)
            self._close_clip()
            if wish.name not in self._broken:
                self._broken.add(wish.name)
                self.faults.append(f"The gesture {wish.name} cannot be played ({error}); "
                                   "install the avatar again.")

    def _play(self, clip: _Clip) -> None:
        for item in clip:
            if self._stop.is_set():
                return
            self._put(item)
        self._close_clip()

    def _noted(self, item: tuple[int, Picture]) -> tuple[int, Picture]:
        self.gestures_shown += item[0] in self._firsts
        return item

    def _ready(self, gesture: Gesture) -> _Clip:
        if self._clip is None or self._clip.gesture is not gesture:
            self._close_clip()
            self._clip = _Clip(gesture, self.size, self._pool)
        return self._clip

    def _close_clip(self) -> None:
        if self._clip is not None:
            self._clip.close()
            self._clip = None

    def _put(self, item: tuple[int, Picture]) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_WAIT_S)
                self._row += 1
                return


def _reel(path: Path, frames: int, joins: Sequence[int], seed: int) -> Reel | None:
    """The idle video in beats; None where it has too few, or other frames than it should."""
    opened = open_video(path), open_video(path)
    try:
        times, keyframes = scan(*opened[0])
    except (VideoError, ValueError):
        times, keyframes = [], []
    beats = beats_of(joins, frames, keyframes) if len(times) == frames else ()
    size = size_of(opened[0][1])
    beats = holding(beats, keyframes, size)
    first, second = (Reader(container, stream, times) for container, stream in opened)
    if beats:
        return Reel(beats, (first, second), seed, unseen_share(size))
    first.close()
    second.close()
    return None


class _Clip:
    """An opened gesture whose first frame is decoded, so that its turn begins without a wait.

    Iterate once for (index, planes); raises ValueError when the file ends too early.
    """

    def __init__(self, gesture: Gesture, size: tuple[int, int], pool: PlanePool) -> None:
        self.gesture, self._pool = gesture, pool
        self._container, stream = open_video(gesture.path)
        try:
            if size_of(stream) != size:
                raise ValueError("it has another size than the idle video")
            self._frames = self._container.decode(stream)
            self._head = self._next(0)
        except (VideoError, ValueError):
            self._container.close()
            raise

    def __iter__(self) -> Iterator[tuple[int, Picture]]:
        yield self.gesture.first, self._head
        for number in range(1, self.gesture.frames):
            yield self.gesture.first + number, self._next(number)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _next(self, number: int) -> Picture:
        frame = next(self._frames, None)
        if frame is None:
            raise ValueError(f"it ends after {number} of {self.gesture.frames} frames")
        return self._pool.planes(frame)
