"""Imports an avatar: consent, network and video are judged, then the bundle appears at once."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from device.render.bundle import Bundle, load_bundle
from device.render.ears import open_ears
from device.render.foreign_mouth import Crops
from device.render.layouts import Layout
from device.render.mouths import open_mouth
from models import movie
from models.film.footage import FPS
from models.importing import quantised
from models.importing.alignment import Alignment, align, crop_of, opening
from models.importing.loop import Picture, Stretch, Tell, Tracker, find_stretch, write_loop
from models.importing.network import Tried, try_network
from models.importing.permission import Permission, read_permission
from ota.errors import Refused, Retry
from ota.files import sha256_file, sync_directory, write_durable
from ota.trust.consent import LIKENESS_ROOT

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
BASE, TRACK, CROPS, CONSENT = "base.mp4", "track.npz", "crops.npz", "consent.dsse.json"
FP32, INT8, ENCODER = "renderer.fp32.onnx", "renderer.int8.onnx", "audio_encoder.onnx"
CROP_QUALITY = 95
# Wav2Lip hears 16 mel steps of 12.5 ms from the frame on; wenet 370 ms beyond its last row.
WAV2LIP_AHEAD_MS, WENET_AHEAD_MS = 200, 370


@dataclass(frozen=True)
class Order:
    """What to import, and where to; `out` is the bundle's folder."""

    id: str
    video: Path
    model: Path
    consent: Path
    out: Path
    encoder: Path | None = None
    key: Path | None = None
    trust: Path | None = None
    int8: bool = False
    version: int = 1
    name: str | None = None


def import_avatar(
    order: Order, tracker: Callable[[], Tracker], now: datetime, tell: Tell
) -> dict[str, Any]:
    """Write the bundle; returns what was found and measured.

    `tell(what, done, total)` hears of the progress. Raises Refused for a bad consent, network,
    encoder or video, Retry for a full disk; then nothing is left behind.
    """
    permission = _judge(order, now)
    with _workshop(order.out) as folder:
        model, encoder = _copy_networks(order, folder)
        tell("try the network", 0, 1)
        tried = try_network(model, encoder, order.model.name)
        if tried.layout.kind == "wav2lip" and encoder is not None:
            raise Refused(f"{order.model.name} is a Wav2Lip network, which hears mel and needs no "
                          "encoder; leave --audio-encoder away.")
        tell("try the network", 1, 1)
        stretch = find_stretch(order.video, tracker(), tell)
        found = _fill(folder, order, permission, tried, stretch, tell)
        bundle = load_bundle(folder, now, next(iter(permission.consent.chains)),
                             [permission.signer])
        _check_plays(bundle)
        _publish(folder, order.out, permission)
    return found


def make_loop(
    video: Path, out: Path, tracker: Callable[[], Tracker], tell: Tell
) -> dict[str, Any]:
    """Write the idle loop of `video` to `out` (.mp4) for a consent to be signed; its facts."""
    if out.exists():
        raise Refused(f"{out} exists already; choose another name or remove it.")
    with _workshop(out) as folder:
        stretch = find_stretch(video, tracker(), tell)
        write_loop(stretch, folder / BASE, tell)
        (folder / BASE).replace(out)
    return {"loop": str(out), "base_sha256": sha256_file(out), **_loop_facts(stretch)}


def _judge(order: Order, now: datetime) -> Permission:
    """All that can be refused before any work."""
    if not ID.fullmatch(order.id):
        raise Refused(f"{order.id!r} is no name for an avatar; use small letters, digits and -.")
    if order.out.exists():
        raise Refused(f"{order.out} exists already; choose another folder or remove it.")
    for path, what in ((order.video, "video"), (order.model, "network"),
                       (order.encoder, "audio encoder")):
        if path is not None and not path.is_file():
            raise Refused(f"There is no {what} {path}; check the name.")
    if order.int8:
        quantised.check_packages()
    return read_permission(order.consent, order.key, order.trust, order.id,
                           sha256_file(order.video), now, order.out.parent)


