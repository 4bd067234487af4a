"""Pixel arithmetic on uint8 arrays: colour change, blending, warping, JPEG. Imports OpenCV.

Every picture here is (height, width, 4) uint8, BGRA; alpha of a canvas is unused. Colours
are BT.601 limited range on the YUV side, which is what both OpenCV and swscale assume.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from device.render.picture_size import size_px
from ota.errors import Refused

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
IMAGE_SIDE_PX_MAX = 8192
NOISE_PX = 256


def use_one_thread() -> None:
    """OpenCV's own thread pool costs more than it gives on a small box; call once at start."""
    cv2.setNumThreads(1)


@dataclass(frozen=True, eq=False)
class Sprite:
    """A ready-to-blend picture: `colour` premultiplied by alpha, `inverse` = 255 - alpha.

    Both are (h, w, 4) uint8; the fourth channel of `colour` is 0 so that a canvas keeps it.
    """

    colour: Picture
    inverse: Picture

    @property
    def width_px(self) -> int:
        """Width of the sprite."""
        return int(self.colour.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the sprite."""
        return int(self.colour.shape[0])


def sprite_from_rgba(rgba: Picture) -> Sprite:
    """Premultiply a straight-alpha RGBA picture (h, w, 4) into a Sprite."""
    alpha = np.ascontiguousarray(np.repeat(rgba[..., 3:4], 4, axis=2))
    bgr = np.zeros_like(rgba)
    bgr[..., 0], bgr[..., 1], bgr[..., 2] = rgba[..., 2], rgba[..., 1], rgba[..., 0]
    colour = cv2.multiply(bgr, alpha, scale=1 / 255.0)
    return Sprite(np.asarray(colour, np.uint8), np.asarray(cv2.bitwise_not(alpha), np.uint8))


def blend(canvas: Picture, sprite: Sprite, x: int, y: int, opacity: float = 1.0) -> None:
    """Lay a sprite over the canvas, clipped to it; touches the sprite's rectangle only."""
    left, top = max(0, x), max(0, y)
    right = min(canvas.shape[1], x + sprite.width_px)
    bottom = min(canvas.shape[0], y + sprite.height_px)
    if right <= left or bottom <= top or opacity <= 0.0:
        return
    region = canvas[top:bottom, left:right]
    colour = sprite.colour[top - y : bottom - y, left - x : right - x]
    inverse = sprite.inverse[top - y : bottom - y, left - x : right - x]
    if opacity >= 0.999:
        lay(region, colour, inverse)
        return
    covered = cv2.multiply(region, inverse, scale=1 / 255.0)
    cv2.add(covered, colour, dst=covered)
    cv2.addWeighted(covered, opacity, region, 1.0 - opacity, 0.0, dst=region)


def rgba_from_planes(planes: npt.NDArray[np.float32], feather: npt.NDArray[np.float32]) -> Picture:
    """Planes R, G, B, A (4, p, p) in 0..1 as (p, p, 4) uint8 RGBA, A times `feather` (p, p) 0..255.

    OpenCV rounds and saturates; numpy's way through float temporaries took a third of a frame.
    """
    colours = [cv2.convertScaleAbs(plane, alpha=255.0) for plane in planes[:3]]
    alpha = cv2.convertScaleAbs(cv2.multiply(planes[3], feather))
    return np.asarray(cv2.merge((*colours, alpha)), np.uint8)


def premultiplied_patch(rgba: Picture) -> Picture:
    """A straight-alpha RGBA mouth patch as premultiplied BGRA, ready to be warped."""
    bgra = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA)
    alpha = bgra[..., 3].copy()
    fourfold = cv2.merge((alpha, alpha, alpha, alpha))
    patch: Picture = np.asarray(cv2.multiply(bgra, fourfold, scale=1 / 255.0), np.uint8)
    patch[..., 3] = alpha
    return patch


