"""The ear hears a visitor while the avatar speaks: real PortAudio both ways, one room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.sound import SPEAKER_SINK
from device import messages as m
from device.audio.soundfiles import read, write_wav
from device.paths import Places, repository_root
from ota.clock import Deadline
from tests.device.test_ear import Shop, ear, is_heard, ready
from tests.sim.sound import sound_server
from tests.sim.speech import CLIPS

pytestmark = pytest.mark.alone

CHILD = Path(__file__).with_name("echo_child.py")
SECONDS = 60.0


def test_a_visitor_is_heard_while_the_avatar_speaks(tmp_path: Path) -> None:
    visitor = read(CLIPS / "go-forward-en.flac", 48_000)
    visitor *= 0.1 / np.sqrt(np.mean(visitor**2))  # as loud as the avatar
    quiet = np.zeros(24_000, np.float32)
    write_wav(tmp_path / "visitor.wav", np.concatenate([quiet, visitor, quiet]), 48_000)
    sentences = sorted((repository_root() / "programmes/tea-shop/speech").glob("*.opus"))[:30]
    with sound_server(tmp_path / "s") as sound:
        environment = {**os.environ, **sound.environment, "PYTHONPATH": str(repository_root())}
        # The room: the microphone is the monitor of the loudspeaker, where visitors speak as well.
        room = {**sound.environment, "PULSE_SOURCE": f"{SPEAKER_SINK}.monitor"}
        with ear(tmp_path, echo="auto", environment=room) as shop:
            shop.wait(ready, 90)
            player = subprocess.Popen(
                [sys.executable, str(CHILD), str(Places(tmp_path).run), str(SECONDS),
                 *map(str, sentences)], env=environment, stdout=subprocess.PIPE, text=True)
            try:
                assert player.stdout is not None and player.stdout.readline() == "speaking\n"
                state = cancelling(shop)
                assert state.erle_db is not None and state.erle_db >= 12
                before = [s for s in shop.seen if isinstance(s, (m.Heard, m.Voice))]
                assert not before, "it listened to itself"
                subprocess.Popen(
                    ["paplay", f"--device={SPEAKER_SINK}", str(tmp_path / "visitor.wav")],
                    env=environment)
                heard = shop.wait(is_heard, 30)
                assert player.poll() is None, "the avatar still speaks"
                assert "forward" in heard.text.lower()
            finally:
                player.kill()


def cancelling(shop: Shop) -> m.EarState:
    """Wait for it, while the player tells what it does."""
    deadline = Deadline(SECONDS)
    while not deadline.passed:
        shop.avatar(speaking=True, saying="欢迎光临")
        message = shop.player.receive(0.3)
        if message is not None:
            shop.seen.append(message)
        if isinstance(message, m.EarState) and message.echo == "cancelling":
            return message
    states = [s for s in shop.seen if isinstance(s, m.EarState)]
    raise AssertionError(f"the echo was never cancelled: {states[-3:]}")
