"""The release artefact and its manifest: what a hostile or careless publisher may put in."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ota.box.unpack import members
from ota.errors import Refused
from ota.formats.manifest import Machine, misfit, parse_manifest
from ota.publish.release import PLATFORMS, build
from tests.ota.conftest import Fleet
from tests.ota.rig import release_to, source_tree


def test_what_fits_where() -> None:
    release = parse_manifest(
        b'{"schema":1,"version":"1","artefact":{"sha256":"' + b"a" * 64 + b'","bytes":1},'
        b'"compat":{"python_from":"3.10","python_below":"3.13","platforms":["linux-x86_64"],'
        b'"requirements":"cafe"},"files":{"a":{"sha256":"' + b"b" * 64 + b'","bytes":1}}}'
    )
    here = Machine((3, 11), "linux-x86_64")
    assert misfit(release.compat, here) is None
    assert "Python" in str(misfit(release.compat, Machine((3, 13), "linux-x86_64")))
    assert "linux-aarch64" in str(misfit(release.compat, Machine((3, 11), "linux-aarch64")))
    assert "packages" in str(
        misfit(release.compat, Machine((3, 11), "linux-x86_64", requirements="beef"))
    )


@pytest.mark.parametrize(
    "path", ["../evil", "/etc/passwd", "a//b", "a/../../b", "a\\b", "a/\x07", "", ".", "x" * 300]
)
def test_a_path_that_leaves_the_slot_is_refused(path: str) -> None:
    body = {
        "schema": 1,
        "version": "1",
        "artefact": {"sha256": "a" * 64, "bytes": 1},
        "compat": {"python_from": "3.10", "python_below": "4", "platforms": []},
        "files": {path: {"sha256": "b" * 64, "bytes": 1}},
    }
    with pytest.raises(Refused):
        parse_manifest(msgspec.json.encode(body))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
ENTRY = st.fixed_dictionaries({"sha256": st.just("b" * 64) | ANY_JSON, "bytes": ANY_JSON})
MANIFESTS = st.fixed_dictionaries(
    {
        "schema": st.just(1) | ANY_JSON,
        "version": st.just("1.0") | ANY_JSON,
        "artefact": st.just({"sha256": "a" * 64, "bytes": 7}) | ENTRY | ANY_JSON,
        "compat": st.just({"python_from": "x", "python_below": "4", "platforms": []}) | ANY_JSON,
        "files": st.dictionaries(st.text(max_size=12), ENTRY, max_size=3) | ANY_JSON,
    }
)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=99) | MANIFESTS.map(lambda v: json.dumps(v).encode()))
def test_a_manifest_is_refused_or_safe(data: bytes) -> None:
    try:
        manifest = parse_manifest(data)
    except Refused:
        return
    assert all(".." not in path.split("/") and path[0] != "/" for path in manifest.files)
    assert all(entry.bytes >= 0 for entry in manifest.files.values())
    misfit(manifest.compat, Machine.here())


def test_two_packers_make_the_same_bytes(tmp_path: Path) -> None:
    """Other clock, other folder, other order of creation, compiled files lying about."""
    one = source_tree(tmp_path / "one", "1.0")
    two = tmp_path / "somewhere" / "else"
    for path in sorted(one.rglob("*"), reverse=True):
        if path.is_file():
            copy = two / path.relative_to(one)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(0o700)
    (two / "device" / "__pycache__").mkdir()
    (two / "device" / "__pycache__" / "player.cpython-311.pyc").write_bytes(b"x")
    first = build(one, "1.0", tmp_path / "1.tar", platforms=PLATFORMS)
    second = build(two, "1.0", tmp_path / "2.tar", platforms=PLATFORMS)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert first.manifest_bytes == second.manifest_bytes


def test_long_and_chinese_names_survive(tmp_path: Path) -> None:
    name = f"programmes/{'深' * 30}/{'a' * 90}.txt"
    tree = source_tree(tmp_path / "tree", "1", {name: "茶"})
    release = build(tree, "1", tmp_path / "1.tar")
    read = {member: reader.read() for member, reader in members(tmp_path / "1.tar")}
    assert read[name] == "茶".encode() and set(read) == set(release.manifest.files)


def test_a_link_that_leads_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    tree = source_tree(tmp_path / "tree", "1")
    (tree / "device" / "shortcut.py").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="link"):
        build(tree, "1", tmp_path / "1.tar")


def test_a_hostile_tar_writes_nothing_outside(tmp_path: Path) -> None:
    for kind, name in (
        (tarfile.REGTYPE, "../out"),
        (tarfile.SYMTYPE, "link"),
        (tarfile.CHRTYPE, "dev"),
        (tarfile.LNKTYPE, "hard"),
    ):
        with tarfile.open(tmp_path / "evil.tar", "w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(b""))
        with pytest.raises(Refused):
            list(members(tmp_path / "evil.tar"))
    (tmp_path / "evil.tar").write_bytes(b"\x00\x01" * 999)
    with pytest.raises(Refused):
        list(members(tmp_path / "evil.tar"))


def test_a_version_is_published_once(fleet: Fleet, tmp_path: Path) -> None:
    release_to(fleet.repository, tmp_path / "w1", "1.0")
    release_to(fleet.repository, tmp_path / "w1", "1.0")
    with pytest.raises(Refused, match="higher version"):
        release_to(fleet.repository, tmp_path / "w2", "1.0", {"device/new.py": "new"})
