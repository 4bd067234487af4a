"""What a guest is made of, without starting one."""

from __future__ import annotations

import gzip
import lzma
import random
import struct
from pathlib import Path

import pytest

from tests.power import initramfs
from tests.power.machines import unpacked
from tests.power.states import Flush, Note, Write, disk_of, left_by, pages_of


def test_a_drive_that_loses_its_power_keeps_what_was_flushed_and_some_of_the_rest() -> None:
    old, new = b"o" * 4096, b"n" * 4096
    steps = [Write(4096, new), Flush(), Write(8192, new), Write(12288, new)]
    seen = set()
    for seed in range(40):
        disk = disk_of(left_by(pages_of(old * 4), steps, random.Random(seed)), 4 * 4096)
        assert disk[:8192] == old + new and len(disk) == 4 * 4096
        seen.add(disk[8192:])
    assert {new + new, old + old} < seen and len(seen) > 6, "whole, none, and torn"
    assert left_by(pages_of(old), [], random.Random(1)) == {0: old}


def test_a_flush_that_came_last_lost_nothing() -> None:
    old, new = b"o" * 4096, b"n" * 4096
    steps = [Write(0, new), Note("half"), Write(4096, new), Flush()]
    for seed in range(20):
        assert left_by(pages_of(old * 2), steps, random.Random(seed)) == {0: new, 1: new}


def test_a_module_comes_after_those_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs, "BUSYBOX", tmp_path / "busybox")
    (tmp_path / "busybox").write_bytes(b"busybox")
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "dm-verity.ko").write_bytes(b"ELF\0depends=dm-mod,dm-bufio\0")
    (modules / "dm-bufio.ko.xz").write_bytes(lzma.compress(b"ELF\0depends=dm-mod\0"))
    (modules / "dm-mod.ko").write_bytes(b"ELF\0depends=\0")
    packed = initramfs.initramfs(modules, ("dm-verity", "built_in"), "echo hello\n")
    archive = gzip.decompress(packed)
    assert archive.startswith(b"070701") and b"echo hello\n" in archive
    assert b"dm_mod dm_bufio dm_verity\0" in archive


def test_a_kernel_is_taken_out_of_its_packing() -> None:
    kernel = b"\x7fELF" + bytes(range(256)) * 9
    packed = lzma.compress(kernel)
    image = bytearray(3 * 512)
    image[0x1F1] = 1
    struct.pack_into("<II", image, 0x248, 512, len(packed) + 4)
    whole = bytes(image) + packed + len(kernel).to_bytes(4, "little")
    assert unpacked(whole) == kernel
    other = bytes(image) + b"\x28\xb5\x2f\xfd" + bytes(len(packed))
    assert unpacked(other) == other, "what is packed otherwise starts as it is"
