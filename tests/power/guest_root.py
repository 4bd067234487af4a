"""A guest's root as one squashfs: this Python, what a work of ours needs of it, and programs."""

from __future__ import annotations

import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("proc", "sys", "dev", "run", "mnt", "tmp", "bin", "etc", "lib64", "usr/bin", "var/run")
# Names every file that the work opens, and every module that it has loaded at its end.
WATCH = """
import encodings.ascii, encodings.latin_1, encodings.utf_8, encodings.idna
import json, os, sys
opened = set()
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and not (args[2] or 0) & 3:
        opened.add(args[0])
sys.addaudithook(watch)
exec(sys.argv[1])
opened |= {m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
paths = {os.path.abspath(path) for path in opened}
print("\\n" + json.dumps(sorted(path for path in paths if os.path.isfile(path))))
"""
# No file of a machine, only of a moment.
PASSING = ("/proc/", "/sys/", "/dev/")
WORK_S = 120


def needed_by(work: str) -> list[Path]:
    """The files that this Python code opens and the modules that it loads. Runs it."""
    done = subprocess.run(
        (sys.executable, "-B", "-c", WATCH, work), cwd=CHECKOUT, text=True, capture_output=True,
        timeout=WORK_S, check=False, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert done.returncode == 0, done.stderr[-2000:]
    return [Path(each) for each in json.loads(done.stdout.splitlines()[-1])]


def interpreter() -> Path:
    """The program behind this Python's environment."""
    return Path(sys.executable).resolve()


def python_path() -> str:
    """Where a guest finds our modules and those of others."""
    others = (each for each in sys.path if each.endswith("-packages"))
    return os.pathsep.join((str(CHECKOUT), *dict.fromkeys(others)))


def make_root(out: Path, files: Iterable[Path], programs: Sequence[Path], folders: Sequence[Path],
              texts: dict[str, str]) -> None:
    """`out` becomes a squashfs of these at their own places; `texts` are files of their own."""
    stage = out.with_suffix(".stage")
    for name in FOLDERS:
        (stage / name).mkdir(parents=True, exist_ok=True)
    wanted = {path for path in files if not str(path).startswith((*PASSING, str(out.parent)))}
    binaries = [path for path in wanted if ".so" in path.suffixes] + [interpreter(), *programs]
    for path in sorted(wanted | set(binaries) | set(_libraries(binaries))):
        _put(stage, path)
    for folder in folders:
        shutil.copytree(folder, _inside(stage, folder), dirs_exist_ok=True)
    for name, text in texts.items():
        _inside(stage, Path(name)).parent.mkdir(parents=True, exist_ok=True)
        _inside(stage, Path(name)).write_text(text)
        _inside(stage, Path(name)).chmod(0o755)
    # Uncompressed: an emulated processor is slow.
    subprocess.run(("mksquashfs", str(stage), str(out), "-noappend", "-quiet", "-no-progress",
                    "-noI", "-noD", "-noF", "-noX"), check=True, capture_output=True)
    shutil.rmtree(stage)


def _put(stage: Path, path: Path) -> None:
    inside = _inside(stage, path)
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, inside)
    if path.suffix == ".py":
        tag = f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        py_compile.compile(str(inside), str(inside.parent / "__pycache__" / tag), str(path))


def _inside(stage: Path, path: Path) -> Path:
    return stage / str(path).lstrip("/")


def _libraries(binaries: Sequence[Path]) -> list[Path]:
    """The shared libraries of these programs, at the places where the loader looks for them."""
    told = subprocess.run(
        ("ldd", *map(str, binaries)), text=True, capture_output=True, check=False).stdout
    words = (word for line in told.splitlines() if not line.endswith(":") for word in line.split())
    return [Path(word) for word in dict.fromkeys(words) if word.startswith("/")]
