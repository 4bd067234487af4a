"""Python packages as wheels, and the tree that a slot imports them from. Publisher's side.

One folder of wheels is for one machine and one Python, as `pip wheel -r requirements/run.txt -w
DIR` leaves it on such a machine. What is unpacked needs no installer: a slot is written file by
file and every file is verified like any other.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from ota.environment import PACKAGES_FOLDER
from ota.errors import Refused
from ota.files import sha256_file
from ota.formats.manifest import RELEASE_BYTES_MAX, safe_path

WHEEL_NAME = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)"
    r"-(?P<platform>[^-]+)\.whl"
)
MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)|manylinux(1|2010|2014)_(\w+)|linux_(\w+)")
STABLE_ABI = re.compile(r"-cp3(\d+)-abi3-")
OLD_MANYLINUX = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
PINNED = re.compile(
    r'(?P<name>[\w.-]+)==(?P<version>[\w.]+)'
    r'(\s*;\s*python_version\s*(?P<sign><|>=)\s*"(?P<major>\d+)\.(?P<minor>\d+)")?'
)
NEEDED = re.compile(r"[A-Za-z0-9][\w.-]*")
# Beside what is imported a wheel may carry scripts and headers; a slot has no use for them.
IMPORTED = ("purelib", "platlib")
METADATA_BYTES_MAX = 4 << 20
Body = Callable[[], bytes]


@dataclass(frozen=True)
class Wheel:
    """One package. `licence` is an SPDX expression when `is_spdx`; `needs` are the names of
    packages that it needs under all circumstances."""

    path: Path
    name: str
    version: str
    sha256: str
    licence: str
    is_spdx: bool
    needs: tuple[str, ...]


@dataclass(frozen=True)
class WheelSet:
    """All packages of one environment; `glibc` is the oldest that carries them."""

    wheels: tuple[Wheel, ...]
    platform: str
    python: tuple[int, int]
    glibc: tuple[int, int]

    @property
    def tag(self) -> str:
        """Like `linux-x86_64-cp311`."""
        return f"{self.platform}-cp{self.python[0]}{self.python[1]}"


def read_wheels(folder: Path) -> WheelSet:
    """The wheels in `folder`. Raises Refused: none, two machines or Pythons, one twice, broken."""
    paths = sorted(folder.glob("*.whl"))
    others = [path.name for path in folder.glob("*") if path.suffix in (".gz", ".zip")]
    if not paths or others:
        raise Refused(
            f"{folder} must hold wheels and no source packages ({', '.join(others)[:80] or 'none'}"
            " found); make them with: pip wheel -r requirements/run.txt -w FOLDER"
        )
    tags = [_tags(path) for path in paths]
    platforms = {platform for platform, _, _ in tags if platform}
    pythons = {python for _, python, _ in tags if python}
    if len(platforms) != 1 or len(pythons) != 1:
        raise Refused(
            f"The wheels in {folder} are for {_listed(platforms)} and for {_listed(pythons)}; one "
            "release environment is for one machine and one Python: use a folder for each."
        )
    wheels = tuple(_wheel(path) for path in paths)
    names = [wheel.name for wheel in wheels]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Refused(f"{folder} holds {twice} twice; remove the older wheel.")
    missing = sorted({need for wheel in wheels for need in wheel.needs} - set(names))
    if missing:
        raise Refused(f"{folder} lacks {', '.join(missing[:5])}, which another needs; add it.")
    major, minor = (int(part) for part in pythons.pop().split("."))
    newer = [path.name for path in paths
             if (stable := STABLE_ABI.search(path.name)) and int(stable[1]) > minor]
    if newer:
        raise Refused(f"{newer[0]} needs a newer Python than 3.{minor}; bring an older wheel.")
    return WheelSet(wheels, platforms.pop(), (major, minor), max(glibc for _, _, glibc in tags))


def check_pinned(wheels: WheelSet, requirements: str) -> None:
    """Raises Refused unless every line of the list of packages is there in its very version."""
    have = {wheel.name: wheel.version for wheel in wheels.wheels}
    for line in requirements.splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        pinned = PINNED.fullmatch(text)
        if pinned is None:
            raise Refused(f"{text[:80]!r} in the list of packages is not `name==version`; pin it.")
        if pinned["sign"]:
            bound = (int(pinned["major"]), int(pinned["minor"]))
            applies = wheels.python < bound if pinned["sign"] == "<" else wheels.python >= bound
            if not applies:
                continue
        found = have.get(normal(pinned["name"]))
        if found != pinned["version"]:
            raise Refused(
                f"The list of packages asks for {pinned['name']} {pinned['version']}, the wheels "
                f"have {found or 'none'}; make them again from the list."
            )


def unpacked(wheels: WheelSet) -> Iterator[tuple[str, Body]]:
    """Names in the slot and readers of all files. Raises Refused: unsafe, too large, two wheels
    with other bytes under one name."""
    sizes = 0
    seen: dict[str, tuple[int, int]] = {}
    for wheel in wheels.wheels:
        with zipfile.ZipFile(wheel.path) as archive:
            for info in archive.infolist():
                name = _place(info.filename)
                if name is None or info.is_dir():
                    continue
                sizes += info.file_size
                if not safe_path(name) or sizes > RELEASE_BYTES_MAX:
                    raise Refused(f"{wheel.path.name} holds {name[:80]!r}, which no box takes.")
                if name.endswith(".pth") and name.count("/") == 1:
                    raise Refused(f"{wheel.path.name} needs {name}, which a slot does not run.")
                mark = (info.CRC, info.file_size)
                if seen.get(name, mark) != mark:
                    raise Refused(f"Two wheels hold {name} with other bytes; leave one out.")
                if name not in seen:
                    yield name, _reader(wheel.path, info.filename)
                seen[name] = mark


def folders_of(wheels: WheelSet, names: Sequence[str]) -> list[str]:
    """The beginnings of the paths of some packages in the slot, those that are there."""
    chosen = tuple(wheel for wheel in wheels.wheels if wheel.name in names)
    found = {name.split("/")[1] + ("/" if name.count("/") > 1 else "")
             for name, _ in unpacked(replace(wheels, wheels=chosen))}
    return sorted(f"{PACKAGES_FOLDER}/{name}" for name in found)


def normal(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _reader(path: Path, member: str) -> Body:
    def read() -> bytes:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)

    return read


def _place(member: str) -> str | None:
    """Where a wheel's file goes in the slot, or None: it is of no use there."""
    first, _, rest = member.partition("/")
    if first.endswith(".data"):
        kind, _, member = rest.partition("/")
        if kind not in IMPORTED:
            return None
    if "__pycache__" in member.split("/") or member.endswith((".pyc", ".pyo")):
        return None
    return f"{PACKAGES_FOLDER}/{member}" if member else None


