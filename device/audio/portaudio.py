"""PortAudio through sounddevice: its one importer, and where the library is found."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import threading
from typing import Any

_SONAME = "libportaudio.so.2"
_open_streams: set[int] = set()
_lock = threading.Lock()


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


def opened(stream: Any) -> None:
    """From now until `closed` its devices are not to be looked for anew."""
    with _lock:
        _open_streams.add(id(stream))


def closed(stream: Any) -> None:
    """It is given back."""
    with _lock:
        _open_streams.discard(id(stream))


def look_again() -> None:
    """Let PortAudio look for devices anew, which it does only from its beginning on.

    That would end every stream of this process, and hang where one is being closed: while any is
    open nothing is done.
    """
    with _lock:
        if not _open_streams:
            sounddevice = portaudio()
            sounddevice._terminate()
            sounddevice._initialize()
