"""Likeness consents: whose face an avatar shows, and who allowed it where and until when.

Asked three times: when a bundle is packed, when it is published, and on the box. Only the
statement and the hashes that it binds are read here; the bundle itself is the box's to verify.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from ota.errors import Refused
from ota.files import is_file, lies_in, read_bounded, sha256_file
from ota.trust import dsse
from ota.trust.keys import PublicKey

MANIFEST = "avatar.json"
MANIFEST_BYTES_MAX = 256 << 10
LIKENESS_ROOT = "likeness-root.pub"


class NotAllowed(Refused):
    """The owner of the likeness does not allow this, here and now."""


class Consent(msgspec.Struct, frozen=True):
    """What the owner of the likeness has signed; chains, regions and uses may be ["*"]."""

    avatar: str
    owner: str
    chains: list[str]
    regions: list[str]
    uses: list[str]
    valid_from: datetime = msgspec.field(name="from")
    valid_until: datetime = msgspec.field(name="until")
    revocation_id: str
    base_sha256: str
    synthetic: bool = False
    gestures_sha256: dict[str, str] = {}


class _Video(msgspec.Struct, frozen=True):
    file: str
    sha256: str


class _Shown(msgspec.Struct, frozen=True):
    """The part of avatar.json that a consent is about."""

    id: str
    base: _Video
    consent: str
    gestures: dict[str, _Video] = {}


def read(envelope: Path, avatar: str, keys: Sequence[PublicKey]) -> Consent:
    """The statement in a signed envelope. Raises Refused: missing, forged, unreadable."""
    try:
        signed = read_bounded(envelope, dsse.ENVELOPE_BYTES_MAX)
    except (OSError, ValueError) as error:
        raise Refused(
            f"Avatar {avatar} has no likeness consent ({envelope.name[:80]}) and must not be "
            "shown; have the owner of the likeness sign one."
        ) from error
    payload = dsse.verify(signed, dsse.CONSENT, keys)
    try:
        return msgspec.json.decode(payload, type=Consent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The consent of avatar {avatar} cannot be read: {error}.") from error


def check_consent(
    consent: Consent, avatar: str, base_sha256: str, now: datetime, chain: str | None,
    withdrawn: Collection[str] = (),
) -> None:
    """Raises NotAllowed unless the consent is for this avatar and idle video, now, in this chain
    (None: in whichever), and not among the withdrawn `revocation_id`s."""
    who = f"The likeness consent of avatar {avatar}"
    if consent.revocation_id and consent.revocation_id in withdrawn:
        raise NotAllowed(f"{who} was taken back by its owner; publish another avatar.")
    if consent.avatar != avatar or consent.base_sha256 != base_sha256:
        raise NotAllowed(f"{who} was given for another avatar; pack the bundle again with its own.")
    if now < consent.valid_from:
        raise NotAllowed(f"{who} begins only at {consent.valid_from:%Y-%m-%d}; check the clock.")
    if now >= consent.valid_until:
        raise NotAllowed(f"{who} ended on {consent.valid_until:%Y-%m-%d}; ask for a new one.")
    if chain is not None and "*" not in consent.chains and chain not in consent.chains:
        raise NotAllowed(f"{who} does not cover the chain {chain!r}; ask its owner.")


def check_gestures(consent: Consent, sha256s: Mapping[str, str]) -> None:
    """Raises Refused unless the consent covers each of these gesture videos, by its hash."""
    for name, sha256 in sha256s.items():
        if consent.gestures_sha256.get(name) != sha256:
            raise Refused(f"The likeness consent of avatar {consent.avatar} does not cover its "
                          f"gesture {name}; ask the owner of the likeness to sign it too.")


def check_bundle(
    folder: Path, now: datetime, chain: str | None, keys: Sequence[PublicKey] = (),
    withdrawn: Collection[str] = (),
) -> Consent:
    """The consent of the bundle in `folder`, good now for `chain` and for the very videos that
    lie there. `keys`: whose consents count; none means likeness-root.pub beside the bundle.
    Raises Refused with what to do."""
    try:
        raw = read_bounded(folder / MANIFEST, MANIFEST_BYTES_MAX)
        shown = msgspec.json.decode(raw, type=_Shown)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{folder / MANIFEST} is not a valid avatar description: {error}.") from error
    trusted = tuple(keys) or (PublicKey.load(folder.parent / LIKENESS_ROOT),)
    consent = read(folder / shown.consent, shown.id, trusted)
    videos = {"base": shown.base, **shown.gestures}
    for video in videos.values():
        path = folder / video.file
        if not lies_in(path, folder) or not is_file(path):
            raise Refused(
                f"The avatar in {folder} lacks its video {video.file[:80]}; make it again.")
        if sha256_file(path) != video.sha256:
            raise Refused(f"{path} is not the video that avatar.json names; make it again.")
    check_consent(consent, shown.id, shown.base.sha256, now, chain, withdrawn)
    check_gestures(consent, {name: video.sha256 for name, video in shown.gestures.items()})
    return consent


def check_tree(tree: Path, now: datetime) -> list[str]:
    """Every avatar that a source tree would ship; returns their folders' names. Raises Refused
    for one whose consent is missing, forged or has ended."""
    found = sorted((tree / "models" / "avatars").glob(f"*/{MANIFEST}"))
    for path in found:
        check_bundle(path.parent, now, None)
    return [path.parent.name for path in found]
