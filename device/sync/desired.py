"""What the console wants of this box: verified, in order, in date. Pure.

The broker only carries the envelope. Nothing in it is believed before the signature, and no
sequence number is accepted twice with another content, or backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from device.messages import Desired
from device.stage.settings import check_settings
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import PublicKey

ENVELOPE_BYTES_MAX = 16_384
SCHEMA = 1
TARGET_CHARS_MAX = 200
VARIABLES_MAX = 500
VARIABLE_CHARS_MAX = 500


@dataclass(frozen=True)
class Accepted:
    """A desired state that may be followed, with the envelope that proves it."""

    desired: Desired
    envelope: bytes


def accept(
    envelope: bytes,
    keys: Sequence[PublicKey],
    chain: str,
    box: str,
    held: Desired | None,
    now: datetime,
    floor: int = -1,
) -> Accepted | None:
    """Judge one envelope; None when it is the state that we hold already.

    `held` is the newest state accepted so far, `floor` its number (which may have survived the
    document), `now` the time that never runs behind (ota.floor). Raises Refused with the reason:
    too large, not signed by the console, for another box, malformed, of an unknown kind, older
    than what we hold, or out of date.
    """
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise Refused(
            f"The desired state is {len(envelope)} bytes long, over the limit of "
            f"{ENVELOPE_BYTES_MAX}; put large things into the programme."
        )
    desired = decode(dsse.verify(envelope, dsse.DESIRED, keys))
    _check_addressee(desired, chain, box)
    newest = floor if held is None else max(floor, held.seq)
    if desired.seq < newest:
        raise Refused(
            f"The desired state {desired.seq} is older than {newest}, which this box already "
            "follows; publish again from the console."
        )
    if held is not None and desired.seq == held.seq:
        if desired == held:
            return None
        raise Refused(
            f"There are two different desired states with the number {desired.seq}; "
            "publish again from the console."
        )
    _check_values(desired, now)
    return Accepted(desired, envelope)


def decode(payload: bytes) -> Desired:
    """Read the payload; unknown fields are ignored. Raises Refused when malformed."""
    try:
        desired = msgspec.json.decode(payload, type=Desired)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The desired state is malformed ({error}).") from error
    if desired.schema != SCHEMA:
        raise Refused(
            f"The desired state is of kind {desired.schema}, which this version does not know; "
            "update the box first."
        )
    return desired


def instant(text: str) -> datetime:
    """A moment with a time zone. Raises Refused for anything else."""
    example = "write it like 2026-12-01T09:00+08:00"
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Refused(f"{text[:40]!r} is not a time; {example}.") from error
    if moment.tzinfo is None:
        raise Refused(f"{text[:40]!r} has no time zone; {example}.")
    return moment


def _check_addressee(desired: Desired, chain: str, box: str) -> None:
    """An envelope of another box is signed as well: the name inside is what counts."""
    if desired.chain not in ("", chain) or desired.box not in ("", box):
        raise Refused(
            f"The desired state is for {desired.chain}/{desired.box}, but this is {chain}/{box}."
        )


def _check_values(desired: Desired, now: datetime) -> None:
    if desired.seq < 0:
        raise Refused("The desired state has a negative number; publish again.")
    if desired.expires is not None and instant(desired.expires) <= now:
        raise Refused(f"The desired state ran out at {desired.expires}; publish again.")
    check_settings(desired.settings)
    if desired.programme is not None:
        _check_target(desired.programme.target)
    if desired.override is not None:
        instant(desired.override.until)
    too_long = [
        name for name, value in desired.variables.items()
        if len(name) > VARIABLE_CHARS_MAX or len(value) > VARIABLE_CHARS_MAX
    ]
    if len(desired.variables) > VARIABLES_MAX or too_long:
        raise Refused("There are too many or too long variables in the desired state.")


def _check_target(target: str) -> None:
    parts = target.split("/")
    if (
        not target.startswith("programmes/")
        or len(target) > TARGET_CHARS_MAX
        or any(part in ("", ".", "..") for part in parts)
        or not target.isprintable()
    ):
        raise Refused(f"{target[:80]!r} is not the name of a programme.")
