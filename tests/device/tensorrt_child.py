"""Child of test_tensorrt_package.py: prints what the installed NVIDIA packages really have (JSON).

The bindings' wheel alone is enough, without GPU and without NVIDIA's libraries: the nine functions
that its module wants from them are put there empty, so it loads and can be read, not run.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry", "getNvOnnxParserVersion", "getPluginRegistry",
    "initLibNvInferPlugins")
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")


def tensorrt() -> Any:
    """The package, or the bindings alone on empty libraries. Raises ImportError."""
    for name in ("tensorrt", "tensorrt_bindings"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    for major in (10, 11):
        with_empty_libraries(major)
    return importlib.import_module("tensorrt_bindings")


def with_empty_libraries(major: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "empty.c"
        source.write_text("".join(f"void *{each}(void) {{ return 0; }}\n" for each in FUNCTIONS))
        for library in LIBRARIES:
            made = Path(name) / f"lib{library}.so.{major}"
            try:
                subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{made.name}", "-o",
                                str(made), str(source)], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise ImportError(f"no C compiler for the empty libraries ({error})") from error
            ctypes.CDLL(str(made), ctypes.RTLD_GLOBAL)


def described(module: Any, wanted: dict[str, list[str]]) -> dict[str, dict[str, str | None]]:
    """For each class ("" is the module) the documentation of each member, None where absent."""
    found: dict[str, dict[str, str | None]] = {}
    for owner, members in wanted.items():
        value = module
        for part in filter(None, owner.split(".")):
            value = getattr(value, part, None)
        found[owner] = {
            name: str(getattr(value, name).__doc__) if hasattr(value, name) else None
            for name in members}
    return found


def main() -> None:
    wanted = json.loads(sys.stdin.read())
    name = sys.argv[1]
    try:
        module = tensorrt() if name == "tensorrt" else importlib.import_module(name)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
        return
    print(json.dumps({"version": str(getattr(module, "__version__", "")),
                      "found": described(module, wanted)}))


if __name__ == "__main__":
    main()
