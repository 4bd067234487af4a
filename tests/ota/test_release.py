"""What a release is made of: its own packages, its bill of materials, where it may run."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ota.box.confirm import Verdict
from ota.box.install import find_offer, install
from ota.box.slots import DirectorySlots
from ota.box.unpack import members
from ota.errors import Refused, Retry
from ota.formats.compat import unmet
from ota.formats.layout import SlotTar, artefact_bytes, layout
from ota.formats.manifest import SBOM_FILE, Machine, misfit, parse_manifest
from ota.machine import facts_of, memory_free_bytes
from ota.publish.release import build, publish, read_needs
from tests.ota.conftest import Fleet
from tests.ota.rig import Kiosk, release_to, source_tree
from tests.ota.wheelhouse import NATIVE, wheel, wheelhouse

REQUIREMENTS = {"requirements/run.txt": "tea==1.0  # the shop's\ntea-core==1.0\n"
                'old==9.9; python_version < "3.4"\n'}
MACHINE = "linux-x86_64"


L4T = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64"


def jetson(root: Path) -> Path:
    """The files by which a Jetson is known."""
    for name, text in {
        "etc/nv_tegra_release": L4T,
        "etc/os-release": 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="22.04"\n',
        "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0003\0nvidia,p3767-0003\0",
        "proc/meminfo": "MemTotal: 7000000 kB\nMemAvailable:    2048 kB\n",
        "usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0": "",
        "programmes/tea/programme.json": '{"schema": 1}',
        "programmes/odd/programme.json": "[1, 2",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_two_packers_with_wheels_make_the_same_bytes(tmp_path: Path) -> None:
    """Other folders, other order and times of files; the tree of packages is a slot's own."""
    one = source_tree(tmp_path / "one", "1.0", REQUIREMENTS)
    two = source_tree(tmp_path / "deep" / "two", "1.0", REQUIREMENTS)
    (two / "cli" / "__pycache__").mkdir()
    (two / "cli" / "__pycache__" / "main.pyc").write_bytes(b"x")
    first = build(one, "1.0", tmp_path / "1.tar", wheels=wheelhouse(tmp_path / "w1"))
    copies = tmp_path / "w2"
    copies.mkdir()
    for path in sorted((tmp_path / "w1").iterdir(), reverse=True):
        (copies / path.name).write_bytes(path.read_bytes())
    second = build(two, "1.0", tmp_path / "2.tar", wheels=copies)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert (first.manifest_bytes, first.sbom) == (second.manifest_bytes, second.sbom)
    packages = {name for name in first.manifest.files if name.startswith("site-packages/")}
    assert {"site-packages/tea/__init__.py", "site-packages/leaf.py",
            "site-packages/tea_core/_fast.so"} <= packages
    assert not any(name.endswith(".pyc") or "scripts" in name for name in packages)
    compat = first.manifest.compat
    assert compat.platforms == (MACHINE,) and compat.slot_schema == 2 and not compat.requirements
    assert ({"what": "glibc", "at_least": "2.17"}) in compat.needs


def test_the_slots_files_are_as_good_as_the_artefact(tmp_path: Path) -> None:
    tree = source_tree(tmp_path / "tree", "1.0", {f"device/{'n' * 120}.py": "long", "ota/e": ""})
    release = build(tree, "1.0", tmp_path / "1.tar")
    whole = (tmp_path / "1.tar").read_bytes()
    files = release.manifest.files
    for name in files:
        if name == SBOM_FILE:
            (tree / name).write_bytes(release.sbom)
    tar = SlotTar(tree, files)
    assert artefact_bytes(layout(files)) == len(whole)
    for start in range(0, len(whole), 97):
        assert tar.read(start, 300 if start + 300 < len(whole) else len(whole) - start) == (
            whole[start : start + 300])
    with pytest.raises(Refused, match="more than"):
        tar.read(len(whole) - 1, 2)
    (tree / "cli/main.py").unlink()
    with pytest.raises(Refused, match="cannot be read"):
        tar.read(0, len(whole))


