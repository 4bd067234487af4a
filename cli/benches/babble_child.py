"""The ear in a loud shop, for hours, as fast as it can: the real one, on a clock of its own.

Started by `cli.benches.babble` as `python -m cli.benches.babble_child ROOT SOUNDS CPU_S SIM_S
ROW_S`; ends after so much processor time, so many seconds of the shop, or SIGTERM. Time in the ear
is the monotonic clock and the chunks' own times, so the clock is advanced by 32 ms a chunk; while
the recogniser works, a chunk comes each 32 ms of work: it has the time that it has on a box whose
cores are free. Prints one JSON object each ROW_S of the shop, and at last {"heard": [...],
"wrote": [...], "scenes": {...}, "asked_outside": [...]}.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import msgspec
import numpy as np

from cli.benches.babble_sound import (
    HEARD_HZ,
    QUESTIONS,
    TALK,
    Library,
    Samples,
    Scene,
    Street,
    load,
)
from cli.benches.privacy import traces
from device import messages as m
from device.audio.capture import CHUNK_SAMPLES, Chunk, Level
from device.audio.clock import MediaClock
from device.audio.reference import RATE_HZ as PLAYED_HZ
from device.audio.reference import ReferenceWriter
from device.bus import Bus
from device.ear import Ear, EarSettings, assembled
from device.paths import Places, repository_root
from ota import clock
from ota.heap import resident_bytes, use_few_arenas

real: Any = vars(clock)["time"]  # before this process is given the shop's
CHUNK_NS = CHUNK_SAMPLES * 1_000_000_000 // HEARD_HZ
BEGIN_NS = 10_000_000_000_000
AHEAD_CHUNKS = 4  # so long before it is audible a player hands its sound over
AWAITING_S = 0.05  # the ear waits less than this for a chunk only while an answer is on its way
LEARN_EACH_S = 20 * 60
HEARD_KEPT, PATHS_KEPT = 5000, 200
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class ShopClock:
    """Monotonic time of the shop: the end of the last chunk, and at most a chunk more. Within a
    chunk it goes with this process's processor time, as on a machine that has a core for it."""

    def __init__(self) -> None:
        self._chunk = (BEGIN_NS, real.process_time_ns())
        stands_in = SimpleNamespace(
            monotonic_ns=self.now_ns, monotonic=lambda: self.now_ns() / 1e9,
            process_time=real.process_time, sleep=real.sleep)
        vars(clock)["time"] = stands_in

    def advance(self) -> int:
        """The next chunk is in; its end."""
        end_ns = self._chunk[0] + CHUNK_NS
        self._chunk = (end_ns, real.process_time_ns())
        return end_ns

    @property
    def worked_ns(self) -> int:
        """Nanoseconds of work since the last chunk."""
        return int(real.process_time_ns() - self._chunk[1])

    def now_ns(self) -> int:
        """For everybody in this process."""
        end_ns, at_ns = self._chunk
        return int(end_ns + min(CHUNK_NS, real.process_time_ns() - at_ns))


class ShopSource:
    """A `Source` (device/audio/capture.py) in a street of scenes, and the player beside it."""

    is_room = True
    device_name = "a loud shop"
    fault: str | None = None

    def __init__(self, library: Library, shop_clock: ShopClock, run: Path, player: Bus) -> None:
        self._street, self._clock, self._player = Street(library), shop_clock, player
        self._level = Level()
        self._scene: Scene = self._street.scene()
        self._at = self._chunks = 0
        media = MediaClock(PLAYED_HZ, (BEGIN_NS + AHEAD_CHUNKS * CHUNK_NS) / 1e9)
        self._writer = ReferenceWriter(run, media)
        quiet: tuple[Samples, str | None] = (np.zeros(CHUNK_SAMPLES, np.float32), None)
        self._coming = deque([quiet] * AHEAD_CHUNKS, maxlen=AHEAD_CHUNKS + 1)
        self._saying: str | None = None
        self.asked = 0
        self.scenes: dict[str, int] = {}

    @property
    def level_dbfs(self) -> float | None:
        """RMS of the last second."""
        return self._level.dbfs

    @property
    def seconds(self) -> float:
        """Of the shop, so far."""
        return self._chunks * CHUNK_NS / 1e9

    def read(self, timeout_s: float) -> Chunk | None:
        """The next chunk at once; where the recogniser works, after its 32 ms of work."""
        if timeout_s < AWAITING_S and (left_ns := CHUNK_NS - self._clock.worked_ns) > 0:
            real.sleep(min(timeout_s, left_ns / 1e9))
            return None
        if self._at >= len(self._scene.heard):
            self._scene, self._at = self._street.scene(), 0
            self.asked += self._scene.asks
            self.scenes[self._scene.kind] = self.scenes.get(self._scene.kind, 0) + 1
        self._play()
        samples, saying = self._coming.popleft()
        self._tell(saying)
        self._at += CHUNK_SAMPLES
        self._chunks += 1
        self._level.feed(samples)
        return Chunk(samples, self._clock.advance())

    def close(self) -> None:
        """The player goes."""
        self._writer.close()

    def _play(self) -> None:
        """The next block goes to the loudspeaker; it is heard some chunks later."""
        at, scene = self._at, self._scene
        self._writer.write(
            3 * CHUNK_SAMPLES * self._chunks, scene.played[3 * at : 3 * (at + CHUNK_SAMPLES)])
        saying = next((text for begin, end, text in scene.sayings if begin <= at < end), None)
        self._coming.append((scene.heard[at : at + CHUNK_SAMPLES].copy(), saying))

    def _tell(self, saying: str | None) -> None:
        """The player's state each second and at each change of what it says."""
        if saying != self._saying or self._chunks % 31 == 0:
            self._saying = saying
            self._player.publish(m.PlayerState(
                at_ns=clock.monotonic_ns(), ready=True, programme_id="tea-shop", saying=saying,
                speaking=saying is not None, state="presenting", volume=0.8))


