"""Lips that shut at p, b and m: the codes heard from the sound, put right by the phonemes' times.

A network that only hears the sound leaves the lips open at three of four: a closure is 50 ms of
nothing. Where the synthesiser told when each phoneme is said, those few codes are moved to shut
lips (p, b, m) or to the lower lip at the teeth (f, v), as far as the avatar says how its own look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from device.render.bundle import Bundle
from device.render.mouths import Codes

FRAME_MS = 40.0
# A bundle's name of a shape of the lips, and the IPA signs that ask for it. The later one wins.
SIGNS: Mapping[str, str] = {"tucked": "fv", "closed": "pbm"}
# The shape is held from so long before the phoneme's time to so long after it: on average of 105
# closures of the synthesiser the sound is gone from 25 ms before the time that an index states to
# 25 ms after it; then p and b burst.
HELD_BEFORE_MS, HELD_AFTER_MS = 15.0, 25.0
# The lips move there in advance and come back faster: two or three frames shut, at 25 a second.
CLOSING_MS, OPENING_MS = 70.0, 50.0
CODE_MIN, CODE_MAX = -0.2, 1.1

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lips:
    """How one avatar's lips look where they matter: for each shape which code numbers (k,) take
    which values (k,), and the code of silence `rest` (K,). Numbers that are not named stay as they
    were heard: the mouth's width and rounding belong to the neighbouring vowels."""

    shapes: Mapping[str, tuple[npt.NDArray[np.intp], Floats]]
    rest: Floats

    @classmethod
    def of(cls, bundle: Bundle) -> Lips | None:
        """What avatar.json tells; None for an avatar that does not say, or has other codes."""
        if bundle.manifest.kind != "code":
            return None
        names = bundle.manifest.code.names
        shapes: dict[str, tuple[npt.NDArray[np.intp], Floats]] = {}
        for shape in SIGNS:
            wanted = bundle.manifest.code.lips.get(shape, {})
            known = {name: value for name, value in wanted.items() if name in names}
            if known:
                values = np.array(list(known.values()), np.float32)
                shapes[shape] = (np.array([names.index(n) for n in known], np.intp),
                                 np.clip(values, CODE_MIN, CODE_MAX))
        rest = np.array(bundle.manifest.code.rest, np.float32)
        return cls(shapes, rest) if shapes else None

    def shaped(self, codes: Codes, phonemes: str, phonemes_ms: Sequence[float]) -> Codes:
        """Codes (n, K) with the lips where the phonemes want them; the same object when nothing is
        known (no or uneven times, codes that are no array). Silence stays exactly the rest.

        `phonemes` is one IPA sign a character, `phonemes_ms` when each is said, ms of the clip.
        """
        if len(phonemes) != len(phonemes_ms) or not isinstance(codes, np.ndarray):
            return codes
        result: Floats | None = None
        for shape, (columns, values) in self.shapes.items():
            at_ms = [ms for sign, ms in zip(phonemes, phonemes_ms, strict=True)
                     if sign in SIGNS[shape]]
            if at_ms:
                result = np.array(codes, np.float32) if result is None else result
                weight = weights(len(codes), at_ms) * (codes != self.rest).any(axis=1)
                result[:, columns] += weight[:, None] * (values - result[:, columns])
        return codes if result is None else result


def weights(frames: int, at_ms: Sequence[float]) -> Floats:
    """(frames,) how much, 0..1, a shape is taken that is wanted at the moments `at_ms`.

    1 while it is held, a raised cosine before and after. Moments outside of the clip do not matter.
    """
    result = np.zeros(frames, np.float32)
    for moment in at_ms:
        first = max(0, int((moment - HELD_BEFORE_MS - CLOSING_MS) // FRAME_MS))
        last = min(frames, int((moment + HELD_AFTER_MS + OPENING_MS) // FRAME_MS) + 1)
        if first >= last:
            continue
        away = (np.arange(first, last) + 0.5) * FRAME_MS - moment
        off = np.maximum((-away - HELD_BEFORE_MS) / CLOSING_MS,
                         (away - HELD_AFTER_MS) / OPENING_MS)
        share = np.cos(np.pi / 2 * np.clip(off, 0, 1)) ** 2
        result[first:last] = np.maximum(result[first:last], share)
    return result
