"""The picture: drawing a frame, against the copy of the bytes that it touches."""

from __future__ import annotations

import numpy as np

from cli.benches.figure import Figure, median_ms
from cli.benches.renderer import AVATAR
from device.paths import repository_root
from device.render import pixels
from device.render.bundle import load_bundle
from device.render.compose import Compositor, Overlay
from device.render.mouth import Mouth
from device.render.video import BaseLoop
from ota.clock import utc_now

WIDTH_PX, HEIGHT_PX = 1080, 1920


def measure() -> list[Figure]:
    """Milliseconds a full frame and a mouth alone, as multiples of a plain copy."""
    bundle = load_bundle(repository_root() / "models" / "avatars" / AVATAR, utc_now())
    pixels.use_one_thread()
    canvas = np.zeros((HEIGHT_PX, WIDTH_PX, 4), np.uint8)
    other = np.zeros_like(canvas)
    base_size = (bundle.manifest.size[0], bundle.manifest.size[1])
    compositor = Compositor(WIDTH_PX, HEIGHT_PX, base_size)
    code = np.array(bundle.manifest.code.rest, np.float32)
    code[bundle.manifest.code.open_index] += 0.5
    patch = pixels.premultiplied_patch(Mouth(bundle).patch(code))
    matrix = bundle.track.matrix[0]
    with BaseLoop(bundle.base_path, bundle.manifest.base.frames) as loop:
        _, base = loop.take()
        full_ms = median_ms(lambda: compositor.frame(canvas, base, patch, matrix, Overlay()))
    mouth_ms = median_ms(lambda: pixels.lay_patch(canvas, patch, matrix))
    copy_ms = median_ms(lambda: np.copyto(other, canvas))
    touched = canvas[: patch.shape[0], : patch.shape[1]]
    touched_copy = np.empty_like(touched)
    touched_ms = median_ms(lambda: np.copyto(touched_copy, touched))
    return [
        Figure("full frame 1080x1920: base, mouth, label", full_ms, "ms", 10.0),
        Figure("full frame against a copy of the canvas", full_ms / copy_ms, "x"),
        Figure("mouth alone", mouth_ms, "ms", 1.0),
        Figure("mouth alone against a copy of its bytes", mouth_ms / touched_ms, "x"),
    ]
