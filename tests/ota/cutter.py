"""Power cuts by fork: a child runs a flow and dies just before its Nth storage call.

Models the death of the process with everything written so far on disk; `torn` leaves half of the
buffer of the write at the cut. What a lost page cache does is the block-level rig's to show.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

CALLS = (
    "open",
    "write",
    "rename",
    "replace",
    "mkdir",
    "unlink",
    "rmdir",
    "fsync",
    "ftruncate",
    "link",
    "symlink",
    "remove",
)
CUT, FAILED, DONE = 77, 3, 0


def run_cut(flow: Callable[[], object], at: int, torn: bool = False) -> int:
    """Run `flow` in a child that dies before storage call number `at`; CUT, DONE or FAILED.

    With `torn`, `at` counts only writes, and half of that write reaches the disk.
    """
    pid = os.fork()
    if pid == 0:
        code = FAILED
        try:
            _arm(at, torn)
            flow()
            code = DONE
        except BaseException as error:  # the child must never return into pytest
            print(f"cut {at}: {error!r}", file=sys.stderr)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _arm(at: int, torn: bool) -> None:
    count = [0]
    for name in ("write",) if torn else CALLS:
        setattr(os, name, _wrapped(name, getattr(os, name), count, at, torn))


def _wrapped(
    name: str, real: Callable[..., Any], count: list[int], at: int, torn: bool
) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        if name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return real(*arguments, **named)
        if count[0] == at:
            if torn:
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            os._exit(CUT)
        count[0] += 1
        return real(*arguments, **named)

    return call