def warped(
    patch: Picture, matrix: Floats, box: tuple[int, int, int, int]
) -> tuple[Picture, Picture]:
    """A premultiplied patch warped by `matrix` (2x3, patch xy -> canvas xy) into `box`, and
    255 - its alpha in all four channels: both (h, w, 4), empty where the box is."""
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        empty: Picture = np.zeros((0, 0, 4), np.uint8)
        return empty, empty
    shifted = matrix.astype(np.float64)
    shifted[:, 2] -= (left, top)
    colour = cv2.warpAffine(patch, shifted, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    # One channel out, four back: merging four strided views takes five times as long.
    outside = cv2.bitwise_not(cv2.extractChannel(colour, 3))
    return np.asarray(colour, np.uint8), np.asarray(
        cv2.cvtColor(outside, cv2.COLOR_GRAY2BGRA), np.uint8)


def lay(region: Picture, colour: Picture, inverse: Picture) -> None:
    """Premultiplied `colour` over a region of a canvas; all three have the same shape."""
    cv2.multiply(region, inverse, dst=region, scale=1 / 255.0)
    cv2.add(region, colour, dst=region)


def lay_patch(canvas: Picture, patch: Picture, matrix: Floats) -> None:
    """Warp a premultiplied patch by `matrix` (2x3, patch xy -> canvas xy) onto the canvas."""
    box = patch_box(patch, matrix, canvas.shape[1], canvas.shape[0])
    colour, inverse = warped(patch, matrix, box)
    if colour.size:
        lay(canvas[box[1] : box[3], box[0] : box[2]], colour, inverse)


def patch_box(
    patch: Picture, matrix: npt.NDArray[np.float32], width_px: int, height_px: int
) -> tuple[int, int, int, int]:
    """The rectangle (left, top, right, bottom) that a warped patch covers of a canvas."""
    side = float(patch.shape[0])
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]], np.float64)
    spots = corners @ matrix.astype(np.float64).T
    left, top = (int(v) for v in np.floor(spots.min(axis=0)))
    right, bottom = (int(v) for v in np.ceil(spots.max(axis=0)))
    return max(0, left), max(0, top), min(width_px, right + 1), min(height_px, bottom + 1)


def i420_to_bgra(i420: Picture, out: Picture) -> None:
    """I420 planes (h * 3 / 2, w) into a BGRA canvas, or a part of one, of that size, in place."""
    cv2.cvtColor(i420, cv2.COLOR_YUV2BGRA_I420, dst=out)


