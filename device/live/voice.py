"""The player's side of a person who speaks: takes the voice, sounds it, and moves the mouth.

One thread beside the director. It asks for the screen (`change`), the director stops the script
and lets it on (`on`), and takes the screen back when the voice is gone (`off`).
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable

import msgspec

from device.audio.resample import resample
from device.audio.speaker import RATE_HZ, Samples, Speaker
from device.live.level import VoiceLevel
from device.live.placement import DELAY_FRAMES, Placement
from device.live.ring import Ring
from device.live.wire import BEGIN, VOICE, LiveState, read_head, socket_path, state_packet, voice_of
from device.paths import Places
from device.preview.wire import framed, hang_up, listening, read_packet
from device.render.mouths import AnyMouth
from device.stage.mouths import MouthMaker
from ota.clock import Deadline, monotonic_s
from ota.errors import Refused, VitrineError

FPS = 25
FRAME = RATE_HZ // FPS
CODE_RATE_HZ = 16_000
# A frame's mouth is decided so long before it is heard: the frame before it is being composed
# then, and voice network and renderer need their time.
DECIDE_S = 0.07
PAST_FRAMES, AHEAD_S_MAX = 20, 0.3
CATCH_UP_FRAMES = 5
STATE_S = 0.25
SILENT_S_MAX = 1.0
ASK_S_MAX = 3.0
TAKEOVER_S_MAX = 1800.0
SEND_S_MAX = 0.5
WAIT_S = 0.01
WHY_PLAYER = (
    "现在不能接管:没有节目,或正在播紧急通知 / "
    "Nobody can take over now: there is no programme, or an emergency notice is on.")
WHY_SILENT = "线路断了 / The line was silent for more than a second."
WHY_LIMIT = "三十分钟到了 / Thirty minutes are over; begin again."
WHY_TAKEN = "屏幕被收回 / The screen was taken back."


class LiveVoice:
    """start() listens for the agent; one voice at a time. Thread-safe where it says so."""

    def __init__(
        self, places: Places, speaker: Speaker, mouths: MouthMaker, mouth: AnyMouth,
        earlier_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`mouth` computes codes, while nobody else does so with it; `earlier_s` tells how much
        the picture is shown before its sound is audible (a slow loudspeaker): asked at each
        takeover, for a technician may set it at any time."""
        self._path = socket_path(places)
        self._speaker, self._mouths, self._mouth = speaker, mouths, mouth
        self._earlier_s, self._decide_s = earlier_s, DECIDE_S
        self.ring = Ring()
        self._lock = threading.Lock()
        self._wanted = self._told = self._is_on = self._was_on = False
        self._level, self._placement = VoiceLevel(), Placement(DELAY_FRAMES)
        self._frame: int | None = None
        self._voice_at_s = self._came_s = self._ahead_s = 0.0
        self._stop = threading.Event()
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._work, name="live", daemon=True)

    def start(self) -> LiveVoice:
        """Listen. Raises Broken when the socket cannot be made."""
        self._listener = listening(self._path, 1)
        self._speaker.source = self.ring.read
        self._thread.start()
        return self

    def change(self) -> bool | None:
        """True when somebody asks for the screen, False when the voice is gone, each once."""
        with self._lock:
            if self._wanted == self._told:
                return None
            self._told = self._wanted
            return self._told

    def on(self) -> None:
        """The script is silent: from now on the voice sounds."""
        with self._lock:
            if self._wanted:
                self._is_on = self._was_on = True
                earlier_s = max(0.0, self._earlier_s())
                self._decide_s = DECIDE_S + earlier_s
                delay = DELAY_FRAMES + round(earlier_s * RATE_HZ)
                self._level, self._placement = VoiceLevel(), Placement(delay)
                self._frame = None

    def off(self) -> None:
        """Silence within one buffer, and the mouth closes; the voice is told so."""
        with self._lock:
            if not self._is_on:
                return
            self._is_on = False
            end = self.ring.cut(self._speaker.horizon())
        self._mouths.cut(end * FPS // RATE_HZ + 1)

    def state(self, phase: str = "", why: str = "") -> LiveState:
        """How it stands now; any thread."""
        lag_ms = self._placement.lag * 1e3 / RATE_HZ
        return LiveState(
            phase=phase or ("on" if self._is_on else "wait"), delay_ms=round(lag_ms, 1),
            held_ms=round((monotonic_s() - self._came_s) * 1e3, 1),
            ahead_ms=round(self._ahead_s * 1e3, 1), late=self._placement.late,
            dropped=self._placement.dropped, why=why)

    def close(self) -> None:
        """End the thread and leave no socket behind."""
        self._stop.set()
        if self._listener is not None:
            hang_up(self._listener, self._path)
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _work(self) -> None:
        while not self._stop.is_set() and self._listener is not None:
            try:
                agent, _ = self._listener.accept()
            except OSError:
                return
            with agent:
                agent.settimeout(SEND_S_MAX)
                why = ""
                with contextlib.suppress(OSError):
                    why = self._serve(agent)
                with self._lock:
                    self._wanted = False
                with contextlib.suppress(OSError):
                    agent.sendall(framed(state_packet(self.state("end", why))))

    def _serve(self, agent: socket.socket) -> str:
        """One takeover, to its end; returns who ended it ("" is the operator)."""
        limit, patience, report = Deadline(TAKEOVER_S_MAX), Deadline(ASK_S_MAX), Deadline(0.0)
        self._came_s, self._was_on = monotonic_s(), False
        while not self._stop.is_set():
            if select.select([agent], [], [], WAIT_S)[0] and not self._take(agent):
                return ""
            if self._is_on:
                self._decide_mouths()
            if report.passed:
                report = Deadline(STATE_S)
                agent.sendall(framed(state_packet(self.state(), self._voice_at_s)))
            if (why := self._end(limit, patience)) is not None:
                return why
        return WHY_TAKEN

    def _end(self, limit: Deadline, patience: Deadline) -> str | None:
        if self._was_on and not self._is_on:
            return WHY_TAKEN
        if monotonic_s() - self._came_s > SILENT_S_MAX:
            return WHY_SILENT
        if patience.passed and not self._was_on:
            return WHY_PLAYER
        return WHY_LIMIT if limit.passed else None

    def _take(self, agent: socket.socket) -> bool:
        """One packet of the agent; False at the end of the line."""
        try:
            data = read_packet(agent)
            if data is None:
                return False
            kind, at_s = read_head(data)
            if kind == BEGIN:
                with self._lock:
                    self._wanted = True
            elif kind == VOICE:
                self._hear(voice_of(data))
                self._voice_at_s = at_s
        except (Refused, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        self._came_s = monotonic_s()
        return True

    def _hear(self, samples: Samples) -> None:
        with self._lock:
            if not self._is_on:
                return
            levelled, quiet = self._level.feed(samples)
            heard = int(self._speaker.position_s() * RATE_HZ)
            start = self._placement.place(
                len(levelled), heard, self._speaker.horizon(), quiet)
            if start is not None:
                self.ring.write(start, levelled)

    def _decide_mouths(self) -> None:
        """The codes of all frames whose moment has come."""
        due = int((self._speaker.position_s() + self._decide_s) * FPS) + 1
        first = due if self._frame is None else max(self._frame, due - CATCH_UP_FRAMES)
        for n in range(first, due + 1):
            with self._lock:
                if not self._is_on:
                    return
                self._decide(n)
        self._frame = max(first, due + 1)

    def _decide(self, n: int) -> None:
        start = (n - PAST_FRAMES) * FRAME
        end = min(self.ring.end, (n + 1) * FRAME + round(AHEAD_S_MAX * RATE_HZ))
        if end <= n * FRAME or (known := self.ring.read(start, end - start)) is None:
            return
        self._ahead_s = (end - (n + 1) * FRAME) / RATE_HZ
        try:
            code = self._mouth.code_at(
                resample(known, RATE_HZ, CODE_RATE_HZ), PAST_FRAMES, self._level.sounding_db,
                self._level.gate_db)
        except VitrineError:
            return
        self._mouths.say(n, code[None])
