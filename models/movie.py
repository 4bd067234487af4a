"""Writes and reads video frame by frame; the only importer of PyAV among the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ota.errors import Refused

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
# A recording's two tracks may end this far apart, in seconds, before it counts as cut off.
ENDS_APART_S = 1.0
GROUP_FRAMES = 50


@dataclass(frozen=True)
class Film:
    """What a video file holds: upright size in pixels, seconds, pictures a second."""

    size: tuple[int, int]
    seconds: float
    fps: float


def write_loop(
    path: Path, frames: Iterable[Picture], fps: int, crf: int = 17, joins: Sequence[int] = (),
    light: bool = False,
) -> int:
    """Encode RGB frames (h, w, 3) as H.264 yuv420p without B frames; returns how many.

    Groups of pictures are closed. The frames `joins`, where a player may come in, begin one each:
    nothing has to be decoded unseen to get there. `light` costs a tenth more bytes and a third
    less to decode: at 2160 x 3840 one thread then keeps up with 25 frames a second.
    """
    import av

    count, entries = 0, frozenset(joins)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = None
        for picture in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"preset": "medium", "crf": str(crf), "bf": "0",
                                  "g": str(_group_frames(joins)), "forced-idr": "1",
                                  "threads": "1", **({"tune": "fastdecode"} if light else {})}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if count in entries:
                frame.pict_type = av.video.frame.PictureType.I
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def _group_frames(joins: Sequence[int]) -> int:
    """Frames between key frames: as ever, or from join to join where these are near enough."""
    gaps = [after - before for before, after in pairwise(sorted(joins))]
    return max(gaps) if gaps and max(gaps) <= 2 * GROUP_FRAMES else GROUP_FRAMES


def read_frames(path: Path) -> Iterator[Picture]:
    """RGB frames of a video."""
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def open_film(path: Path) -> Film:
    """Look through a video with sound. Raises Refused when it cannot be read, has no picture or
    no sound, or was cut off in copying."""
    import av

    if not path.is_file():
        raise Refused(f"There is no video {path}; check the name.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Refused(f"{path} has no picture; give a video of the person talking.")
            if not container.streams.audio:
                raise Refused(f"{path} has no sound track; record picture and sound together.")
            video = container.streams.video[0]
            promised_s = float(container.duration or 0) / 1e6
            end_s, heard_s = 0.0, 0.0
            for packet in container.demux(video, container.streams.audio[0]):
                if packet.pts is not None:
                    ends_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    if packet.stream is video:
                        end_s = max(end_s, ends_s)
                    else:
                        heard_s = max(heard_s, ends_s)
            first = next(iter(_decoded(container, 0)))
            size = (first.shape[1], first.shape[0])
            fps = float(video.average_rate or 0)
    except (av.error.FFmpegError, OSError, ValueError, StopIteration) as error:
        raise Refused(f"{path} is no video that can be read, or only a part of one; copy or "
                      f"export it again as MP4 ({type(error).__name__}).") from error
    if max(promised_s, heard_s, end_s) - min(end_s, heard_s) > max(ENDS_APART_S, 0.02 * end_s):
        raise Refused(f"{path} breaks off: picture until {end_s:.1f} s, sound until {heard_s:.1f} "
                      f"s, of {promised_s:.1f} s; copy it again, or cut it to where both are.")
    return Film(size, end_s, fps)


def _decoded(container: Any, seek: int | None = None) -> Iterator[Picture]:
    """Upright RGB frames."""
    if seek is not None:
        container.seek(seek)
    for frame in container.decode(video=0):
        yield upright(frame)


def upright(frame: Any) -> Picture:
    """The picture of a decoded frame, turned as a telephone's sensor says."""
    picture = frame.to_ndarray(format="rgb24")
    quarter_turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, quarter_turns), np.uint8)


