"""The present loop: each frame of the sound timeline is composed ahead and shown when it is due.

Runs in the process's main thread (windows belong to it). When late it drops picture frames,
never sound; a mouth that is not ready is replaced by the last one.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from device.audio.speaker import Speaker
from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle
from device.render.captions import Track
from device.render.compose import Compositor, Overlay
from device.render.dirty import Box
from device.render.pixels import Picture, Sprite
from device.render.sink import Sink
from device.stage.bands import STILL, next_shown, shown_between
from device.stage.care import shift_px
from device.stage.measure import Figures
from device.stage.mouths import MouthMaker, Patch
from ota.clock import monotonic_s, sleep_s

FPS = 25
FRAME_S = 1.0 / FPS
# While the picture stands still: often enough for captions and cards.
STILL_FPS = 5
SLEEP_S_MAX = 0.02
JUMP_S = 0.5
BACK_FRAMES = 2.5
CHANGES_MAX = 64
WATCH_EVERY = 5
SEEDS = 1 << 32

Watcher = Callable[[int, Picture], None]


class Stage:
    """Owns base video, compositor, sink and figures; `run` returns when `leave` is called.

    `change_at(n, part, sprite)` changes one part of the overlay from frame `n` on;
    `av_offset_ms` may change at any time, positive shows the picture later.
    """

    def __init__(
        self, bundle: Bundle, sink: Sink, speaker: Speaker, mouths: MouthMaker,
        size: tuple[int, int], av_offset_ms: float = 0.0,
    ) -> None:
        self.speaker, self.mouths, self._sink = speaker, mouths, sink
        self.figures = Figures()
        # Each start has its own order: a row of screens shall not move in step.
        self.base = BaseLoop.of(bundle, seed=random.randrange(SEEDS))
        self.compositor = Compositor(*size, self.base.size, bundle.head_middle)
        self._rests = frozenset(bundle.manifest.joins)
        self.gestures = tuple(each.name for each in bundle.gestures)
        self._matrices: npt.NDArray[np.float32] = bundle.matrices
        mouths.dress = self._dressed
        self.av_offset_ms = av_offset_ms
        self._size = size
        self._changes: deque[tuple[int, str, Sprite | Track | None]] = deque(maxlen=CHANGES_MAX)
        self._overlay = Overlay()
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self.window_closed = False
        self._patch: Patch | None = None
        self.talk_key: str | None = None  # the key to look for, and who is told of it
        self.on_talk: Callable[[bool], None] = lambda pressed: None
        self._boxes: list[Box] = []
        self._fps = FPS
        self._held: tuple[int, Picture] | None = None
        self._last_n = 0
        self.on_presented: Watcher | None = None
        self.started = threading.Event()

    @property
    def _shift_s(self) -> float:
        """Seconds that the picture runs ahead of the sound's timeline."""
        return -self.av_offset_ms / 1e3

    def open(self) -> None:
        """Open the sink and begin to decode; `run` follows in the same thread."""
        self._sink.open(*self._size)
        self.base.start()

    def leave(self) -> None:
        """Ask `run` to end; any thread."""
        self._leave.set()

    def change_at(self, n: int, part: str, sprite: Sprite | Track | None) -> None:
        """From frame `n` on (at once when it has passed) `part` of the overlay is `sprite`.

        `part` is a field of Overlay. Later changes of the same part that were planned are
        forgotten: the last word counts.
        """
        with self._lock:
            kept = [each for each in self._changes if each[1] != part or each[0] < n]
            kept.append((n, part, sprite))
            self._changes.clear()
            self._changes.extend(sorted(kept, key=lambda each: each[0]))

    def gesture(self, name: str | None) -> None:
        """Show that gesture at the next moment the pose allows, within 3 s or not at all.

        The newest wish wins, None takes it back. One that this avatar does not know is noted in
        the figures and nothing else happens: a programme is written for many avatars.
        """
        if self._fps == STILL:
            return
        if not self.base.ask(name) and name not in self.figures.gestures_unknown:
            self.figures.gestures_unknown.append(str(name))

    def at_fps(self, fps: int) -> None:
        """Show `fps` pictures a second of the same timeline; STILL holds the last. Any thread."""
        self.mouths.at_fps(fps)
        self._fps = fps
        if fps == STILL:
            self.base.ask(None)

    @property
    def stands_still(self) -> bool:
        """Is a picture that does not change what shall be seen: the still band, or something that
        covers all of it?"""
        return self._fps == STILL or self.compositor.covered

    def faults(self) -> list[str]:
        """What went wrong with the avatar's gestures since the last call, for people."""
        found = []
        while self.base.faults:
            found.append(self.base.faults.popleft())
        return found

    def frame_at(self, sound_frame: int) -> int:
        """The picture frame of a frame of the sound timeline."""
        return sound_frame * FPS // self.speaker.clock.rate_hz

    def now(self) -> int:
        """The picture frame that is due now."""
        return int(self._position_s() * FPS)

    def run(self) -> None:
        """Present frames until `leave`; raises Broken when the base video ends."""
        n = self.now() + 1
        # What was decoded ahead while the sound settled is not passed over: it is all the slack.
        self._last_n = n - 1
        while not self._leave.is_set():
            n = self._prepared(n)
            self._wait_for(n)
            now_s = monotonic_s()
            self._sink.present(now_s, self._boxes)
            self.figures.worked(monotonic_s() - now_s)
            self._note(n, monotonic_s())
            for pressed in self._sink.take_keys(self.talk_key) if self.talk_key else ():
                self.on_talk(pressed)
            if self.figures.frames_shown % WATCH_EVERY == 0 and self._sink.closed_by_user():
                self.window_closed = True
                return
            n += 1

    def close(self) -> None:
        """Stop decoding and give the screen back."""
        self.base.close()
        self._sink.close()

    def _prepared(self, n: int) -> int:
        """Compose frame `n`, or the newest that can still be in time; returns which."""
        index, planes, n = self._base_frame(n)
        started_s = monotonic_s()
        self._patch = self._mouth(n, index)
        self.compositor.shift = shift_px(n * FRAME_S, self.compositor.look.k)
        self._boxes = self.compositor.frame(
            self._sink.frame_buffer(), planes, self._patch, self._matrices[index],
            self._overlay_of(n))
        self.figures.compose_ms.append((monotonic_s() - started_s) * 1e3)
        self.figures.gestures_shown = self.base.gestures_shown
        return n

    def _base_frame(self, n: int) -> tuple[int, Picture, int]:
        """The base frame (index, planes) of `n`, or of the newest that can still be in time.

        Those between two that are shown are passed over, so that the motion keeps its pace.
        """
        fps = self._fps or STILL_FPS
        late = self._position_s() * FPS - n
        if late > JUMP_S * FPS or late < -BACK_FRAMES:
            # The timeline was set anew, back when the sound had to wait: go on there at once.
            n = next_shown(self.now() + 1, FPS, fps)
            self._last_n = n - 1
        elif late > 1.0:
            self.figures.frames_dropped += shown_between(n, n + int(late), FPS, fps)
            n += int(late)
        n = next_shown(n, FPS, fps)
        passed, self._last_n = n - self._last_n - 1, n
        if self._held is None or self._fps != STILL:
            for _ in range(passed):
                self.base.take_now()
            self._held = self.base.take()
        for _ in range(passed + 1 if self._fps == STILL else 0):
            # Nobody shall stand there for minutes with half-closed eyes: on to a rest pose.
            if not self._rests or self._held[0] in self._rests:
                break
            self._held = self.base.take()
        return *self._held, n

    def _mouth(self, n: int, index: int) -> Patch | None:
        """The mouth of frame `n`: the last one where it is late, None where it is closed."""
        known, patch = self.mouths.at(n, index, self.base.coming())
        if self._fps == STILL:
            return None
        if known or not self.mouths.is_open(n):
            return patch
        self.figures.mouths_late += 1
        return self._patch

    def _dressed(self, patch: Picture, index: int) -> Patch:
        """A mouth for the head of base frame `index`; in the mouth's thread."""
        if index >= len(self._matrices):
            return patch  # a guess beyond a gesture's end
        return self.compositor.dress(patch, self._matrices[index])

    def _overlay_of(self, n: int) -> Overlay:
        with self._lock:
            while self._changes and self._changes[0][0] <= n:
                _, part, sprite = self._changes.popleft()
                self._overlay = self._overlay.changed(part, sprite)
            self._overlay = self._overlay.at(n)
        return self._overlay

    def _wait_for(self, n: int) -> None:
        while (left_s := n * FRAME_S - self._position_s()) > 0:
            if left_s > JUMP_S or self._leave.is_set():
                return
            sleep_s(min(left_s, SLEEP_S_MAX))

    def _note(self, n: int, now_s: float) -> None:
        self.figures.shown(now_s)
        if self.mouths.is_open(n):
            heard_s = self.speaker.clock.position_s(now_s) + self._shift_s
            self.figures.av_offset_ms.append((n * FRAME_S - heard_s) * 1e3)
        self.started.set()
        if self.on_presented is not None:
            self.on_presented(n, self._sink.frame_buffer())

    def _position_s(self) -> float:
        return self.speaker.position_s() + self._shift_s
