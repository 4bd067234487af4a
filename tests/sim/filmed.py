"""Chen filmed off the screen: a talking video as a customer brings one, and what comes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from device.audio.soundfiles import read, write_wav
from device.paths import repository_root
from device.render.video import read_movie
from ota.trust.keys import SigningKey

RATE_HZ = 16_000
AVATARS = repository_root() / "models" / "avatars"
SPEECH = repository_root() / "programmes" / "tea-shop" / "speech"


def film_chen(path: Path, seconds: float) -> Path:
    """Chen listens for four seconds, then says lines of the tea shop, with pauses."""
    parts = [np.zeros(4 * RATE_HZ, np.float32)]
    for clip in sorted(SPEECH.glob("*.opus"))[::3]:
        parts += [read(clip, RATE_HZ), np.zeros(int(0.7 * RATE_HZ), np.float32)]
    sound = np.concatenate(parts)[: round(seconds * RATE_HZ)]
    noise = np.random.default_rng(0).normal(0, 3e-4, len(sound)).astype(np.float32)
    write_wav(path.with_suffix(".wav"), sound + noise, RATE_HZ)
    _vitrine("render", "--audio", str(path.with_suffix(".wav")), "--out", str(path),
             "--avatar", str(AVATARS / "chen"), "--size", "720x1280")
    return path


def make_ana(folder: Path, video: Path) -> dict[str, Any]:
    """The summary of `models make ana --quick` from the video."""
    SigningKey.generate().save(folder / "key.pem")
    consent = {"avatar": "ana", "owner": "Chen, a synthetic person", "synthetic": True,
               "chains": ["*"], "regions": ["*"], "uses": ["*"], "from": "2026-01-01T00:00:00Z",
               "until": "2100-01-01T00:00:00Z", "revocation_id": "ana-1"}
    (folder / "consent.json").write_text(json.dumps(consent))
    told = _vitrine("models", "make", "ana", "--video", str(video), "--consent",
                    str(folder / "consent.json"), "--key", str(folder / "key.pem"), "--work",
                    str(folder / "work"), "--out", str(folder / "out" / "ana"), "--quick", "--json")
    summary: dict[str, Any] = json.loads(told)
    return summary


def speak(bundle: Path, out: Path) -> int:
    """Let the avatar say a line it never heard; how many pictures the film has."""
    line = sorted(SPEECH.glob("*.opus"))[1]
    _vitrine("render", "--avatar", str(bundle), "--audio", str(line), "--out", str(out),
             "--size", "360x640")
    return len(read_movie(out)[0])


def _vitrine(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True,
                          text=True, cwd=repository_root(), timeout=7200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
