"""A shop without a line: the signed repository and the signed wishes come in a pocket."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.sync.stick import import_from
from fleet.stick import write_stick
from ota import files as files_module
from ota.errors import Refused, Retry
from tests.device.box_process import BoxProcess
from tests.sim.chain import Chain

BOX = "xining-001"
EXTRA = b"tea leaves " * 40_000


@pytest.fixture
def box(chain: Chain, tmp_path: Path) -> Iterator[BoxProcess]:
    made = BoxProcess(chain.enrol(tmp_path / "box", BOX))
    yield made
    made.close()


def write(chain: Chain, to: Path, seq: int, extra: bytes = EXTRA) -> None:
    """Publish version `seq` and bring the stick up to date."""
    to.mkdir(exist_ok=True)
    wanted = chain.publish(seq, extra=extra)
    write_stick(chain.places, [(BOX, chain.envelope(BOX, seq, programme=wanted))], to)


def no_line(chain: Chain) -> None:
    """Neither broker nor content server."""
    chain.broker_kill()
    chain.cut_the_line()


def test_a_programme_comes_by_stick_and_yesterdays_stick_changes_nothing(
    chain: Chain, box: BoxProcess, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(chain, old, 1)
    write(chain, new, 2, EXTRA + b"!")
    no_line(chain)
    box.start()
    told: list[str] = []
    assert "spring-tea 2" in import_from(box.places.run, new, told.append)
    ready = box.told_to_play(2)
    assert (Path(ready.path) / "assets" / "extra.bin").read_bytes() == EXTRA + b"!"
    with pytest.raises(Refused, match="older"):
        import_from(box.places.run, old, told.append)
    (new / "desired" / f"{BOX}.json").unlink()
    assert "spring-tea 2" in import_from(box.places.run, new, told.append)


def test_a_stick_that_was_changed_or_broke_changes_nothing(
    chain: Chain, box: BoxProcess, tmp_path: Path
) -> None:
    good, bad, led = (tmp_path / name for name in ("good", "bad", "led"))
    write(chain, good, 1)
    for copy in (bad, led):
        shutil.copytree(good, copy)
    body = bad / "targets" / "content" / chain.content_path(EXTRA).name
    body.write_bytes(body.read_bytes()[:-1] + b"?")
    secret = tmp_path / "secret"
    secret.write_bytes(EXTRA)
    linked = led / "targets" / "content" / body.name
    linked.unlink()
    linked.symlink_to(secret)
    no_line(chain)
    box.start()
    with pytest.raises(Refused, match="not the ones that were signed"):
        import_from(box.places.run, bad, lambda line: None)
    with pytest.raises(Refused, match="leads out of the stick"):
        import_from(box.places.run, led, lambda line: None)
    assert "spring-tea 1" in import_from(box.places.run, good, lambda line: None)


def test_only_what_is_new_is_written_and_the_whole_chain_is_on_it(
    chain: Chain, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    write(chain, stick, 1)
    first = write_stick(chain.places, [], stick)
    assert first.bytes_new == 0 and first.boxes == 0
    wanted = chain.publish(2, extra=b"new leaves")
    again = write_stick(chain.places, [(BOX, chain.envelope(BOX, 2, programme=wanted))], stick)
    assert 10 < again.bytes_new < 5_000 and again.boxes == 1
    for name in (EXTRA, b"new leaves"):
        assert (stick / "targets" / "content" / chain.content_path(name).name).is_file()


def test_a_full_stick_a_missing_one_and_one_pulled_out_are_sentences(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.publish(1, extra=EXTRA)
    with pytest.raises(Refused, match="plug the stick in"):
        write_stick(chain.places, [], tmp_path / "none")
    with pytest.raises(Refused, match="holds no signed repository"):
        import_from(tmp_path / "run", tmp_path, lambda line: None)
    stick = tmp_path / "stick"
    stick.mkdir()

    def gone(descriptor: int, data: bytes) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files_module.os, "write", gone)
    with pytest.raises(Retry, match="cannot be written"):
        write_stick(chain.places, [], stick)
    monkeypatch.undo()
    assert not (stick / "metadata" / "timestamp.json").exists()
    assert write_stick(chain.places, [], stick).bytes_new > len(EXTRA)
