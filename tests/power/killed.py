"""Level 1: real commands, killed by strace at the Nth of one of their storage calls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CALLS = (
    "openat", "open", "creat", "write", "pwrite64", "writev", "pwritev", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "symlink", "symlinkat", "link",
    "linkat", "ftruncate", "truncate", "fsync", "fdatasync", "sync_file_range", "fallocate",
    "copy_file_range", "sendfile", "fchmod", "chmod",
)  # fmt: skip
LINE = re.compile(r"^(?:\d+\s+)?(\w+)\(")
READING = re.compile(r"openat\([^)]*O_RDONLY")
RUN_S = 120


@dataclass(frozen=True)
class Moment:
    """The `nth` call of this name: strace counts each name by itself."""

    call: str
    nth: int


def missing() -> str | None:
    """Why commands cannot be killed this way here, or None."""
    if shutil.which("strace") is None:
        return "there is no strace (package strace)"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this machine forbids tracing"


def moments(command: list[str], environment: dict[str, str], root: Path, log: Path) -> list[Moment]:
    """Run it whole, and name each call that changes something from its first look at `root` on.

    Raises AssertionError when the command fails.
    """
    done = _traced(command, environment, ["-y", "-o", str(log)])
    assert done.returncode == 0, done.stderr[-2000:]
    found, counted, began = [], Counter[str](), False
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        counted[match[1]] += 1
        began = began or str(root) in line
        if began and not READING.search(line):
            found.append(Moment(match[1], counted[match[1]]))
    return found


def kill_at(
    moment: Moment, command: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run it until that call, which is not carried out."""
    inject = f"inject={moment.call}:signal=SIGKILL:when={moment.nth}"
    return _traced(command, environment, ["-o", "/dev/null", "-e", inject])


def _traced(
    command: list[str], environment: dict[str, str], options: list[str]
) -> subprocess.CompletedProcess[str]:
    # Not with --seccomp-bpf: strace 6.1 then forgets to send the signal.
    trace = ["strace", "-f", "-e", f"trace={','.join('?' + c for c in CALLS)}"]
    return subprocess.run(
        [*trace, *options, sys.executable, "-B", *command], cwd=CHECKOUT, text=True,
        capture_output=True, timeout=RUN_S, check=False,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": "0", **environment},
    )  # fmt: skip
