"""A release by the cheapest way: patches, chunks, tensors, and what happens when one is no good."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.patches import Packed, make_patch
from fleet.releases import add_ways
from fleet.tensors import spans, tensors
from ota import zstd
from ota.box.confirm import Verdict
from ota.box.install import Source, find_offer, install, recover
from ota.box.plan import Here, plan
from ota.errors import Refused, Retry
from ota.formats import patch as patches
from ota.formats.layout import SlotTar
from ota.formats.manifest import Artefact
from ota.formats.patch import COPY, Goal, Group, Head, Range, Step
from ota.formats.shortcuts import Chunked, Patch, Ways, read_ways, ways_of
from ota.formats.tensor import SPANS_MAX, Span, difference, tuned
from ota.publish.release import Release, build, publish
from tests.ota.conftest import Fleet
from tests.ota.cutter import CUT, DONE, run_cut
from tests.ota.origin import Origin
from tests.ota.rig import Kiosk, source_tree

MODEL = Path(__file__).parents[2] / "models/avatars/chen/renderer.int8.onnx"
NOISE = random.Random(7).randbytes(600_000)
BIG = "models/voices/big.bin"
# A release of these moves: 0.6 MB of noise, some code, a package whose folder names its version.
BODIES: dict[str, bytes] = {
    BIG: NOISE, **{f"device/part{n}.py": b"# line %d\n" % n * 300 for n in range(20)},
}


def bodies(step: int) -> dict[str, bytes]:
    """The files of release 1.<step>: each release changes a bit more."""
    changed = dict(BODIES)
    middle = b"".join(b"release %d" % n for n in range(1, step + 1))
    changed[BIG] = NOISE[:250_000] + middle + NOISE[250_000:]
    for number in range(step):
        name = f"device/part{number}.py"
        changed[name] = b"# new %d\n" % step + BODIES[name]
    changed[f"fleet/tea-1.{step}.dist-info/RECORD"] = b"tea/x,sha256=%d\n" % step * 40
    return changed


def packed(work: Path, version: str, files: dict[str, bytes]) -> Release:
    tree = source_tree(work / f"tree-{version}", version)
    for name, body in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return build(tree, version, work / f"{version}.tar")


def send(fleet: Fleet, work: Path, step: int) -> Release:
    release = packed(work, f"1.{step}", bodies(step))
    publish(fleet.repository, release, shorten=add_ways)
    return release


@pytest.fixture
def box(fleet: Fleet, tmp_path: Path) -> Kiosk:
    send(fleet, tmp_path / "work", 0)
    box = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    assert update(box) is Verdict.CONFIRM
    fleet.origin.requests.clear()
    fleet.origin.sent_bytes = 0
    return box


def update(box: Kiosk, source: Source | None = None) -> Verdict:
    source = source or box.source()
    return install(box.parts(), source, find_offer(source))


def content(origin: Origin) -> list[tuple[str, str | None]]:
    return [(path, span) for path, span in origin.requests if "content" in path]


def test_the_next_release_comes_as_a_patch(box: Kiosk, fleet: Fleet, tmp_path: Path) -> None:
    release = send(fleet, tmp_path / "work", 1)
    source = replace(box.source(), running=box.slots.current / "release.json")
    assert update(box, source) is Verdict.CONFIRM
    names = [path.rpartition("/")[2] for path, _ in fleet.origin.requests]
    assert not any(name.endswith(".1.1.json") for name in names), "the manifest came whole"
    asked = content(fleet.origin)[-1:]
    patch = fleet.directory / asked[0][0].lstrip("/")
    assert patch.read_bytes()[:4] == b"VPT1"
    assert patch.stat().st_size < release.manifest.artefact.bytes * 0.005
    active = str(box.slots.active())
    assert box.slots.verified(active) and box.slots.version(active) == "1.1"
    begun = [line for line in box.parts().history.entries() if line.what == "install"][-1]
    assert begun.detail["way"] == "patch"
    assert begun.detail["bytes"] == str(patch.stat().st_size)
    assert box.parts().artefacts.used_bytes() == 0


def test_many_releases_later_it_comes_as_chunks(box: Kiosk, fleet: Fleet, tmp_path: Path) -> None:
    for step in range(1, 6):
        publish(fleet.repository, packed(tmp_path / "work", f"1.{step}", bodies(step)))
    send(fleet, tmp_path / "work", 6)
    assert update(box) is Verdict.CONFIRM
    assert box.slots.version(str(box.slots.active())) == "1.6"
    spans_asked = [span for _, span in content(fleet.origin) if span]
    assert spans_asked
    assert fleet.origin.sent_bytes < 0.35 * sum(map(len, bodies(6).values()))


def signed_ways(fleet: Fleet, version: str) -> Ways:
    name = ways_of(f"releases/{version}.json")
    entry = fleet.repository.listed("releases")[name]
    leaf = name.rpartition("/")[2]
    return read_ways((fleet.directory / f"targets/releases/{entry['sha256']}.{leaf}").read_bytes())


def spoil(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))


def test_when_one_way_is_no_good_the_next_is_gone(
    box: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    """Tampered on the server one after the other; the whole file is the last that is left."""
    send(fleet, tmp_path / "work", 1)
    ways = signed_ways(fleet, "1.1")
    spoil(fleet.repository.content_path(ways.patches[0].sha256))
    assert update(box) is Verdict.CONFIRM and content(fleet.origin)[-1][1] is not None
    release = send(fleet, tmp_path / "work", 2)
    ways = signed_ways(fleet, "1.2")
    for patch in ways.patches:
        fleet.repository.content_path(patch.sha256).unlink()
    spoil(fleet.repository.content_path(ways.chunked.list))
    assert update(box) is Verdict.CONFIRM
    whole = f"/targets/content/{release.manifest.artefact.sha256}"
    assert content(fleet.origin)[-1] == (whole, None)
    assert box.slots.version(str(box.slots.active())) == "1.2"


def test_a_running_release_that_rotted_is_no_base(
    box: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    send(fleet, tmp_path / "work", 1)
    active = str(box.slots.active())
    spoil(box.slots.folder(active) / BIG)
    assert update(box) is Verdict.CONFIRM
    # The patch came in vain; of the chunks only the rotten ones travelled.
    assert fleet.origin.sent_bytes < 450_000
    assert box.slots.verified(str(box.slots.active()))


def test_a_cut_line_goes_on_where_it_was(box: Kiosk, fleet: Fleet, tmp_path: Path) -> None:
    files = {**bodies(1), "models/voices/new.bin": NOISE[::-1]}
    publish(fleet.repository, packed(tmp_path / "work", "1.1", files), shorten=add_ways)
    source = box.source()
    offer = find_offer(source)
    fleet.origin.cut_after_bytes = 250_000
    fleet.origin.sent_bytes = 0
    # One try for each connection: the line breaks, the box is switched off and on again.
    lines = 0
    while True:
        lines += 1
        try:
            assert install(box.parts(), source, offer) is Verdict.CONFIRM
            break
        except Retry:
            assert recover(box.parts()).refused == () and lines < 4
    wire = signed_ways(fleet, "1.1").patches[0].bytes
    assert fleet.origin.sent_bytes < wire + 20_000, "what came was fetched again"


def test_power_cuts_while_a_patch_is_applied(tmp_path: Path) -> None:
    """At each storage call of bringing the artefact, whole or torn; the same bytes come out."""
    old, new = (packed(tmp_path / "cuts", f"1.{step}", bodies(step)) for step in (0, 1))
    slot = tmp_path / "cuts" / "tree-1.0"
    (slot / "sbom.cdx.json").write_bytes(old.sbom)
    data, _ = make_patch(Packed(old.manifest, old.artefact), Packed(new.manifest, new.artefact))
    (tmp_path / "p").write_bytes(data)
    goal = Goal(new.manifest.artefact.sha256, new.manifest.artefact.bytes)
    out = tmp_path / "out" / "artefact"

    def flow() -> None:
        tar = SlotTar(slot, old.manifest.files)
        patches.apply(tmp_path / "p", tar, old.manifest.artefact.sha256, goal, out)

    for torn in (False, True):
        at = 0
        while run_cut(flow, at, torn) == CUT:
            assert not out.exists() or hashlib.sha256(out.read_bytes()).hexdigest() == goal.sha256
            at += 1
        assert at > 3 and run_cut(flow, 10_000) == DONE
        assert hashlib.sha256(out.read_bytes()).hexdigest() == goal.sha256
        out.unlink()


# ---- tensors -----------------------------------------------------------------------------------


def tuned_model(data: bytes, share: float) -> bytes:
    """A model of which some of the small numbers moved by one step."""
    draw = np.random.default_rng(5)
    new = np.frombuffer(data, np.uint8).copy()
    for tensor in tensors(data):
        if tensor.width == 1:
            odds = [1 - share, share / 2, share / 2]
            moved = draw.choice([0, 1, 255], tensor.length_bytes, p=odds)
            new[tensor.offset : tensor.offset + tensor.length_bytes] += moved.astype(np.uint8)
    return new.tobytes()


def test_a_tuned_network_travels_as_differences(tmp_path: Path) -> None:
    """A real int8 renderer; every byte of it comes out as the publisher has it."""
    data = MODEL.read_bytes()
    new = tuned_model(data, 0.2)
    same = spans(data, new)
    assert sum(span.length_bytes for span in same) > 0.9 * len(data)
    rest, moved = difference(new, data, same)
    assert tuned(data, len(new), same, rest, moved) == new
    assert len(rest) + len(moved) < 0.5 * len(zstd.packed(new, data))
    name = "models/avatars/mei/renderer.int8.onnx"
    old_release = packed(tmp_path, "1.0", {name: data})
    new_release = packed(tmp_path, "1.1", {name: new})
    made, _ = make_patch(Packed(old_release.manifest, old_release.artefact),
                         Packed(new_release.manifest, new_release.artefact))
    assert len(made) < len(rest) + len(moved) + 3000
    assert applied(tmp_path, made, old_release, new_release) == new_release.artefact.read_bytes()


def applied(work: Path, made: bytes, old: Release, new: Release) -> bytes:
    path, out = work / "patch", work / "out"
    path.write_bytes(made)
    goal = Goal(new.manifest.artefact.sha256, new.manifest.artefact.bytes)
    patches.apply(path, Packed(old.manifest, old.artefact), old.manifest.artefact.sha256, goal, out)
    return out.read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), st.integers(1, 400), st.integers(0, 40), st.randoms())
def test_any_numbers_of_any_width_come_back(
    power: int, count: int, gap: int, draw: random.Random
) -> None:
    width = 2**power
    old, new = (draw.randbytes(gap + count * width * 2) for _ in range(2))
    span = count * width
    both = [Span(0, gap, span, width), Span(len(old) - span, gap + span, span, width)]
    assert tuned(old, len(new), both, *difference(new, old, both)) == new


@pytest.mark.parametrize("both", [
    [], [Span(0, 0, 8, 3)], [Span(0, 0, 9, 2)], [Span(-1, 0, 8, 1)], [Span(60, 0, 8, 1)],
    [Span(0, 60, 8, 1)], [Span(0, 8, 8, 1), Span(0, 0, 8, 1)], [Span(0, 0, 0, 1)],
    [Span(0, 0, 1 << 40, 1)], [Span(0, at, 1, 1) for at in range(SPANS_MAX + 1)],
])
def test_spans_that_do_not_fit_are_refused(both: list[Span]) -> None:
    frames = zstd.packed(b"x" * 56), zstd.packed(b"y" * 8)
    with pytest.raises(Refused):
        tuned(bytes(64), 64, both, *frames)


@given(st.binary(max_size=300))
def test_no_bytes_pass_for_a_network_or_break_the_reader(data: bytes) -> None:
    assert spans(data, data) == [] or tensors(data)


# ---- the plan ----------------------------------------------------------------------------------

OLD, OLDER, NEW = ("a" * 64, "b" * 64, "c" * 64)
WAYS = Ways(
    chunked=Chunked(list="d" * 64, list_bytes=50_000, pack="e" * 64), pack_bytes=40_000_000,
    missing_bytes={OLD: 7_000_000, OLDER: 12_000_000},
    patches=[Patch(old=OLD, sha256="f" * 64, bytes=5_000_000, ram_bytes=100 << 20)],
)
ARTEFACT = Artefact(NEW, 170_000_000)


@pytest.mark.parametrize(("here", "names"), [
    (Here(OLD, 1 << 30, 1 << 30), ["patch", "chunks", "whole"]),
    (Here(OLDER, 1 << 30, 1 << 30), ["chunks", "whole"]),
    (Here(None, 1 << 30, 1 << 30), ["chunks", "whole"]),
    (Here(OLD, 200 << 20, 1 << 30), ["chunks", "whole"]),  # the player needs its memory
    (Here(OLD, 0, 1 << 30), ["chunks", "whole"]),  # a kernel that does not say
    (Here(OLD, 1 << 30, 174_000_000), ["chunks", "whole"]),  # no room for the patch beside it
    (Here(OLD, 1 << 30, 170_000_000), ["whole"]),
    (Here(OLD, 1 << 30, 169_000_000), []),
    (Here(OLD, 1 << 30, 120_000_000, 60_000_000), ["patch", "chunks", "whole"]),
])
def test_the_cheapest_way_that_fits(here: Here, names: list[str]) -> None:
    ways, least = plan(ARTEFACT, WAYS, here)
    assert [way.name for way in ways] == names and least == ARTEFACT.bytes
    assert [way.wire_bytes for way in ways] == sorted(way.wire_bytes for way in ways)
    assert [way.name for way in plan(ARTEFACT, None, here)[0]] == ["whole"] * bool(names)


# ---- bad patches -------------------------------------------------------------------------------

BASE = random.Random(1).randbytes(4096)


class Old:
    def read(self, offset: int, length_bytes: int) -> bytes:
        if offset + length_bytes > len(BASE):
            raise Refused("more than there is")
        return BASE[offset : offset + length_bytes]


def run_patch(tmp_path: Path, data: bytes, want: bytes = BASE) -> bytes:
    (tmp_path / "patch").write_bytes(data)
    goal = Goal(hashlib.sha256(want).hexdigest(), len(want))
    try:
        patches.apply(tmp_path / "patch", Old(), OLD, goal, tmp_path / "out")
        return (tmp_path / "out").read_bytes()
    finally:
        assert not list(tmp_path.glob(".*")), "a leftover on the disk"
        (tmp_path / "out").unlink(missing_ok=True)


def head(groups: list[Group], steps: list[Step], old: str = OLD, want: bytes = BASE) -> Head:
    return Head(old=old, new=hashlib.sha256(want).hexdigest(), groups=groups, steps=steps)


def test_a_patch_that_does_not_keep_its_word_is_refused(tmp_path: Path) -> None:
    whole = [Step(COPY, 0, 4096)]
    good = patches.encode(head([], whole), [])
    assert run_patch(tmp_path, good) == BASE
    bomb = zstd.packed(b"\0" * (32 << 20))
    group = Group(length_bytes=4096, packed_bytes=len(bomb))
    huge = Group(length_bytes=100 << 20, packed_bytes=9)
    backs = Group(length_bytes=9, packed_bytes=9, olds=[Range(0, 8 << 30)] * 9)
    take = [Step(0, 0, 4096)]
    for bad in (
        good[:-1], good[:9], b"", b"VPT1" + b"\xff" * 8, good[4:],
        patches.encode(head([], whole, old=NEW), []),
        patches.encode(head([], [Step(COPY, 1, 4096)]), []),
        patches.encode(head([], [Step(COPY, 0, 4095)]), []),
        patches.encode(head([], [Step(COPY, 0, 1), Step(COPY, 0, 4095)]), []),
        patches.encode(head([group], take), [bomb]),
        patches.encode(head([group], take), [bomb[:50]]),
        patches.encode(head([huge], take), [bomb]),
        patches.encode(head([backs], take), [b"x" * 9]),
        patches.encode(head([], take), []),
        patches.encode(head([group], [Step(0, 0, 2048), Step(3, 0, 2048)]), [bomb]),
        patches.encode(head([], [Step(COPY, 0, 0)] * 100_001 + whole), []),
        patches.encode(head([], [Step(COPY, 8 << 30, 8 << 30)] * 400), []),
    ):
        with pytest.raises(Refused):
            run_patch(tmp_path, bad)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_raise_anything_but_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, inner: bool
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    if inner:
        frame = zstd.packed(b'{"old":"x","new":"y","groups":[' + data)
        sizes = len(frame).to_bytes(4, "big") + (31 + len(data)).to_bytes(4, "big")
        data = b"VPT1" + sizes + frame
    with pytest.raises(Refused):
        run_patch(folder, data)
    with pytest.raises(Refused):
        read_ways(data)


def test_a_file_that_only_moved_costs_its_name(tmp_path: Path) -> None:
    old = packed(tmp_path, "1.0", {"models/voices/a.bin": NOISE, "models/voices/b.bin": b""})
    new = packed(tmp_path, "1.1", {"models/voices/z.bin": NOISE, "models/voices/b.bin": b""})
    made, ram = make_patch(Packed(old.manifest, old.artefact), Packed(new.manifest, new.artefact))
    assert len(made) < 6_000 and ram < 1 << 20
    assert applied(tmp_path, made, old, new) == new.artefact.read_bytes()


def test_a_long_file_is_patched_in_pieces_of_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.patches.PIECE_BYTES", 100_000)
    monkeypatch.setattr("fleet.patches.AROUND_BYTES", 30_000)
    monkeypatch.setattr("fleet.patches.GROUP_BYTES_MAX", 200_000)
    old, new = (packed(tmp_path, f"1.{step}", bodies(step)) for step in (0, 3))
    made, ram = make_patch(Packed(old.manifest, old.artefact), Packed(new.manifest, new.artefact))
    assert len(made) < 10_000 and ram < 900_000
    assert applied(tmp_path, made, old, new) == new.artefact.read_bytes()
