"""Silero's voice activity network: the probability of speech in each 32 ms of sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.infer.ort import Session, open_session
from ota.errors import Refused

CHUNK_SAMPLES = 512
CHUNK_MS = 32
_CONTEXT_SAMPLES = 64
_MODEL = "silero/silero_vad.onnx"

Samples = NDArray[np.float32]


class Vad:
    """Stateful: feed consecutive 512-sample chunks of mono 16 kHz sound; `reset` between clips."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rate = np.array(16_000, np.int64)
        self.reset()

    @classmethod
    def load(cls, assets: Path) -> Vad:
        """Open the network. Raises Refused when it is not in `assets`."""
        return cls(open_session(assets / _MODEL, threads=1))

    def reset(self) -> None:
        """Forget what was heard."""
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, _CONTEXT_SAMPLES + CHUNK_SAMPLES), np.float32)

    def probability(self, chunk: Samples) -> float:
        """Speech probability of one chunk, 0..1. Raises Refused for a wrong length."""
        if chunk.shape != (CHUNK_SAMPLES,):
            raise Refused(f"The voice detector takes {CHUNK_SAMPLES} samples, not {chunk.shape}.")
        self._input[0, :_CONTEXT_SAMPLES] = self._input[0, -_CONTEXT_SAMPLES:]
        self._input[0, _CONTEXT_SAMPLES:] = chunk
        feeds: dict[str, NDArray[Any]] = {
            "input": self._input,
            "state": self._state,
            "sr": self._rate,
        }
        outputs = self._session.run(feeds)
        self._state = np.asarray(outputs["stateN"], np.float32)
        return float(outputs["output"][0, 0])
