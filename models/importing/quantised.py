"""INT8 for an imported network, calibrated on the avatar's own crops and a murmur."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.infer import ort
from device.render.ears import Ears
from device.render.foreign_mouth import Crops, Painter
from device.render.layouts import Layout
from models.net.quantize import quantize_graph
from ota.clock import monotonic_ns
from ota.errors import Refused

Floats = NDArray[np.float32]
SAMPLES, COMPARED = 48, 6
PSNR_DB_MAX = 99.0


def check_packages() -> None:
    """Raises Refused when this environment cannot quantise."""
    if find_spec("onnx") is None:
        raise Refused("INT8 needs the package onnx; run `pip install -r requirements/test.txt` in "
                      "this environment, or import without --int8.")


def quantise(fp32: Path, int8: Path, layout: Layout, ears: Ears, crops: Crops) -> dict[str, float]:
    """Write `int8`; returns what it costs (PSNR against FP32) and gains (ms, one thread)."""
    feeds = list(_feeds(layout, ears, crops, SAMPLES))
    try:
        quantize_graph(fp32, int8, feeds, _last_convolution)
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise Refused(f"The network cannot be quantised ({error}); import it without --int8."
                      .replace("\n", " ")) from error
    (whole, whole_ms), (small, small_ms) = (_painted(p, feeds[:COMPARED]) for p in (fp32, int8))
    error_mean = float(np.mean((whole - small) ** 2))
    psnr_db = min(PSNR_DB_MAX, -10 * float(np.log10(max(error_mean, 1e-12))))
    return {"psnr_db": round(psnr_db, 2), "fp32_ms": round(whole_ms, 2),
            "int8_ms": round(small_ms, 2)}


def _last_convolution(names: list[str]) -> list[str]:
    """The layer that makes the colours stays exact: in INT8 smooth skin would band."""
    return [name for name in names if "conv" in name.lower()][-1:]


def _feeds(layout: Layout, ears: Ears, crops: Crops, count: int) -> Iterator[dict[str, Any]]:
    """Inputs as they will be: crops from all over the loop, windows of a swelling murmur."""
    rng = np.random.default_rng(0)
    time_s = np.arange(16_000 * 2) / 16_000
    voice = np.sin(2 * np.pi * 140 * time_s) + 0.5 * np.sin(2 * np.pi * 1100 * time_s)
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * 3 * time_s)
    sound = 0.15 * swell * (voice + 0.4 * rng.standard_normal(len(time_s)))
    heard = ears.hear(sound.astype(np.float32), 50)
    painter = Painter(layout, np.full((layout.side_px, layout.side_px), 255, np.uint8))
    for number in range(count):
        crop = crops.at(number * len(crops.of_base) // count)
        yield {layout.face: painter.face_input(crop).copy(),
               layout.audio: ears.as_input(heard.window(number % 50)).copy()}


def _painted(path: Path, feeds: list[dict[str, Any]]) -> tuple[Floats, float]:
    session = ort.open_session(path, 1, "cpu")
    found, times_ms = [], []
    for feed in feeds:
        started_ns = monotonic_ns()
        found.append(session.run(feed)[session.outputs[0]])
        times_ms.append((monotonic_ns() - started_ns) / 1e6)
    return np.concatenate(found), float(np.median(times_ms))
