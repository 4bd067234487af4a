"""Static INT8 quantisation of a renderer (QDQ, per channel), calibrated on its own codes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# The last colours and the blending stay in FP32: they cost about 1 ms and would band in INT8.
QUANTISED = ["Conv", "Gemm", "Relu", "Concat", "Resize", "MaxPool"]
CALIBRATION = 96


def quantize(fp32: Path, int8: Path, base: Floats, codes: Floats, seed: int = 0) -> None:
    """Write `int8` from `fp32`; base (1, 3, p, p), codes (n, K) that the avatar really uses."""
    from onnxruntime.quantization import (  # type: ignore[attr-defined,unused-ignore]
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    rng = np.random.default_rng(seed)
    chosen = codes[rng.permutation(len(codes))[:CALIBRATION]]
    prepared = int8.with_suffix(".prepared.onnx")
    quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(int8), _Reader(base, chosen), quant_format=QuantFormat.QDQ,
        op_types_to_quantize=QUANTISED,
        nodes_to_exclude=[n for n in _names(prepared) if "paint" in n], per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax)
    prepared.unlink()


def _names(model: Path) -> list[str]:
    import onnx

    return [node.name for node in onnx.load(str(model)).graph.node]


class _Reader:
    """Feeds calibration samples one by one (onnxruntime's CalibrationDataReader protocol)."""

    def __init__(self, base: Floats, codes: Floats) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter(
            [{"base": base, "code": c[None].astype(np.float32)} for c in codes])

    def get_next(self) -> dict[str, Any] | None:
        """The next feed, None at the end."""
        return next(self._feeds, None)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._feeds)
