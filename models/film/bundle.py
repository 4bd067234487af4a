"""Packs an avatar made from a video into a bundle (contract B4) that the player can load."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.render.bundle import Features, load_bundle
from models import manifest
from models.film.permission import Permission
from ota.clock import utc_now
from ota.errors import Refused
from ota.files import write_durable
from ota.trust.consent import LIKENESS_ROOT
from ota.trust.keys import PublicKey, SigningKey

NETWORKS = ("renderer.fp32.onnx", "renderer.int8.onnx", "voice2code.onnx")


@dataclass(frozen=True)
class Parts:
    """What goes into the bundle beside its networks. matrix (n, 2, 3), head_box (n, 4), mask
    (p, p), rest (p, p, 3); size of the base in pixels; context_ms the voice network sees to each
    side."""

    name: str
    version: int
    fps: int
    size: tuple[int, int]
    matrix: NDArray[np.float32]
    head_box: NDArray[np.int32]
    mask: NDArray[np.uint8]
    rest: NDArray[np.uint8]
    codes: list[str]
    features: Features
    context_ms: int
    quality: dict[str, Any]
    source_sha256: str
    lips: dict[str, dict[str, float]] = field(default_factory=dict)


def check_place(out: Path, signer: SigningKey, ours: bool) -> None:
    """Raises Refused when the bundle must not be written to `out`: another avatar is there (`ours`
    says it is an earlier one of the same work), or its folder trusts another key."""
    if out.exists() and not ours and (not out.is_dir() or any(out.iterdir())):
        raise Refused(f"{out} is there already; give another --out, or remove it.")
    root = out.parent / LIKENESS_ROOT
    if root.is_file() and PublicKey.load(root).raw != signer.public.raw:
        raise Refused(f"The avatars in {out.parent} are trusted by another key ({root}); give "
                      "--out in another folder, or the --key of that one.")


def pack(work: Path, out: Path, parts: Parts, permission: Permission) -> None:
    """Fill a folder beside `out` from the networks and base.mp4 in `work`, check it as the box
    would, then put it in place of `out`."""
    folder = out.with_name(f".{out.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for name in (*NETWORKS, "base.mp4"):
            shutil.copyfile(work / name, folder / name)
        np.savez_compressed(folder / "track.npz", matrix=parts.matrix, mask=parts.mask,
                            rest_patch=parts.rest, head_box=parts.head_box)
        described = manifest_of(folder, parts)
        consent = permission.completed(described["base"]["sha256"], parts.source_sha256)
        write_durable(folder / described["consent"], consent)
        text = json.dumps(described, ensure_ascii=False, indent=1) + "\n"
        write_durable(folder / "avatar.json", text.encode())
        load_bundle(folder, utc_now(), trusted=(permission.signer.public,),
                    chain=permission.statement["chains"][0])
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    root = out.parent / LIKENESS_ROOT
    if not root.is_file():
        write_durable(root, permission.signer.public.to_pem().encode())


def manifest_of(folder: Path, parts: Parts) -> dict[str, Any]:
    """avatar.json for the files in `folder`."""
    side, codes = len(parts.rest), len(parts.codes)
    return {
        "schema": 1, "id": parts.name, "version": parts.version,
        "name": {"zh-CN": parts.name, "en-US": parts.name.replace("-", " ").title()},
        "fps": parts.fps, "size": list(parts.size), "patch": side,
        "base": {**manifest.ref(folder, "base.mp4"), "frames": len(parts.matrix)},
        "track": manifest.ref(folder, "track.npz"),
        **manifest.networks(folder, side, codes, parts.context_ms),
        "code": {"names": parts.codes, "rest": [0.0] * codes, "open_index": 0,
                 **({"lips": parts.lips} if parts.lips else {})},
        "features": {f: getattr(parts.features, f) for f in parts.features.__struct_fields__},
        "quality": parts.quality,
        "source": {"kind": "film", "sha256": parts.source_sha256},
        "consent": "consent.dsse.json",
    }
