"""Packs a bundle: copies the networks, writes track, manifest and consent (contract B4)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.render.bundle import LIKENESS_ROOT, Features
from models import consent
from models.net.networks import VOICE_CONTEXT_MS
from models.person import idle, lin
from models.person.face import CODE_NAMES
from ota.files import sha256_file, write_durable

NAMES = {"lin": {"zh-CN": "小林", "en-US": "Lin"}}


def pack(folder: Path, version: int, files: dict[str, Path], mask: NDArray[np.uint8],
         rest: NDArray[np.uint8], features: Features, quality: dict[str, Any], key: Path) -> None:
    """Fill `folder` with a whole bundle. `files`: base.mp4, renderer.fp32.onnx,
    renderer.int8.onnx, voice2code.onnx; rest (p, p, 3) RGB; key signs the consent."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        shutil.copyfile(source, folder / name)
    head, _, _ = idle.motion()
    np.savez_compressed(folder / "track.npz", matrix=idle.patch_matrices(head), mask=mask,
                        rest_patch=rest, head_box=idle.head_boxes(head))
    manifest = _manifest(folder, version, len(head), features, quality)
    signer = consent.key_for(key)
    statement = consent.synthetic_consent(lin.LIN.id, manifest["base"]["sha256"])
    consent.sign(statement, signer, folder / manifest["consent"])
    write_durable(folder.parent / LIKENESS_ROOT, signer.public.to_pem().encode())
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    write_durable(folder / "avatar.json", text.encode())


def _manifest(folder: Path, version: int, frames: int, features: Features,
              quality: dict[str, Any]) -> dict[str, Any]:
    def ref(name: str) -> dict[str, Any]:
        return {"file": name, "sha256": sha256_file(folder / name)}
    side, codes = lin.PATCH_PX, len(CODE_NAMES)
    return {
        "schema": 1, "id": lin.LIN.id, "version": version, "name": NAMES[lin.LIN.id],
        "fps": idle.FPS, "size": list(lin.SIZE_PX), "patch": side,
        "base": {**ref("base.mp4"), "frames": frames},
        "track": ref("track.npz"),
        "renderer": {
            "fp32": ref("renderer.fp32.onnx"), "int8": ref("renderer.int8.onnx"),
            "inputs": [{"name": "base", "shape": [1, 3, side, side],
                        "type": "float32 0..1 RGB, canonical patch"},
                       {"name": "code", "shape": [1, codes], "type": "float32"}],
            "outputs": [{"name": "patch", "shape": [1, 4, side, side],
                         "meaning": "RGB 0..1 already blended over base, A = alpha where the "
                                    "mouth was redrawn"}]},
        "voice_to_code": {
            **ref("voice2code.onnx"), "inputs": [{"name": "mel", "shape": [1, "T", 80]}],
            "outputs": [{"name": "code", "shape": [1, "T/4", codes]}],
            "lookahead_ms": VOICE_CONTEXT_MS, "history_ms": VOICE_CONTEXT_MS},
        "code": {"names": list(CODE_NAMES), "rest": [0.0] * codes,
                 "open_index": CODE_NAMES.index("jaw_open")},
        "features": {f: getattr(features, f) for f in features.__struct_fields__},
        "quality": quality,
        "consent": "consent.dsse.json",
    }
