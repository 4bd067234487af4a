"""A real X server without a screen: Xvfb, and its pixels read from its own frame-buffer file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

XKBCOMP = Path("/usr/bin/xkbcomp")



@dataclass(frozen=True)
class Screen:
    """`display` is ":N"; `pixels()` the (h, w, 3) BGR picture that a person would see."""

    display: str
    file: Path

    def pixels(self) -> np.ndarray:
        data = self.file.read_bytes()
        head = np.frombuffer(data[:100], ">u4")  # XWDFile.h: header size, ..., colours
        width, height, line_bytes, colours = (int(head[k]) for k in (4, 5, 12, 19))
        start = int(head[0]) + 12 * colours
        rows = np.frombuffer(data, np.uint8, line_bytes * height, start)
        return rows.reshape(height, line_bytes)[:, : width * 4].reshape(height, width, 4)[..., :3]


@contextmanager
def x_screen(folder: Path, size: tuple[int, int]) -> Iterator[Screen]:
    """Start Xvfb on a free display with its frame buffer in `folder`.

    It stays as it is when its last client goes: who comes while it resets itself is turned away."""
    folder.mkdir(parents=True, exist_ok=True)
    program = shutil.which("Xvfb") or ""
    if not XKBCOMP.exists():
        # The X server runs this very path and no other: unpacked in a prefix it cannot start.
        pytest.skip("no X server without root: Xvfb needs /usr/bin/xkbcomp (install xvfb)")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", f"{size[0]}x{size[1]}x24",
         "-nolisten", "tcp", "-noreset", "-fbdir", str(folder)],
        pass_fds=(writer,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        yield Screen(f":{number}", folder / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait(10)
