"""The microphone, and a recording in its place: 32 ms chunks of mono 16 kHz sound with times.

PortAudio calls back with blocks at the card's own rate and channels; a bounded queue hands
them to the reader, who mixes, resamples and cuts. A stream that delivers nothing for a second
is closed and opened anew, whatever PortAudio says about it (a suspended or unplugged card
stays "active" for ever).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device.audio.health import Health
from device.audio.portaudio import closed, look_again, opened, portaudio
from device.audio.resample import Resampler, mono
from device.audio.soundfiles import read as read_file
from ota.clock import monotonic_ns, sleep_s
from ota.errors import Retry

Samples = NDArray[np.float32]

RATE_HZ = 16_000
CHUNK_SAMPLES = 512
_CHUNK_NS = CHUNK_SAMPLES * 1_000_000_000 // RATE_HZ
# Small blocks: with 32 ms the sound server hands over every 64.
_BLOCK_S = 0.01
_LATENCY_S = 0.04
_QUEUE_BLOCKS = 300
_STALLED_NS = 1_000_000_000
# PulseAudio's first block from an idle card has been seen to take 2 s.
_FIRST_BLOCK_NS = 5_000_000_000
_REOPEN_PAUSES_NS = (500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000)
_LEVEL_FLOOR_DBFS = -120.0
_CHANNELS_MAX = 8
_RATES_HZ = (48_000, 44_100, 32_000, 16_000)


@dataclass(frozen=True)
class Chunk:
    """512 samples of mono 16 kHz sound and when the last of them was in the air (monotonic)."""

    samples: Samples
    end_ns: int


class Source(Protocol):
    """Where the ear hears. `is_room` is True where the avatar's own voice may be in it."""

    is_room: bool
    device_name: str

    def read(self, timeout_s: float) -> Chunk | None:
        """The next chunk, or None when there is none within `timeout_s`."""
        ...

    @property
    def level_dbfs(self) -> float | None:
        """RMS of the last second, or None before there was any."""
        ...

    @property
    def fault(self) -> str | None:
        """One sentence when it does not deliver, else None."""
        ...

    def close(self) -> None:
        """Release the device."""
        ...