def frames_at(path: Path, fps: int, every: int = 1) -> Iterator[tuple[int, Picture]]:
    """(number, RGB picture) of every `every`-th frame of the video resampled to `fps`: the frame
    that is seen in the middle of its time. Raises Refused where the file breaks off."""
    import av

    number, held, start_s = 0, None, None
    try:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                if frame.time is None:
                    continue
                start_s = frame.time if start_s is None else start_s
                while held is not None and (number + 0.5) / fps < frame.time - start_s:
                    if number % every == 0:
                        yield number, upright(held)
                    number += 1
                held = frame
            if held is not None and number % every == 0:
                yield number, upright(held)
    except av.error.FFmpegError as error:
        raise Refused(f"{path} cannot be decoded after {number / fps:.1f} s; export it again "
                      f"({type(error).__name__}).") from error


def sound_of(path: Path) -> tuple[Floats, int]:
    """Mono samples from the first picture on, and their rate."""
    import av

    parts: list[Floats] = []
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        first_picture = float((video.start_time or 0) * (video.time_base or 0))
        first_sound, rate_hz = None, int(audio.rate)
        mixer = av.AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        for frame in container.decode(audio):
            if first_sound is None:
                first_sound = float(frame.time or 0)
            parts += [np.asarray(f.to_ndarray()[0], np.float32) for f in mixer.resample(frame)]
    sound = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    lead = round(((first_sound or 0.0) - first_picture) * rate_hz)
    if lead > 0:
        return np.concatenate([np.zeros(lead, np.float32), sound]), rate_hz
    return sound[-lead:], rate_hz


@dataclass(frozen=True)
class Picture25:
    """A video judged as an idle loop: `plain` means that the player shows it as it is (H.264,
    yuv420p, 25 pictures a second, upright, colours as the player reads them)."""

    size: tuple[int, int]
    seconds: float
    frames: int
    plain: bool


def look_at_picture(path: Path) -> Picture25:
    """Look through a video, with or without sound. Raises Refused when it cannot be read, has no
    picture, or was cut off in copying."""
    import av

    if not path.is_file():
        raise Refused(f"There is no video {path}; check the name.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Refused(f"{path} has no picture; give a video of the person.")
            video = container.streams.video[0]
            promised_s, promised = float(container.duration or 0) / 1e6, int(video.frames or 0)
            frames, end_s = 0, 0.0
            for packet in container.demux(video):
                if packet.pts is not None:
                    frames += 1
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0))
                                             * packet.time_base))
            first = next(iter(_decoded(container, 0)))
            plain = _is_plain(video)
    except (av.error.FFmpegError, OSError, ValueError, StopIteration) as error:
        raise Refused(f"{path} is no video that can be read, or only a part of one; copy or "
                      f"export it again as MP4 ({type(error).__name__}).") from error
    if frames < promised or (not promised and promised_s - end_s > ENDS_APART_S):
        raise Refused(f"{path} breaks off after {end_s:.1f} of {promised_s:.1f} s; copy it again.")
    return Picture25((first.shape[1], first.shape[0]), end_s, frames, plain)


def _is_plain(video: Any) -> bool:
    codec = video.codec_context
    size_fits = codec.width % 2 == 0 and codec.height % 2 == 0
    turned = any(getattr(frame, "rotation", 0) for frame in _first(video.container))
    # 1 is BT.709, 2 full range: what the player would read wrongly.
    colours = codec.colorspace != 1 and codec.color_range != 2
    return bool(codec.name == "h264" and codec.pix_fmt == "yuv420p" and video.average_rate == 25
                and size_fits and not turned and colours)


def _first(container: Any) -> list[Any]:
    container.seek(0)
    return [next(iter(container.decode(video=0)))]


def frames_backward(path: Path, frames: int, fps: int, block: int = 50) -> Iterator[Picture]:
    """RGB frames of a video written by `write_loop`, last to first, `block` in memory at a time."""
    import av

    with av.open(str(path)) as container:
        video: Any = container.streams.video[0]
        for start in range((frames - 1) // block * block, -1, -block):
            container.seek(int(start / fps / video.time_base), stream=video)
            held: list[Any] = []
            for frame in container.decode(video):
                number = round(float(frame.time or 0.0) * fps)
                if number >= start:
                    held.append(frame)
                if number >= min(start + block, frames) - 1:
                    break
            for frame in reversed(held):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
