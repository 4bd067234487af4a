"""What a release costs on the line: real wheels of two ages, this checkout's own code, a tuned
network; between folders, by the very plan and ways of a box."""

from __future__ import annotations

import builtins
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import zstandard
from onnx import numpy_helper

from cli.benches.figure import Figure
from device.paths import assets_dir, avatars_dir, repository_root
from fleet.patches import Packed, make_patch
from fleet.releases import add_ways
from ota import zstd
from ota.box.bring import Origin, Running, prepare
from ota.box.install import Source, find_offer
from ota.box.stick import SCHEME, StickFetcher
from ota.box.store import Store
from ota.clock import process_cpu_s
from ota.errors import Refused, Retry
from ota.fetch import Progress
from ota.floor import FloorClock
from ota.formats.manifest import Manifest
from ota.publish.release import Release, build, publish
from ota.publish.repository import ROLES, Repository
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey

# What a runtime is made of: most of it stays from release to release.
STAYS = ("onnxruntime==1.31.1", "zstandard==0.25.0", "starlette==1.10.0", "anyio==4.16.0",
         "idna==3.20", "flatbuffers==25.12.19", "packaging==26.4", "protobuf==7.36.2")
NEW = ("cryptography==50.0.2", "websockets==17.4", "msgspec==0.22.0", "urllib3==2.8.0",
       "numpy==2.4.6", "pillow==13.0.0")
# One release ago two packages were older, five releases ago six.
ONE_AGO = ("cryptography==50.0.1", "websockets==17.3", *NEW[2:])
FIVE_AGO = ("cryptography==49.0.0", "websockets==17.1", "msgspec==0.21.1", "urllib3==2.6.3",
            "numpy==2.4.5", "pillow==12.3.0")
OWN = ("cli", "device", "fleet", "ota", "provisioning")
FILES_ONE_AGO, FILES_FIVE_AGO = 14, 60
STORE_BYTES_MAX = 4 << 30
TUNED_BY = 2e-4


class Counting(StickFetcher):
    """Counts what travels."""

    wire_bytes = 0

    def bytes(self, url: str, bytes_max: int) -> builtins.bytes:
        found = super().bytes(url, bytes_max)
        self.wire_bytes += len(found)
        return found

    def file(
        self, url: str, destination: Path, length_bytes: int, sha256: str,
        progress: Progress | None = None,
    ) -> None:
        super().file(url, destination, length_bytes, sha256, progress)
        self.wire_bytes += length_bytes

    def span(self, url: str, start: int, length_bytes: int) -> Iterator[builtins.bytes]:
        self.wire_bytes += length_bytes
        return super().span(url, start, length_bytes)


def releases(work: Path) -> list[Figure]:
    """A patch release and one after five, against the same release in full; CPU of both ends."""
    try:
        ages = [(name, _wheels(work / name, wheels), files) for name, wheels, files in (
            ("1.0", (*STAYS, *FIVE_AGO), FILES_FIVE_AGO),
            ("1.4", (*STAYS, *ONE_AGO), FILES_ONE_AGO), ("1.5", (*STAYS, *NEW), 0))]
    except Retry as error:
        print(f"vitrine: no deltas of releases were measured: {error}", file=sys.stderr)
        return []
    keys = {role: [SigningKey.generate()] for role in ROLES}
    repository = Repository.create(work / "tuf", keys)
    made: dict[str, Release] = {}
    begun_s = process_cpu_s()
    for version, wheels, files in ages:
        tree = _tree(work / f"tree-{version}", files)
        made[version] = build(tree, version, work / f"{version}.tar", OWN, wheels=wheels)
        begun_s = process_cpu_s()
        publish(repository, made[version], shorten=add_ways)
    publish_s = process_cpu_s() - begun_s
    packs, _ = _bring(work, repository, None)
    one, one_s = _bring(work, repository, made["1.4"])
    five, _ = _bring(work, repository, made["1.0"])
    older, five_s = _bring(work, repository, made["1.0"], ("chunks",))
    whole = len(_packed_whole(made["1.5"].artefact))
    # The harder of two measures: what a new box fetches, and the best that packing can do.
    full = min(packs, whole)
    told = (f"full {whole / 1e6:.1f} MB as one frame, {packs / 1e6:.1f} MB in chunks, of "
            f"{made['1.5'].manifest.artefact.bytes / 1e6:.0f} MB and "
            f"{len(made['1.5'].manifest.files)} files")
    return [
        Figure("patch release on the wire, against full", 100 * one / full, "%", 15.0,
               note=f"{one / 1e6:.2f} MB; {told}"),
        Figure("release from five back, against full", 100 * five / full, "%", 35.0,
               note=f"{five / 1e6:.2f} MB"),
        Figure("the same by chunks alone, against full", 100 * older / full, "%",
               note=f"{older / 1e6:.2f} MB; any older release, or too little memory"),
        Figure("two patches made and chunks cut, publisher's CPU", publish_s, "s"),
        Figure("patch applied, box's CPU", one_s, "s"),
        Figure("chunks assembled, box's CPU", five_s, "s"),
    ]


