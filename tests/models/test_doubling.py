"""An INT8 network that doubles its pictures by copying draws what the one with Resize drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from cli.benches.graphs import Graph
from device.infer import qdq
from models.net import doubling, quantize

SIDE = 8


def run(model: bytes, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def quantised(folder: Path, mode: str, monkeypatch: pytest.MonkeyPatch, fast: bool) -> bytes:
    """Convolution, twice as large, convolution: in INT8."""
    g = Graph("grows")
    wide = g.grow(g.conv(g.input("x", 1, 3, SIDE, SIDE), 4), 2, mode)
    g.save(folder / "fp32.onnx", g.conv(wide, 5), "y")
    if not fast:
        monkeypatch.setattr(doubling, "expand_resizes", lambda model: model)
    feeds = [{"x": np.random.default_rng(i).random((1, 3, SIDE, SIDE), np.float32)}
             for i in range(4)]
    quantize.quantize_graph(folder / "fp32.onnx", folder / "int8.onnx", feeds, lambda names: [])
    return (folder / "int8.onnx").read_bytes()


def kinds(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


def test_doubling_by_copies_changes_no_bit_and_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = quantised(tmp_path, "nearest", monkeypatch, fast=True)
    looked_up = quantised(tmp_path, "nearest", monkeypatch, fast=False)
    assert "Resize" not in kinds(copied) and "Expand" in kinds(copied)
    x = np.random.default_rng(9).random((1, 3, SIDE, SIDE), np.float32)
    assert np.array_equal(run(copied, x), run(looked_up, x))
    for_gpu = qdq.symmetric(copied)
    onnx.checker.check_model(onnx.load_from_string(for_gpu), full_check=True)
    assert "Resize" in kinds(for_gpu) and "Expand" not in kinds(for_gpu)
    assert np.allclose(run(for_gpu, x), run(qdq.symmetric(looked_up), x), atol=1e-6)


def test_what_is_not_a_nearest_doubling_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Expand" not in kinds(quantised(tmp_path, "linear", monkeypatch, fast=True))
