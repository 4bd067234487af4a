"""Moving pictures in and out of files: opening, decoding, and the movie writer. Imports PyAV."""

from __future__ import annotations

import contextlib
import fractions
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from device.render.pixels import Picture, bgra_to_i420
from ota.errors import Refused, Retry

_AUDIO_BLOCK = 1024

VideoError: type[Exception] = av.error.FFmpegError


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
        # Its macroblock tree reads memory that nobody wrote (sizes like 270 x 480): now and then
        # the same pictures would make another film.
        video.options = {"preset": "veryfast", "crf": "18", "bf": "0", "x264-params": "mbtree=0"}
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


def whole_frames(container: Any, stream: Any) -> Iterator[tuple[int, Any]]:
    """(number by its time stamp, frame) of what can be decoded from the file's start on.

    Packets that are broken, and frames that lean on them, are passed over.
    """
    container.seek(0)
    rate, base = stream.average_rate, stream.time_base
    start, following = stream.start_time or 0, 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except VideoError:
            continue
        for frame in frames:
            if frame.is_corrupt:
                continue
            if frame.pts is not None and rate and base:
                following = max(following, round((frame.pts - start) * base * rate))
            yield following, frame
            following += 1


def planes_of(frame: Any) -> Picture:
    """I420 planes (h * 3 / 2, w) of a decoded frame."""
    return np.asarray(frame.to_ndarray(format="yuv420p"), np.uint8)


class PlanePool:
    """Memory for decoded frames, written again once nobody holds a frame any more.

    Fresh memory for each frame costs as much as the copy into it: 2.4 ms at 2160 x 3840. One
    thread asks; frames may go to any.
    """

    def __init__(self, kept_max: int) -> None:
        self._kept: list[Picture] = []
        self._kept_max = kept_max
        for each in [np.empty(0, np.uint8)]:
            # The list, the loop's name, perhaps the call's argument: as many as in `_free`.
            self._references = sys.getrefcount(each)

    def planes(self, frame: Any) -> Picture:
        """I420 planes (h * 3 / 2, w) of a decoded frame, as `planes_of` would return them."""
        if frame.format.name != "yuv420p" or frame.width % 4 or frame.height % 2:
            return planes_of(frame)
        out = self._free((frame.height * 3 // 2, frame.width))
        flat, start = out.reshape(-1), 0
        for plane in frame.planes:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            size = plane.height * plane.width
            np.copyto(flat[start : start + size].reshape(plane.height, plane.width),
                      rows[: plane.height, : plane.width])
            start += size
        return out

    def _free(self, shape: tuple[int, int]) -> Picture:
        """An array that only this pool knows; all others may be on their way to the screen."""
        for each in self._kept:
            if sys.getrefcount(each) == self._references and each.shape == shape:
                return each
        made: Picture = np.empty(shape, np.uint8)
        if len(self._kept) < self._kept_max:
            self._kept.append(made)
        return made


def size_of(stream: Any) -> tuple[int, int]:
    """Width and height in pixels."""
    return stream.codec_context.width, stream.codec_context.height


def open_video(path: Path) -> tuple[Any, Any]:
    """The file and its video stream, decoded by one thread. Raises Refused when it is none."""
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
