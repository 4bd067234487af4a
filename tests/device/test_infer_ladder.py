"""Stories of a renderer that is opened on the best there is, and of every way down.

TensorRT and CUDA are simulated (tests/sim/tensorrt_sim.py); the code under test is all real.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from device.infer import engine, ladder
from models.compile import compile_engine
from ota.errors import Broken, Refused
from tests.sim.tensorrt_sim import SimGpu
from tests.sim.tiny_renderer import CODES, SIDE, tiny_renderer

FEED = {"base": np.full((1, 3, SIDE, SIDE), 0.4, np.float32),
        "code": np.linspace(0, 1, CODES, dtype=np.float32)[None]}


class Box:
    """A box with a GPU, one network and the engine that was compiled for it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.gpu = SimGpu().install(patch)
        self.source = folder / "renderer.int8.onnx"
        self.source.write_bytes(tiny_renderer(True))
        self.engines = folder / "engines"

    def compile(self) -> engine.EngineManifest:
        built = compile_engine(self.source, "int8", self.engines, lambda text: None, runs=3)
        self.gpu.loaded = 0
        return built.manifest

    @property
    def engine(self) -> Path:
        return next(self.engines.glob("*.engine"))

    def write_manifest(self, manifest: engine.EngineManifest) -> None:
        engine.manifest_path(self.engine).write_bytes(msgspec.json.encode(manifest))

    def open(self, wanted: str = "auto", jetson: bool = True) -> ladder.BestSession:
        return ladder.open_renderer(self.source, "int8", 1, wanted, self.engines, jetson)

    def reason(self, rung: str = ladder.ENGINE) -> str:
        """Why an opening passed this rung; the answer must be the CPU's then."""
        session = self.open()
        assert session.provider == "cpu" and len(session.degraded) == 1
        check_picture(session)
        return next(each.reason for each in session.passed if each.rung == rung)


def check_picture(session: ladder.BestSession) -> None:
    model = onnxruntime.InferenceSession(tiny_renderer(True), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(FEED)["patch"] - model.run(None, FEED)[0]).max() < 0.05


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def shared_box() -> Iterator[Box]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        box = Box(Path(name), patch)
        box.compile()
        yield box


def test_an_exactly_matching_engine_is_played(box: Box) -> None:
    box.compile()
    session = box.open()
    assert (session.rung, session.provider) == (ladder.ENGINE, "tensorrt")
    assert session.degraded == () and session.passed == ()
    check_picture(session)
    assert len(box.gpu.held) == 3
    del session
    assert box.gpu.held == {}, "memory of the GPU was not given back"


def changed(manifest: engine.EngineManifest, field: str, value: Any) -> engine.EngineManifest:
    identity = msgspec.structs.replace(manifest.identity, **{field: value})
    return msgspec.structs.replace(manifest, identity=identity)


OTHER = {
    "source_sha256": st.text("0123456789abcdef", min_size=64, max_size=64),
    "tensorrt": st.from_regex(r"\A\d{1,2}\.\d{1,2}\.\d\Z"),
    "compute_capability": st.from_regex(r"\A\d{1,2}\.\d\Z"),
    "l4t": st.from_regex(r"\A\d{2}\.\d\.\d\Z"),
    "inputs": st.dictionaries(st.sampled_from(["base", "code", "mel"]), st.lists(
        st.integers(1, 512), min_size=1, max_size=4).map(tuple)),
    "precision": st.sampled_from(["fp16", "fp32", ""]),
    "flags": st.lists(st.sampled_from(["FP16", "INT8", "STRONGLY_TYPED", "x"])).map(tuple),
}


