"""The desired document of one box: pure making, and the signature that makes it count (B6)."""

from __future__ import annotations

from typing import Any

import msgspec

from device.messages import Desired, Notice, ProgrammeWanted, Settings
from device.stage.settings import check_settings, check_zone
from fleet.store.boxes import Box
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey

ENVELOPE_BYTES_MAX = 16 * 1024


def next_desired(
    chain: str,
    box: Box,
    programme: ProgrammeWanted | None,
    avatar: str | None,
    release: str | None,
) -> Desired:
    """What `box` shall be from now on; one sequence number after its last document.

    Raises Refused when the wishes kept for the box do not fit the contract.
    """
    try:
        settings = msgspec.convert(box.settings, Settings)
        check_settings(settings)
        check_zone(settings.timezone)
        notice = msgspec.convert(box.notice, Notice) if box.notice else None
    except msgspec.ValidationError as error:
        raise Refused(f"The settings of {box.id} are not valid ({error}); correct them.") from error
    return Desired(
        chain=chain,
        box=box.id,
        seq=box.desired_seq + 1,
        programme=programme,
        avatar=avatar,
        release=release,
        settings=settings,
        variables=dict(box.variables),
        override=notice,
    )


def seal(desired: Desired, key: SigningKey) -> tuple[bytes, bytes]:
    """Payload and signed envelope. Raises Refused when the envelope would be over 16 KiB."""
    payload = msgspec.json.encode(desired)
    envelope = dsse.sign(payload, dsse.DESIRED, [key])
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise Refused(
            f"The desired state is {len(envelope)} bytes, over {ENVELOPE_BYTES_MAX}; "
            "shorten the notice or the variables."
        )
    return payload, envelope


def programme_of(desired: dict[str, Any]) -> ProgrammeWanted | None:
    """The programme a kept desired document names."""
    found = desired.get("programme")
    return msgspec.convert(found, ProgrammeWanted) if found else None
