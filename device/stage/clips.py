"""The sound of sentences, ready to play, with their mouth codes: a small shelf of the last ones."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.audio.resample import resample
from device.audio.soundfiles import read
from device.audio.speaker import RATE_HZ
from device.conversation.script import Script
from device.render.mouths import AnyMouth, Codes

CODE_RATE_HZ = 16_000
CLIPS_MAX = 12
CODES_MAX = 1024
CODES_BYTES_MAX = 96 << 20
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """One sentence: mono samples at 48 kHz, and codes (frames, K) at 25 a second."""

    samples: Floats
    codes: Codes


class ClipShelf:
    """Reads clips and computes their codes once. One thread (the director's)."""

    def __init__(self, mouth: AnyMouth) -> None:
        self._mouth = mouth
        self._clips: OrderedDict[Path, Clip] = OrderedDict()
        self._codes: OrderedDict[Path, Codes] = OrderedDict()
        self._codes_bytes = 0

    def take(self, path: Path) -> Clip:
        """The clip of that file. Raises Refused when it cannot be read."""
        clip = self._clips.get(path)
        if clip is None:
            samples = read(path, RATE_HZ)
            codes = self._codes.get(path)
            if codes is None:
                codes = self._mouth.codes(resample(samples, RATE_HZ, CODE_RATE_HZ))
            clip = Clip(samples, codes)
            self._keep(path, clip)
        return clip

    def warm(self, path: Path) -> bool:
        """Compute the codes of a clip for later; False when they are there already.

        Raises Refused when it cannot be read.
        """
        if path in self._codes:
            return False
        self._remember(path, self._mouth.codes(read(path, CODE_RATE_HZ)))
        return True

    def _keep(self, path: Path, clip: Clip) -> None:
        self._clips[path] = clip
        while len(self._clips) > CLIPS_MAX:
            self._clips.popitem(last=False)
        self._remember(path, clip.codes)

    def _remember(self, path: Path, codes: Codes) -> None:
        """Keep codes; the oldest go when they are many or large (those of imported avatars)."""
        before = self._codes.pop(path, None)
        self._codes_bytes += codes.nbytes - (before.nbytes if before is not None else 0)
        self._codes[path] = codes
        while len(self._codes) > CODES_MAX or (
                self._codes_bytes > CODES_BYTES_MAX and len(self._codes) > 1):
            self._codes_bytes -= self._codes.popitem(last=False)[1].nbytes


def answers_first(script: Script, most: int) -> list[Path]:
    """The clips of a programme, those first that somebody may wait for."""
    rows = sorted(script.index.speech.items(), key=lambda row: row[0].startswith("segment/"))
    return [script.folder / clip.file for _, clip in rows][:most]