class Watched:
    """What goes out of this process: messages, files opened for writing, addresses."""

    def __init__(self) -> None:
        self.wrote: set[str] = set()
        self.asked_outside: set[str] = set()
        self.heard: set[str] = set()
        self.counts = {"heard": 0, "hearing": 0, "voice": 0, "state": 0, "other": 0}
        self.leaks = 0
        self._wanted = traces([text for *_, text in (*TALK, *QUESTIONS)], "")
        sys.addaudithook(self._audit)

    def message(self, message: m.Message) -> None:
        """Words may stand in `Heard` and `Hearing`, in nothing else."""
        if isinstance(message, m.Heard | m.Hearing):
            self.counts[type(message).__name__.lower()] += 1
            if len(self.heard) < HEARD_KEPT and message.text not in self.heard:
                self.heard.add(message.text)
                self._wanted |= traces([message.text], "")
            return
        if isinstance(message, m.PlayerState):  # what the avatar says is no visitor's word
            message = msgspec.structs.replace(message, saying=None)
        kinds: dict[type, str] = {m.Voice: "voice", m.EarState: "state"}
        self.counts[kinds.get(type(message), "other")] += 1
        data = msgspec.json.encode(message).lower()
        self.leaks += any(each in data for each in self._wanted)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            if len(self.wrote) < PATHS_KEPT:
                self.wrote.add(str(arguments[0]))
        elif event in ("socket.connect", "socket.sendto", "socket.bind", "socket.sendmsg"):
            if not isinstance(arguments[1], str | bytes | None):
                self.asked_outside.add(str(arguments[1]))
        elif event in ("socket.getaddrinfo", "subprocess.Popen", "os.system"):
            self.asked_outside.add(f"{event} {arguments[0]}")


def row(root: Path, ear: Ear, source: ShopSource, seen: Watched) -> dict[str, Any]:
    """Everything that could grow, now."""
    sizes = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    log = sum(size for path, size in sizes.items() if path.suffix == ".log")
    decoder, hearing = ear._decoder, ear._hearing
    return {
        "s": round(source.seconds, 2), "cpu_s": round(real.process_time(), 2),
        "rss": resident_bytes(), "blocks": sys.getallocatedblocks(),
        "threads": threading.active_count(), "tasks": len([*Path("/proc/self/task").iterdir()]),
        "open": len([*Path("/proc/self/fd").iterdir()]), "inet": internet_sockets(),
        "files": len(sizes), "bytes": sum(sizes.values()) - log, "log": log,
        "waiting": decoder._jobs.qsize() + decoder._results.qsize(),
        "kept": len(decoder._forgotten) + len(hearing.results) + len(hearing.ended),
        "asked": source.asked, "leaks": seen.leaks, "echo": ear._gate.state,
        "erle_db": ear._gate.erle_db, "behind": hearing.behind, **seen.counts,
    }


def internet_sockets() -> int:
    """Sockets of this process that are no Unix ones."""
    own = {str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}
    found = 0
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        lines = Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]
        found += sum(f"socket:[{line.split()[9]}]" in own for line in lines)
    return found


def listen(root: Path, sounds: Path, cpu_s: float, sim_s: float, row_s: float) -> NoReturn:
    """Hear until the time is over, then end the process."""
    use_few_arenas()  # as `device.ear.run`
    places, seen, shop_clock = Places(root), Watched(), ShopClock()
    programme = str(repository_root() / "programmes" / "tea-shop")
    with (Bus(places.run, "player") as player, Bus(places.run, "agent") as agent,
          Bus(places.run, "ear") as bus):
        source = ShopSource(load(sounds), shop_clock, places.run, player)
        ear = assembled(places, EarSettings(), source, bus)
        begun_s = real.process_time()
        leave = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: leave.set())
        row_due_s = learn_due_s = 0.0
        version = 0
        while not leave.is_set() and source.seconds < sim_s and (
                real.process_time() - begun_s < cpu_s):
            ear.step()
            while (message := player.receive(0)) is not None:
                seen.message(message)
            while (message := agent.receive(0)) is not None:
                seen.message(message)
            if source.seconds >= learn_due_s:
                learn_due_s += LEARN_EACH_S
                version += 1
                agent.publish(m.ContentReady(
                    path=programme, programme_id="tea-shop", version=version))
            if source.seconds >= row_due_s:
                row_due_s += row_s
                print(json.dumps(row(root, ear, source, seen)), flush=True)
        ear.close()
    print(json.dumps({
        "heard": sorted(seen.heard), "wrote": sorted(seen.wrote), "scenes": source.scenes,
        "asked_outside": sorted(seen.asked_outside)}), flush=True)
    # A decoder that is inside the recogniser for longer than `close` waits would make the
    # interpreter's own end abort.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    listen(Path(sys.argv[1]), Path(sys.argv[2]), *map(float, sys.argv[3:6]))
