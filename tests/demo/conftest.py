"""One running demo for all the tests of this folder, as a user would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from device.audio.soundfiles import write_wav
from device.paths import assets_dir, repository_root
from device.tts.kokoro import Voice
from ota.clock import Deadline, monotonic_s, sleep_s

START_S = 180.0
IN_DOMAIN, OUT_OF_DOMAIN = "请问龙井多少钱?", "你们卖不卖自行车?"
GAP_S = 12.0


class Demo:
    """The demo process, its URLs, and what its console says about the kiosk."""

    def __init__(self, root: Path, report: Path, question: Path) -> None:
        self.root, self.report = root, report
        command = [
            sys.executable, "-m", "cli", "demo", "--headless", "--root", str(root),
            "--report", str(report), "--speak", str(question),
        ]
        self.started_s = monotonic_s()
        self.popen = subprocess.Popen(
            command, cwd=repository_root(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(repository_root()), "LANG": "C.UTF-8"},
        )
        self.urls: dict[str, str] = {}
        self.words: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            name, url = line.split()[:2]
            self.urls[name] = url
            if "console" in self.urls:
                break
        assert "console" in self.urls, "\n".join(self.words)

    def _listen(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.words.append(line.strip())

    def box(self) -> dict[str, Any]:
        """The kiosk as the console's API shows it."""
        url = f"{self.urls['console']}api/v1/boxes"
        with urllib.request.urlopen(url, timeout=10) as answer:
            box: dict[str, Any] = json.load(answer)["boxes"][0]
        return box

    def player(self) -> dict[str, Any]:
        """The player's last state that reached the console."""
        player: dict[str, Any] = self.box()["player"] or {}
        return player

    def pid(self, name: str) -> int:
        """The process of that name, found by its command line."""
        marks = {"broker": "mosquitto", "fleet": "fleet serve", "sound": "pulseaudio"}
        mark = marks.get(name, f"device {name}")
        for child in psutil.Process(self.popen.pid).children(recursive=True):
            try:
                if mark in " ".join(child.cmdline()):
                    return child.pid
            except psutil.Error:
                continue
        return 0

    def until(self, what: str, true: Callable[[], object], seconds: float = 40.0) -> float:
        """Wait for something; returns how many seconds it took."""
        begun_s, deadline = monotonic_s(), Deadline(seconds)
        while not true():
            assert not deadline.passed, f"{what} did not happen within {seconds} s\n" + "\n".join(
                self.words[-20:]
            )
            assert self.popen.poll() is None, "\n".join(self.words[-20:])
            sleep_s(0.1)
        return monotonic_s() - begun_s

    def stop(self) -> int:
        """Ctrl-C."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGINT)
        return self.popen.wait(timeout=30)


@pytest.fixture(scope="session")
def question() -> Iterator[Path]:
    """Two questions with time for an answer between them."""
    voice = Voice.load(assets_dir(), threads=2)
    rate_hz = 24000
    parts = []
    for text in (IN_DOMAIN, OUT_OF_DOMAIN):
        speech = voice.synthesise(text, "zh-CN")
        parts += [speech.samples, np.zeros(int(rate_hz * GAP_S), np.float32)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "question.wav"
        write_wav(path, np.concatenate(parts), rate_hz)
        yield path


@pytest.fixture(scope="session")
def demo(question: Path) -> Iterator[Demo]:
    """Started once; the last test stops it, and this makes sure."""
    # A short path: Unix sockets may not have long names.
    with tempfile.TemporaryDirectory(prefix="vit-") as folder:
        root = Path(folder)
        running = Demo(root / "d", root / "report.json", question)
        try:
            yield running
        finally:
            running.stop()