def _tags(path: Path) -> tuple[str, str, tuple[int, int]]:
    """Platform ("" for any), Python ("" for any) and glibc of a wheel's file name."""
    parts = WHEEL_NAME.fullmatch(path.name)
    if parts is None:
        raise Refused(f"{path.name} is not named like a wheel; take it out of the folder.")
    python = ""
    if re.fullmatch(r"cp3\d+", parts["python"]) and parts["abi"] != "abi3":
        python = f"3.{parts['python'][3:]}"
    if parts["platform"] == "any":
        return "", python, (0, 0)
    found = [match for tag in parts["platform"].split(".") if (match := MANYLINUX.fullmatch(tag))]
    if not found:
        raise Refused(f"{path.name} is not for a Linux with glibc; take it out of the folder.")
    machine = next(filter(None, (found[0][3], found[0][5], found[0][6])))
    return f"linux-{machine}", python, min(_glibc(match) for match in found)


def _glibc(match: re.Match[str]) -> tuple[int, int]:
    if match[1]:
        return int(match[1]), int(match[2])
    return OLD_MANYLINUX.get(match[4] or "", (0, 0))


def _wheel(path: Path) -> Wheel:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            if archive.getinfo(name).file_size > METADATA_BYTES_MAX:
                raise Refused(f"{path.name} has no usable METADATA; download it again.")
            told = BytesParser().parsebytes(archive.read(name), headersonly=True)
    except (zipfile.BadZipFile, OSError, StopIteration) as error:
        raise Refused(f"{path.name} is no wheel, or damaged; download it again.") from error
    licence, is_spdx = _licence(told)
    needs = {normal(match[0]) for line in told.get_all("Requires-Dist") or ()
             if ";" not in line and (match := NEEDED.match(line))}
    return Wheel(path, normal(str(told["Name"])), str(told["Version"]), sha256_file(path),
                 licence, is_spdx, tuple(sorted(needs)))


def _licence(told: Message) -> tuple[str, bool]:
    """What the package says of its licence, best first; empty when it says nothing."""
    if told["License-Expression"]:
        return str(told["License-Expression"]).strip(), True
    classifiers = [str(line).rpartition("::")[2].strip()
                   for line in told.get_all("Classifier") or ()
                   if str(line).startswith("License ::")]
    said = str(told["License"] or "").strip()
    if said and "\n" not in said and len(said) < 60:
        return said, False
    return " AND ".join(sorted(set(classifiers))), False


def _listed(names: Sequence[str] | set[str]) -> str:
    return " and ".join(sorted(names)) or "no one in particular"