def test_the_bill_names_everything_and_fits_the_standard(tmp_path: Path) -> None:
    """CycloneDX 1.6: required fields, unique references, and nothing that points nowhere."""
    extra = {**REQUIREMENTS, "models/avatars/mei/avatar.json": '{"id": "mei", "version": 3}',
             "models/avatars/mei/renderer.int8.onnx": "weights"}
    tree = source_tree(tmp_path / "tree", "2.1", extra)
    release = build(tree, "2.1", tmp_path / "1.tar", wheels=wheelhouse(tmp_path / "w"))
    bill: dict[str, Any] = msgspec.json.decode(release.sbom)
    assert bill["bomFormat"] == "CycloneDX" and bill["specVersion"] == "1.6"
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["component"]["version"] == "2.1"
    components = {item["bom-ref"]: item for item in bill["components"]}
    assert len(components) == len(bill["components"])
    kinds = {"library", "machine-learning-model", "data"}
    for item in components.values():
        assert item["type"] in kinds and item["name"]
        assert all(h["alg"] == "SHA-256" and re.fullmatch(r"[0-9a-f]{64}", h["content"])
                   for h in item["hashes"])
    refs = {*components, bill["metadata"]["component"]["bom-ref"]}
    told = {line["ref"]: line["dependsOn"] for line in bill["dependencies"]}
    assert set(told) <= refs and all(ref in refs for refs_of in told.values() for ref in refs_of)
    assert told["pkg:pypi/tea@1.0"] == ["pkg:pypi/tea-core@1.0"]
    assert components["pkg:pypi/tea@1.0"]["licenses"] == [{"license": {"name": "BSD-3-Clause"}}]
    assert components["pkg:pypi/tea-core@1.0"]["licenses"] == [{"expression": "MIT"}]
    assert components["avatar:mei"]["version"] == "3"
    assert "model:models/avatars/mei/renderer.int8.onnx" in components and "code:ota" not in refs
    assert release.manifest.sbom == release.manifest.files[SBOM_FILE].sha256
    other = release.manifest_bytes.replace(b'"sbom":"' + release.manifest.sbom[:4].encode(),
                                           b'"sbom":"0000')
    with pytest.raises(Refused, match=SBOM_FILE):
        parse_manifest(other)


def _second(folder: Path) -> None:
    wheel(folder, "tea", "0.9", {})


def _other_machine(folder: Path) -> None:
    wheel(folder, "arm", "1", {}, NATIVE.replace("x86_64", "aarch64"))


def _other_python(folder: Path) -> None:
    wheel(folder, "old", "1", {}, "cp39-cp39-manylinux1_x86_64")


def _newer_abi(folder: Path) -> None:
    wheel(folder, "stable", "1", {}, "cp399-abi3-manylinux2014_x86_64")


def _needy(folder: Path) -> None:
    wheel(folder, "needy", "1", {}, metadata="Requires-Dist: absent>=2\n")


def _climbing(folder: Path) -> None:
    wheel(folder, "climber", "1", {"../../etc/cron": b"x"})


def _startup(folder: Path) -> None:
    wheel(folder, "startup", "1", {"startup.pth": b"import os"})


def _clash(folder: Path) -> None:
    wheel(folder, "thief", "1", {"tea/__init__.py": b"other"})


def _cases(folder: Path) -> None:
    wheel(folder, "loud", "1", {"TEA/__init__.py": b"other"})


def _broken(folder: Path) -> None:
    (folder / f"broken-1-{NATIVE}.whl").write_bytes(b"no zip")


def _source(folder: Path) -> None:
    (folder / "jieba-0.42.tar.gz").write_bytes(b"source")


def _windows(folder: Path) -> None:
    wheel(folder, "win", "1", {}, "cp311-cp311-win_amd64")