def networks(work: Path) -> list[Figure]:
    """The shipped int8 renderer with its weights tuned: those in int8, against themselves alone,
    and all of them, a half-precision matrix among them, against the whole file."""
    old = avatars_dir() / "lin" / "renderer.int8.onnx"
    found = []
    for name, floats, limit in (("int8 weights", False, 20.0), ("whole network", True, None)):
        tuned, share = tune(old, floats)
        told = tuned if floats else _int8_of(tuned)
        full = len(zstd.packed(told))
        patch = _network_patch(work / name.replace(" ", "-"), old.read_bytes(), tuned)
        blind = len(zstd.patched(tuned, old.read_bytes()))
        found.append(Figure(
            f"re-tuned {name} on the wire, against full", 100 * patch / full, "%", limit,
            note=f"{share:.0%} of int8 moved; {patch / 1e3:.0f} of {full / 1e3:.0f} kB; "
                 f"without differences {100 * blind / full:.0f} %"))
    return found


def _int8_of(model: bytes) -> bytes:
    """The int8 weights of a model, one after another."""
    return b"".join(tensor.raw_data for tensor in onnx.load_from_string(model).graph.initializer
                    if tensor.data_type == onnx.TensorProto.INT8)


def tune(path: Path, floats: bool) -> tuple[bytes, float]:
    """The model after a fine-tuning: each weight moved by a Gaussian of TUNED_BY (one of int8 is
    rounded on its scale); with `floats` the half-precision matrices and biases too. Also the
    share of int8 weights that moved."""
    model = onnx.load(path)
    draw = np.random.default_rng(11)
    named = {tensor.name: tensor for tensor in model.graph.initializer}
    moved = count = 0
    for tensor in model.graph.initializer:
        scale = named.get(tensor.name.replace("_quantized", "_scale"))
        values = numpy_helper.to_array(tensor)
        if tensor.data_type == onnx.TensorProto.INT8 and scale is not None:
            steps = numpy_helper.to_array(scale).astype(np.float64)
            steps = steps.reshape(-1, *[1] * (values.ndim - 1)) if steps.size > 1 else steps
            # Where a quantised weight lies within its step is not known any more.
            exact = values + draw.uniform(-0.5, 0.5, values.shape)
            new = np.rint(exact + draw.normal(0, TUNED_BY, values.shape) / np.maximum(steps, 1e-9))
            new = np.clip(new, -127, 127).astype(np.int8)
            moved, count = moved + int((new != values).sum()), count + values.size
        elif floats and tensor.name.endswith(("weight_half", "bias")):
            new = (values + draw.normal(0, TUNED_BY, values.shape)).astype(values.dtype)
        else:
            continue
        tensor.raw_data = new.tobytes()
    return model.SerializeToString(), moved / max(1, count)


