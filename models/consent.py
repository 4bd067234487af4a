"""Writes the likeness consent of a bundle: what the owner of the face allows, signed (DSSE)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ota.files import write_durable
from ota.trust import dsse
from ota.trust.keys import SigningKey


def synthetic_consent(avatar: str, base_sha256: str, gestures_sha256: dict[str, str]
                      ) -> dict[str, Any]:
    """The statement for a face that is nobody's: made from a mesh, no owner to ask."""
    return {
        "avatar": avatar,
        "owner": "None: a synthetic person, rendered from ICT-FaceKit Light (MIT); "
                 "no living or dead person's likeness.",
        "synthetic": True,
        "chains": ["*"],
        "regions": ["*"],
        "uses": ["*"],
        "from": "2026-01-01T00:00:00Z",
        "until": "2036-12-31T00:00:00Z",
        "revocation_id": f"vitrine-{avatar}-1",
        "base_sha256": base_sha256,
        "gestures_sha256": gestures_sha256,
    }


def sign(statement: dict[str, Any], key: SigningKey, path: Path) -> None:
    """Write the signed envelope."""
    payload = json.dumps(statement, sort_keys=True, ensure_ascii=False).encode()
    write_durable(path, dsse.sign(payload, dsse.CONSENT, [key]))


def key_for(path: Path) -> SigningKey:
    """The signing key at `path`; made there when missing. It is never part of a bundle."""
    if path.is_file():
        return SigningKey.load(path)
    key = SigningKey.generate()
    key.save(path)
    return key