class Level:
    """RMS over about the last second of chunks, in dB of full scale."""

    def __init__(self) -> None:
        self._squares: deque[float] = deque(maxlen=RATE_HZ // CHUNK_SAMPLES)

    def feed(self, samples: Samples) -> None:
        """Take one chunk."""
        self._squares.append(float(np.mean(samples * samples)))

    @property
    def dbfs(self) -> float | None:
        """None before the first chunk; never under -120."""
        if not self._squares:
            return None
        mean = sum(self._squares) / len(self._squares)
        return max(_LEVEL_FLOOR_DBFS, 10 * float(np.log10(mean + 1e-13)))


class Capture:
    """The microphone `device` (a part of its name; None: the system's default).

    `dropped` counts blocks that came while the queue was full, `reopened` openings after the
    first, `rate_hz` is the stream's (0: none yet). Opening never raises: `fault` says what is
    wrong and `read` keeps trying.
    """

    is_room = True

    def __init__(self, device: str | None = None, zeros_are_fault: bool = True) -> None:
        """`zeros_are_fault` False for a source that is no room: a virtual card may be silent."""
        self._wanted = device
        self._zeros_are_fault = zeros_are_fault
        self._stream: Any = None
        self._blocks: deque[tuple[Samples, int]] = deque(maxlen=_QUEUE_BLOCKS)
        self._ready = threading.Condition()
        self._wanted_frames = 0
        self._heard_ns = 0
        self._opened_ns = 0
        self._tries = 0
        self._next_try_ns = 0
        self._fault: str | None = None
        self._level = Level()
        self._health = Health("", RATE_HZ, zeros_are_fault)
        self._resampler = Resampler(RATE_HZ, RATE_HZ)
        self._left = np.zeros(0, np.float32)
        self._left_end_ns = 0
        self.device_name = ""
        self.rate_hz = 0
        self.dropped = 0
        self.reopened = 0

    @property
    def level_dbfs(self) -> float | None:
        """RMS of the last second."""
        return self._level.dbfs

    @property
    def fault(self) -> str | None:
        """Why nothing is heard, or not well, or None."""
        return self._fault or self._health.fault

    def read(self, timeout_s: float) -> Chunk | None:
        """The next 32 ms, waiting at most `timeout_s`; mends the stream when it must."""
        deadline_ns = monotonic_ns() + int(timeout_s * 1e9)
        while len(self._left) < CHUNK_SAMPLES:
            self._mend()
            left_s = (deadline_ns - monotonic_ns()) / 1e9
            if left_s <= 0:
                return None
            missing = CHUNK_SAMPLES - len(self._left)
            if (block := self._take(missing, min(left_s, 0.25))) is not None:
                self._add(*block)
        samples, self._left = self._left[:CHUNK_SAMPLES], self._left[CHUNK_SAMPLES:]
        self._level.feed(samples)
        later_ns = len(self._left) * 1_000_000_000 // RATE_HZ
        return Chunk(samples, self._left_end_ns - later_ns)

    def close(self) -> None:
        """Stop the stream; a later `read` would open it again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            # abort: stop() would wait for a server that may be gone.
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)
            closed(stream)

    def _take(self, samples: int, timeout_s: float) -> tuple[Samples, int] | None:
        """All blocks that wait as one, as soon as they make so many samples: each alone would
        cost three times the processor."""
        with self._ready:
            self._wanted_frames = samples * self.rate_hz // RATE_HZ
            self._ready.wait_for(self._is_enough, timeout_s)
            blocks = list(self._blocks)
            self._blocks.clear()
        if not blocks:
            return None
        return np.concatenate([block for block, _ in blocks]), blocks[-1][1]

    def _is_enough(self) -> bool:
        frames = sum(len(block) for block, _ in self._blocks)
        return 0 < frames >= self._wanted_frames

    def _add(self, block: Samples, end_ns: int) -> None:
        self._health.note(block)
        ready = self._resampler.feed(mono(block))
        self._left = np.concatenate([self._left, ready])
        self._left_end_ns = end_ns

    def _mend(self) -> None:
        now_ns = monotonic_ns()
        if self._stream is not None:
            limit_ns = _STALLED_NS if self._heard_ns > self._opened_ns else _FIRST_BLOCK_NS
            if now_ns - max(self._heard_ns, self._opened_ns) < limit_ns:
                return
            self._fault = f"The microphone {self.device_name} stopped delivering sound."
            self.close()
        if now_ns < self._next_try_ns:
            return
        pause_ns = _REOPEN_PAUSES_NS[min(self._tries, len(_REOPEN_PAUSES_NS) - 1)]
        self._next_try_ns = now_ns + pause_ns
        try:
            self._open(renew=self._tries > 0)
        except Retry as error:
            self._fault = str(error)
        self._tries += 1

    def _open(self, renew: bool) -> None:
        try:
            sounddevice = portaudio()
        except OSError as error:
            raise Retry(
                "PortAudio was not found; run ./vitrine demo once so that it is set up."
            ) from error
        try:
            if renew:
                look_again()
                self.reopened += 1
            index = _find(list(sounddevice.query_devices()), self._wanted)
            found = sounddevice.query_devices(index, "input")
            self._stream, self.rate_hz = self._stream_of(sounddevice, index, found)
            opened(self._stream)
            self._resampler = Resampler(self.rate_hz, RATE_HZ)
            self._health = Health(str(found["name"]), self.rate_hz, self._zeros_are_fault)
            self._left = np.zeros(0, np.float32)
            self.device_name = str(found["name"])
            self._opened_ns = monotonic_ns()
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError, OSError) as error:
            self.close()
            wanted = f" named {self._wanted}" if self._wanted else ""
            raise Retry(
                f"No microphone{wanted} could be opened; plug one in or choose another."
            ) from error

    def _stream_of(self, sounddevice: Any, index: int | None, found: Any) -> tuple[Any, int]:
        """A stream of the card's own rate and all its microphones, else the first that it takes.

        What PortAudio calls the own rate is 44,100 for whatever takes that too, and coming from
        there is heard 21 ms later (`Resampler`): 48,000 is asked for first. Sound servers call
        themselves devices of 32 channels and up: two are enough of those.
        """
        own = int(found["default_samplerate"])
        most = max(1, int(found["max_input_channels"]))
        channels = most if most <= _CHANNELS_MAX else 2
        first = own if own % RATE_HZ == 0 else _RATES_HZ[0]
        ways = [(rate, count) for count in dict.fromkeys((channels, min(2, channels), 1))
                for rate in dict.fromkeys((first, own, *_RATES_HZ)) if rate > 0]
        for rate_hz, count in ways[:-1]:
            try:
                sounddevice.check_input_settings(index, count, "float32", None, rate_hz)
                break
            except (sounddevice.PortAudioError, ValueError):
                continue
        else:
            rate_hz, count = ways[-1]
        return sounddevice.InputStream(
            device=index, samplerate=rate_hz, dtype="float32", channels=count,
            blocksize=int(rate_hz * _BLOCK_S), latency=_LATENCY_S, callback=self._called,
        ), rate_hz  # fmt: skip

    def _called(self, block: Samples, frames: int, times: Any, _status: Any) -> None:
        """PortAudio's thread: copy, stamp, hand over; never waits for the reader's work."""
        now_ns = monotonic_ns()
        age_s = times.currentTime - times.inputBufferAdcTime
        began_ns = now_ns - int(age_s * 1e9) if 0.0 < age_s < 1.0 else 0
        rate_hz = frames / _BLOCK_S
        end_ns = min(now_ns, began_ns + int(frames / rate_hz * 1e9)) if began_ns else now_ns
        with self._ready:
            self._heard_ns = now_ns
            self._fault = None
            self._tries = min(self._tries, 1)
            if len(self._blocks) == _QUEUE_BLOCKS:
                self.dropped += 1
            self._blocks.append((block.copy(), end_ns))
            if self._is_enough():
                self._ready.notify()


class FileSource:
    """Recordings in place of a microphone, in real time; silence before, between and after.

    Nothing is played before `start`; then each file is followed by `gap_s` of silence.
    Raises Refused (from soundfiles) for a file that cannot be read or is silent.
    """

    is_room = False
    device_name = ""
    fault: str | None = None

    def __init__(self, files: Sequence[Path], gap_s: float = 10.0) -> None:
        gap = np.zeros(int(gap_s * RATE_HZ), np.float32)
        pieces: list[Samples] = []
        for file in files:
            pieces += [read_file(file, RATE_HZ, allow_silence=False), gap]
        self._samples = np.concatenate(pieces) if pieces else gap
        self._at: int | None = None
        self._due_ns: int | None = None
        self._level = Level()

    def start(self) -> None:
        """Begin with the first file at the next chunk; later calls do nothing."""
        if self._at is None:
            self._at = 0

    @property
    def level_dbfs(self) -> float | None:
        """RMS of the last second."""
        return self._level.dbfs

    @property
    def over(self) -> bool:
        """True once everything was played."""
        return self._at is not None and self._at >= len(self._samples)

    def read(self, timeout_s: float) -> Chunk | None:
        """The next 32 ms when its time has come."""
        now_ns = monotonic_ns()
        due_ns = self._due_ns if self._due_ns is not None else now_ns + _CHUNK_NS
        if due_ns - now_ns > timeout_s * 1e9:
            sleep_s(timeout_s)
            self._due_ns = due_ns
            return None
        sleep_s((due_ns - now_ns) / 1e9)
        self._due_ns = due_ns + _CHUNK_NS
        samples = np.zeros(CHUNK_SAMPLES, np.float32)
        if self._at is not None:
            piece = self._samples[self._at : self._at + CHUNK_SAMPLES]
            samples[: len(piece)] = piece
            self._at += CHUNK_SAMPLES
        self._level.feed(samples)
        return Chunk(samples, due_ns)

    def close(self) -> None:
        """Nothing to release."""


def _find(devices: list[dict[str, Any]], wanted: str | None) -> int | None:
    """Index of the first input device whose name holds `wanted`; None asks for the default."""
    if wanted is None:
        return None
    for index, device in enumerate(devices):
        if device["max_input_channels"] > 0 and wanted.lower() in device["name"].lower():
            return index
    raise Retry(f"There is no microphone named {wanted}; plug it in or choose another.")
