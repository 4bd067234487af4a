"""Stories of compiling on a (simulated) box: what TensorRT is told, what is kept or refused."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from device.infer import engine, qdq
from device.paths import repository_root
from models.compile import WORKSPACE_BYTES, Built, bench, compile_engine
from ota.errors import Broken, Refused
from tests.sim.tensorrt_sim import SimGpu
from tests.sim.tiny_renderer import tiny_renderer


class Workshop:
    """A box, and the two files of a bundle."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, **gpu: Any) -> None:
        self.patch = patch
        self.gpu = SimGpu(**gpu).install(patch)
        self.out = folder / "engines"
        self.files = {"int8": folder / "int8.onnx", "fp16": folder / "fp32.onnx"}
        self.files["int8"].write_bytes(tiny_renderer(True))
        self.files["fp16"].write_bytes(tiny_renderer(False))
        self.said: list[str] = []

    def compile(self, precision: str = "int8") -> Built:
        return compile_engine(
            self.files[precision], precision, self.out, self.said.append, runs=3)

    def kept(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in self.out.glob("*")} if self.out.exists() else {}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(tmp_path, monkeypatch)


def test_int8_is_strongly_typed_and_symmetric(workshop: Workshop) -> None:
    built = workshop.compile()
    calls = workshop.gpu.calls
    assert ("create_network", 1 << 1) in calls
    assert ("set_memory_pool_limit", "WORKSPACE", WORKSPACE_BYTES) in calls
    assert not [call for call in calls if call[0] == "set_flag"]
    assert calls[-1] == ("build",)
    wanted = built.manifest.identity
    assert wanted.flags == ("STRONGLY_TYPED", qdq.REVISION)
    assert (wanted.tensorrt, wanted.compute_capability) == ("10.3.0", "8.7")
    assert wanted.inputs == {"base": (1, 3, 8, 8), "code": (1, 4)}
    assert built.manifest.frame_ms > 0 and built.manifest.against_cpu_mean < 0.01
    assert built.path == engine.engine_path(workshop.out, wanted.source_sha256, "int8")
    assert engine.read_manifest(engine.manifest_path(built.path)) == built.manifest
    assert workshop.gpu.held == {}
    assert "Building Engine: 50 %" in workshop.said


def test_fp16_is_made_of_the_fp32_file_and_leaves_types_to_tensorrt(workshop: Workshop) -> None:
    built = workshop.compile("fp16")
    assert ("create_network", 0) in workshop.gpu.calls
    assert ("set_flag", "FP16") in workshop.gpu.calls
    assert built.manifest.identity.flags[0] == "FP16"


def test_the_second_build_reuses_the_timing_cache(workshop: Workshop) -> None:
    assert workshop.compile().timing_cache == "new"
    assert workshop.compile().timing_cache == "reused"
    assert workshop.compile("fp16").timing_cache == "reused"
    cache = next(workshop.out.glob("timing-*.cache"))
    assert cache.name == "timing-10.3.0-8.7.cache"
    cache.write_bytes(b"of something else")
    assert workshop.compile().timing_cache == "refused"
    assert workshop.compile().timing_cache == "reused"


def test_the_cpus_own_file_would_be_refused_by_the_parser(workshop: Workshop) -> None:
    workshop.patch.setattr(qdq, "symmetric", lambda model: model)
    with pytest.raises(Refused, match=r"cannot read the network \(.*: .*shiftIsAllZeros"):
        workshop.compile()
    assert workshop.kept() == {}


@pytest.mark.parametrize(("fault", "word", "error"), [
    ("fails_to_build", "Could not find any implementation", Broken),
    ("rejects", "serialization assertion", Refused),
    ("fails_to_run", "enqueueV3", Broken),
    ("draws_nonsense", "another picture", Broken),
    ("draws_nan", "another picture", Broken),
    ("out_of_memory", "Allocation", Broken)])
def test_a_failed_build_keeps_the_engine_that_was_there(
    workshop: Workshop, fault: str, word: str, error: type[Exception]
) -> None:
    workshop.compile()
    before = workshop.kept()
    setattr(workshop.gpu, fault, True)
    with pytest.raises(error, match=word):
        workshop.compile()
    assert workshop.kept() == before
    assert workshop.gpu.held == {}


@pytest.mark.parametrize("missing", ["installed", "has_gpu"])
def test_without_tensorrt_or_gpu_it_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    workshop = Workshop(tmp_path, monkeypatch, **{missing: False})
    with pytest.raises(Refused, match="run this on the box"):
        workshop.compile()
    assert workshop.kept() == {}


def test_tensorrt_11_has_no_fp16_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = Workshop(tmp_path, monkeypatch, tensorrt="11.4.0")
    with pytest.raises(Refused, match="build int8 instead"):
        workshop.compile("fp16")
    workshop.compile("int8")


def test_bench_times_what_is_here_and_says_why_not_of_the_rest(workshop: Workshop) -> None:
    workshop.compile()
    rows = bench({"int8": workshop.files["int8"], "fp16": workshop.files["fp16"]},
                 workshop.out, runs=2)
    found = {(row["precision"], row["on"]): row for row in rows}
    assert found["int8", "engine"]["p50_ms"] > 0 and found["int8", "cpu"]["p99_ms"] > 0
    assert found["fp16", "engine"]["why_not"] == "none was built for this network"
    assert ("fp16", "cpu") not in found
    assert "built without" in found["int8", "onnx-cuda"]["why_not"]


def vitrine(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True,
                          cwd=repository_root(), timeout=120, check=False)


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="this machine has TensorRT")
def test_on_a_pc_the_command_is_one_sentence_and_exit_1(tmp_path: Path) -> None:
    done = vitrine("models", "compile", "--out", str(tmp_path / "engines"), "--json")
    assert done.returncode == 1
    assert "run this on the box" in done.stderr and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["ok"] is False
    assert not (tmp_path / "engines").exists()
    wrong = vitrine("models", "compile", "--precision", "int4")
    assert wrong.returncode == 2
    no_bundle = vitrine("models", "bench", "--avatar", str(tmp_path))
    assert no_bundle.returncode == 1 and "no avatar" in no_bundle.stderr


def test_bench_of_the_shipped_avatar() -> None:
    done = vitrine("models", "bench", "--runs", "2", "--json")
    assert done.returncode == 0, done.stderr
    rows = {(row["precision"], row["on"]): row for row in json.loads(done.stdout)["rows"]}
    assert rows["int8", "cpu"]["p50_ms"] > 0 and rows["fp32", "cpu"]["p50_ms"] > 0
