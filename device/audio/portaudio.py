"""PortAudio through sounddevice: its one importer, and where the library is found."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
from typing import Any

_SONAME = "libportaudio.so.2"


def portaudio() -> Any:
    """The sounddevice module. Raises OSError when PortAudio is not on this machine.

    sounddevice asks `ctypes.util.find_library`, which sees only what ldconfig or a compiler
    knows; the dynamic loader itself also looks into the prefix that the launcher names.
    """
    try:
        return importlib.import_module("sounddevice")
    except OSError:
        ctypes.CDLL(_SONAME)  # raises OSError where there is none at all
    find = ctypes.util.find_library
    ctypes.util.find_library = lambda name: _SONAME if name == "portaudio" else find(name)
    try:
        return importlib.import_module("sounddevice")
    finally:
        ctypes.util.find_library = find
