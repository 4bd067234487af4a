"""The player's side of the live preview: encodes only while somebody is connected."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading

import numpy as np

from device.audio.speaker import RATE_HZ, Samples, Speaker
from device.paths import Places
from device.preview.wire import PICTURE, SOUND, framed, packet, socket_path
from device.render.pixels import Picture, jpeg_bytes, resize_into
from device.stage.stage import FRAME_S
from ota.errors import Broken

SHORT_SIDE_PX = 540
JPEG_QUALITY = 75
QUEUE_MAX = 64
PICTURES_WAITING_MAX = 8
SEND_S_MAX = 1.0

Item = tuple[bytes, float, Picture | Samples]


class Streamer:
    """One watcher (the preview process) at a time; a new one replaces the old."""

    def __init__(self, places: Places, speaker: Speaker) -> None:
        self._path = socket_path(places)
        self._speaker = speaker
        self._queue: queue.Queue[Item | None] = queue.Queue(QUEUE_MAX)
        self._watched = threading.Event()
        self._stop = threading.Event()
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._work, name="streamer", daemon=True)

    def start(self) -> Streamer:
        """Listen. Raises Broken when the socket cannot be made."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._listener.bind(str(self._path))
        except OSError as error:
            raise Broken(f"The preview socket {self._path} cannot be opened ({error}).") from error
        self._listener.listen(1)
        self._thread.start()
        return self

    def presented(self, n: int, canvas: Picture) -> None:
        """Called by the present loop for each frame: costs nothing unwatched, else one scaling."""
        if not self._watched.is_set() or self._queue.qsize() > PICTURES_WAITING_MAX:
            return
        scale = SHORT_SIDE_PX / min(canvas.shape[:2])
        small = np.empty((round(canvas.shape[0] * scale), round(canvas.shape[1] * scale), 4),
                         np.uint8)
        resize_into(canvas, small)
        self._offer((PICTURE, n * FRAME_S, small))

    def close(self) -> None:
        """End the thread and leave no socket behind."""
        self._stop.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._path.unlink(missing_ok=True)
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _sound(self, index: int, block: Samples) -> None:
        """The speaker's tap, in the audio callback: only hands over."""
        self._offer((SOUND, index / RATE_HZ, block))

    def _offer(self, item: Item) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(item)

    def _work(self) -> None:
        while not self._stop.is_set() and self._listener is not None:
            try:
                watcher, _ = self._listener.accept()
            except OSError:
                return
            with watcher:
                watcher.settimeout(SEND_S_MAX)
                self._serve(watcher)

    def _serve(self, watcher: socket.socket) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._speaker.tap = self._sound
        self._watched.set()
        try:
            while (item := self._queue.get()) is not None:
                kind, at_s, what = item
                if kind == PICTURE:
                    data = jpeg_bytes(np.asarray(what, np.uint8), JPEG_QUALITY)
                else:
                    data = (np.clip(what, -1.0, 1.0) * 32767).astype("<i2").tobytes()
                watcher.sendall(framed(packet(kind, at_s, data)))
        except OSError:
            return
        finally:
            self._watched.clear()
            self._speaker.tap = None
