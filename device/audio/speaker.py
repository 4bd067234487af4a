"""Sound out: one always-open PortAudio stream whose device clock is the player's master clock.

The callback only copies scheduled samples; nothing is opened or closed between sentences
(a start costs 200-450 ms on real drivers). A stalled or lost device is reopened, and until
then the timeline runs on the monotonic clock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from device.audio.clock import MediaClock, delay_or
from device.audio.gain import Gain
from device.audio.portaudio import closed, look_again, opened, portaudio
from device.audio.underflow import LATENCIES_S, TOLD_EVERY_S, Underflows
from ota.clock import Deadline, monotonic_s
from ota.errors import Retry

RATE_HZ = 48_000
LATENCY_S = LATENCIES_S[0]
GRID_FRAMES = RATE_HZ // 25
CLIPS_MAX = 16
NEWS_MAX = 8
STALL_S = 0.5
RETRY_S = 2.0
START_S_MAX, YOUNG_S = 2.0, 3.0
SETTLED_TICKS = 12
FADE_FRAMES = 384
# A breath is held while it is seen whether somebody speaks; whoever holds it may forget it.
BREATH_FRAMES = RATE_HZ * 4 // 25
_CHANNELS = 2

Samples = npt.NDArray[np.float32]
Tap = Callable[[int, Samples], None]
# (first frame, frames) -> what a living voice adds to them, None for nothing; must not wait.
Source = Callable[[int, int], "Samples | None"]


@dataclass(frozen=True)
class SpeakerState:
    """How the sound is: `running` false means the timeline runs without a device."""

    running: bool
    device: str
    underflows: int
    reopened: int
    fault: str | None
    drift_ppm: float | None = None
    latency_ms: float = LATENCY_S * 1e3


class Speaker:
    """Speaker().start(); `play` puts a clip on the timeline, `position_s` is what is audible.

    Positions are frames at 48 kHz since start. Thread-safe; the callback holds the lock for
    the copy only.
    """

    def __init__(self, device: str | None = None, enabled: bool = True) -> None:
        """`device` None is the system's default; `enabled` False never opens one."""
        self._device, self._enabled = device, enabled
        self.taken_frames = 0  # by the device, since the beginning
        self.clock = MediaClock(RATE_HZ, monotonic_s())
        self.volume = 1.0
        # A visitor's wish on top of it, how loud that may make it, and softly while they speak.
        self.trim, self.loudest, self.duck = 1.0, 1.0, 1.0
        self._gain, self._breath = Gain(RATE_HZ), Gain(RATE_HZ, glide_s=FADE_FRAMES / RATE_HZ)
        self._breath_until = 0
        self.tap: Tap | None = None
        self.reference: Tap | None = None  # what the ear's echo canceller is told
        self.source: Source | None = None
        self._clips: deque[tuple[int, Samples]] = deque(maxlen=CLIPS_MAX + 1)
        self._lock = threading.Lock()
        self._next = 0
        self._fade: Samples | None = None
        self._stream: Any = None
        self._stream_latency_s = LATENCY_S
        self._last_callback_s = self._opened_s = 0.0
        self._name, self._fault = "", None if enabled else "off"
        self._reopened = 0
        self._underflows = Underflows()
        self._deepen = self._fresh = False
        self._told_lost_s = -TOLD_EVERY_S
        self._news: deque[str] = deque(maxlen=NEWS_MAX)
        self._stop = threading.Event()
        self._guard = threading.Thread(target=self._watch, name="speaker", daemon=True)

    @property
    def enabled(self) -> bool:
        """False: this one never opens a device."""
        return self._enabled

    def start(self) -> Speaker:
        """Open the device if there is one, and keep looking after it; twice is once."""
        if self._guard.ident is None:
            if self._enabled:
                self._open()
            self._guard.start()
        return self

    def settle(self, seconds: float) -> None:
        """Wait until the device's clock is known, so that the picture begins without a jump."""
        deadline = Deadline(seconds)
        while self._stream is not None and self.clock.ticks < SETTLED_TICKS:
            if deadline.passed or self._stop.wait(0.02):
                return

    def play(self, samples: Samples, not_before: int = 0, quiet: int = 0) -> int:
        """Schedule mono 48 kHz samples at the next free point of the 25 fps grid.

        Not before frame `not_before`, and what the device already has is not changed: of the
        first `quiet` samples, which are silence, any may be skipped for an earlier voice.
        Returns the start frame. Raises Retry when too many clips wait.
        """
        with self._lock:
            self._forget_before(self._horizon())
            if len(self._clips) >= CLIPS_MAX:
                raise Retry("Too many sentences wait to be spoken; try again in a moment.")
            start = max(not_before, self._horizon() - quiet, self._busy_until())
            start = -(-start // GRID_FRAMES) * GRID_FRAMES
            self._clips.append((start, np.ascontiguousarray(samples, np.float32)))
            return start

    def flush(self) -> int:
        """Forget what is not with the device yet; returns the frame where sound ends.

        A clip in the middle of playing is faded out over 8 ms, never clicked off.
        """
        with self._lock:
            cut = self._horizon()
            for start, samples in self._clips:
                if start < cut < start + len(samples):
                    rest = samples[cut - start : cut - start + FADE_FRAMES]
                    self._fade = rest * np.linspace(1.0, 0.0, len(rest), dtype=np.float32)
            self._clips.clear()
            if self._fade is not None:
                self._clips.append((cut, self._fade))
                self._fade = None
                return cut + FADE_FRAMES
            return cut

    def hold_breath(self, on: bool) -> None:
        """Silence for 160 ms at most, or on again: the timeline goes on below it."""
        with self._lock:
            self._breath_until = self._next + BREATH_FRAMES if on else 0

    def horizon(self) -> int:
        """The first frame that the device does not have yet."""
        with self._lock:
            return self._horizon()

    def position_s(self) -> float:
        """Seconds of the timeline audible now."""
        return self.clock.position_s(monotonic_s())

    def state(self) -> SpeakerState:
        """For reports: what is open and what went wrong."""
        running = self._alive() and monotonic_s() - self._last_callback_s < STALL_S
        return SpeakerState(
            running, self._name, self._underflows.count, self._reopened, self._fault,
            self.clock.drift.ppm, self._underflows.latency_s * 1e3)

    def news(self) -> list[str]:
        """What went wrong with the sound since the last call, for people; each thing seldom."""
        found = []
        while self._news:
            found.append(self._news.popleft())
        if (broke_off := self._underflows.news(monotonic_s())) is not None:
            found.append(broke_off)
        return found

    def close(self) -> None:
        """Stop the guard and give the device back."""
        self._stop.set()
        if self._guard.is_alive():
            self._guard.join(2.0)
        self._shut()

    def _horizon(self) -> int:
        """The first frame that can still be chosen."""
        heard = int(self.clock.position_s(monotonic_s()) * RATE_HZ) + 1
        return max(self._next, heard) if self._alive() else heard

    def _busy_until(self) -> int:
        return max((start + len(samples) for start, samples in self._clips), default=0)

    def _alive(self) -> bool:
        """Callbacks come; in its first seconds a stream may pause longer (a server wakes up)."""
        now_s = monotonic_s()
        patience_s = STALL_S if now_s - self._opened_s > YOUNG_S else START_S_MAX
        return self._stream is not None and now_s - self._last_callback_s < patience_s

    def _callback(self, out: Samples, frames: int, times: Any, status: Any) -> None:
        now_s = monotonic_s()
        delay_s = delay_or(times.outputBufferDacTime, times.currentTime, self._stream_latency_s)
        with self._lock:
            if self._fresh:  # a new stream may wake up late: it begins where the timeline is
                self._fresh = False
                heard_s = self.clock.position_s(now_s) + delay_s
                self._next = max(self._next, int(heard_s * RATE_HZ))
            index = self._next
            self.clock.tick(now_s, index, delay_s)
            block = self._block(index, frames)
            self._next = index + frames
            self._last_callback_s = now_s
            self.taken_frames += frames
            if status.output_underflow and now_s - self._opened_s > START_S_MAX:
                self._deepen |= self._underflows.note(now_s)
        out[:] = block[:, None]
        for tap in (self.reference, self.tap):
            if tap is not None:
                tap(index, block)

    def _block(self, index: int, frames: int) -> Samples:
        """`frames` samples of the timeline from `index`, silence where nothing is scheduled."""
        block = np.zeros(frames, np.float32)
        self._forget_before(index)
        for start, samples in self._clips:
            first, last = max(start, index), min(start + len(samples), index + frames)
            if first < last:
                block[first - index : last - index] = samples[first - start : last - start]
        live = self.source(index, frames) if self.source is not None else None
        if live is not None:
            block += live
        wished = min(self.volume * self.trim, max(self.volume, self.loudest))
        self._gain.apply(block, wished * self.duck)
        self._breath.apply(block, 0.0 if index < self._breath_until else 1.0)
        return block

    def _forget_before(self, index: int) -> None:
        """Without a device nobody takes the clips: their time passes all the same."""
        while self._clips and self._clips[0][0] + len(self._clips[0][1]) <= index:
            self._clips.popleft()

    def _watch(self) -> None:
        """Reopen a stalled device, look for a missing one; serve the tap without a device."""
        while not self._stop.wait(RETRY_S if self._stream is None else STALL_S / 2):
            if not self._enabled or (self._alive() and not self._better_anew()):
                continue
            if self._stream is not None:
                if not self._alive():
                    self._fault = "stalled"
                self._reopened += 1
                self._shut()
            self._open()
            self._tell_lost()

    def _better_anew(self) -> bool:
        """Does the running stream need a deeper buffer, and is it silent now?"""
        with self._lock:
            anew = self._deepen and self._busy_until() <= self._next
            self._deepen &= not anew
        return anew

    def _tell_lost(self) -> None:
        now_s = monotonic_s()
        if self._fault is not None and now_s - self._told_lost_s >= TOLD_EVERY_S:
            self._told_lost_s = now_s
            self._news.append(f"The loudspeaker gives no sound: {self._fault}. The picture goes "
                              f"on, and it is looked for each {RETRY_S:.0f} s.")

    def _open(self) -> None:
        stream = None
        try:
            with _quiet():
                sounddevice = portaudio()
                if self._fault is not None:
                    look_again()
                stream = sounddevice.OutputStream(
                    samplerate=RATE_HZ, channels=_CHANNELS, dtype="float32",
                    device=self._device, latency=self._underflows.latency_s,
                    callback=self._callback)
                opened(stream)
                self._stream_latency_s = float(stream.latency)
                with self._lock:
                    now_s = monotonic_s()
                    heard = self.clock.position_s(now_s) + self._stream_latency_s
                    self._next = max(self._next, int(heard * RATE_HZ))
                    self._last_callback_s = self._opened_s = now_s
                    self._fresh = True
                    if self.clock.ticks:
                        self.clock.restart()
                stream.start()
                self._name = str(sounddevice.query_devices(stream.device)["name"])
        except (OSError, ValueError, RuntimeError, _portaudio_error()) as error:
            if stream is not None:
                _close(stream)
            self._stream, self._fault = None, f"no sound device ({_first_line(error)})"
            return
        self._stream, self._fault = stream, None

    def _shut(self) -> None:
        """Close in a thread of its own: a dead driver may hold `close` for seconds."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        closer = threading.Thread(target=_close, args=(stream,), daemon=True)
        closer.start()
        closer.join(2.0)


def _close(stream: Any) -> None:
    with contextlib.suppress(_portaudio_error(), OSError):
        stream.abort()
        stream.close()
    closed(stream)


def _portaudio_error() -> type[BaseException]:
    """PortAudio's own exception, or OSError where the library itself is missing."""
    try:
        error: type[BaseException] = portaudio().PortAudioError
    except OSError:
        return OSError
    return error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ALSA writes a wall of warnings to descriptor 2 while PortAudio looks for devices."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
