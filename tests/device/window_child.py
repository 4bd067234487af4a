"""Run by the window tests with a DISPLAY of their own: draws, presents, obeys lines on stdin."""

from __future__ import annotations

import sys

import numpy as np

from device.render.sink_window import WindowSink
from ota.clock import monotonic_s


def main(width_px: int, height_px: int) -> None:
    sink = WindowSink()
    sink.open(width_px, height_px)
    for line in sys.stdin:
        match line.split():
            case ["fill", blue, green, red]:
                canvas = sink.frame_buffer()
                canvas[...] = (int(blue), int(green), int(red), 0)
                canvas[: height_px // 2, : width_px // 2, :3] = np.array([255, 255, 255])
                sink.present(monotonic_s())
            case ["hide"]:
                sink.show(False)
            case ["show"]:
                sink.show(True)
            case ["press", key]:
                press(key)
                print(*sink.take_keys("space"), flush=True)
                continue
        sink.closed_by_user()
        print(sink.state().presented, sink.frame_buffer().flags["C_CONTIGUOUS"], flush=True)


def press(key: str) -> None:
    """As a keyboard does: into SDL's queue, down and up."""
    import pygame  # the window has loaded it, without its greeting

    code = pygame.key.key_code(key)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=code))
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=code))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
