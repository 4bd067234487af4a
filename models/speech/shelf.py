"""The recognisers of this machine: pinned ones in the assets, and those that were brought here.

Adding copies a folder to a hidden name, proves and pins it there, and renames it: whatever is
cut off half-way is no model. Removing renames first, too.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.asr.engines import brought
from device.asr.folders import (
    MODEL_FILE,
    Manifest,
    Measured,
    files_of,
    layout,
    open_folder,
    pin,
    verify,
)
from device.asr.proof import prove
from models.fetch import state
from models.registry import Model, read_registry
from ota.errors import Refused, Retry, VitrineError
from ota.files import sync_directory, write_durable

_ROOM_BYTES = 64 << 20
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Entry:
    """One recogniser as `models list` and `compare` know it.

    where: "pinned" (fetched by name) or "brought". state: whole, missing, altered, or unpinned
    (nobody wrote hashes). used: the ear uses it.
    """

    name: str
    where: str
    engine: str
    languages: tuple[str, ...]
    licence: str
    size_bytes: int
    state: str
    used: bool
    folder: Path
    measured: tuple[Measured, ...] = ()
    fault: str = ""


def entries(assets: Path, shelf: Path, verify_all: bool = False) -> list[Entry]:
    """Every recogniser, pinned ones first. verify_all: hash every byte again."""
    pinned = [_pinned(m, assets, verify_all) for m in read_registry().values() if m.engine]
    return pinned + [_brought(path, verify_all) for path in brought(shelf)]


def add(
    source: Path, shelf: Path, say: Progress, name: str = "", licence: str = "",
    languages: Sequence[str] = (),
) -> Manifest:  # fmt: skip
    """Copy, prove and pin a model folder. Raises Refused for one that cannot be used, Retry when
    the disk refuses."""
    found = _described(source, name, licence, tuple(languages))
    final, part = shelf / found.name, shelf / f".{found.name}.part"
    if final.exists():
        raise Refused(
            f"There is a model {found.name} already; remove it (`./vitrine models remove "
            f"{found.name}`) or give this one another --name."
        )
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        size_bytes = sum((source / n).stat().st_size for n in files_of(source))
        if shutil.disk_usage(shelf).free < size_bytes + _ROOM_BYTES:
            raise Retry(f"{shelf} needs {size_bytes / 1e6:.0f} MB of free disk; free some space.")
        say(f"copying {size_bytes / 1e6:.0f} MB to {final}")
        shutil.copytree(source, part)
        say("loading it in a process of its own")
        prove(found.engine, part, found.languages)
        manifest = msgspec.structs.replace(found, files=pin(part))
        write_durable(part / MODEL_FILE, _json(manifest))
        part.rename(final)
        sync_directory(shelf)
    except OSError as error:
        raise _disk_trouble(shelf, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def remove(name: str, shelf: Path) -> Path:
    """Take a brought model away. Raises Refused when there is none of that name."""
    known = {path.name: path for path in brought(shelf)}
    if name not in known:
        raise Refused(
            f"No model {name} was brought to {shelf}; there: {', '.join(known) or 'none'}."
        )
    gone = shelf / f".{name}.gone"
    try:
        shutil.rmtree(gone, ignore_errors=True)
        known[name].rename(gone)
        sync_directory(shelf)
        shutil.rmtree(gone)
    except OSError as error:
        raise _disk_trouble(shelf, error) from error
    return known[name]


def keep_figures(folder: Path, measured: Sequence[Measured]) -> None:
    """Write what was measured into a brought model's `model.json`. Raises Refused without one."""
    manifest, pinned = open_folder(folder)
    if not pinned:
        raise Refused(f"{folder} has no {MODEL_FILE}; add the model with ./vitrine models add.")
    fresh = {m.language for m in measured}
    kept = [m for m in manifest.measured if m.language not in fresh]
    whole = msgspec.structs.replace(manifest, measured=(*kept, *measured))
    write_durable(folder / MODEL_FILE, _json(whole))


def fetched(name: str, assets: Path) -> tuple[Path, Model] | None:
    """The folder of a pinned recogniser by its name; None when the name is none."""
    model = read_registry().get(name)
    return (assets / model.folder, model) if model is not None and model.engine else None


def _described(source: Path, name: str, licence: str, languages: tuple[str, ...]) -> Manifest:
    """What the new model.json will say, but for hashes; options count more than the folder's."""
    engine = layout(files_of(source))
    if (source / MODEL_FILE).is_file():
        found = open_folder(source)[0]
        verify(source, found)
        wanted = name or found.name
    else:
        if not licence:
            raise Refused(
                f"Nobody says under which licence {source} may be used; say it with --licence."
            )
        # Languages that are given need not be in the folder's name.
        found = (
            Manifest(name="-", engine=engine, languages=languages, licence=licence, files={})
            if engine and languages
            else open_folder(source)[0]
        )
        wanted = name or source.resolve().name
    new = msgspec.structs.replace(
        found, name=wanted, licence=licence or found.licence, languages=languages or found.languages
    )
    try:
        return msgspec.convert(msgspec.to_builtins(new) | {"files": _NO_FILES}, Manifest)
    except msgspec.ValidationError as error:
        raise Refused(f"{error}; check --name, --languages and --licence.") from error


# Stands where the hashes of the copied files will stand.
_NO_FILES = {"-": {"bytes": 0, "sha256": "0" * 64}}


def _pinned(model: Model, assets: Path, verify_all: bool) -> Entry:
    size_bytes = sum(file.size_bytes for file in model.variants[0])
    return Entry(
        model.name, "pinned", model.engine, model.languages, model.licence, size_bytes,
        state(model, assets, verify_all), not model.on_demand, assets / model.folder,
        model.measured,
    )  # fmt: skip


def _brought(path: Path, verify_all: bool) -> Entry:
    try:
        manifest, pinned = open_folder(path)
    except VitrineError as error:
        return Entry(path.name, "brought", "", (), "", _bytes(path), "altered", False, path,
                     (), str(error))  # fmt: skip
    condition, fault = ("whole", "") if pinned else ("unpinned", "")
    try:
        if pinned and verify_all:
            verify(path, manifest)
        elif any((path / n).stat().st_size != p.bytes for n, p in manifest.files.items()):
            raise Refused("The size of a file is not the one that was added; add it again.")
    except (VitrineError, OSError) as error:
        condition, fault = "altered", str(error)
    return Entry(
        path.name, "brought", manifest.engine, manifest.languages, manifest.licence, _bytes(path),
        condition, condition != "altered", path, manifest.measured, fault,
    )  # fmt: skip


def _bytes(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _json(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def _disk_trouble(shelf: Path, error: OSError) -> VitrineError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        who = "" if os.geteuid() == 0 else " as root"
        return Retry(f"{shelf} cannot be written; run this{who} or set VITRINE_ROOT.")
    return Retry(f"{shelf} could not be written ({error.strerror}); check the disk.")
