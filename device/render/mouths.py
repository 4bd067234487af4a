"""One face for every kind of mouth: what player and renderer ask of it, and who opens which."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device.render.bundle import Bundle

Floats = NDArray[np.float32]


class Codes(Protocol):
    """The mouth codes of one clip, one (K,) row for each frame of 1/25 s. An array is one."""

    @property
    def nbytes(self) -> int:
        """Memory that keeping them takes."""

    def __len__(self) -> int:
        """Frames."""

    def __getitem__(self, frame: int, /) -> Floats:
        """The code of one frame, 0 <= frame < len."""


class AnyMouth(Protocol):
    """Codes from sound and pictures from codes, of one avatar. One thread at a time.

    `rest` (K,) is the code of silence: its picture has no alpha, nothing is computed for it.
    Between two codes one may mix, also towards the rest.
    """

    rest: Floats
    precision: str

    @property
    def provider(self) -> str:
        """cpu, cuda or tensorrt: where the renderer really runs."""

    @property
    def degraded(self) -> tuple[str, ...]:
        """Why it does not run where it was meant to, as sentences; may grow while playing."""

    def codes(self, samples_16k: Floats) -> Codes:
        """The codes of a clip of mono sound at 16 kHz: ceil(duration * 25) frames."""

    def code_at(
        self, samples_16k: Floats, frame: int, speech_db: float, gate_db: float
    ) -> Floats:
        """The code (K,) of one frame of a stream that is known up to the end of `samples_16k`.

        `speech_db` is the running level of the speech, `gate_db` what the gate takes for it.
        """

    def patch(
        self, code: Floats, base_patch: NDArray[np.uint8] | None = None, base_index: int = 0
    ) -> NDArray[np.uint8]:
        """The picture (p, p, 4) RGBA of one code, for the base frame `base_index`."""


def open_mouth(
    bundle: Bundle, precision: str = "int8", threads: int = 1, provider: str = "cpu"
) -> AnyMouth:
    """The mouth of a bundle's kind. Raises Refused when it lacks that precision or is damaged.

    An imported avatar without an INT8 network plays with the network that was brought.
    """
    if bundle.manifest.kind == "code":
        from device.render.mouth import Mouth

        return Mouth(bundle, precision, threads, provider)
    from device.render.foreign_mouth import ForeignMouth

    return ForeignMouth(bundle, precision, threads, provider)