@contextlib.contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is gone afterwards; errors of the disk become sentences."""
    made = [each for each in (out.parent, *out.parent.parents) if not each.exists()]
    folder: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for left in out.parent.glob(f".{glob.escape(out.name)}.*.part"):
            shutil.rmtree(left, ignore_errors=True)  # of one that was killed
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
        yield folder
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise Retry(f"The disk is full: {out} was not written; free some space.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR):
            raise Retry(f"{out} cannot be written ({error.strerror}); choose another place."
                        ) from error
        raise
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()  # only while it is empty


def _copy_networks(order: Order, folder: Path) -> tuple[Path, Path | None]:
    """The trial runs on the copies: what lies beside the originals will not be there later."""
    shutil.copyfile(order.model, folder / FP32)
    if order.encoder is None:
        return folder / FP32, None
    shutil.copyfile(order.encoder, folder / ENCODER)
    return folder / FP32, folder / ENCODER


def _fill(
    folder: Path, order: Order, permission: Permission, tried: Tried, stretch: Stretch, tell: Tell
) -> dict[str, Any]:
    layout = tried.layout
    placed = align(stretch.points, stretch.size, layout)
    write_loop(stretch, folder / BASE, tell)
    envelope = permission.sealed(sha256_file(folder / BASE))
    crops = _write_crops(folder, stretch, placed, layout, tell)
    rest = crops.at(int(np.argmin(opening(stretch.points))))[..., ::-1]
    forth = stretch.order()
    np.savez_compressed(folder / TRACK, matrix=placed.matrix[forth], mask=placed.mask,
                        rest_patch=rest, head_box=placed.head_box[forth])
    quality: dict[str, Any] = {
        "opset": tried.opset, "output_range": [round(tried.low, 4), round(tried.high, 4)],
        "frame_ms": round(tried.frame_ms, 2), **_loop_facts(stretch),
        "video_sha256": sha256_file(order.video)}
    if order.int8:
        tell("quantise", 0, 1)
        ears = open_ears(layout, folder / ENCODER if order.encoder else None)
        quality["int8"] = quantised.quantise(folder / FP32, folder / INT8, layout, ears, crops)
        tell("quantise", 1, 1)
    manifest = _manifest(folder, order, layout, stretch, quality)
    write_durable(folder / CONSENT, envelope)
    text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    write_durable(folder / "avatar.json", text.encode())
    return {"ok": True, "id": order.id, "version": order.version, "folder": str(order.out),
            "kind": layout.kind, "patch_px": layout.side_px, "frames": len(forth), **quality}


def _write_crops(
    folder: Path, stretch: Stretch, placed: Alignment, layout: Layout, tell: Tell
) -> Crops:
    """The aligned crops of the loop's frames as the player will show them."""
    import cv2

    pieces = []
    for number, picture in enumerate(movie.read_frames(folder / BASE)):
        if number == stretch.count:
            break
        crop: Picture = crop_of(picture, placed.matrix[number], layout.side_px)[..., ::-1]
        _, data = cv2.imencode(".jpg", np.ascontiguousarray(crop),
                               [cv2.IMWRITE_JPEG_QUALITY, CROP_QUALITY])
        pieces.append(np.asarray(data, np.uint8).reshape(-1))
        tell("cut out the face", number + 1, stretch.count)
    ends = np.cumsum([len(piece) for piece in pieces])
    crops = Crops(np.concatenate(pieces), ends.astype(np.int64), stretch.order())
    np.savez(folder / CROPS, data=crops.data, ends=crops.ends, of_base=crops.of_base)
    return crops


def _manifest(
    folder: Path, order: Order, layout: Layout, stretch: Stretch, quality: dict[str, Any]
) -> dict[str, Any]:
    def ref(name: str) -> dict[str, Any]:
        return {"file": name, "sha256": sha256_file(folder / name)}

    side = layout.side_px
    pair = "lower half black, then whole" if layout.kind == "wav2lip" else "whole, then masked"
    renderer: dict[str, Any] = {
        "kind": layout.kind, "fp32": ref(FP32), "lookahead_ms": _lookahead_ms(layout),
        "inputs": [{"name": layout.face, "shape": [1, 6, side, side],
                    "type": f"float32 0..1 BGR, {pair}"},
                   {"name": layout.audio, "shape": [1, *layout.audio_shape], "type": "float32"}],
        "outputs": [{"shape": [1, 3, side, side], "meaning": "BGR 0..1, the face"}]}
    if order.int8:
        renderer["int8"] = ref(INT8)
    name = order.name or order.id
    return {
        "schema": 1, "id": order.id, "version": order.version,
        "name": {"zh-CN": name, "en-US": name}, "fps": FPS, "size": list(stretch.size),
        "patch": side, "base": {**ref(BASE), "frames": len(stretch.order())}, "track": ref(TRACK),
        "renderer": renderer, "crops": ref(CROPS),
        **({"audio_encoder": ref(ENCODER)} if order.encoder else {}),
        "quality": {"import": quality}, "consent": CONSENT}


def _lookahead_ms(layout: Layout) -> int:
    if layout.kind == "wav2lip":
        return WAV2LIP_AHEAD_MS
    window = layout.window
    ahead_ms = 1000 * (window.frames // 2) // window.rate_hz
    return ahead_ms if window.rate_hz == FPS else (
        ahead_ms - 1000 // window.rate_hz + WENET_AHEAD_MS)


def _loop_facts(stretch: Stretch) -> dict[str, Any]:
    return {"loop": {
        "from_s": round(stretch.first / FPS, 2),
        "to_s": round((stretch.first + stretch.count) / FPS, 2),
        "forward_backward": not stretch.closed, "as_is": stretch.as_is,
        "lips_move": stretch.talks}}


def _check_plays(bundle: Bundle) -> None:
    """As `avatar check`: nothing in silence, something in speech."""
    for precision in [p for p in ("int8", "fp32") if p in bundle.manifest.renderer]:
        mouth = open_mouth(bundle, precision)
        moved = mouth.patch(mouth.rest + np.float32(0.5))
        if mouth.patch(mouth.rest)[..., 3].any() or not moved[..., 3].any():
            raise Refused("The avatar's mouth cannot be seen: the face was not found where the "
                          "network paints; film it from the front.")


def _publish(folder: Path, out: Path, permission: Permission) -> None:
    root = out.parent / LIKENESS_ROOT
    if not root.is_file():
        write_durable(root, permission.signer.to_pem().encode())
    folder.chmod(0o755)
    folder.replace(out)
    sync_directory(out.parent)
