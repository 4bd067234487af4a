"""The CPU's quantised file becomes one that a GPU takes, and still draws the same mouth."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from device.infer import protowire as wire
from device.infer import qdq
from device.infer.onnx_graph import take_apart
from device.paths import repository_root
from ota.errors import Refused
from tests.sim.tiny_renderer import CODES, SIDE, tiny_renderer

LIN = repository_root() / "models" / "avatars" / "lin"
# Measured 49.1 dB over 40 codes; the CPU's own INT8 has 50.4.
LIN_PSNR_DB_MIN = 46.0


def run(model: bytes, **feeds: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}
    return np.asarray(session.run(None, {n: v for n, v in feeds.items() if n in wanted})[0])


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one - other) ** 2) + 1e-12))


def check_symmetric(model: bytes) -> None:
    made = onnx.load_from_string(model)
    onnx.checker.check_model(made, full_check=True)
    constants = {i.name: numpy_helper.to_array(i) for i in made.graph.initializer}
    pairs = [n for n in made.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any(), node.name
        assert constants.get(node.input[0], zero).dtype == np.int8, node.name


def test_lin_becomes_symmetric_and_stays_herself() -> None:
    int8, fp32 = ((LIN / f"renderer.{p}.onnx").read_bytes() for p in ("int8", "fp32"))
    model = qdq.symmetric(int8)
    check_symmetric(model)
    rest = np.load(LIN / "track.npz")["rest_patch"]
    base = (rest.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4):
        code = (rng.random((1, 11)) ** 2 * 0.8).astype(np.float32)
        truth, mine = (run(m, base=base, code=code)[:, :3] for m in (fp32, model))
        found.append(psnr_db(truth, mine))
    assert np.mean(found) > LIN_PSNR_DB_MIN


def test_every_kind_of_pair_is_rewritten() -> None:
    quantised = tiny_renderer(True)
    model = qdq.symmetric(quantised)
    check_symmetric(model)
    made = onnx.load_from_string(model)
    # The clamp that was a ReLU, and the pairs before Add, Sigmoid and the output, are gone.
    assert "Relu" in {n.op_type for n in made.graph.node}
    assert len([n for n in made.graph.node if n.op_type == "QuantizeLinear"]) == 2
    rng = np.random.default_rng(1)
    feeds = {"base": rng.random((1, 3, SIDE, SIDE), np.float32),
             "code": rng.random((1, CODES), np.float32)}
    truth = run(tiny_renderer(False), **feeds)
    assert psnr_db(truth, run(model, **feeds)) > psnr_db(truth, run(quantised, **feeds)) - 3
    assert psnr_db(truth, run(model, **feeds)) > 30


def test_a_model_without_pairs_is_left_alone() -> None:
    plain = tiny_renderer(False)
    assert qdq.symmetric(plain) is plain
    assert qdq.input_shapes(plain) == {"base": (1, 3, SIDE, SIDE), "code": (1, CODES)}


def test_rewriting_twice_changes_nothing_more() -> None:
    once = qdq.symmetric(tiny_renderer(True))
    again = qdq.symmetric(once)
    rng = np.random.default_rng(2)
    feeds = {"base": rng.random((1, 3, SIDE, SIDE), np.float32),
             "code": rng.random((1, CODES), np.float32)}
    assert np.array_equal(run(once, **feeds), run(again, **feeds))


@pytest.mark.parametrize("model", [b"", b"no onnx", tiny_renderer(True)[:-9]])
def test_what_is_no_onnx_is_refused(model: bytes) -> None:
    with pytest.raises(Refused, match="no ONNX"):
        qdq.symmetric(model)


def test_the_wire_is_read_and_written_as_the_real_library_does() -> None:
    for name in ("renderer.int8.onnx", "renderer.fp32.onnx", "voice2code.onnx"):
        data = (LIN / name).read_bytes()
        assert wire.encode(wire.decode(data)) == data
        theirs = {i.name: numpy_helper.to_array(i) for i in onnx.load_from_string(data)
                  .graph.initializer if i.data_type in (1, 2, 3, 6)}
        graph = take_apart(data)
        for key, value in theirs.items():
            assert np.array_equal(graph.array(key), value), key


FIELDS = st.lists(st.tuples(st.integers(1, 5000), st.one_of(
    st.integers(0, 2**64 - 1), st.binary(max_size=40),
    st.sampled_from([4, 8]).flatmap(lambda n: st.binary(min_size=n, max_size=n)).map(wire.Fixed))))


@given(FIELDS)
def test_fields_survive_the_wire(fields: wire.Fields) -> None:
    assert wire.decode(wire.encode(fields)) == fields


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with contextlib.suppress(Refused):
        qdq.symmetric(data)
