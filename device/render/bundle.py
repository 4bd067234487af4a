"""Loads an avatar bundle (contract B4): every file's hash, the likeness consent, the track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ota import dsse
from ota.errors import Refused
from ota.files import read_bounded, sha256_file
from ota.keys import PublicKey

MANIFEST_BYTES_MAX = 256 << 10
SCHEMA = 1
LIKENESS_ROOT = "likeness-root.pub"


class FileRef(msgspec.Struct, frozen=True):
    """A file of the bundle and the SHA-256 it must have."""

    file: str
    sha256: str
    frames: int = 0


class VoiceRef(msgspec.Struct, frozen=True):
    """The network from log-mel to mouth codes, and how far it looks."""

    file: str
    sha256: str
    lookahead_ms: int
    history_ms: int


class Code(msgspec.Struct, frozen=True):
    """The numbers that describe a mouth; `rest` is the closed mouth of the base video."""

    names: list[str]
    rest: list[float]
    open_index: int


class Features(msgspec.Struct, frozen=True):
    """The audio front end the voice network was trained on."""

    name: str
    sample_rate_hz: int
    window_ms: int
    hop_ms: int
    mel_low_hz: float
    mel_high_hz: float


class Manifest(msgspec.Struct, frozen=True):
    """avatar.json. Unknown fields are ignored, an unknown schema is refused."""

    schema: int
    id: str
    version: int
    name: dict[str, str]
    fps: float
    size: tuple[int, int]
    patch: int
    base: FileRef
    track: FileRef
    renderer: dict[str, Any]
    voice_to_code: VoiceRef
    code: Code
    features: Features
    consent: str
    quality: dict[str, Any] = {}


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


@dataclass(frozen=True)
class Track:
    """Where the mouth patch lies in each base frame.

    matrix (n, 2, 3) float32: patch pixel (x, y, 1) to base frame pixel; mask (p, p) uint8 feather;
    rest_patch (p, p, 3) uint8 RGB; head_box (n, 4) int32 x, y, w, h.
    """

    matrix: NDArray[np.float32]
    mask: NDArray[np.uint8]
    rest_patch: NDArray[np.uint8]
    head_box: NDArray[np.int32]


@dataclass(frozen=True)
class Bundle:
    """A verified avatar."""

    folder: Path
    manifest: Manifest
    consent: Consent
    track: Track

    @property
    def head_middle(self) -> tuple[int, int]:
        """The middle (x, y) of the head in the first base frame, pixels."""
        left, top, wide, high = (int(v) for v in self.track.head_box[0])
        return left + wide // 2, top + high // 2

    @property
    def base_path(self) -> Path:
        """The idle video."""
        return self.folder / self.manifest.base.file

    def renderer_path(self, precision: str) -> Path:
        """The ONNX of `precision` (int8 or fp32). Raises Refused when the bundle lacks it."""
        return self.folder / _renderer(self.manifest, precision).file

    @property
    def voice_path(self) -> Path:
        """The ONNX from log-mel to codes."""
        return self.folder / self.manifest.voice_to_code.file


def load_bundle(
    folder: Path, now: datetime, chain: str = "*", trusted: Sequence[PublicKey] | None = None
) -> Bundle:
    """Read and verify the bundle in `folder`.

    `now` (aware) is the trusted time for the consent, `chain` the shop chain that wants to show
    the avatar, `trusted` the keys whose consents count (default: likeness-root.pub beside the
    bundle). Raises Refused with what to do: missing or altered files, an unknown schema, a
    consent that is absent, forged, expired or not for this chain.
    """
    manifest = _manifest(folder)
    for name, ref in _files(manifest).items():
        _check_file(folder, name, ref.file, ref.sha256)
    keys = trusted if trusted is not None else (PublicKey.load(folder.parent / LIKENESS_ROOT),)
    consent = _consent(folder, manifest, keys)
    _check_consent(consent, manifest, now, chain)
    return Bundle(folder, manifest, consent, _track(folder, manifest))


def _manifest(folder: Path) -> Manifest:
    path = folder / "avatar.json"
    if not path.is_file():
        raise Refused(f"{folder} is no avatar: it has no avatar.json; give a bundle's folder.")
    raw = read_bounded(path, MANIFEST_BYTES_MAX)
    try:
        schema = msgspec.json.decode(raw).get("schema")
        if schema != SCHEMA:
            raise Refused(f"{path} has schema {schema!r}, this release reads {SCHEMA}; update it.")
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, AttributeError) as error:
        raise Refused(f"{path} is not a valid avatar description: {error}.") from error


def _renderer(manifest: Manifest, precision: str) -> FileRef:
    if precision not in manifest.renderer:
        raise Refused(f"Avatar {manifest.id} has no {precision} renderer; use another precision.")
    try:
        return msgspec.convert(manifest.renderer[precision], FileRef)
    except msgspec.ValidationError as error:
        raise Refused(f"avatar.json of {manifest.id}: renderer.{precision}: {error}.") from error


def _files(manifest: Manifest) -> dict[str, FileRef]:
    voice = manifest.voice_to_code
    networks: dict[str, FileRef] = {
        p: _renderer(manifest, p) for p in ("fp32", "int8") if p in manifest.renderer
    }
    return {
        "base": manifest.base,
        "track": manifest.track,
        "voice_to_code": FileRef(voice.file, voice.sha256),
        **networks,
    }


def _check_file(folder: Path, name: str, file: str, sha256: str) -> None:
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Refused(f"avatar.json names a file outside the bundle ({file}); it was not used.")
    if not path.is_file():
        raise Refused(f"The avatar in {folder} lacks its {name} file {file}; install it again.")
    if sha256_file(path) != sha256:
        raise Refused(f"{path} was altered or is damaged (wrong SHA-256); install it again.")


def _consent(folder: Path, manifest: Manifest, keys: Sequence[PublicKey]) -> Consent:
    path = folder / manifest.consent
    if not path.is_file():
        raise Refused(
            f"Avatar {manifest.id} has no likeness consent ({manifest.consent}) and must not be "
            "shown; have the owner of the likeness sign one."
        )
    payload = dsse.verify(read_bounded(path, dsse.ENVELOPE_BYTES_MAX), dsse.CONSENT, keys)
    try:
        return msgspec.json.decode(payload, type=Consent)
    except msgspec.DecodeError as error:
        raise Refused(f"The consent of avatar {manifest.id} cannot be read: {error}.") from error


def _check_consent(consent: Consent, manifest: Manifest, now: datetime, chain: str) -> None:
    who = f"The likeness consent of avatar {manifest.id}"
    if consent.avatar != manifest.id or consent.base_sha256 != manifest.base.sha256:
        raise Refused(f"{who} was given for another avatar; pack the bundle again with its own.")
    if now < consent.valid_from:
        raise Refused(f"{who} begins only at {consent.valid_from:%Y-%m-%d}; check the clock.")
    if now >= consent.valid_until:
        raise Refused(f"{who} ended on {consent.valid_until:%Y-%m-%d}; ask for a new one.")
    if "*" not in consent.chains and chain not in consent.chains:
        raise Refused(f"{who} does not cover the chain {chain!r}; ask its owner.")


def _track(folder: Path, manifest: Manifest) -> Track:
    with np.load(folder / manifest.track.file, allow_pickle=False) as archive:
        try:
            track = Track(*(archive[k] for k in ("matrix", "mask", "rest_patch", "head_box")))
        except KeyError as error:
            raise Refused(f"The track of avatar {manifest.id} is incomplete: {error}.") from error
    side, frames = manifest.patch, manifest.base.frames
    shapes = (track.matrix.shape, track.mask.shape, track.rest_patch.shape, track.head_box.shape)
    if shapes != ((frames, 2, 3), (side, side), (side, side, 3), (frames, 4)):
        raise Refused(f"The track of avatar {manifest.id} does not fit its video; make it again.")
    return track
