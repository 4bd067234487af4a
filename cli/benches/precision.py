"""The graphs of a bench as files: made once, quantised, kept in the assets folder.

INT8 is made as for an avatar (`models.net.quantize`: static QDQ, weights per channel, activations
by MinMax), calibrated on random inputs. Nothing half-written is ever found: a graph is made
in a folder beside and renamed. The folder's name is a hash of what makes graphs; others go.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cli.benches import graphs, own, peers
from cli.benches.peers import Size
from models.net import doubling, networks
from models.net import quantize as quantiser
from models.net.quantize import quantize_graph

FP32, INT8 = "fp32", "int8"
CALIBRATION = 8
KEEP_HEX = 16

Make = Callable[[Path], Size]
Progress = Callable[[str], None]
Kept = Callable[[list[str]], list[str]]


def nothing(names: list[str]) -> list[str]:
    """Of a peer no layer stays in FP32."""
    return []


@dataclass(frozen=True)
class Pair:
    """One network at both precisions."""

    fp32: Path
    int8: Path


class GraphStore:
    """GraphStore(assets / "bench"): gives graphs, making those that are not there yet."""

    def __init__(self, root: Path, progress: Progress) -> None:
        """`progress` gets a sentence before each graph that has to be made."""
        self.folder = root / recipe_hash()
        self._progress = progress

    def pair(self, name: str, make: Make, kept: Kept = nothing) -> Pair:
        """The FP32 and INT8 files of `name`; `make` writes the FP32 one, `kept` chooses the
        layers that stay FP32 in the other."""
        home = self.folder / name
        if not home.is_dir():
            self._progress(f"making the graph of {name} (once) ...")
            self.folder.mkdir(parents=True, exist_ok=True)
            self._forget_others()
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".") as beside:
                part = Path(beside) / name
                part.mkdir()
                make(part / f"{FP32}.onnx")
                quantise(part / f"{FP32}.onnx", part / f"{INT8}.onnx", kept)
                # Another process may have been first; its graph is the same.
                if not home.is_dir():
                    part.rename(home)
        return Pair(home / f"{FP32}.onnx", home / f"{INT8}.onnx")

    def _forget_others(self) -> None:
        for other in self.folder.parent.iterdir():
            if other.is_dir() and other != self.folder and len(other.name) == KEEP_HEX:
                shutil.rmtree(other, ignore_errors=True)


def recipe_hash() -> str:
    """Names everything that decides what a graph is: our sources and the libraries' versions."""
    found = hashlib.sha256()
    for module in (graphs, peers, own, networks, quantiser, doubling):
        found.update(inspect.getsource(module).encode())
    for library in ("onnx", "onnxruntime", "numpy"):
        found.update(f"{library} {version(library)}\n".encode())
    return found.hexdigest()[:KEEP_HEX]


def quantise(fp32: Path, int8: Path, kept: Kept) -> None:
    """Write `int8` from `fp32`, calibrated on random inputs."""
    rng = np.random.default_rng(1)
    shapes = graphs.input_shapes(fp32)
    # It advises to optimise first, which is done, and names constants it could do without.
    logging.getLogger().setLevel(logging.ERROR)
    quantize_graph(fp32, int8, [
        {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
        for _ in range(CALIBRATION)], kept)
