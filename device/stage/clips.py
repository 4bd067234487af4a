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
from device.programme.schema import Clip as Indexed
from device.programme.times_beside import read_times
from device.render.lips import Lips
from device.render.mouths import AnyMouth, Codes

CODE_RATE_HZ = 16_000
CLIPS_MAX = 12
CODES_MAX = 1024
CODES_BYTES_MAX = 96 << 20
AT_HAND_BYTES_MAX = 24 << 20  # a programme's answers: 96 kB a second of speech
SHORT_MAX = 32767.0
# Softer than this (-54 dBFS) nobody hears; the soft beginning of a consonant is left whole.
HUSHED, BEFORE_VOICE = 0.002, RATE_HZ // 200
Floats = npt.NDArray[np.float32]
Shorts = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Clip:
    """One sentence: mono samples at 48 kHz, and codes (frames, K) at 25 a second."""

    samples: Floats
    codes: Codes

    @property
    def quiet(self) -> int:
        """How many samples of silence it begins with."""
        voice = np.flatnonzero(np.abs(self.samples[: RATE_HZ // 4]) > HUSHED)
        return max(0, int(voice[0]) - BEFORE_VOICE) if len(voice) else 0


class ClipShelf:
    """Reads clips and computes their codes once. One thread (the director's)."""

    def __init__(self, mouth: AnyMouth, lips: Lips | None = None) -> None:
        """`lips` put the codes right where a programme tells when its phonemes are said."""
        self._mouth = mouth
        self._lips = lips
        self._indexed: dict[Path, Indexed] = {}
        self._clips: OrderedDict[Path, Clip] = OrderedDict()
        self._codes: OrderedDict[Path, Codes] = OrderedDict()
        self._codes_bytes = 0
        self._at_hand: dict[Path, Shorts] = {}

    def take(self, path: Path) -> Clip:
        """The clip of that file. Raises Refused when it cannot be read."""
        clip = self._clips.get(path)
        if clip is None:
            at_hand = self._at_hand.get(path)
            samples = read(path, RATE_HZ) if at_hand is None else _floats(at_hand)
            codes = self._codes.get(path)
            if codes is None:
                codes = self._codes_of(path, samples)
            clip = Clip(samples, codes)
            self._keep(path, clip)
        return clip

    def warm(self, path: Path) -> bool:
        """Make a clip ready for later; False when it is already.

        Raises Refused when it cannot be read.
        """
        if path in self._codes and (path in self._at_hand or self._hands_full):
            return False
        samples = read(path, RATE_HZ)
        if path not in self._codes:
            self._remember(path, self._codes_of(path, samples))
        # The sound as well: somebody may wait for it, and decoding takes 20 ms.
        if not self._hands_full:
            self._at_hand[path] = np.rint(np.clip(samples, -1, 1) * SHORT_MAX).astype(np.int16)
        return True

    def forget(self, script: Script | None = None) -> None:
        """Another programme comes: what lies at hand is not its own. `script` tells what is said
        when in its clips; a clip of which something else is known gets its codes anew."""
        self._at_hand.clear()
        before, self._indexed = self._indexed, indexed_clips(script) if script else {}
        for path in {*self._codes, *self._clips}:
            if _times(before.get(path)) != _times(self._indexed.get(path)):
                self._clips.pop(path, None)
                if (codes := self._codes.pop(path, None)) is not None:
                    self._codes_bytes -= codes.nbytes

    def _codes_of(self, path: Path, samples: Floats) -> Codes:
        codes = self._mouth.codes(resample(samples, RATE_HZ, CODE_RATE_HZ))
        if self._lips is None:
            return codes
        known = self._indexed.get(path)
        return self._lips.shaped(codes, *(_times(known) if known else read_times(path)))

    @property
    def _hands_full(self) -> bool:
        return sum(shorts.nbytes for shorts in self._at_hand.values()) >= AT_HAND_BYTES_MAX

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


def _floats(shorts: Shorts) -> Floats:
    return shorts.astype(np.float32) * np.float32(1.0 / SHORT_MAX)


def indexed_clips(script: Script) -> dict[Path, Indexed]:
    """What the programme's index says of each of its clips."""
    return {script.folder / clip.file: clip for clip in script.index.speech.values()}


def _times(clip: Indexed | None) -> tuple[str, tuple[int, ...]]:
    """(phonemes, when each begins in ms); empty where nobody knows."""
    return (clip.phonemes, clip.phonemes_ms) if clip is not None else ("", ())


def answers_first(script: Script, most: int) -> list[Path]:
    """The clips of a programme, those first that somebody may wait for."""
    rows = sorted(script.index.speech.items(), key=lambda row: row[0].startswith("segment/"))
    return [script.folder / clip.file for _, clip in rows][:most]
