"""Mouth pictures made a few frames before they are seen, by one thread of their own.

The sound timeline is cut into frames of 1/25 s (`n`). Sentences begin on that grid, so code
`i` of a sentence that starts at frame `s` is the mouth of frame `s + i`: no interpolation.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device.render.dress import Dressed
from device.render.mouths import AnyMouth, Codes
from device.render.pixels import Picture, premultiplied_patch
from device.stage.bands import STILL, is_shown
from ota.clock import monotonic_ns

Floats = npt.NDArray[np.float32]
# A mouth as it is shown: its patch, made ready for the screen where a stage asked for that.
Patch = Picture | Dressed
AHEAD = 8
CLOSING_FRAMES = 4
SENTENCES_MAX = 32
TIMES_MAX = 4096
NEW_TIMES_MAX = 64
FPS = 25
FRAME_MS = 1000.0 / FPS
# How much of the pace each new picture's time is.
PACE_SHARE = 0.3


@dataclass(frozen=True)
class Spoken:
    """The codes of one sentence, (frames, K), from frame `first` of the timeline on."""

    first: int
    codes: Codes

    def at(self, n: int) -> Floats | None:
        """The code of frame `n`, None outside of the sentence."""
        return self.codes[n - self.first] if 0 <= n - self.first < len(self.codes) else None


@dataclass(frozen=True)
class CutShort:
    """The first `said` codes of a sentence and then others (see Codes)."""

    codes: Codes
    said: int
    closing: Floats

    @property
    def nbytes(self) -> int:
        """Memory that keeping them takes."""
        return self.codes.nbytes + self.closing.nbytes

    def __len__(self) -> int:
        return self.said + len(self.closing)

    def __getitem__(self, frame: int, /) -> Floats:
        code: Floats = (
            self.codes[frame] if frame < self.said else self.closing[frame - self.said])
        return code


def cut_short(spoken: Spoken, n: int, rest: Floats) -> Spoken:
    """The sentence broken off at frame `n`: the mouth closes within CLOSING_FRAMES."""
    said = max(0, n - spoken.first)
    if said >= len(spoken.codes):
        return spoken
    last = spoken.codes[said - 1] if said else rest
    share = np.linspace(1.0, 0.0, CLOSING_FRAMES + 1, dtype=np.float32)[1:, None]
    closing = rest + (last - rest) * share
    return Spoken(spoken.first, CutShort(spoken.codes, said, closing))


class MouthMaker:
    """Renders the mouths of frames `shown + 1 .. shown + AHEAD` as soon as they are known.

    `at(n)` never waits: (True, patch) or (True, None) for a closed mouth, (False, None) when
    it is not ready. Thread-safe.
    """

    def __init__(self, mouth: AnyMouth, base_frames: int = 1) -> None:
        """`base_frames`: how many frames the idle video has."""
        self._mouth = mouth
        self._base_frames = base_frames
        self._base_index = 0
        self._coming: tuple[int, ...] = ()
        self._pace_ms = 0.0
        self._spoken: deque[Spoken] = deque(maxlen=SENTENCES_MAX)
        self._ready: dict[int, Patch | None] = {}
        self.dress: Callable[[Picture, int], Patch] | None = None
        self._shown = 0
        self._fps = FPS
        self._version = 0
        self._stop = False
        self._change = threading.Condition()
        self.render_ms: deque[float] = deque(maxlen=TIMES_MAX)
        self._new_ms: deque[float] = deque(maxlen=NEW_TIMES_MAX)
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._work, name="mouth", daemon=True)

    def start(self) -> MouthMaker:
        """Warm the network up, then begin."""
        self._mouth.patch(self._mouth.rest + np.float32(0.5))
        self._thread.start()
        return self

    def say(self, first: int, codes: Codes) -> None:
        """A sentence begins at frame `first`."""
        with self._change:
            self._spoken.append(Spoken(first, codes))
            self._forget_from(first)

    def cut(self, n: int) -> None:
        """Everything said ends at frame `n`; the mouth closes."""
        with self._change:
            kept = [cut_short(each, n, self._mouth.rest) for each in self._spoken
                    if each.first < n]
            self._spoken.clear()
            self._spoken.extend(kept)
            self._forget_from(n)

    def at(
        self, n: int, base_index: int = 0, coming: Sequence[int] = ()
    ) -> tuple[bool, Patch | None]:
        """The patch for frame `n`; tells the maker that `n` is shown over base frame `base_index`
        and the next ones over those that are `coming`.

        Beyond these the idle video goes on by one a frame; only after a jump that was not yet
        known the few that were ready have been made for another.
        """
        with self._change:
            self._base_index, self._coming = base_index, tuple(coming)
            known = n in self._ready
            patch = self._ready.get(n)
            self._shown = n
            for old in [each for each in self._ready if each <= n]:
                del self._ready[old]
            self._change.notify()
        return known, patch

    def at_fps(self, fps: int) -> None:
        """Only mouths of the frames that are shown at this rate are made; none for STILL."""
        with self._change:
            self._fps = fps
            self._change.notify()

    def take_ms(self) -> list[float]:
        """How long the mouths took that were rendered since the last call."""
        return [self._new_ms.popleft() for _ in range(len(self._new_ms))]

    def is_open(self, n: int) -> bool:
        """Is a mouth other than the closed one meant for frame `n`?"""
        with self._change:
            return self._code(n) is not None

    def close(self) -> None:
        """End the thread."""
        with self._change:
            self._stop = True
            self._change.notify()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _forget_from(self, n: int) -> None:
        self._version += 1
        for stale in [each for each in self._ready if each >= n]:
            del self._ready[stale]
        self._change.notify()

    def _code(self, n: int) -> Floats | None:
        """The code of frame `n`, None for the closed mouth. The newest sentence wins."""
        for spoken in reversed(self._spoken):
            code = spoken.at(n)
            if code is not None:
                return None if np.array_equal(code, self._mouth.rest) else code
        return None

    def _base_of(self, n: int) -> int:
        """The base frame under frame `n`, which is still to come."""
        known = (self._base_index, *self._coming)
        ahead = n - self._shown
        if ahead < len(known):
            return known[max(0, ahead)]
        index = known[-1] + ahead - len(known) + 1
        return index % self._base_frames if known[-1] < self._base_frames else index

    def _next(self) -> int | None:
        """The first frame that is not made and can still be made in time.

        A network slower than the frames (imported ones are) so shows fewer mouths, in time, and
        not all of them late.
        """
        first = self._shown + 1 + int(self._pace_ms / FRAME_MS)
        for n in range(first, max(first, self._shown + AHEAD) + 1):
            if n not in self._ready and self._fps != STILL and is_shown(n, FPS, self._fps):
                return n
        return None

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._stop and (n := self._next()) is None:
                    self._change.wait()
                if self._stop or n is None:
                    return
                code, version, base_index = self._code(n), self._version, self._base_of(n)
                if code is None:
                    self._ready[n] = None
                    continue
            patch = self._render(code, base_index)
            with self._change:
                if version == self._version or self._code(n) is code:
                    self._ready[n] = patch

    def _render(self, code: Floats, base_index: int) -> Patch:
        started_ns = monotonic_ns()
        made = premultiplied_patch(self._mouth.patch(code, base_index=base_index))
        patch = made if self.dress is None else self.dress(made, base_index)
        took_ms = (monotonic_ns() - started_ns) / 1e6
        self.render_ms.append(took_ms)
        self._new_ms.append(took_ms)
        self._pace_ms += PACE_SHARE * (took_ms - self._pace_ms)
        return patch
