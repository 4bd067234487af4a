"""Opens a renderer on the best that this machine has, and climbs down when that fails.

TensorRT engine with an exactly matching manifest -> ONNX Runtime on TensorRT -> on CUDA -> on the
CPU. Each rung that was passed over has a short reason; a failure while playing is one more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device.infer import engine, ort, qdq, tensorrt
from device.paths import JETSON_MARK, Places
from ota.errors import Broken, Refused, VitrineError
from ota.files import read_bounded

Arrays = Mapping[str, NDArray[Any]]
ENGINE, ORT_TENSORRT, ORT_CUDA, CPU = "engine", "onnx-tensorrt", "onnx-cuda", "cpu"
TITLE = {ENGINE: "a TensorRT engine", ORT_TENSORRT: "ONNX Runtime with TensorRT",
         ORT_CUDA: "ONNX Runtime with CUDA", CPU: "the CPU"}  # fmt: skip
PROVIDER = {ENGINE: "tensorrt", ORT_TENSORRT: "tensorrt", ORT_CUDA: "cuda", CPU: "cpu"}
WANTED = ("auto", "tensorrt", "cuda", "cpu")
SOURCE_BYTES_MAX = 256 << 20
REASON_CHARACTERS_MAX = 120


class Runner(Protocol):
    """What every rung opens."""

    @property
    def inputs(self) -> Mapping[str, tuple[int | str | None, ...]]:
        """The shape of every input by name."""

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """Arrays by input name in, arrays by output name back. Raises Broken."""


@dataclass(frozen=True)
class Passed:
    """A rung that was passed over or left, and why (not a whole sentence)."""

    rung: str
    reason: str


Opener = Callable[[], Runner]


class BestSession:
    """A renderer on the highest rung that works. Not for two threads at once.

    `rung` and `provider` say where it runs now, `passed` what did not work, `degraded` the same
    as sentences for people: empty when this is what the machine was meant to do.
    """

    def __init__(self, rungs: list[tuple[str, Opener]], probe: Arrays, expected: bool) -> None:
        """`probe` is the feed of the warm-up; `expected`: the first rung is what should work."""
        self._left, self._probe, self._expected = rungs, probe, expected
        self.passed: tuple[Passed, ...] = ()
        self.degraded: tuple[str, ...] = ()
        self.rung = ""
        self._runner = self._climb_down()
        if self.passed and expected:
            self.degraded = (_opened_sentence(self.rung, self.passed),)

    @property
    def provider(self) -> str:
        """tensorrt, cuda or cpu."""
        return PROVIDER[self.rung]

    @property
    def inputs(self) -> Mapping[str, tuple[int | str | None, ...]]:
        """The shape of every input by name."""
        return self._runner.inputs

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """One inference. A rung that fails now is left for the next; the answer comes from that
        one. Raises Broken when none is left."""
        while True:
            try:
                return self._runner.run(feeds)
            except Broken as error:
                if not self._left:
                    raise
                failed = self.rung
                self._leave(failed, str(error))
                self._runner = self._climb_down()
                self.degraded += (_fell_sentence(failed, self.rung, str(error)),)

    def _climb_down(self) -> Runner:
        """The next rung that opens and answers the probe; the last one's errors are raised."""
        while True:
            name, opener = self._left.pop(0)
            self.rung = name
            if not self._left:
                return opener()
            try:
                runner = opener()
                _prove(runner, self._probe)
                return runner
            except VitrineError as error:
                self._leave(name, str(error))

    def _leave(self, rung: str, reason: str) -> None:
        self.passed += (Passed(rung, _short(reason)),)


