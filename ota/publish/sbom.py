"""The release's bill of materials: CycloneDX 1.6 as JSON, the same bytes for the same release.

Our own writer: the standard's library would bring six packages for what is a page of JSON. No
time and no random number stands in it (both are optional in 1.6), so two packers get one file.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from ota.environment import PACKAGES_FOLDER
from ota.formats.manifest import FileEntry
from ota.publish.wheels import Wheel

SPEC_VERSION = "1.6"
# Weights of networks, by the ends of their names.
MODEL_SUFFIXES = {".onnx", ".bin", ".npz", ".tflite"}
AVATARS = "models/avatars"
AVATAR = "avatar.json"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sbom.vitrine")
Files = Mapping[str, FileEntry]
Component = dict[str, Any]


def make_sbom(
    version: str, files: Files, wheels: Sequence[Wheel], avatars: Mapping[str, str]
) -> bytes:
    """The document. `files` are the release's without it; `avatars` maps ids to versions."""
    components = [*_code(version, files), *_avatars(files, avatars), *_models(files),
                  *map(_package, wheels)]
    root = f"vitrine@{version}"
    known = {wheel.name: _package_ref(wheel) for wheel in wheels}
    refs = [component["bom-ref"] for component in components]
    depends = [{"ref": root, "dependsOn": sorted(refs)}]
    depends += [
        {"ref": known[wheel.name], "dependsOn": sorted(known[need] for need in wheel.needs)}
        for wheel in wheels
    ]
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": root, "name": "vitrine",
                          "version": version},
            "lifecycles": [{"phase": "build"}],
        },
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
        "dependencies": depends,
    }
    content = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
    body["serialNumber"] = uuid.uuid5(_NAMESPACE, content).urn
    return msgspec.json.format(msgspec.json.encode(body, order="deterministic"), indent=1) + b"\n"


def _code(version: str, files: Files) -> Iterator[Component]:
    for folder in sorted({name.partition("/")[0] for name in files} - {PACKAGES_FOLDER}):
        inside = {name: entry for name, entry in files.items() if name.startswith(f"{folder}/")}
        if inside:
            yield {"type": "library", "bom-ref": f"code:{folder}", "name": folder,
                   "version": version, "hashes": _hashes(_tree_hash(inside)),
                   "licenses": [{"license": {"name": "Proprietary"}}]}


def _avatars(files: Files, avatars: Mapping[str, str]) -> Iterator[Component]:
    for avatar, version in sorted(avatars.items()):
        inside = {name: entry for name, entry in files.items()
                  if name.startswith(f"{AVATARS}/{avatar}/")}
        yield {"type": "data", "bom-ref": f"avatar:{avatar}", "name": avatar, "version": version,
               "hashes": _hashes(_tree_hash(inside)), "data": [{"type": "dataset"}]}


def _models(files: Files) -> Iterator[Component]:
    for name, entry in sorted(files.items()):
        path = PurePosixPath(name)
        if path.parts[0] == "models" and path.suffix in MODEL_SUFFIXES:
            yield {"type": "machine-learning-model", "bom-ref": f"model:{name}", "name": name,
                   "hashes": _hashes(entry.sha256),
                   "properties": [{"name": "vitrine:bytes", "value": str(entry.bytes)}]}


def _package(wheel: Wheel) -> Component:
    purl = _package_ref(wheel)
    found: Component = {"type": "library", "bom-ref": purl, "name": wheel.name, "purl": purl,
                        "version": wheel.version, "hashes": _hashes(wheel.sha256)}
    if wheel.licence:
        found["licenses"] = [{"expression": wheel.licence} if wheel.is_spdx
                             else {"license": {"name": wheel.licence}}]
    return found


def _package_ref(wheel: Wheel) -> str:
    return f"pkg:pypi/{wheel.name}@{wheel.version}"


def _tree_hash(files: Files) -> str:
    """One hash over names and hashes of files, as `sha256sum` writes them, sorted by name."""
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]
