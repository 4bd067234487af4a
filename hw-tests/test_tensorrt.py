"""The GPU path on a real Jetson: compile, load, compare with the CPU, keep the time, fall back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from device.infer import engine, ladder, ort, tensorrt
from device.paths import repository_root
from device.render.bundle import Bundle, load_bundle
from models.compile import Built, compile_engine, random_feed, time_calls
from ota.clock import utc_now

# Of 0..1. INT8 on the GPU rounds elsewhere than the CPU's UINT8, FP16 has 11 bits.
DIFFERENCE_MAX = {"int8": (0.01, 0.25), "fp16": (0.002, 0.05)}  # mean, largest


@pytest.fixture(scope="module")
def lin() -> Bundle:
    return load_bundle(repository_root() / "models" / "avatars" / "lin", utc_now())


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module", params=["int8", "fp16"])
def built(request: pytest.FixtureRequest, lin: Bundle, engines: Path) -> Built:
    return compile_engine(source(lin, request.param), request.param, engines, print)


def source(lin: Bundle, precision: str) -> Path:
    return lin.renderer_path(ladder.source_precision(precision))


def precision_of(built: Built) -> str:
    return built.manifest.identity.precision


def open_on_box(lin: Bundle, built: Built, engines: Path) -> ladder.BestSession:
    precision = precision_of(built)
    return ladder.open_renderer(source(lin, precision), precision, 1, "auto", engines)


def test_this_board_says_what_it_is() -> None:
    here = tensorrt.machine()
    assert here.l4t and here.compute_capability and here.tensorrt


def test_the_engine_is_what_plays(lin: Bundle, built: Built, engines: Path) -> None:
    session = open_on_box(lin, built, engines)
    assert (session.rung, session.provider) == (ladder.ENGINE, "tensorrt"), session.passed
    assert session.degraded == ()


def test_its_picture_is_the_cpus(lin: Bundle, built: Built, engines: Path) -> None:
    precision = precision_of(built)
    session = open_on_box(lin, built, engines)
    processor = ort.open_session(source(lin, precision))
    mean_max, most_max = DIFFERENCE_MAX[precision]
    rest = lin.track.rest_patch.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    for seed in range(20):
        code = np.random.default_rng(seed).random((1, len(lin.manifest.code.rest)), np.float32)
        feed = {"base": rest, "code": code * np.float32(0.8)}
        feed = {name: value for name, value in feed.items() if name in session.inputs}
        apart = np.abs(session.run(feed)["patch"] - processor.run(feed)["patch"])
        assert apart.mean() <= mean_max and apart.max() <= most_max, f"code {seed}"
    assert session.rung == ladder.ENGINE, session.degraded


def test_it_keeps_the_boards_time(
    lin: Bundle, built: Built, engines: Path, budget: dict[str, Any]
) -> None:
    session = open_on_box(lin, built, engines)
    feed = random_feed(built.manifest.identity.inputs, 0)
    p50_ms, p99_ms = time_calls(session, feed, 1000)
    assert session.rung == ladder.ENGINE
    assert p50_ms <= budget["renderer_gpu_p50_ms_max"]
    assert p99_ms <= budget["renderer_gpu_p99_ms_max"]


def test_memory_is_flat_and_comes_back(lin: Bundle, built: Built, engines: Path) -> None:
    def free_bytes() -> int:
        lines = Path("/proc/meminfo").read_text().splitlines()  # CPU and GPU share it
        return next(int(x.split()[1]) for x in lines if x.startswith("MemAvailable")) << 10

    open_on_box(lin, built, engines)  # CUDA's own context stays from now on
    before = free_bytes()
    for _ in range(20):
        session = open_on_box(lin, built, engines)
        session.run(random_feed(built.manifest.identity.inputs, 0))
        del session
    assert before - free_bytes() < 150 << 20


def test_the_second_compile_uses_the_timing_cache(
    lin: Bundle, built: Built, engines: Path
) -> None:
    again = compile_engine(source(lin, precision_of(built)), precision_of(built), engines, print)
    assert again.timing_cache == "reused"
    assert again.manifest.build_s <= built.manifest.build_s


@pytest.fixture
def touched(built: Built) -> Iterator[Built]:
    path = engine.manifest_path(built.path)
    kept = path.read_bytes()
    yield built
    path.write_bytes(kept)


def test_a_touched_manifest_falls_back_and_says_so(
    lin: Bundle, touched: Built, engines: Path
) -> None:
    identity = msgspec.structs.replace(touched.manifest.identity, l4t="35.1.0")
    other = msgspec.structs.replace(touched.manifest, identity=identity)
    engine.manifest_path(touched.path).write_bytes(msgspec.json.encode(other))
    session = open_on_box(lin, touched, engines)
    assert session.rung != ladder.ENGINE
    assert "L4T release is 35.1.0" in session.degraded[0]
    session.run(random_feed(touched.manifest.identity.inputs, 0))


def test_the_commands_do_the_same(tmp_path: Path) -> None:
    def vitrine(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "models", *arguments, "--out", str(tmp_path), "--json"],
            cwd=repository_root(), capture_output=True, text=True, timeout=1800, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    assert vitrine("compile", "--precision", "int8")["engines"][0]["frame_ms"] > 0
    rows = vitrine("bench")["rows"]
    assert any(row["on"] == "engine" and "p50_ms" in row for row in rows)