def scale_i420(i420: Picture, crop: tuple[int, int, int, int], out: Picture) -> None:
    """The part (left, top, right, bottom) of I420 planes scaled to fill the I420 planes `out`;
    all its numbers are even. Scaling the planes is a third of the work of scaling BGRA."""
    shrink = 2 * out.shape[0] // 3 < (crop[3] - crop[1]) / 2
    way = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    left, top, right, bottom = crop
    for source, target, step in zip(_planes(i420), _planes(out), (1, 2, 2), strict=True):
        part = source[top // step : bottom // step, left // step : right // step]
        cv2.resize(part, (target.shape[1], target.shape[0]), dst=target, interpolation=way)


def _planes(i420: Picture) -> tuple[Picture, Picture, Picture]:
    """Y (h, w), U and V (h / 2, w / 2), as views."""
    high, wide = i420.shape[0] * 2 // 3, i420.shape[1]
    flat, size = i420.reshape(-1), high * wide
    half = (high // 2, wide // 2)
    return (i420[:high], flat[size : size + size // 4].reshape(half),
            flat[size + size // 4 : size + size // 2].reshape(half))


def bgra_to_i420(canvas: Picture) -> Picture:
    """BGRA canvas to I420 planes (h * 3 / 2, w); both sides must be even."""
    return np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGRA2YUV_I420), np.uint8)


def resize_into(source: Picture, out: Picture) -> None:
    """Scale `source` to fill `out` exactly; area filter when it gets smaller."""
    shrink = out.shape[0] < source.shape[0]
    way = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    height, width = out.shape[:2]
    if out.flags["C_CONTIGUOUS"]:
        cv2.resize(source, (width, height), dst=out, interpolation=way)
    else:
        np.copyto(out, cv2.resize(source, (width, height), interpolation=way))


def blurred_ground(picture: Picture, width_px: int, height_px: int) -> Picture:
    """A dim, blurred copy of a picture that fills the rectangle: ground for the picture itself."""
    small = cover(picture, max(2, width_px // 16), max(2, height_px // 16))
    soft = cv2.GaussianBlur(small, (0, 0), 4.0)
    filled = cv2.resize(soft, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.convertScaleAbs(filled, alpha=0.5), np.uint8)


def extended(edge: Picture, width_px: int, level_px: int) -> Picture:
    """The edge (h, e, 4) of a picture gone on to its left for `width_px`: sharp and in full light
    over the last `level_px`, ever softer and dimmer before. (h, width_px, 4)."""
    high = edge.shape[0]
    column = edge.mean(axis=1, dtype=np.float32)
    soft = np.stack([cv2.GaussianBlur(column, (1, 0), sigmaX=0.1, sigmaY=share * high,
                                      borderType=cv2.BORDER_REPLICATE)
                     for share in (0.004, 0.03, 0.12)], axis=-1)
    away = np.clip((width_px - level_px - np.arange(width_px, dtype=np.float32))
                   / max(1, width_px - level_px), 0, 1)
    near, far = np.clip(away * 4, 0, 1), np.clip(away * 1.5 - 0.3, 0, 1)
    shares = np.stack([1 - near, near * (1 - far), near * far]) * (1 - 0.45 * away)
    # Half a level of noise: eight bits show steps in so soft a ground.
    tile = np.random.default_rng(1).uniform(-0.5, 0.5, (NOISE_PX, NOISE_PX)).astype(np.float32)
    noise = np.tile(tile, (high // NOISE_PX + 1, width_px // NOISE_PX + 1))[:high, :width_px]
    planes = [cv2.convertScaleAbs(soft[:, channel].astype(np.float32) @ shares.astype(np.float32)
                                  + noise) for channel in range(3)]
    return np.asarray(cv2.merge((*planes, np.zeros_like(planes[0]))), np.uint8)


def fade_in(ground: Picture) -> tuple[Picture, Picture]:
    """255 - alpha and premultiplied colour (see `lay`) of a ground that fades out to the right."""
    share = np.linspace(1.0, 0.0, ground.shape[1] + 1, dtype=np.float32)[1:]
    share = share * share * (3 - 2 * share)
    alpha = np.rint(np.broadcast_to(share[None, :, None] * 255, ground.shape))
    colour = np.rint(ground * (alpha / 255)).astype(np.uint8)
    return np.ascontiguousarray(255 - alpha).astype(np.uint8), np.ascontiguousarray(colour)


def jpeg_bytes(canvas: Picture, quality: int) -> bytes:
    """JPEG of a BGRA canvas, quality 0..100."""
    bgr = cv2.cvtColor(canvas, cv2.COLOR_BGRA2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def png_bytes(canvas: Picture) -> bytes:
    """PNG of a BGRA canvas, without alpha."""
    _, data = cv2.imencode(".png", cv2.cvtColor(canvas, cv2.COLOR_BGRA2BGR))
    return bytes(data)


def picture_from_bytes(data: bytes, name: str) -> Picture:
    """Decode PNG, JPEG or WebP to BGRA (h, w, 4) with straight alpha.

    Raises Refused when the bytes are no picture, or its side is over IMAGE_SIDE_PX_MAX.
    """
    size = size_px(data)
    if size is not None and max(size) > IMAGE_SIDE_PX_MAX:
        raise Refused(f"{name} is larger than {IMAGE_SIDE_PX_MAX} px; make it smaller.")
    try:
        image = None if size is None else cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise Refused(f"{name} is not a picture that can be read; save it as PNG, JPEG or WebP.")
    if max(image.shape[:2]) > IMAGE_SIDE_PX_MAX:
        raise Refused(f"{name} is larger than {IMAGE_SIDE_PX_MAX} px; make it smaller.")
    if image.dtype != np.uint8:
        image = cv2.convertScaleAbs(image, alpha=1 / 257.0)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
    return np.ascontiguousarray(image)


def cover(picture: Picture, width_px: int, height_px: int) -> Picture:
    """Scale and crop the middle of a picture so that it fills the rectangle."""
    scale = max(width_px / picture.shape[1], height_px / picture.shape[0])
    wide = max(width_px, round(picture.shape[1] * scale))
    high = max(height_px, round(picture.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, (wide, high), interpolation=way)
    left, top = (wide - width_px) // 2, (high - height_px) // 2
    return np.ascontiguousarray(scaled[top : top + height_px, left : left + width_px])
