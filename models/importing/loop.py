"""Makes an idle loop of a video: its calmest stretch, seamless, at 25 pictures a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models import movie
from models.film.footage import FPS, LONG_SIDE_PX_MAX, fault_of, fitted
from models.film.landmarks import Face
from models.importing.alignment import opening
from ota.errors import Refused

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]
Tell = Callable[[str, int, int], None]

SECONDS_MIN, WHOLE_SECONDS_MAX, SECONDS_MAX = 1.0, 30.0, 1800.0
STRETCH_S = 12.0
# While choosing the stretch every fifth frame is looked at; later all, and every 25th anew.
LOOK_EVERY, ANEW_EVERY = 5, 25
# The first frame may differ from the last by this much more than neighbours do (grey levels).
SEAM_TIMES, SEAM_ROOM = 1.6, 0.6
THUMB_PX = 96
# The lips of a calm face move less than this share of the eyes' distance.
CALM_OPENING = 0.02
FORWARD_CRF = 10


class Tracker(Protocol):
    """What models.film.landmarks.FaceTracker does."""

    def faces(self, rgb: Picture) -> list[Face]:
        """Every face, the largest first."""

    def follow(self, rgb: Picture, before: Face) -> Face | None:
        """The face that was at `before` one frame ago."""


@dataclass(frozen=True)
class Stretch:
    """Frames first .. first + count - 1 of a video at 25 a second, and the face's points in each.

    points (count, 468, 2) in pixels of the fitted picture, whose (w, h) is `size`. `as_is`: the
    file itself is a seamless loop that the player shows; `closed`: end and beginning match.
    """

    video: Path
    first: int
    points: Floats
    size: tuple[int, int]
    closed: bool
    as_is: bool

    @property
    def count(self) -> int:
        """Frames of the stretch."""
        return len(self.points)

    @property
    def talks(self) -> bool:
        """Do the lips move in it? Then they will also move when the avatar is silent."""
        return float(np.std(opening(self.points))) > CALM_OPENING

    def order(self) -> NDArray[np.int32]:
        """(frames of the loop,) which frame of the stretch each is: forward, and back again when
        the ends do not match."""
        forward = np.arange(self.count, dtype=np.int32)
        return forward if self.closed else np.concatenate([forward, forward[-2:0:-1]])


def find_stretch(video: Path, tracker: Tracker, tell: Tell) -> Stretch:
    """The whole video up to 30 s, else its calmest 12 s.

    Raises Refused for a video that is broken, too short or long, or without exactly one face.
    """
    facts = movie.look_at_picture(video)
    if facts.seconds < SECONDS_MIN:
        raise Refused(f"{video} is only {facts.seconds:.1f} s long; at least {SECONDS_MIN:.0f} s "
                      "are needed for an idle loop, and 10 s are good.")
    if facts.seconds > SECONDS_MAX:
        raise Refused(f"{video} is {facts.seconds / 60:.0f} minutes long; cut it to the best few.")
    total = max(1, round(facts.seconds * FPS))
    first, count = 0, total
    if facts.seconds > WHOLE_SECONDS_MAX:
        count = round(STRETCH_S * FPS)
        first = _calmest(video, tracker, total, count, tell)
    points, ends, size = _follow(video, tracker, first, count, tell)
    closed = count == total and ends_match(*ends)
    as_is = closed and facts.plain and len(points) == facts.frames and (
        max(facts.size) <= LONG_SIDE_PX_MAX)
    return Stretch(video, first, points, size, closed, as_is)


def calmest(openings: Floats, count: int) -> int:
    """Where the `count` neighbouring openings begin in which the lips are closed and still."""
    windows = np.lib.stride_tricks.sliding_window_view(openings, min(count, len(openings)))
    return int(np.argmin(windows.mean(axis=1) + 3 * windows.std(axis=1)))


def ends_match(first: Picture, second: Picture, before_last: Picture, last: Picture) -> bool:
    """Is last -> first a step like first -> second and before_last -> last? Small grey pictures."""
    def step(one: Picture, other: Picture) -> float:
        return float(np.abs(one.astype(np.float32) - other.astype(np.float32)).mean())

    usual = max(step(first, second), step(before_last, last))
    return step(last, first) <= SEAM_TIMES * usual + SEAM_ROOM


def write_loop(stretch: Stretch, out: Path, tell: Tell) -> None:
    """Write the idle loop to `out`; the bytes of the video itself when it already is one."""
    if stretch.as_is:
        shutil.copyfile(stretch.video, out)
        return
    total = len(stretch.order())
    if stretch.closed:
        movie.write_loop(out, _told(stretch_frames(stretch), "write the loop", total, tell), FPS)
        return
    forward = out.with_name("forward.mp4")
    try:
        movie.write_loop(forward, _told(stretch_frames(stretch), "read the stretch",
                                        stretch.count, tell), FPS, FORWARD_CRF)
        back = islice(movie.frames_backward(forward, stretch.count, FPS), 1, stretch.count - 1)
        both = chain(movie.read_frames(forward), back)
        movie.write_loop(out, _told(both, "write the loop", total, tell), FPS)
    finally:
        forward.unlink(missing_ok=True)


def stretch_frames(stretch: Stretch) -> Iterator[Picture]:
    """The fitted RGB frames of the stretch, in order."""
    for number, picture in movie.frames_at(stretch.video, FPS):
        if number >= stretch.first + stretch.count:
            return
        if number >= stretch.first:
            yield fitted(picture)


def _told(frames: Iterable[Picture], what: str, total: int, tell: Tell) -> Iterator[Picture]:
    for number, picture in enumerate(frames, start=1):
        yield picture
        tell(what, min(number, total), total)


def _calmest(video: Path, tracker: Tracker, total: int, count: int, tell: Tell) -> int:
    found = []
    for number, picture in movie.frames_at(video, FPS, LOOK_EVERY):
        found.append(_one_face(video, tracker, fitted(picture), number).points)
        tell("look for a calm stretch", min(number + LOOK_EVERY, total), total)
    first = calmest(opening(np.stack(found)), count // LOOK_EVERY) * LOOK_EVERY
    return min(first, max(0, total - count))


def _follow(
    video: Path, tracker: Tracker, first: int, count: int, tell: Tell
) -> tuple[Floats, tuple[Picture, Picture, Picture, Picture], tuple[int, int]]:
    points: list[Floats] = []
    thumbs: list[Picture] = []
    face: Face | None = None
    size = (0, 0)
    for number, picture in movie.frames_at(video, FPS):
        if number < first:
            continue
        if number >= first + count:
            break
        shown = fitted(picture)
        size = (shown.shape[1], shown.shape[0])
        if face is not None and (number - first) % ANEW_EVERY:
            face = tracker.follow(shown, face)
        else:
            face = None
        face = face or _one_face(video, tracker, shown, number)
        points.append(face.points.astype(np.float32))
        thumbs = [*thumbs[:2], *thumbs[2:][-1:], _thumb(shown)]
        tell("follow the face", number - first + 1, count)
    if len(points) < 4:
        raise Refused(f"{video} holds only {len(points)} pictures; give at least one second.")
    return np.stack(points), (thumbs[0], thumbs[1], thumbs[-2], thumbs[-1]), size


def _one_face(video: Path, tracker: Tracker, picture: Picture, number: int) -> Face:
    found = tracker.faces(picture)
    fault = fault_of(found, picture.shape[1], picture.shape[0])
    if fault:
        raise Refused(f"{video} at {number / FPS:.1f} s: {fault}")
    return found[0]


def _thumb(picture: Picture) -> Picture:
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    high = max(1, round(THUMB_PX * picture.shape[0] / picture.shape[1]))
    return np.asarray(cv2.resize(grey, (THUMB_PX, high), interpolation=cv2.INTER_AREA), np.uint8)
