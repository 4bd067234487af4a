"""Builds TensorRT engines of an avatar's renderers, on the machine that will run them.

The only importer of tensorrt among the makers. Needs run-time packages only: it runs on the box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from device.infer import engine, ladder, ort, qdq
from device.infer import tensorrt as loaded
from ota.clock import monotonic_s
from ota.errors import Broken, Refused
from ota.files import read_bounded, write_durable

if TYPE_CHECKING:
    import tensorrt

Say = Callable[[str], None]
Arrays = dict[str, NDArray[np.float32]]
WORKSPACE_BYTES = 1 << 30
CACHE_BYTES_MAX = 256 << 20
WARM_UP, RUNS, COMPARED = 30, 300, 8
# Beyond this mean difference (of 0..1) from the CPU an engine draws another picture.
AGAINST_CPU_MEAN_MAX = 0.02


@dataclass(frozen=True)
class Built:
    """One engine on disk."""

    path: Path
    manifest: engine.EngineManifest
    timing_cache: str  # new, reused, or refused (of another TensorRT or GPU)


def compile_engine(
    source: Path, precision: str, out: Path, say: Say, runs: int = RUNS
) -> Built:
    """Build, prove, measure (in `runs` calls) and write the engine of the ONNX `source` to `out`.

    Raises Refused when this machine or the network cannot, Broken when TensorRT fails; then
    nothing is written and an older engine stays.
    """
    try:
        here = loaded.machine()
    except Refused as error:
        raise Refused(f"No engine can be built here: {error}. Engines are made for the machine "
                      "they are built on; run this on the box.") from error
    model = read_bounded(source, ladder.SOURCE_BYTES_MAX)
    wanted = engine.identity(
        here, sha256(model).hexdigest(), qdq.input_shapes(model), precision)
    for name, shape in wanted.inputs.items():
        if any(size < 1 for size in shape):
            raise Refused(f"The input {name} of {source.name} has a free size; export it with "
                          "fixed sizes.")
    cache = out / f"timing-{here.tensorrt}-{here.compute_capability}.cache"
    started_s = monotonic_s()
    plan, cached = build(qdq.symmetric(model), precision, cache, say)
    build_s = monotonic_s() - started_s
    say(f"{precision}: built in {build_s:.0f} s, {len(plan) / 1e6:.1f} MB; measuring")
    mean, most, p50_ms, p99_ms = _measured(plan, source, wanted.inputs, runs)
    if not mean <= AGAINST_CPU_MEAN_MAX:
        raise Broken(f"The {precision} engine draws another picture than the CPU (mean difference "
                     f"{mean:.3f}); it was not kept. Build it again, or play on the CPU.")
    manifest = engine.EngineManifest(
        engine.SCHEMA, wanted, sha256(plan).hexdigest(), round(p50_ms, 4), round(p99_ms, 4),
        round(mean, 6), round(most, 6), round(build_s, 1))
    path = engine.engine_path(out, wanted.source_sha256, precision)
    # A power cut between the two leaves an engine that its manifest disowns: it is not loaded.
    write_durable(path, plan)
    write_durable(engine.manifest_path(path),
                  msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return Built(path, manifest, cached)


def build(model: bytes, precision: str, cache: Path, say: Say) -> tuple[bytes, str]:
    """The serialised engine of an ONNX `model`, and what became of the timing cache."""
    import tensorrt

    logger, heard = loaded.listening_logger()
    try:
        builder = tensorrt.Builder(logger)
    except (RuntimeError, TypeError) as error:
        raise Refused(f"TensorRT cannot start here ({heard or error}); look at the GPU's driver, "
                      "or run on the box.") from error
    flags = engine.builder_flags(precision)
    typed = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(typed) if "STRONGLY_TYPED" in flags else 0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(model):
        first = parser.get_error(0) if parser.num_errors else None
        said = f"{first.node_name()}: {first.desc()}" if first is not None else "no reason given"
        raise Refused(f"TensorRT cannot read the network ({said}); quantise or export it again.")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.profiling_verbosity = tensorrt.ProfilingVerbosity.DETAILED
    config.progress_monitor = _monitor(say)
    if "FP16" in flags:
        if not hasattr(tensorrt.BuilderFlag, "FP16"):
            raise Refused(f"TensorRT {tensorrt.__version__} takes the types of a network as they "
                          "are and this one is FP32; build int8 instead.")
        config.set_flag(tensorrt.BuilderFlag.FP16)
    cached = _use_cache(config, cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise Broken(f"TensorRT could not build the engine ({', '.join(heard) or 'no reason'}); "
                     "free some memory and try again.")
    write_durable(cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan), cached


def _use_cache(config: tensorrt.IBuilderConfig, path: Path) -> str:
    """Give the builder what earlier builds have timed. A cache it does not take is begun anew."""
    try:
        kept = read_bounded(path, CACHE_BYTES_MAX)
    except (OSError, Refused):
        kept = b""
    if config.set_timing_cache(config.create_timing_cache(kept), False):
        return "reused" if kept else "new"
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return "refused"


def _monitor(say: Say) -> tensorrt.IProgressMonitor:
    """TensorRT's own progress, its outermost phase in steps of a tenth."""
    import tensorrt

    class Monitor(tensorrt.IProgressMonitor):
        def __init__(self) -> None:
            tensorrt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._steps[phase_name] = max(1, num_steps)
                say(f"{phase_name}: begins")

        def step_complete(self, phase_name: str, step: int) -> bool:
            steps = self._steps.get(phase_name)
            if steps is not None and (step * 10) // steps != ((step + 1) * 10) // steps:
                say(f"{phase_name}: {100 * (step + 1) // steps} %")
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()


