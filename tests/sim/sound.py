"""A private sound server with a virtual speaker and microphone, and a way to speak into it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.sound import MICROPHONE_SINK, VirtualSound, virtual_sound
from ota.clock import Deadline, sleep_s


@contextmanager
def sound_server(folder: Path) -> Iterator[VirtualSound]:
    """PulseAudio in `folder`, up; gone at the end."""
    sound = virtual_sound(folder)
    server = start_server(sound)
    try:
        yield sound
    finally:
        server.kill()
        server.wait(10)


def start_server(sound: VirtualSound) -> subprocess.Popen[bytes]:
    """Start it and wait until it answers."""
    sound.socket.unlink(missing_ok=True)
    server = subprocess.Popen(
        sound.command, env={**os.environ, **sound.environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = Deadline(15)
    while not sound.socket.exists() or server.poll() is not None:
        assert not deadline.passed and server.poll() is None, "PulseAudio did not start"
        sleep_s(0.05)
    return server


def speak_into(sound: VirtualSound, recording: Path) -> subprocess.Popen[bytes]:
    """Play a WAV into the virtual microphone."""
    return subprocess.Popen(
        ["paplay", f"--device={MICROPHONE_SINK}", str(recording)],
        env={**os.environ, **sound.environment},
    )
