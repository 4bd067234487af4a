"""The only importer of libspeexdsp: echo cancelling and noise suppression on mono 16 kHz sound.

Source: speex_echo.h and speex_preprocess.h of speexdsp 1.2.1 (BSD). The adaptive filter is a
multi-delay block frequency domain filter (Soo and Pang 1990; double talk after Valin 2007).
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from ota.errors import Refused

Samples = npt.NDArray[np.float32]

RATE_HZ = 16_000
FRAME_SAMPLES = 256
TAIL_SAMPLES = 4_096
# The preprocessor's windows overlap by half: what goes in comes out so much later.
DELAY_SAMPLES = FRAME_SAMPLES
_SONAME = "libspeexdsp.so.1"
_ECHO_SET_RATE, _GET_RESPONSE_SIZE, _GET_RESPONSE = 24, 27, 29
_SET_NOISE_SUPPRESS, _SET_ECHO_STATE = 18, 24
_SET_ECHO_SUPPRESS, _SET_ECHO_SUPPRESS_ACTIVE = 20, 22
_Block = npt.NDArray[np.int16]


class SpeexDsp:
    """One stream. Raises Refused where the library is missing."""

    def __init__(
        self, noise_db: int = -15, echo_db: int = -40, echo_active_db: int = -15,
        tail_samples: int = TAIL_SAMPLES,
    ) -> None:  # fmt: skip
        """The decibels are how far noise, and what is left of the echo without and with a near
        talker, may be pressed down; the defaults are the library's own."""
        self._echo = self._pre = None
        self._library = library = _library()
        self._echo = library.speex_echo_state_init(FRAME_SAMPLES, tail_samples)
        self._pre = library.speex_preprocess_state_init(FRAME_SAMPLES, RATE_HZ)
        if not self._echo or not self._pre:
            raise Refused("libspeexdsp gave no memory for the echo canceller; restart the ear.")
        library.speex_echo_ctl(self._echo, _ECHO_SET_RATE, ctypes.byref(ctypes.c_int(RATE_HZ)))
        library.speex_preprocess_ctl(self._pre, _SET_ECHO_STATE, self._echo)
        for request, value in ((_SET_NOISE_SUPPRESS, noise_db), (_SET_ECHO_SUPPRESS, echo_db),
                               (_SET_ECHO_SUPPRESS_ACTIVE, echo_active_db)):
            library.speex_preprocess_ctl(self._pre, request, ctypes.byref(ctypes.c_int(value)))

    def forget(self) -> None:
        """Begin with an empty filter: the room or the delay is another."""
        self._library.speex_echo_state_reset(self._echo)

    def response(self) -> Samples:
        """The echo's way as the filter has learnt it: an impulse response, of no certain scale."""
        count = ctypes.c_int(0)
        self._library.speex_echo_ctl(self._echo, _GET_RESPONSE_SIZE, ctypes.byref(count))
        found = np.zeros(max(0, count.value), np.int32)
        self._library.speex_echo_ctl(self._echo, _GET_RESPONSE, found.ctypes.data)
        return found.astype(np.float32)

    def process(self, heard: Samples, played: Samples) -> tuple[Samples, Samples]:
        """(echo taken off, and what is left of it and noise pressed down), both as long as given.

        Lengths must be equal multiples of 256. The second is DELAY_SAMPLES late.
        """
        if heard.shape != played.shape or len(heard) % FRAME_SAMPLES:
            raise Refused(f"The echo canceller takes multiples of {FRAME_SAMPLES} samples.")
        mic, far = _int16(heard), _int16(played)
        linear = np.zeros(len(mic), np.int16)
        clean = np.zeros(len(mic), np.int16)
        for at in range(0, len(mic), FRAME_SAMPLES):
            part = slice(at, at + FRAME_SAMPLES)
            out = linear[part]
            self._library.speex_echo_cancellation(
                self._echo, _pointer(mic[part]), _pointer(far[part]), _pointer(out))
            clean[part] = out
            self._library.speex_preprocess_run(self._pre, _pointer(clean[part]))
        return _float32(linear), _float32(clean)

    def close(self) -> None:
        """Give the memory back; twice is once."""
        if self._pre:
            self._library.speex_preprocess_state_destroy(self._pre)
        if self._echo:
            self._library.speex_echo_state_destroy(self._echo)
        self._pre = self._echo = None

    def __del__(self) -> None:
        self.close()


def available() -> bool:
    """Is the library on this machine?"""
    try:
        _library()
    except Refused:
        return False
    return True


def _library() -> Any:
    try:
        library = ctypes.CDLL(_SONAME)
    except OSError as error:
        raise Refused(
            "libspeexdsp was not found; run ./vitrine demo once (Debian: libspeexdsp1)."
        ) from error
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.speex_echo_state_init.restype = pointer
    library.speex_echo_state_init.argtypes = [number, number]
    library.speex_preprocess_state_init.restype = pointer
    library.speex_preprocess_state_init.argtypes = [number, number]
    library.speex_echo_ctl.argtypes = [pointer, number, pointer]
    library.speex_preprocess_ctl.argtypes = [pointer, number, pointer]
    library.speex_echo_cancellation.argtypes = [pointer] * 4
    library.speex_echo_cancellation.restype = None
    library.speex_preprocess_run.argtypes = [pointer, pointer]
    for name in ("speex_echo_state_reset", "speex_echo_state_destroy",
                 "speex_preprocess_state_destroy"):
        getattr(library, name).argtypes = [pointer]
        getattr(library, name).restype = None
    return library


def _pointer(block: _Block) -> int:
    return int(block.ctypes.data)


def _int16(samples: Samples) -> _Block:
    return np.ascontiguousarray(np.clip(samples, -1.0, 1.0) * 32_767).astype(np.int16)


def _float32(block: _Block) -> Samples:
    return block.astype(np.float32) / np.float32(32_767)
