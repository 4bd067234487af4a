"""The whole chain as the box runs it: sound through the voice network to codes of a work folder."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.render.bundle import Bundle, Code, FileRef, Manifest, Track, VoiceRef
from device.render.mouth import Mouth
from models.measure.sync import FEATURES
from ota.trust.consent import Consent

Floats = NDArray[np.float32]


def mouth_of_work(work: Path, codes: int, patch: int) -> Mouth:
    """The player's own mouth on the networks of a work folder, before they are packed; a code
    has `codes` numbers. Raises Refused when a network is missing or damaged."""
    from models.net.networks import VOICE_CONTEXT_MS
    from models.person.face import CODE_NAMES

    none = FileRef("", "")
    ever = datetime(2000, 1, 1, tzinfo=timezone.utc)
    manifest = Manifest(
        schema=1, id=work.name, version=0, name={}, fps=25, size=(patch, patch), patch=patch,
        base=none, track=none, consent="",
        renderer={p: {"file": f"renderer.{p}.onnx", "sha256": ""} for p in ("fp32", "int8")},
        voice_to_code=VoiceRef("voice2code.onnx", "", VOICE_CONTEXT_MS, VOICE_CONTEXT_MS),
        code=Code(list(CODE_NAMES)[:codes], [0.0] * codes, CODE_NAMES.index("jaw_open")),
        features=FEATURES)
    consent = Consent(avatar=work.name, owner="", chains=[], regions=[], uses=[], valid_from=ever,
                      valid_until=ever, revocation_id="", base_sha256="")
    still = np.zeros((patch, patch), np.uint8)
    track = Track(np.zeros((1, 2, 3), np.float32), still,
                  np.zeros((patch, patch, 3), np.uint8), np.zeros((1, 4), np.int32))
    return Mouth(Bundle(work, manifest, consent, track))