@pytest.mark.parametrize(("spoil", "words"), [
    (_second, "twice"), (_other_machine, "one machine"), (_other_python, "one Python"),
    (_newer_abi, "newer Python"), (_needy, "absent"), (_climbing, "no box takes"),
    (_startup, "does not run"),
    (_clash, "other bytes"), (_cases, "one name"), (_broken, "no wheel"), (_source, "no source"),
    (_windows, "glibc"),
])
def test_wheels_that_do_not_belong_together_are_refused(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = wheelhouse(tmp_path / "w")
    spoil(folder)
    tree = source_tree(tmp_path / "tree", "1", REQUIREMENTS)
    with pytest.raises(Refused, match=words):
        build(tree, "1", tmp_path / "1.tar", wheels=folder)


def test_wheels_of_another_list_are_refused(tmp_path: Path) -> None:
    for lines, words in (("tea==1.1\n", "asks for tea 1.1"), ("tea>=1.0\n", "pin it"),
                         ('more==1; python_version >= "3.4"\n', "have none")):
        tree = source_tree(tmp_path / "tree", "1", {"requirements/run.txt": lines})
        with pytest.raises(Refused, match=words):
            build(tree, "1", tmp_path / "1.tar", wheels=wheelhouse(tmp_path / "w"))


@pytest.mark.skipif(Machine.here().platform != MACHINE, reason="these wheels are for x86_64")
def test_a_box_takes_the_release_made_for_it_and_another_is_told_so(
    fleet: Fleet, tmp_path: Path
) -> None:
    tree = source_tree(tmp_path / "tree", "1.0", REQUIREMENTS)
    mine = build(tree, "1.0", tmp_path / "1.tar", wheels=wheelhouse(tmp_path / "w"))
    publish(fleet.repository, mine)
    box = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    source = box.source()
    offer = find_offer(source)
    assert offer.manifest.environment == source.tag
    assert install(box.parts(), source, offer) is Verdict.CONFIRM
    packages = box.slots.folder("a") / "site-packages"
    assert (packages / "tea" / "__init__.py").read_bytes() == b"VERSION = '1.0'\n"
    assert (fleet.directory / "sbom" / f"1.0.{source.tag}.cdx.json").read_bytes() == mine.sbom
    with pytest.raises(Refused, match=r"not published for this box .linux-riscv64-cp311."):
        find_offer(replace(source, tag="linux-riscv64-cp311"))


JETSON_ONLY = [{"what": "board", "names": ["nvidia,p3767-0003", "nvidia,p3767-0005"]},
               {"what": "l4t", "at_least": "36.4", "below": "37"}]


def test_what_a_machine_says_of_itself(tmp_path: Path) -> None:
    facts = facts_of(jetson(tmp_path), tmp_path / "programmes")
    assert facts["l4t"] == ("36.4.3",) and facts["jetpack"] == ("6",)
    assert facts["os"] == ("ubuntu", "ubuntu-22.04") and facts["tensorrt"] == ("10.3.0",)
    assert facts["board"][-1] == "nvidia,p3767-0003" and facts["programme_schema"] == ("1",)
    assert memory_free_bytes(tmp_path) == 2048 << 10
    bare = facts_of(tmp_path / "nothing")
    assert "l4t" not in bare and "board" not in bare and memory_free_bytes(tmp_path / "x") == 0
    assert unmet(JETSON_ONLY, facts) is None


@pytest.mark.parametrize(("need", "words"), [
    ({"what": "board", "names": ["nvidia,p3701-0000"]}, "the board nvidia,p3701-0000.*made for"),
    ({"what": "l4t", "at_least": "36.5"}, "L4T.*from 36.5.*has 36.4.3; bring the operating"),
    ({"what": "jetpack", "at_least": "7"}, "JetPack from 7.*has 6"),
    ({"what": "tensorrt", "below": "10"}, "TensorRT below 10"),
    ({"what": "os", "names": ["debian-12"]}, "the system debian-12.*has ubuntu"),
    ({"what": "glibc", "at_least": "9.0"}, "glibc from 9.0"),
    ({"what": "machine", "names": ["riscv64"]}, "a processor riscv64"),
    ({"what": "updater", "at_least": "99"}, "an updater.*install the release before it"),
    ({"what": "current", "at_least": "2.0"}, "to follow a release from 2.0.*has 1.0"),
    ({"what": "programme_schema", "below": "1"}, "programmes of schema below 1"),
    ({"what": "moon_phase", "names": ["full"]}, "'moon_phase' in a way that this updater"),
    ({"what": "l4t", "at_least": "36", "not_names": ["x"]}, "does not know"),
    ({"what": "l4t", "at_least": "thirty-six"}, "does not know"),
    ({"what": "l4t"}, "does not know"),
    ({}, "'something'"),
])
def test_each_misfit_is_one_sentence(tmp_path: Path, need: dict[str, Any], words: str) -> None:
    facts = {**facts_of(jetson(tmp_path), tmp_path / "programmes"), "current": ("1.0",)}
    told = unmet([{"what": "glibc", "at_least": "1"}, need], facts)
    assert told is not None and re.search(words, told), told
    # What is only told, not required, passes an updater that does not know it.
    is_known = "in a way" not in told
    assert (unmet([{**need, "required": False}], facts) is None) is not is_known


def test_what_a_box_has_not_is_asked_only_where_it_is_meant(tmp_path: Path) -> None:
    pc = {"machine": ("x86_64",)}
    assert "does not say" in str(unmet([{"what": "l4t", "at_least": "36"}], pc))
    assert unmet([{"what": "l4t", "at_least": "36", "where_known": True}], pc) is None


def test_a_release_for_another_box_is_refused_before_a_byte_of_it_travels(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Another board, a newer JetPack, a step left out, a need from the future."""
    box = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    source = box.source()
    tree = source_tree(tmp_path / "tree", "1.2")
    for number, need in enumerate([
        {"what": "board", "names": ["nvidia,p3767-0003"]}, {"what": "jetpack", "at_least": "7"},
        {"what": "current", "at_least": "1.1"}, {"what": "a later idea", "names": ["x"]},
    ]):
        version = f"1.{number}"
        publish(fleet.repository, build(tree, version, tmp_path / "2.tar", needs=[need]))
        offer = find_offer(source, version)
        with pytest.raises(Refused, match=r"Nothing was installed: it (needs|asks)"):
            install(box.parts(), source, offer)
    assert not any("content" in path for path, _ in fleet.origin.requests)
    # A box that knows no matrix at all was told by the older field.
    compat = offer.manifest.compat
    assert "newer updater" in str(misfit(compat, Machine((3, 11), MACHINE, 1)))


def test_a_matrix_that_no_box_could_judge_is_not_published(tmp_path: Path) -> None:
    path = tmp_path / "needs.json"
    path.write_bytes(msgspec.json.encode(JETSON_ONLY))
    assert read_needs(path) == JETSON_ONLY and read_needs(None) == []
    for bad in (b'[{"what": "moon"}]', b"{}", b"[", b'[{"what": "l4t", "at_least": "x"}]'):
        path.write_bytes(bad)
        with pytest.raises(Refused, match="correct it"):
            read_needs(path)


@pytest.mark.parametrize(("names", "words"), [
    (("cli/Main.py", "cli/main.py"), "one name"),
    (("cli/caf\u00e9.py", "cli/cafe\u0301.py"), "one name"),
    (("cli/main", "cli/main/x.py"), "a file and a folder"),
    (tuple(f"f{n}" for n in range(20_001)), "files"),
])
def test_names_that_a_disk_would_mix_up_are_refused(names: tuple[str, ...], words: str) -> None:
    body = {"schema": 1, "version": "1", "artefact": {"sha256": "a" * 64, "bytes": 1},
            "compat": {"python_from": "3.10", "python_below": "4", "platforms": []},
            "files": {name: {"sha256": "b" * 64, "bytes": 1} for name in names}}
    with pytest.raises(Refused, match=words):
        parse_manifest(msgspec.json.encode(body))


def test_a_manifest_of_a_million_files_is_not_even_read() -> None:
    many = b'"file":{},' * 1_000_000
    with pytest.raises(Refused, match="8 MiB"):
        parse_manifest(b'{"files":{' + many + b'"f":{}}}')


def test_a_truncated_artefact_never_becomes_a_slot(tmp_path: Path) -> None:
    """Cut within a header, a body, between two files; and one with a million names of its own."""
    tree = source_tree(tmp_path / "tree", "1.0")
    release = build(tree, "1.0", tmp_path / "1.tar")
    whole = (tmp_path / "1.tar").read_bytes()
    slots = DirectorySlots(tmp_path / "opt")
    cuts = [0, 100, 600, *(member.end for member in layout(release.manifest.files)[:-1])]
    for cut in cuts:
        (tmp_path / "cut.tar").write_bytes(whole[:cut])
        with pytest.raises(Refused):
            slots.write("a", release.manifest, members(tmp_path / "cut.tar"))
            slots.mark_whole("a", release.manifest_bytes)
        assert slots.version("a") is None
    many = (((f"x{number}"), io.BytesIO()) for number in range(1_000_000))
    with pytest.raises(Refused, match="'x0', which its manifest does not"):
        slots.write("a", release.manifest, many)


def test_a_disk_too_small_for_slot_and_artefact_is_told_before_the_download(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_to(fleet.repository, tmp_path / "work", "1.0", {"models/big.bin": "x" * 3_000_000})
    box = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    source = box.source()
    offer = find_offer(source)
    # Enough for the slot and its reserve, but not for the artefact beside it.
    room = (32 << 20) + 3_500_000
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(room))
    with pytest.raises(Retry, match=r"beside its slot.*free some space"):
        install(box.parts(), source, offer)
    assert not any("content" in path for path, _ in fleet.origin.requests)
    assert box.parts().state.load().refused == ()


class _Usage:
    def __init__(self, free: int) -> None:
        self.total, self.used, self.free = 1 << 40, 0, free


@pytest.mark.skipif(Machine.here().platform != MACHINE, reason="these wheels are for x86_64")
def test_code_in_a_slot_runs_on_the_slots_own_packages(tmp_path: Path) -> None:
    """Started as a supervisor of another age does: from a private environment, by PYTHONPATH."""
    tree = source_tree(tmp_path / "tree", "1.0", {
        **REQUIREMENTS, "cli/__init__.py": "", "ota/__init__.py": "",
        "cli/__main__.py": Path("cli/__main__.py").read_text(),
        "ota/environment.py": Path("ota/environment.py").read_text(),
        "cli/main.py": "import os, sys, tea\ndef main():\n"
                       "    print(tea.VERSION, sys.prefix == sys.base_prefix, os.getpid(),\n"
                       "          *sys.argv[1:])\n    return 0\n"})
    build(tree, "1.0", tmp_path / "1.tar", wheels=wheelhouse(tmp_path / "w"))
    slot = tmp_path / "slot"
    with tarfile.open(tmp_path / "1.tar") as archive:
        archive.extractall(slot, filter="data")
    environment = {**os.environ, "PYTHONPATH": str(slot)}
    with subprocess.Popen([sys.executable, "-m", "cli", "device", "player"], cwd=slot,
                          env=environment, stdout=subprocess.PIPE, text=True) as child:
        told = child.communicate(timeout=60)[0].split()
    assert told == ["1.0", "True", str(child.pid), "device", "player"]
