"""May this programme's avatar be shown here? Asked before a programme is let in, by its own words.

The player asks again at each start; asking here means that a programme with a withdrawn face is
refused with the reason while the old one plays on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from device.programme.load import wished_avatar
from ota.errors import Refused
from ota.trust.keys import PublicKey


def avatar_problems(
    programme: Path, avatars: Path, chain: str, now: datetime, keys: Sequence[PublicKey],
    withdrawn: Collection[str] = (),
) -> list[str]:
    """Sentences (Chinese / English) when the programme's avatar may not or cannot be shown.

    `avatars` holds one bundle folder an id; `keys` are those that the fleet trusts for consents,
    empty for the ones shipped beside the bundles. A programme without a wish is no problem.
    """
    wish = wished_avatar(programme)
    if wish is None:
        return []
    folder = avatars / wish.id
    if not (folder / "avatar.json").is_file():
        return [
            f"这台设备上没有数字人“{wish.id}” / "
            f"This box has no avatar {wish.id!r}; publish it first."
        ]
    from device.render.bundle import load_bundle

    try:
        bundle = load_bundle(folder, now, chain, keys or None, withdrawn)
    except Refused as error:
        return [f"数字人“{wish.id}”不能使用 / {error}"]
    if not fits(wish.version, bundle.manifest.version):
        return [
            f"节目需要数字人“{wish.id}”版本 {wish.version},设备上是 {bundle.manifest.version} / "
            f"The programme needs avatar {wish.id} {wish.version}, the box has "
            f"{bundle.manifest.version}."
        ]
    return []


def fits(wanted: str, version: int) -> bool:
    """`wanted` is "3" (exactly) or ">=3"."""
    at_least = wanted.startswith(">=")
    number = int(wanted.removeprefix(">="))
    return version >= number if at_least else version == number
