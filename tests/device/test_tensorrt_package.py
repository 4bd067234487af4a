"""Our stubs of NVIDIA's packages (typings/), which mypy believes, against the packages themselves.

Names, members and the names of parameters, as the compiled modules document them. Skipped where
they are not installed: `pip install tensorrt_cu12_bindings cuda-bindings` is enough, no GPU needed.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CHILD = Path(__file__).with_name("tensorrt_child.py")
# Gone in TensorRT 11, where the code asks first (hasattr).
UNTIL_10 = {("BuilderFlag", "FP16")}
# Protocols of Python that a compiled class fulfils without a member of that name.
SILENT = {"__buffer__"}

Members = dict[str, dict[str, list[str]]]


def stub(path: Path) -> Members:
    """Class (dotted; "" is the module) -> member -> names of its parameters."""
    found: Members = {"": {}}

    def walk(body: list[ast.stmt], owner: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                inner = f"{owner}.{node.name}".lstrip(".")
                found[owner][node.name], found[inner] = [], {}
                walk(node.body, inner)
            elif isinstance(node, ast.FunctionDef) and node.name not in SILENT:
                found[owner][node.name] = [
                    a.arg for a in node.args.args if a.arg not in ("self", "arg0")]
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                found[owner][ast.unparse(target)] = []

    walk(ast.parse(path.read_text()).body, "")
    return found


def read_package(name: str, wanted: Members) -> tuple[str, dict[str, dict[str, str | None]]]:
    done = subprocess.run(
        [sys.executable, str(CHILD), name], capture_output=True, text=True, timeout=60, check=True,
        input=json.dumps({owner: list(members) for owner, members in wanted.items()}))
    answer = json.loads(done.stdout)
    if "missing" in answer:
        pytest.skip(f"{name} is not installed here: {answer['missing']}")
    return answer["version"], answer["found"]


@pytest.mark.parametrize("package", ["tensorrt", "cuda.bindings.runtime"])
def test_the_real_package_has_all_that_our_stub_says(package: str) -> None:
    base = ROOT / "typings" / package.replace(".", "/")
    path = base / "__init__.pyi" if base.is_dir() else base.with_suffix(".pyi")
    wanted = stub(path)
    version, found = read_package(package, wanted)
    faults = []
    for owner, members in wanted.items():
        for member, parameters in members.items():
            text = found[owner][member]
            if text is None:
                if (owner, member) not in UNTIL_10 or version.startswith("10."):
                    faults.append(f"{package} {version} has no {owner}.{member}")
                continue
            faults += [f"{package} {version}: {owner}.{member} does not name {name}"
                       for name in parameters if not re.search(rf"\b{name}\b", text)]
    assert not faults, "\n".join(faults)


def test_every_use_of_tensorrt_is_in_the_stub() -> None:
    """`tensorrt.X.Y` in our two importers; what hangs on objects is mypy's part."""
    known = stub(ROOT / "typings" / "tensorrt" / "__init__.pyi")
    for name in ("device/infer/tensorrt.py", "models/compile.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if not isinstance(node, ast.Attribute):
                continue
            parts = ast.unparse(node).split(".")
            if parts[0] == "tensorrt" and all(p.isidentifier() for p in parts):
                assert parts[-1] in known[".".join(parts[1:-1])], f"{name}: {ast.unparse(node)}"
