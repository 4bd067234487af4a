"""The player's side of the live preview: scales and encodes only while somebody is connected."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from device.audio.speaker import RATE_HZ, Samples, Speaker
from device.paths import Places
from device.preview.wire import (
    FULL,
    PICTURE,
    SOUND,
    SOUNDS,
    WISH_BYTES,
    WORDS,
    framed,
    hang_up,
    listening,
    packet,
    socket_path,
)
from device.render.dirty import Box
from device.render.pixels import Picture, jpeg_bytes, resize_into
from device.stage.discretion import veil
from device.stage.stage import FPS, FRAME_S

SHORT_SIDE_PX = 540
JPEG_QUALITY = 75
QUEUE_MAX = 64
PICTURES_WAITING_MAX = 8
WATCHERS_MAX = 4
SEND_S_MAX, WISH_S_MAX = 1.0, 0.1

Item = tuple[bytes, float, Picture | Samples, Sequence[Box]]


@dataclass
class Watcher:
    """One connection: every `every`-th picture, with visitors' words or without; and sound."""

    line: socket.socket
    every: int
    sound: bool
    words: bool
    mail: queue.Queue[bytes | None] = field(default_factory=lambda: queue.Queue(QUEUE_MAX))

    def wants(self, kind: bytes, at_s: float) -> bool:
        """Is this packet for it?"""
        return self.sound if kind == SOUND else round(at_s * FPS) % self.every == 0


class Streamer:
    """A few watchers at a time (the preview page, the console): what one wants is made once."""

    def __init__(self, places: Places, speaker: Speaker) -> None:
        self._path = socket_path(places)
        self._speaker = speaker
        self._queue: queue.Queue[Item | None] = queue.Queue(QUEUE_MAX)
        self._watchers: tuple[Watcher, ...] = ()
        self._every = 0  # the smallest distance of pictures that anybody wants, 0 for nobody
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener: socket.socket | None = None
        self._threads = [threading.Thread(target=work, name="streamer", daemon=True)
                         for work in (self._accept, self._encode)]

    def start(self) -> Streamer:
        """Listen. Raises Broken when the socket cannot be made."""
        self._listener = listening(self._path, WATCHERS_MAX)
        for thread in self._threads:
            thread.start()
        return self

    def presented(self, n: int, canvas: Picture, private: Sequence[Box] = ()) -> None:
        """Called by the present loop for each frame: costs nothing unwatched, else one scaling."""
        if not self._every or n % self._every or self._queue.qsize() > PICTURES_WAITING_MAX:
            return
        scale = SHORT_SIDE_PX / min(canvas.shape[:2])
        small = np.empty((round(canvas.shape[0] * scale), round(canvas.shape[1] * scale), 4),
                         np.uint8)
        resize_into(canvas, small)
        boxes = [Box(*(round(edge * scale) for edge in (b.left, b.top, b.right, b.bottom)))
                 for b in private]
        self._offer((PICTURE, n * FRAME_S, small, boxes))

    def close(self) -> None:
        """End the threads and leave no socket behind."""
        self._stop.set()
        if self._listener is not None:
            hang_up(self._listener, self._path)
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        for watcher in self._watchers:
            _drop_in(watcher.mail, None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2.0)

    def _sound(self, index: int, block: Samples) -> None:
        """The speaker's tap, in the audio callback: only hands over."""
        self._offer((SOUND, index / RATE_HZ, block, ()))

    def _offer(self, item: Item) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(item)

    def _accept(self) -> None:
        while not self._stop.is_set() and self._listener is not None:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), name="watcher", daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        """One watcher, until it goes or is too slow."""
        with line, contextlib.suppress(OSError):
            wish = _wish(line)
            if len(wish) < WISH_BYTES or not 0 < wish[0] <= FPS:
                return
            watcher = Watcher(line, FPS // wish[0], bool(wish[1] & SOUNDS), bool(wish[1] & WORDS))
            if not self._count(watcher, come=True):
                return
            try:
                while (data := watcher.mail.get()) is not None:
                    line.sendall(data)
            finally:
                self._count(watcher, come=False)

    def _count(self, watcher: Watcher, come: bool) -> bool:
        """Add or remove a watcher; False when there are too many."""
        with self._lock:
            rest = tuple(each for each in self._watchers if each is not watcher)
            if come and len(rest) >= WATCHERS_MAX:
                return False
            self._watchers = (*rest, watcher) if come else rest
            self._every = min((each.every for each in self._watchers), default=0)
            heard = any(each.sound for each in self._watchers)
            self._speaker.tap = self._sound if heard else None
            return True

    def _encode(self) -> None:
        while not self._stop.is_set() and (item := self._queue.get()) is not None:
            kind, at_s, what, private = item
            takers = [each for each in self._watchers if each.wants(kind, at_s)]
            if kind == SOUND:
                data = (np.clip(what, -1.0, 1.0) * 32767).astype("<i2").tobytes()
                _hand_out(takers, kind, at_s, data)
                continue
            picture = np.asarray(what, np.uint8)
            with_words = [each for each in takers if each.words or not private]
            others = [each for each in takers if not each.words and private]
            if with_words:
                _hand_out(with_words, kind, at_s, jpeg_bytes(picture, JPEG_QUALITY))
            if others:
                veil(picture, private)
                _hand_out(others, kind, at_s, jpeg_bytes(picture, JPEG_QUALITY))


def _hand_out(takers: Sequence[Watcher], kind: bytes, at_s: float, data: bytes) -> None:
    for taker in takers:
        _drop_in(taker.mail, framed(packet(kind, at_s, data)))


def _wish(line: socket.socket) -> bytes:
    """What a watcher asks for in its first bytes; one that says nothing gets all."""
    line.settimeout(WISH_S_MAX)
    try:
        return line.recv(WISH_BYTES)
    except TimeoutError:
        return FULL
    finally:
        line.settimeout(SEND_S_MAX)


def _drop_in(mail: queue.Queue[bytes | None], data: bytes | None) -> None:
    """Newest first: a slow watcher loses its oldest packet, never the others theirs."""
    while True:
        try:
            mail.put_nowait(data)
            return
        except queue.Full:
            with contextlib.suppress(queue.Empty):
                mail.get_nowait()
