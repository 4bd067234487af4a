"""The parts of avatar.json that every avatar of ours has alike: its files and its two networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ota.files import sha256_file


def ref(folder: Path, name: str) -> dict[str, Any]:
    """A file of the bundle and its hash."""
    return {"file": name, "sha256": sha256_file(folder / name)}


def networks(folder: Path, patch_px: int, codes: int, context_ms: int) -> dict[str, Any]:
    """`renderer` and `voice_to_code` of a bundle whose renderer draws `patch_px` pixels a side
    from `codes` numbers; the voice network sees `context_ms` to each side."""
    return {
        "renderer": {
            "kind": "code",
            "fp32": ref(folder, "renderer.fp32.onnx"), "int8": ref(folder, "renderer.int8.onnx"),
            "inputs": [{"name": "code", "shape": [1, codes], "type": "float32"}],
            "outputs": [{"name": "patch", "shape": [1, 4, patch_px, patch_px],
                         "meaning": "RGB 0..1 already blended over the rest picture, A = alpha "
                                    "where the mouth was redrawn"}]},
        "voice_to_code": {
            **ref(folder, "voice2code.onnx"), "inputs": [{"name": "mel", "shape": [1, "T", 80]}],
            "outputs": [{"name": "code", "shape": [1, "T/4", codes]}],
            "lookahead_ms": context_ms, "history_ms": context_ms}}
