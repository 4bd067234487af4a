"""The rule that the avatar may be shown: by this chain, and for as long as the programme holds."""

from __future__ import annotations

from collections.abc import Iterator

from device.programme.playable import local_zone
from device.programme.positions import Path
from device.programme.problems import Fault
from device.programme.rules import Checked
from device.programme.window_rule import window
from ota.errors import Refused
from ota.trust.consent import MANIFEST, check_bundle


def consent(checked: Checked) -> Iterator[Fault]:
    """An avatar that is not there, or without its owner's consent for this chain and these dates.

    Nothing where no folder of avatars was given to look into.
    """
    if checked.avatars is None:
        return
    wish = checked.programme.avatar
    path: Path = ("avatar", "id")
    folder = checked.avatars / wish.id
    if not (folder / MANIFEST).is_file():
        yield Fault(path, f"“{checked.avatars}”里没有数字人“{wish.id}”",
                    f'there is no avatar "{wish.id}" in {checked.avatars}')
        return
    try:
        given = check_bundle(folder, checked.now, checked.chain)
    except Refused as error:
        yield Fault(path, f"数字人“{wish.id}”不能使用:{error}", str(error))
        return
    asked = window(checked.programme.valid, local_zone(checked.programme))
    if asked.until is not None and asked.until > given.valid_until:
        yield Fault(
            ("valid", "until"),
            f"数字人“{wish.id}”的肖像授权 {given.valid_until:%Y-%m-%d} 就到期,早于节目结束",
            f'the likeness consent of avatar "{wish.id}" ends on {given.valid_until:%Y-%m-%d}, '
            "before the programme does")
    if asked.starts is not None and asked.starts < given.valid_from:
        yield Fault(
            ("valid", "from"),
            f"数字人“{wish.id}”的肖像授权 {given.valid_from:%Y-%m-%d} 才开始,晚于节目开始",
            f'the likeness consent of avatar "{wish.id}" begins only on '
            f"{given.valid_from:%Y-%m-%d}, after the programme does")
