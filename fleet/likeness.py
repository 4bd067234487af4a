"""May this programme's avatar be shown by this chain? Asked before a programme is signed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from fleet.studio import Fault
from ota.errors import Refused
from ota.trust.consent import MANIFEST, check_bundle
from ota.trust.keys import PublicKey


def faults(
    document: dict[str, Any], avatars: Path, keys: Path, chain: str, now: datetime,
    withdrawn: Collection[str] = (),
) -> list[Fault]:
    """What stands against the avatar that `document` names: its likeness consent is missing,
    forged, over, taken back, or not for this chain.

    `avatars` holds a bundle folder an id, `keys` the public keys (PEM) whose consents count. An
    avatar that the server does not have is the boxes' to judge: they refuse it by the same rules.
    """
    wish = document.get("avatar")
    name = wish.get("id") if isinstance(wish, dict) else None
    if not isinstance(name, str) or not (avatars / name / MANIFEST).is_file():
        return []
    try:
        trusted = [PublicKey.load(path) for path in sorted(keys.glob("*.pem"))]
        check_bundle(avatars / name, now, chain, trusted, withdrawn)
    except Refused as error:
        return [Fault("avatar/id", None, f"数字人“{name}”不能使用：{error}", str(error))]
    return []