def _network_patch(work: Path, old: bytes, new: bytes) -> int:
    """Bytes of the patch between two releases that hold nothing else."""
    made = []
    for version, body in (("1.0", old), ("1.1", new)):
        path = work / version / "models" / "avatars" / "lin" / "renderer.int8.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(body)
        release = build(work / version, version, work / f"{version}.tar", ("models",))
        made.append(Packed(release.manifest, release.artefact))
    return len(make_patch(*made)[0])


def _bring(
    work: Path, repository: Repository, old: Release | None,
    names: tuple[str, ...] = ("patch", "chunks", "whole"),
) -> tuple[int, float]:
    """Bytes that travel to a box on release `old` (None: on no release) by ways of these `names`,
    and its CPU seconds."""
    box = work / f"box-{old.manifest.version if old else 'new'}-{len(names)}"
    running = None
    if old is not None:
        with tarfile.open(old.artefact) as archive:
            archive.extractall(box / "slot", filter="data")
        (box / "release.json").write_bytes(old.manifest_bytes)
        running = Running(old.manifest, box / "slot")
    fetcher = Counting(repository.directory)
    trust = TrustClient(box / "trust", f"{SCHEME}/metadata", fetcher, FloorClock(box / "clock"))
    trust.bootstrap(repository.root_bytes())
    source = Source(trust, fetcher, f"{SCHEME}/targets")
    manifest: Manifest = find_offer(source).manifest
    store = Store(box / "store", STORE_BYTES_MAX)
    begun_s = process_cpu_s()
    way = prepare(Origin(trust, fetcher, f"{SCHEME}/targets"), store, manifest, running)
    replace(way, ways=tuple(each for each in way.ways if each.name in names)).go()
    spent_s = process_cpu_s() - begun_s
    shutil.rmtree(box / "store")
    return fetcher.wire_bytes, spent_s


def _packed_whole(artefact: Path) -> bytes:
    """As `zstd -12 --long` would pack it for a download in one piece."""
    settings = zstandard.ZstdCompressionParameters.from_level(12, enable_ldm=True, window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=settings)
    return compressor.compress(artefact.read_bytes())


def _tree(tree: Path, changed: int) -> Path:
    """This checkout's code; in `changed` files, spread evenly, every twentieth line is another."""
    for folder in (*OWN, "models"):
        shutil.copytree(repository_root() / folder, tree / folder,
                        ignore=shutil.ignore_patterns("__pycache__", "avatars", "*.bin", "*.onnx"))
    files = sorted(tree.rglob("*.py"))
    for path in files[:: max(1, len(files) // changed)][:changed] if changed else ():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        lines[::20] = [f"# as it was {changed}: {line}" for line in lines[::20]]
        path.write_text("".join(lines), encoding="utf-8")
    return tree


def _wheels(folder: Path, pinned: tuple[str, ...]) -> Path:
    """The wheels of this age, from the package index once. Raises Retry: not to be had."""
    kept = assets_dir() / "bench" / "wheels"
    kept.mkdir(parents=True, exist_ok=True)
    missing = [line for line in pinned if not _found(kept, line)]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
               "--disable-pip-version-check", "-d", str(kept), *missing]
    if missing and subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        raise Retry(f"the package index has not {', '.join(missing)} for this Python")
    folder.mkdir(parents=True)
    for line in pinned:
        path = _found(kept, line)
        if path is None:
            raise Refused(f"{line} was fetched and is not in {kept}; remove that folder.")
        shutil.copyfile(path, folder / path.name)
    return folder


def _found(kept: Path, line: str) -> Path | None:
    name, _, version = line.partition("==")
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    return next((path for path in sorted(kept.glob(f"{name}-{version}-*.whl"))
                 if python in path.name or "py3-none" in path.name or "abi3" in path.name), None)
