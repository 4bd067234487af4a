"""The likeness consent of an import: read and judged before any work, sealed with the bundle.

Either a signed envelope, or a statement and the key that may sign it. A consent names one video
by its SHA-256; a statement may leave it out and gets that of the idle loop that is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ota.errors import Refused
from ota.files import read_bounded
from ota.trust import dsse
from ota.trust.consent import LIKENESS_ROOT, Consent, check_consent
from ota.trust.keys import PublicKey, SigningKey


@dataclass(frozen=True)
class Permission:
    """What the owner allows. `signer` is the key whose signature counts; `key` can sign."""

    consent: Consent
    signer: PublicKey
    envelope: bytes | None = None
    statement: Mapping[str, Any] | None = None
    key: SigningKey | None = None

    def sealed(self, base_sha256: str) -> bytes:
        """The signed envelope for a bundle with this idle video.

        Raises Refused when the envelope at hand was signed for another one.
        """
        if self.envelope is not None:
            if self.consent.base_sha256 != base_sha256:
                raise Refused(
                    "The consent is signed for the video as it is, but an idle loop had to be made "
                    "of it; make it with `vitrine avatar loop`, have the owner sign a consent with "
                    "its SHA-256, and import that loop.")
            return self.envelope
        assert self.statement is not None and self.key is not None
        payload = json.dumps({**self.statement, "base_sha256": base_sha256}, sort_keys=True,
                             ensure_ascii=False).encode()
        return dsse.sign(payload, dsse.CONSENT, [self.key])


def read_permission(
    path: Path, key: Path | None, trust: Path | None, avatar: str, video_sha256: str,
    now: datetime, beside: Path,
) -> Permission:
    """The consent in `path` for the avatar called `avatar` made of the video with that hash.

    `key` signs a statement; an envelope must be signed by `trust` (default: the likeness root in
    the folder `beside`, where the bundle will lie). Raises Refused when it is missing, forged,
    expired, for another avatar or video, or signed by a key the bundle's folder does not trust.
    """
    if not path.is_file():
        raise Refused(f"There is no consent {path}; without the consent of the person shown no "
                      "avatar is made (docs/avatar.md, Consent).")
    raw = read_bounded(path, dsse.ENVELOPE_BYTES_MAX)
    document = _document(path, raw)
    root = beside / LIKENESS_ROOT
    if "payload" in document and "signatures" in document:
        signer = PublicKey.load(trust or root)
        found = Permission(_consent(path, dsse.verify(raw, dsse.CONSENT, [signer])), signer, raw)
    else:
        if key is None:
            raise Refused(f"{path} is a statement that nobody has signed; give the owner's or the "
                          "chain's signing key with --key, or a signed envelope.")
        signing = SigningKey.load(key)
        statement = {"base_sha256": video_sha256, **document}
        consent = _consent(path, json.dumps(statement).encode())
        found = Permission(consent, signing.public, None, document, signing)
    if root.is_file() and PublicKey.load(root).raw != found.signer.raw:
        raise Refused(f"The avatars in {beside} are trusted by another key ({LIKENESS_ROOT}); "
                      "choose another folder with --out.")
    chain = next(iter(found.consent.chains), None)
    if chain is None:
        raise Refused(f"The consent {path} names no chain that may show the avatar; ask its owner.")
    if found.consent.base_sha256 != video_sha256:
        raise Refused(f"The consent {path} was given for another video (SHA-256 "
                      f"{found.consent.base_sha256[:12]}..., this one has {video_sha256[:12]}...); "
                      "ask its owner for one for this video.")
    check_consent(found.consent, avatar, video_sha256, now, chain)
    return found


def _document(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(f"The consent {path} is no JSON document ({error}).") from error


def _consent(path: Path, payload: bytes) -> Consent:
    try:
        return msgspec.json.decode(payload, type=Consent)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(f"The consent {path} cannot be used: {error}.") from error
