"""Packs a bundle: copies networks and clips, writes track, manifest and consent (contract B4)."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import consent, manifest
from models.articulation.visemes import LIPS
from models.articulation.voice import FEATURES
from models.net.networks import VOICE_CONTEXT_MS
from models.person import framing, gestures, moves
from models.person.character import Character
from models.person.face import CODE_NAMES
from ota.clock import utc_now
from ota.files import write_durable
from ota.trust.consent import LIKENESS_ROOT, check_bundle


@dataclass(frozen=True)
class Spec:
    """Which bundle: its id, whom it shows, version, the patch's side, the picture's size against
    1080 x 1920, and the measured quality."""

    bundle_id: str
    who: Character
    version: int
    patch_px: int
    scale: int
    quality: dict[str, Any]


def pack(folder: Path, spec: Spec, made: Path, voice: Path, mask: NDArray[np.uint8],
         rest: NDArray[np.uint8], key: Path) -> None:
    """Fill `folder` with a whole bundle out of `made` (base.mp4, a clip for each gesture,
    renderer.fp32.onnx, renderer.int8.onnx); rest (p, p, 3) RGB; key signs the consent."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = {name: g.moves for name, g in gestures.all_gestures().items()
             if (made / f"{name}.mp4").is_file()}
    for name in ("base.mp4", "renderer.fp32.onnx", "renderer.int8.onnx",
                 *(f"{c}.mp4" for c in clips)):
        shutil.copyfile(made / name, folder / name)
    shutil.copyfile(voice, folder / "voice2code.onnx")
    np.savez_compressed(folder / "track.npz", mask=mask, rest_patch=rest,
                        **_places(spec, "", moves.idle()),
                        **{k: v for name, m in clips.items()
                           for k, v in _places(spec, f"_{name}", m).items()})
    described = _manifest(folder, spec, clips)
    signer = consent.key_for(key)
    statement = consent.synthetic_consent(
        spec.bundle_id, described["base"]["sha256"],
        {name: ref["sha256"] for name, ref in described["gestures"].items()})
    consent.sign(statement, signer, folder / described["consent"])
    write_durable(folder.parent / LIKENESS_ROOT, signer.public.to_pem().encode())
    text = json.dumps(described, ensure_ascii=False, indent=1) + "\n"
    write_durable(folder / "avatar.json", text.encode())
    check_bundle(folder, utc_now(), None)


def _places(spec: Spec, suffix: str, motion: moves.Moves) -> dict[str, Any]:
    return {
        "matrix" + suffix: moves.patch_matrices(motion.head, spec.who.mouth_box, spec.patch_px,
                                                spec.scale),
        "head_box" + suffix: moves.head_boxes(motion.head, spec.who.head_box, spec.scale)}


def _manifest(folder: Path, spec: Spec, clips: dict[str, moves.Moves]) -> dict[str, Any]:
    side, codes = spec.patch_px, len(CODE_NAMES)
    return {
        "schema": 1, "id": spec.bundle_id, "version": spec.version, "name": spec.who.names,
        "fps": moves.FPS, "size": [v * spec.scale for v in framing.SIZE_PX], "patch": side,
        "base": {**manifest.ref(folder, "base.mp4"), "frames": moves.FRAMES},
        "gestures": {name: {**manifest.ref(folder, f"{name}.mp4"), "frames": len(m)}
                     for name, m in clips.items()},
        "joins": list(moves.JOINS) if clips else [],
        "track": manifest.ref(folder, "track.npz"),
        **manifest.networks(folder, side, codes, VOICE_CONTEXT_MS),
        "code": {"names": list(CODE_NAMES), "rest": [0.0] * codes,
                 "open_index": CODE_NAMES.index("jaw_open"), "lips": LIPS},
        "features": {f: getattr(FEATURES, f) for f in FEATURES.__struct_fields__},
        "quality": spec.quality,
        "consent": "consent.dsse.json",
    }
