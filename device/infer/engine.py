"""What a TensorRT engine was built from and for; it is loaded only where all of that is the same.

An engine is machine code for one GPU, one TensorRT and one network. TensorRT itself checks little
of it, and a wrong engine may crash the process or draw nonsense: so the rule is equality.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from device.infer import qdq
from ota.errors import Refused
from ota.files import read_bounded

SCHEMA = 1
MANIFEST_BYTES_MAX = 64 << 10
ENGINE_BYTES_MAX = 256 << 20
KEY_CHARACTERS = 16
# fp32 is not built: a GPU that has FP16 gains nothing from it.
PRECISIONS = ("int8", "fp16")
_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")


class Machine(msgspec.Struct, frozen=True):
    """What of a machine is compiled into an engine. `l4t` is empty where there is no L4T."""

    tensorrt: str
    compute_capability: str
    l4t: str = ""


class Identity(msgspec.Struct, frozen=True):
    """All that must be equal before an engine is loaded."""

    source_sha256: str
    tensorrt: str
    compute_capability: str
    l4t: str
    inputs: dict[str, tuple[int, ...]]
    precision: str
    flags: tuple[str, ...]


class EngineManifest(msgspec.Struct, frozen=True):
    """The file beside an engine: its identity, its own hash, and what was measured after it was
    built. Milliseconds are whole calls: copy in, compute, copy out."""

    schema: int
    identity: Identity
    engine_sha256: str
    frame_ms: float
    frame_p99_ms: float
    against_cpu_mean: float
    against_cpu_max: float
    build_s: float


TEXT = {
    "source_sha256": "network", "tensorrt": "TensorRT", "compute_capability":
    "compute capability", "l4t": "L4T release", "inputs": "input shapes", "precision": "precision",
    "flags": "builder flags",
}  # fmt: skip


def identity(
    machine: Machine, source_sha256: str, inputs: dict[str, tuple[int, ...]], precision: str
) -> Identity:
    """The engine that this machine wants for this network."""
    return Identity(source_sha256, machine.tensorrt, machine.compute_capability, machine.l4t,
                    inputs, precision, builder_flags(precision))


def builder_flags(precision: str) -> tuple[str, ...]:
    """How an engine is built, by TensorRT's own names, and the revision of our graph rewrite.

    INT8 is strongly typed: each layer is exactly what the quantised graph says, so the picture is
    the one that was measured on the CPU. FP16 leaves the choice per layer to TensorRT.
    """
    if precision == "int8":
        return ("STRONGLY_TYPED", qdq.REVISION)
    if precision == "fp16":
        return ("FP16", qdq.REVISION)
    raise Refused(f"There is no engine of precision {precision}; use {' or '.join(PRECISIONS)}.")


def mismatch(found: Identity, wanted: Identity) -> str | None:
    """Why an engine must not be loaded, by its first differing field; None when all are equal."""
    for name, text in TEXT.items():
        has, needs = getattr(found, name), getattr(wanted, name)
        if has != needs:
            return f"its {text} is {_short(has)}, needed is {_short(needs)}"
    return None


def engine_path(folder: Path, source_sha256: str, precision: str) -> Path:
    """Where the engine of a network lies; one folder holds those of several avatars."""
    return folder / f"{source_sha256[:KEY_CHARACTERS]}.{precision}.engine"


def manifest_path(engine: Path) -> Path:
    """The manifest beside an engine."""
    return engine.with_suffix(".json")


def read_manifest(path: Path) -> EngineManifest:
    """Read and validate. Raises Refused with a short reason."""
    try:
        raw = read_bounded(path, MANIFEST_BYTES_MAX)
        schema = msgspec.json.decode(raw).get("schema")
        if schema != SCHEMA:
            raise Refused(f"its manifest has schema {schema!r}, not {SCHEMA}")
        return msgspec.json.decode(raw, type=EngineManifest)
    except (OSError, msgspec.DecodeError, AttributeError, UnicodeDecodeError) as error:
        raise Refused("its manifest is missing or damaged") from error


def l4t_release(text: str) -> str:
    """`36.4.3` from the text of /etc/nv_tegra_release; empty when it says no release."""
    found = _RELEASE.search(text)
    return f"{found.group(1)}.{found.group(2)}" if found else ""


def _short(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{n} {'x'.join(map(str, s))}" for n, s in sorted(value.items())) or "none"
    if isinstance(value, tuple):
        return "+".join(map(str, value)) or "none"
    return str(value)[:KEY_CHARACTERS] or "none"
