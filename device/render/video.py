"""Moving pictures in and out of files: the base loop and the movie writer. Imports PyAV.

One thread decodes the base forward for ever, READ_AHEAD frames before they are needed, so
that the 33-164 ms a seek to the start takes is never seen. With a seed the beats between joins
come in random order (`device.render.beats`), without one as they are in the file. A gesture that
was asked for is opened by the same thread at once and played when the next idle frame is a join.
"""

from __future__ import annotations

import contextlib
import fractions
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from device.render.beats import Reader, Reel, beats_of, scan
from device.render.bundle import Bundle
from device.render.gestures import Gesture, Wish, Wishes
from device.render.pixels import Picture, bgra_to_i420
from ota.errors import Broken, Refused, Retry

READ_AHEAD = 6
FAULTS_MAX = 8
_WAIT_S = 0.2
_AUDIO_BLOCK = 1024


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
        self._clip: _Clip | None = None
        self._row = 0
        self._queue: queue.Queue[tuple[int, Picture]] = queue.Queue(READ_AHEAD)
        self._stop = threading.Event()
        self._container, self._stream = _open_video(path)
        self.size: tuple[int, int] = _size(self._stream)
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
                shown = self._once()
                if shown == 0:
                    raise av.error.InvalidDataError(0, "no frames")
                self._container.seek(0)
        except (av.error.FFmpegError, ValueError) as error:
            self.fault = str(error)

    def _shuffled(self, reel: Reel) -> None:
        """Beats in random order, for ever; returns where the file does not allow it."""
        try:
            for index, frame in reel:
                if self._stop.is_set():
                    return
                self._before(index)
                self._put((index, _planes(frame)))
        except (av.error.FFmpegError, ValueError) as error:
            self.faults.append(f"The idle video {self.path.name} cannot be joined anew ({error}); "
                               "it repeats as it is. Install the avatar again.")

    def _once(self) -> int:
        """One pass over the file; short files are told by their own count of frames."""
        index = 0
        for frame in self._container.decode(self._stream):
            if self._stop.is_set() or index >= self.frames:
                break
            self._before(index)
            self._put((index, _planes(frame)))
            index += 1
        return index

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
        except (Refused, av.error.FFmpegError, ValueError) as error:
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
            self._clip = _Clip(gesture, self.size)
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
    opened = _open_video(path), _open_video(path)
    try:
        times, keyframes = scan(*opened[0])
    except (av.error.FFmpegError, ValueError):
        times, keyframes = [], []
    beats = beats_of(joins, frames, keyframes) if len(times) == frames else ()
    first, second = (Reader(container, stream, times) for container, stream in opened)
    if beats:
        return Reel(beats, (first, second), seed)
    first.close()
    second.close()
    return None


class _Clip:
    """An opened gesture whose first frame is decoded, so that its turn begins without a wait.

    Iterate once for (index, planes); raises ValueError when the file ends too early.
    """

    def __init__(self, gesture: Gesture, size: tuple[int, int]) -> None:
        self.gesture = gesture
        self._container, stream = _open_video(gesture.path)
        try:
            if _size(stream) != size:
                raise ValueError("it has another size than the idle video")
            self._frames = self._container.decode(stream)
            self._head = self._next(0)
        except (av.error.FFmpegError, ValueError):
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
        return _planes(frame)


class MovieWriter:
    """An H.264 + AAC mp4, written frame by frame beside its final name.

    Used as a context: on success the file appears under `path` at once, on any error
    nothing is left. Raises Refused for an impossible place, Retry for a full disk.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: int, sample_rate_hz: int) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part.mp4")
        self._size, self._fps, self._rate = size, fps, sample_rate_hz
        self._frames = 0
        self._samples = 0

    def __enter__(self) -> MovieWriter:
        try:
            self._container = av.open(str(self._part), "w", format="mp4",
                                      options={"movflags": "faststart"})
        except OSError as error:
            raise Refused(
                f"{self.path} cannot be written ({error.strerror}); choose another place."
            ) from error
        video: Any = self._container.add_stream("libx264", rate=self._fps)
        video.width, video.height = self._size
        video.pix_fmt = "yuv420p"
        video.options = {"preset": "veryfast", "crf": "18", "bf": "0"}
        video.codec_context.color_range = 1
        video.codec_context.colorspace = 6
        video.time_base = fractions.Fraction(1, self._fps)
        audio: Any = self._container.add_stream("aac", rate=self._rate, layout="mono")
        audio.bit_rate = 160_000
        self._video, self._audio = video, audio
        return self

    def picture(self, canvas: Picture) -> None:
        """Append one BGRA frame of the movie's size."""
        frame = av.VideoFrame.from_ndarray(bgra_to_i420(canvas), format="yuv420p")
        frame.pts, frame.time_base = self._frames, fractions.Fraction(1, self._fps)
        frame.colorspace, frame.color_range = 6, 1
        self._frames += 1
        self._mux(self._video.encode(frame))

    def sound(self, samples: npt.NDArray[np.float32]) -> None:
        """Append mono samples at the movie's rate."""
        for start in range(0, len(samples), _AUDIO_BLOCK):
            block = samples[start : start + _AUDIO_BLOCK]
            frame = av.AudioFrame.from_ndarray(block[None, :], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = self._rate, self._samples
            frame.time_base = fractions.Fraction(1, self._rate)
            self._samples += len(block)
            self._mux(self._audio.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._mux(self._video.encode(None))
                self._mux(self._audio.encode(None))
            with _movie_errors(self.path):
                self._container.close()
            if kind is None:
                self._part.replace(self.path)
        finally:
            self._part.unlink(missing_ok=True)

    def _mux(self, packets: Any) -> None:
        with _movie_errors(self.path):
            self._container.mux(packets)


@contextlib.contextmanager
def _movie_errors(path: Path) -> Any:
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise Retry(
            f"{path} was not written ({getattr(error, 'strerror', None) or error}); "
            "free some space on the disk and try again."
        ) from error


def _planes(frame: Any) -> Picture:
    return np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)


def _size(stream: Any) -> tuple[int, int]:
    return stream.codec_context.width, stream.codec_context.height


def _open_video(path: Path) -> tuple[Any, Any]:
    try:
        container = av.open(str(path))
        stream = container.streams.video[0]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise Refused(f"{path} is not a video that can be played ({error}).") from error
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return container, stream


def read_movie(path: Path) -> tuple[list[Picture], npt.NDArray[np.float32], int]:
    """All frames (RGB, for tests and comparisons of short clips), mono sound, its rate."""
    frames: list[Picture] = []
    sound: list[npt.NDArray[np.float32]] = []
    rate_hz = 0
    with av.open(str(path)) as container:
        for packet in container.demux():
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    frames.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
                elif isinstance(frame, av.AudioFrame):
                    rate_hz = frame.sample_rate
                    sound.append(frame.to_ndarray().mean(axis=0))
    return frames, np.concatenate(sound) if sound else np.zeros(0, np.float32), rate_hz


def write_base(path: Path, frames: list[Picture], fps: int, quality_crf: int = 16) -> None:
    """Write RGB frames as a base video (closed GOP, no B frames): for bundle makers and tests."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "medium", "crf": str(quality_crf), "bf": "0", "g": "50"}
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
