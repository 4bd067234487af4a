"""Tries a network before it becomes an avatar: does it load, are its inputs known, is its picture
a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.infer import ort, protowire
from device.render.ears import Ears, open_ears
from device.render.foreign_mouth import Painter
from device.render.layouts import Layout, read_layout
from ota.clock import monotonic_ns
from ota.errors import Broken, Refused

Floats = NDArray[np.float32]
OPSET_MIN = 7
MODEL_OPSET, OPSET_DOMAIN, OPSET_VERSION = 8, 1, 2
# A picture is 0..1; a little more is rounding, much more is another convention.
LOW, HIGH = -0.05, 1.05
TIMED_RUNS = 5
SECONDS_TRIED = 1


@dataclass(frozen=True)
class Tried:
    """What the trial found. `frame_ms` is the median of a few runs on one thread."""

    layout: Layout
    opset: int
    low: float
    high: float
    frame_ms: float


def try_network(model: Path, encoder: Path | None, name: str) -> Tried:
    """Run the network on a grey face, in silence and in noise; `name` is for sentences.

    Raises Refused for: no ONNX, an opset or inputs that are not known, an encoder that does not
    fit, a wrong output shape, NaN, or values that are not 0..1.
    """
    opset = read_opset(model, name)
    session = _opened(model, name, opset)
    layout = read_layout(name, session.inputs, session.types)
    ears = open_ears(layout, encoder)
    side = layout.side_px
    painter = Painter(layout, np.full((side, side), 255, np.uint8))
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 220, side, dtype=np.float32).astype(np.uint8)
    crop = np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], (side, side, 3)))
    low, high, times_ms = np.inf, -np.inf, []
    for window in _windows(ears, layout, rng):
        feeds = {layout.face: painter.face_input(crop), layout.audio: ears.as_input(window)}
        started_ns = monotonic_ns()
        painted = _run(session, feeds, name)
        times_ms.append((monotonic_ns() - started_ns) / 1e6)
        _check_picture(painted, layout, name)
        low, high = min(low, float(painted.min())), max(high, float(painted.max()))
    if low < LOW or high > HIGH:
        raise Refused(f"{name} paints values from {low:.2f} to {high:.2f}; expected 0 to 1 (a "
                      "sigmoid at its end); export it with its output scaled to that.")
    return Tried(layout, opset, low, high, float(np.median(times_ms)))


def read_opset(model: Path, name: str) -> int:
    """The opset the file asks for. Raises Refused when it is no ONNX, or too old."""
    if not model.is_file():
        raise Refused(f"There is no network {name}; check the name.")
    try:
        fields = protowire.decode(model.read_bytes())
        imports = [protowire.decode(piece) for piece in protowire.pieces(fields, MODEL_OPSET)]
        versions = [protowire.number(each, OPSET_VERSION) for each in imports
                    if protowire.texts(each, OPSET_DOMAIN) in ([], [""], ["ai.onnx"])]
    except (Refused, ValueError, IndexError, KeyError, TypeError) as error:
        raise Refused(f"{name} is damaged or no ONNX file; export it again.") from error
    if not versions:
        raise Refused(f"{name} is damaged or no ONNX file; export it again.")
    if max(versions) < OPSET_MIN:
        raise Refused(f"{name} is of ONNX opset {max(versions)}; export it with opset 11 to 18.")
    return max(versions)


def _opened(model: Path, name: str, opset: int) -> ort.Session:
    try:
        return ort.open_session(model, 1, "cpu")
    except Refused as error:
        raise Refused(f"{name} (opset {opset}) cannot be loaded ({_reason(error)}); export it as "
                      "one file, weights inside, with opset 11 to 18.") from error


def _windows(ears: Ears, layout: Layout, rng: np.random.Generator) -> list[Floats]:
    """Silence, and windows of a noisy second through the whole front end."""
    noise = (0.1 * rng.standard_normal(16_000 * SECONDS_TRIED)).astype(np.float32)
    heard = ears.hear(noise, 25 * SECONDS_TRIED)
    silent = np.full(layout.numbers, ears.silence, np.float32)
    return [silent, *(heard.window(i) for i in range(0, 25, 25 // TIMED_RUNS))]


def _run(session: ort.Session, feeds: dict[str, NDArray[Any]], name: str) -> Floats:
    try:
        return np.asarray(session.run(feeds)[session.outputs[0]])
    except Broken as error:
        raise Refused(f"{name} has known inputs but does not run with them ({_reason(error)}); "
                      "export it again.") from error


def _reason(error: BaseException) -> str:
    """The runtime's own words, in one line."""
    return " ".join(str(error.__cause__ or error).split())[:200]


def _check_picture(painted: Floats, layout: Layout, name: str) -> None:
    wanted = (1, 3, layout.side_px, layout.side_px)
    if painted.shape != wanted or painted.dtype != np.float32:
        raise Refused(f"{name} gives {painted.dtype}{painted.shape}; expected float32{wanted}, "
                      "the BGR face; export it again.")
    if not np.isfinite(painted).all():
        raise Refused(f"{name} paints numbers that are none (NaN or infinite); its weights are "
                      "damaged, export it again from a good checkpoint.")