@given(st.sampled_from(sorted(OTHER)), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_differing_field_is_enough_and_is_named(
    shared_box: Box, field: str, data: st.DataObject
) -> None:
    assert set(OTHER) == set(engine.TEXT) == set(engine.Identity.__struct_fields__)
    kept = engine.manifest_path(shared_box.engine).read_bytes()
    manifest = msgspec.json.decode(kept, type=engine.EngineManifest)
    value = data.draw(OTHER[field].filter(lambda v: v != getattr(manifest.identity, field)))
    shared_box.write_manifest(changed(manifest, field, value))
    try:
        shared_box.gpu.loaded = 0
        assert shared_box.reason().startswith(f"its {engine.TEXT[field]} is ")
        assert shared_box.gpu.loaded == 0, "TensorRT was given an engine that does not match"
    finally:
        engine.manifest_path(shared_box.engine).write_bytes(kept)


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_engine_never_reaches_tensorrt(box: Box, harm: str) -> None:
    box.compile()
    plan = bytearray(box.engine.read_bytes())
    plan[len(plan) // 2] ^= 1
    box.engine.write_bytes({"flip": bytes(plan), "cut": bytes(plan[:-1]), "empty": b""}[harm])
    assert box.reason() == "its file is damaged"
    assert box.gpu.loaded == 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"schema": 1}', b"\xff\xfe"])
def test_a_broken_manifest_is_a_reason_not_a_crash(box: Box, text: bytes) -> None:
    box.compile()
    engine.manifest_path(box.engine).write_bytes(text)
    assert box.reason() == "its manifest is missing or damaged"
    engine.manifest_path(box.engine).write_bytes(b'{"schema": 9}')
    assert box.reason() == "its manifest has schema 9, not 1"
    engine.manifest_path(box.engine).unlink()
    assert box.reason() == "its manifest is missing or damaged"


def test_an_engine_of_another_machine_is_not_loaded(box: Box) -> None:
    box.compile()
    box.gpu.capability = (8, 9)
    assert box.reason() == "its compute capability is 8.7, needed is 8.9"
    box.gpu.capability = (8, 7)
    box.gpu.tensorrt = "10.4.0"
    box.gpu.install(box.patch)
    assert box.reason() == "its TensorRT is 10.3.0, needed is 10.4.0"


def test_a_new_network_does_not_play_with_the_old_engine(box: Box) -> None:
    box.compile()
    box.source.write_bytes(box.source.read_bytes() + b"\x92\x01\x00")  # an empty unknown field
    assert box.reason() == "none was built for this network"


def test_tensorrt_says_no_in_its_own_words(box: Box) -> None:
    box.compile()
    box.gpu.rejects = True
    assert "serialization assertion failed" in box.reason()
    assert box.gpu.held == {}


@pytest.mark.parametrize(("fault", "word"), [
    ("fails_to_run", "enqueueV3"), ("draws_nan", "no numbers"), ("out_of_memory", "Allocation"),
    ("has_gpu", "InsufficientDriver"), ("installed", "tensorrt is not installed")])
def test_what_fails_at_the_warm_up_is_the_next_rungs_turn(box: Box, fault: str, word: str) -> None:
    box.compile()
    setattr(box.gpu, fault, fault not in ("has_gpu", "installed"))
    box.gpu.install(box.patch)
    assert word in box.reason()
    assert box.gpu.held == {}


def test_a_gpu_that_fails_while_playing_costs_no_frame(box: Box) -> None:
    box.compile()
    session = box.open()
    check_picture(session)
    box.gpu.fails_to_run = True
    check_picture(session)
    assert session.provider == "cpu" and box.gpu.held == {}
    assert len(session.degraded) == 1
    assert "while playing" in session.degraded[0] and "enqueueV3" in session.degraded[0]


def test_a_wrong_picture_size_is_told_and_the_cpus_error_is_the_last_word(box: Box) -> None:
    box.compile()
    with pytest.raises(Broken, match="failed to run"):
        box.open().run({"base": FEED["base"][:, :2], "code": FEED["code"]})


@pytest.mark.parametrize(("wanted", "jetson", "told"), [
    ("cpu", False, False), ("cpu", True, False), ("auto", False, False), ("auto", True, True),
    ("tensorrt", False, True), ("cuda", False, True)])
def test_only_a_broken_expectation_is_told(
    box: Box, wanted: str, jetson: bool, told: bool
) -> None:
    box.gpu.installed = False
    box.gpu.install(box.patch)
    session = box.open(wanted, jetson)
    assert session.provider == "cpu" and bool(session.degraded) is told
    for sentence in session.degraded:
        assert "models compile" in sentence and len(sentence) < 400
    check_picture(session)


def test_wrong_orders_are_sentences(box: Box, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no provider npu"):
        box.open("npu")
    box.source.unlink()
    with pytest.raises(Refused, match="missing"):
        box.open()
    box.source.write_bytes(b"no onnx at all")
    with pytest.raises(Refused):
        box.open()


class GpuRuntime:
    """An ONNX Runtime that says it has GPU providers: `real` ones start, others fall to the CPU
    without a word, as the real one does when a CUDA library is missing."""

    def __init__(self, real: set[str], patch: pytest.MonkeyPatch) -> None:
        self.given: list[tuple[str, dict[str, str]]] = []
        inner = onnxruntime.InferenceSession

        class Session:
            def __init__(self, model: Any, options: Any = None, providers: Any = ()) -> None:
                self.name = "CPUExecutionProvider"
                if isinstance(providers[0], tuple):
                    runtime.given.append(providers[0])
                    if providers[0][0] in real:
                        self.name = providers[0][0]
                self._inner = inner(model, options, providers=["CPUExecutionProvider"])

            def get_providers(self) -> list[str]:
                return [self.name]

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inner, name)

        runtime = self
        patch.setattr(onnxruntime, "InferenceSession", Session)
        patch.setattr(onnxruntime, "get_available_providers", lambda: [
            "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"])


def test_onnx_runtime_on_tensorrt_is_second_and_keeps_its_engines(box: Box) -> None:
    runtime = GpuRuntime({"TensorrtExecutionProvider"}, box.patch)
    session = box.open()
    assert (session.rung, session.provider) == (ladder.ORT_TENSORRT, "tensorrt")
    assert "none was built" in session.degraded[0]
    assert runtime.given[0][1]["trt_int8_enable"] == "True"
    assert runtime.given[0][1]["trt_engine_cache_path"] == str(box.engines)
    check_picture(session)


def test_cuda_is_third_and_a_silent_fall_to_the_cpu_is_noticed(box: Box) -> None:
    GpuRuntime({"CUDAExecutionProvider"}, box.patch)
    session = box.open()
    assert (session.rung, session.provider) == (ladder.ORT_CUDA, "cuda")
    assert [each.rung for each in session.passed] == [ladder.ENGINE, ladder.ORT_TENSORRT]
    assert "could not start Tensorrt" in session.passed[1].reason


def test_the_release_of_l4t_is_read_from_its_file() -> None:
    text = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n"
    assert engine.l4t_release(text) == "36.4.3"
    assert engine.l4t_release("something else") == ""


class BoxLife(RuleBasedStateMachine):
    """Anything happens to a box, in any order: the mouth always moves, and it is the engine that
    moves it exactly when all is well."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp())
        self._patch = pytest.MonkeyPatch()

    @initialize()
    def begin(self) -> None:
        self.box = Box(self._folder, self._patch)
        self.built: tuple[Any, ...] | None = None
        self.damaged = False

    @rule()
    def compile(self) -> None:
        gpu = self.box.gpu
        usable = gpu.installed and gpu.has_gpu and not gpu.fails_to_run and not gpu.rejects
        if not usable:
            with pytest.raises((Refused, Broken)):
                self.box.compile()
            return
        self.box.compile()
        self.built, self.damaged = (gpu.tensorrt, gpu.capability), False

    @rule(version=st.sampled_from(["10.3.0", "10.13.3"]))
    def update_tensorrt(self, version: str) -> None:
        self.box.gpu.tensorrt = version
        self.box.gpu.install(self._patch)

    @rule(minor=st.sampled_from([7, 9]))
    def move_disk_to_another_board(self, minor: int) -> None:
        self.box.gpu.capability = (8, minor)

    @rule(fault=st.sampled_from(["installed", "has_gpu", "fails_to_run", "rejects"]))
    def break_or_repair(self, fault: str) -> None:
        setattr(self.box.gpu, fault, not getattr(self.box.gpu, fault))
        self.box.gpu.install(self._patch)

    @rule(at=st.integers(0, 1 << 20))
    def disk_flips_a_bit(self, at: int) -> None:
        if self.built is not None:
            plan = bytearray(self.box.engine.read_bytes())
            plan[at % len(plan)] ^= 4
            self.box.engine.write_bytes(bytes(plan))
            self.damaged = bytes(plan) != self._whole()

    def _whole(self) -> bytes:
        manifest = engine.read_manifest(engine.manifest_path(self.box.engine))
        plan = self.box.engine.read_bytes()
        return plan if sha256(plan).hexdigest() == manifest.engine_sha256 else b""

    @rule()
    def play(self) -> None:
        gpu = self.box.gpu
        session = self.box.open()
        well = (self.built == (gpu.tensorrt, gpu.capability) and not self.damaged
                and gpu.installed and gpu.has_gpu and not gpu.fails_to_run and not gpu.rejects)
        assert (session.rung == ladder.ENGINE) is well
        assert bool(session.degraded) is not well
        check_picture(session)

    @invariant()
    def nothing_stays_on_the_gpu(self) -> None:
        if hasattr(self, "box"):
            assert self.box.gpu.held == {}

    def teardown(self) -> None:
        self._patch.undo()
        shutil.rmtree(self._folder, ignore_errors=True)


BoxLife.TestCase.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
TestBoxLife = BoxLife.TestCase
