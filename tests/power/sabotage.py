"""Writers that are wrong on purpose: a rig that cannot fail proves nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable


def no_fsync() -> None:
    """Nothing is ever made durable."""
    os.fsync = lambda handle: None


def names_before_bytes() -> None:
    """The wrong order: a folder's names are made durable, the bytes behind them are not."""
    real = os.fsync

    def only_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            real(handle)

    os.fsync = only_folders


def no_folder_sync() -> None:
    """Bytes are made durable, but not the names that they are given."""
    real = os.fsync

    def only_files(handle: int) -> None:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            real(handle)

    os.fsync = only_files


SABOTAGES: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "no fsync": no_fsync,
    "names before bytes": names_before_bytes,
    "no folder sync": no_folder_sync,
}
