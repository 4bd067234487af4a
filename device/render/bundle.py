"""Loads an avatar bundle (contract B4): every file's hash, the likeness consent, the track."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from device.render.gestures import Gesture, check_joins, read_gestures
from ota.errors import Refused
from ota.files import is_file, lies_in, read_bounded, sha256_file
from ota.trust import consent as consents
from ota.trust.consent import LIKENESS_ROOT, MANIFEST_BYTES_MAX, Consent
from ota.trust.keys import PublicKey

SCHEMA = 1


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
    """The numbers that describe a mouth; `rest` is the closed mouth of the base video.

    `lips` tells, by name of the code, how the lips look "closed" (p, b, m) and "tucked" (the lower
    one at the teeth: f, v); empty where nobody knows. See `lips.py`.
    """

    names: list[str]
    rest: list[float]
    open_index: int
    lips: dict[str, dict[str, float]] = {}


class Features(msgspec.Struct, frozen=True):
    """The audio front end the voice network was trained on."""

    name: str
    sample_rate_hz: int
    window_ms: int
    hop_ms: int
    mel_low_hz: float
    mel_high_hz: float


NO_CODE = Code([], [], 0)
NO_FEATURES = Features("", 0, 0, 0, 0.0, 0.0)
KINDS = ("code", "wav2lip", "ultralight")


class Manifest(msgspec.Struct, frozen=True):
    """avatar.json. Unknown fields are ignored, an unknown schema is refused.

    `renderer.kind` says who draws the mouth: "code" (ours; so it is when absent) needs
    `voice_to_code`, `code` and `features`; "wav2lip" and "ultralight" (imported networks) need
    `crops`, and "ultralight" needs `audio_encoder`.
    """

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
    consent: str
    voice_to_code: VoiceRef | None = None
    code: Code = NO_CODE
    features: Features = NO_FEATURES
    crops: FileRef | None = None
    audio_encoder: FileRef | None = None
    quality: dict[str, Any] = {}
    # Gestures begin and end in the pose of the idle frames `joins`, without velocity.
    gestures: dict[str, FileRef] = {}
    joins: list[int] = []

    @property
    def kind(self) -> str:
        """Who draws the mouth: one of KINDS."""
        return str(self.renderer.get("kind", KINDS[0]))


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
    gestures: tuple[Gesture, ...] = ()

    @property
    def matrices(self) -> NDArray[np.float32]:
        """(n, 2, 3): the matrix of every frame index: the idle video's, then each gesture's."""
        return np.concatenate([self.track.matrix, *(each.matrix for each in self.gestures)])

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
    def voice(self) -> VoiceRef:
        """The network from log-mel to codes. Raises Refused for an imported avatar."""
        if self.manifest.voice_to_code is None:
            raise Refused(f"Avatar {self.manifest.id} was imported and has no mouth codes; "
                          "use one that `vitrine models make` made.")
        return self.manifest.voice_to_code

    @property
    def voice_path(self) -> Path:
        """The ONNX from log-mel to codes."""
        return self.folder / self.voice.file

    def path_of(self, ref: FileRef | None) -> Path:
        """A file the manifest names. Raises Refused when it names none."""
        if ref is None:
            raise Refused(f"avatar.json of {self.manifest.id} lacks a file; import it again.")
        return self.folder / ref.file


def load_bundle(
    folder: Path, now: datetime, chain: str = "*", trusted: Sequence[PublicKey] | None = None,
    withdrawn: Collection[str] = (),
) -> Bundle:
    """Read and verify the bundle in `folder`.

    `now` (aware) is the trusted time for the consent, `chain` the shop chain that wants to show
    the avatar, `trusted` the keys whose consents count (default: likeness-root.pub beside the
    bundle). Raises Refused with what to do: missing or altered files, an unknown schema, a
    consent that is absent, forged, expired, taken back (`withdrawn`) or not for this chain.
    """
    manifest = _manifest(folder)
    for name, ref in _files(manifest).items():
        _check_file(folder, name, ref.file, ref.sha256)
    keys = trusted if trusted is not None else (PublicKey.load(folder.parent / LIKENESS_ROOT),)
    consent = consents.read(folder / manifest.consent, manifest.id, keys)
    consents.check_consent(
        consent, manifest.id, manifest.base.sha256, now, chain, withdrawn)
    consents.check_gestures(consent, {name: ref.sha256 for name, ref in manifest.gestures.items()})
    return Bundle(
        folder, manifest, consent, _track(folder, manifest), _gestures(folder, manifest))


def _manifest(folder: Path) -> Manifest:
    path = folder / "avatar.json"
    if not path.is_file():
        raise Refused(f"{folder} is no avatar: it has no avatar.json; give a bundle's folder.")
    raw = read_bounded(path, MANIFEST_BYTES_MAX)
    try:
        schema = msgspec.json.decode(raw).get("schema")
        if schema != SCHEMA:
            raise Refused(f"{path} has schema {schema!r}, this release reads {SCHEMA}; update it.")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError) as error:
        raise Refused(f"{path} is not a valid avatar description: {error}.") from error
    lacking = _lacking(manifest)
    if lacking:
        raise Refused(f"{path} is not a valid avatar description: {lacking}.")
    return manifest


def _lacking(manifest: Manifest) -> str | None:
    """What the manifest's kind of renderer needs and is not there; None when all is."""
    if manifest.kind not in KINDS:
        return (f"its renderer is of the kind {manifest.kind!r}, this release plays "
                f"{', '.join(KINDS)}; update it")
    wanted = {
        "code": (("voice_to_code", manifest.voice_to_code), ("code", manifest.code.names),
                 ("features", manifest.features.name)),
        "wav2lip": (("crops", manifest.crops),),
        "ultralight": (("crops", manifest.crops), ("audio_encoder", manifest.audio_encoder)),
    }[manifest.kind]
    return next((f"it lacks `{name}`" for name, value in wanted if not value), None)


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
    files = {"base": manifest.base, "track": manifest.track, **networks}
    if voice is not None:
        files["voice_to_code"] = FileRef(voice.file, voice.sha256)
    for name, ref in (("crops", manifest.crops), ("audio_encoder", manifest.audio_encoder)):
        if ref is not None:
            files[name] = ref
    files.update({f"gesture {name}": ref for name, ref in manifest.gestures.items()})
    return files


def _check_file(folder: Path, name: str, file: str, sha256: str) -> None:
    path = folder / file
    if not lies_in(path, folder):
        raise Refused(f"avatar.json names a file outside the bundle ({file}); it was not used.")
    if not is_file(path):
        raise Refused(
            f"The avatar in {folder} lacks its {name} file {file[:80]}; install it again.")
    if sha256_file(path) != sha256:
        raise Refused(f"{path} was altered or is damaged (wrong SHA-256); install it again.")


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


def _gestures(folder: Path, manifest: Manifest) -> tuple[Gesture, ...]:
    if manifest.gestures and manifest.kind != KINDS[0]:
        raise Refused(f"avatar.json of {manifest.id} has gestures, which an imported mouth cannot "
                      "follow; leave them out.")
    check_joins(manifest.joins, manifest.gestures, manifest.base.frames, manifest.id)
    clips = {name: (ref.file, ref.frames) for name, ref in manifest.gestures.items()}
    with np.load(folder / manifest.track.file, allow_pickle=False) as archive:
        return read_gestures(folder, archive, clips, manifest.base.frames, manifest.id)