def open_renderer(
    source: Path, precision: str, threads: int = 1, wanted: str = "auto",
    engines: Path | None = None, jetson: bool | None = None,
) -> BestSession:
    """Open the ONNX file `source`, whose engines of `precision` (int8, fp16; others have none) lie
    in `engines` (default: this box's), on the best rung of `wanted` (auto, tensorrt, cuda, cpu).

    auto is meant to be an engine on a Jetson and anything at all elsewhere. Raises Refused when
    not even the CPU can open it, or for an unknown `wanted`.
    """
    if wanted not in WANTED:
        raise Refused(f"There is no provider {wanted}; use {', '.join(WANTED)}.")
    on_jetson = JETSON_MARK.exists() if jetson is None else jetson
    folder = engines if engines is not None else Places.from_environment().engines
    openers = list(rungs(source, precision, threads, folder).items())
    first = {"auto": 0, "tensorrt": 0, "cuda": 2, "cpu": 3}[wanted]
    if first == 3 or not source.is_file():  # the CPU has the sentence for a missing file
        return BestSession(openers[3:], {}, expected=False)
    probe = {name: np.full([max(1, size) for size in shape], 0.5, np.float32)
             for name, shape in qdq.input_shapes(read_bounded(source, SOURCE_BYTES_MAX)).items()}
    return BestSession(openers[first:], probe, expected=wanted != "auto" or on_jetson)


def rungs(source: Path, precision: str, threads: int, engines: Path) -> dict[str, Opener]:
    """How to open a network on each rung, best first; an opener raises Refused or Broken."""
    network = _Network(source, precision, threads, engines)
    return {ENGINE: network.on_engine, ORT_TENSORRT: network.on_ort_tensorrt,
            ORT_CUDA: network.on_ort_cuda, CPU: partial(ort.open_session, source, threads, "cpu")}


def source_precision(precision: str) -> str:
    """Which file of a bundle an engine of this precision is made from."""
    return "fp32" if precision == "fp16" else precision


@dataclass(frozen=True)
class _Network:
    """One ONNX file, and how each rung of the GPU opens it. Reasons are short, lower case."""

    source: Path
    precision: str
    threads: int
    engines: Path

    def on_engine(self) -> Runner:
        here = tensorrt.machine()
        if self.precision not in engine.PRECISIONS:
            raise Refused(f"precision {self.precision} has no engine")
        model = self._model()
        wanted = engine.identity(
            here, sha256(model).hexdigest(), qdq.input_shapes(model), self.precision)
        path = engine.engine_path(self.engines, wanted.source_sha256, self.precision)
        if not path.is_file():
            raise Refused("none was built for this network")
        manifest = engine.read_manifest(engine.manifest_path(path))
        if (why := engine.mismatch(manifest.identity, wanted)) is not None:
            raise Refused(why)
        plan = read_bounded(path, engine.ENGINE_BYTES_MAX)
        if sha256(plan).hexdigest() != manifest.engine_sha256:
            raise Refused("its file is damaged")
        return tensorrt.EngineSession(plan)

    def on_ort_tensorrt(self) -> Runner:
        ort.demand("tensorrt")
        self.engines.mkdir(parents=True, exist_ok=True)
        cache = str(self.engines)
        return ort.open_on(qdq.symmetric(self._model()), "tensorrt", self.threads, {
            "trt_int8_enable": str(self.precision == "int8"),
            "trt_fp16_enable": str(self.precision == "fp16"),
            "trt_engine_cache_enable": "True", "trt_engine_cache_path": cache,
            "trt_timing_cache_enable": "True", "trt_timing_cache_path": cache})

    def on_ort_cuda(self) -> Runner:
        ort.demand("cuda")
        return ort.open_on(self._model(), "cuda", self.threads, {})

    def _model(self) -> bytes:
        return read_bounded(self.source, SOURCE_BYTES_MAX)


def _prove(runner: Runner, probe: Arrays) -> None:
    """The warm-up: an answer of finite numbers, or Broken."""
    for name, value in runner.run(probe).items():
        if not np.isfinite(value).all():
            raise Broken(f"its warm-up gives no numbers in {name}")


def _short(reason: str) -> str:
    return reason.strip().rstrip(".")[:REASON_CHARACTERS_MAX]


def _opened_sentence(rung: str, passed: tuple[Passed, ...]) -> str:
    """Short: it must pass as one event."""
    why = "; ".join(f"{TITLE[each.rung]}: {each.reason[:80]}" for each in passed)
    return (f"The renderer runs on {TITLE[rung]}, slower than meant ({why}); run "
            "`vitrine models compile` on this box.")


def _fell_sentence(failed: str, rung: str, reason: str) -> str:
    return (f"The renderer failed on {TITLE[failed]} while playing ({_short(reason)}) and now "
            f"runs on {TITLE[rung]}; restart the player, and if it comes again, look at the GPU.")