def _measured(
    plan: bytes, source: Path, inputs: dict[str, tuple[int, ...]], runs: int
) -> tuple[float, float, float, float]:
    """(mean, largest) difference from the CPU's picture of `source`; (p50, p99) ms a call."""
    session = loaded.EngineSession(plan)
    try:
        processor = ort.open_session(source)
        feeds = [random_feed(inputs, seed) for seed in range(COMPARED)]
        apart = [np.abs(mine[name] - theirs[name])
                 for feed in feeds
                 for mine, theirs in [(session.run(feed), processor.run(feed))]
                 for name in theirs]
        p50_ms, p99_ms = time_calls(session, feeds[0], runs)
    finally:
        session.close()
    mean = float(np.mean([each.mean() for each in apart]))
    return mean, max(float(each.max()) for each in apart), p50_ms, p99_ms


def random_feed(inputs: dict[str, tuple[int, ...]], seed: int) -> Arrays:
    """Numbers 0..1 in the inputs' shapes: a noisy picture, a moving mouth."""
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape, np.float32) for name, shape in inputs.items()}


def time_calls(session: ladder.Runner, feed: Arrays, runs: int = RUNS) -> tuple[float, float]:
    """(p50, p99) of `runs` whole calls after a warm-up, milliseconds."""
    for _ in range(min(WARM_UP, runs)):
        session.run(feed)
    took_ms = []
    for _ in range(runs):
        started_s = monotonic_s()
        session.run(feed)
        took_ms.append((monotonic_s() - started_s) * 1e3)
    return float(np.percentile(took_ms, 50)), float(np.percentile(took_ms, 99))


def bench(sources: dict[str, Path], engines: Path, runs: int = RUNS) -> list[dict[str, Any]]:
    """Milliseconds a frame of each file (by precision) on every provider of this machine, one
    thread; a provider that is not here has its reason instead of figures."""
    rows: list[dict[str, Any]] = []
    for precision, source in sources.items():
        inputs = qdq.input_shapes(read_bounded(source, ladder.SOURCE_BYTES_MAX))
        feed = random_feed({n: tuple(max(1, size) for size in s) for n, s in inputs.items()}, 0)
        for rung, opener in ladder.rungs(source, precision, 1, engines).items():
            if (precision, rung) == ("fp16", ladder.CPU):
                continue  # it would run the fp32 file once more
            row: dict[str, Any] = {"precision": precision, "on": rung}
            try:
                session = opener()
                p50_ms, p99_ms = time_calls(session, feed, runs)
                row |= {"p50_ms": round(p50_ms, 3), "p99_ms": round(p99_ms, 3), "runs": runs}
            except (Refused, Broken) as error:
                row["why_not"] = str(error).rstrip(".")
            rows.append(row)
    return rows
