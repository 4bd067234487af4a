"""The order of an install where something is in its way: a visitor, an open shop, a signal, a
second updater, a disk or a clock that is not as it should be; and health that decides."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ota.box.confirm import Health, Trial, Verdict, lacks
from ota.box.install import (
    Parts,
    find_offer,
    go_on,
    install,
    objection,
    put_off,
    recover,
    run_trial,
)
from ota.box.orders import read_progress, write_progress
from ota.box.state import Phase
from ota.box.window import Wait
from ota.box.words import history_lines, progress_line, status_lines, wait_sentence, waits_told
from ota.errors import Refused, Retry
from ota.floor import FloorClock
from ota.history import History
from ota.holder import held
from tests.ota.conftest import Fleet
from tests.ota.rig import Kiosk, release_to

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def kiosk(tmp_path: Path, fleet: Fleet) -> Kiosk:
    """A box that runs 1.0.0 and is offered 1.1.0."""
    made = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    for version in ("1.0.0", "1.1.0"):
        release_to(fleet.repository, tmp_path / "work", version)
        if version == "1.0.0":
            assert update(made) is Verdict.CONFIRM
    return made


def update(kiosk: Kiosk, parts: Parts | None = None) -> Verdict:
    source = kiosk.source()
    return install(parts or kiosk.parts(), source, find_offer(source))


def life(kiosk: Kiosk) -> None:
    """What the updater does after its start, until nothing is left to do."""
    parts = kiosk.parts()
    if recover(parts).phase is Phase.TRIAL:
        run_trial(parts)
    source = kiosk.source()
    offer = find_offer(source)
    if objection(parts.state.load(), offer, parts.machine()) is None:
        install(parts, source, offer)


def test_what_was_written_waits_for_the_visitor_and_survives_the_plug(kiosk: Kiosk) -> None:
    kiosk.wait = Wait("visitor")
    assert update(kiosk) is Verdict.WAIT
    state = kiosk.parts().state.load()
    assert (state.phase, state.version, kiosk.slots.active()) == (Phase.WAITING, "1.1.0", "a")
    assert kiosk.slots.verified("b")
    for _ in range(3):  # the plug is pulled each evening
        assert recover(kiosk.parts()).phase is Phase.WAITING and kiosk.slots.active() == "a"
    assert go_on(kiosk.parts()) is Verdict.WAIT
    source = kiosk.source()
    against = objection(state, find_offer(source), kiosk.parts().machine())
    assert against is not None and "lies ready" in against
    kiosk.wait = None
    downloads = len(kiosk.told)
    assert go_on(kiosk.parts()) is Verdict.CONFIRM and kiosk.slots.active() == "b"
    assert not [what for what, _, _ in kiosk.told[downloads:] if what in ("download", "write")]
    whats = [entry.what for entry in kiosk.parts().history.entries()]
    assert whats[-4:] == ["install", "waiting", "trial", "confirmed"]


def test_what_waits_may_be_put_off_or_rot(kiosk: Kiosk) -> None:
    kiosk.wait = Wait("open")
    update(kiosk)
    after = put_off(kiosk.parts(), "the roll-out is paused")
    assert (after.phase, after.refused, kiosk.slots.version("b")) == (Phase.IDLE, (), None)
    update(kiosk)
    (kiosk.slots.folder("b") / "cli" / "main.py").write_text("rotten")
    assert recover(kiosk.parts()).phase is Phase.IDLE
    update(kiosk)
    # The good slot rots while a whole new one lies ready: that one is better than none.
    (kiosk.slots.folder("a") / "cli" / "main.py").write_text("rotten")
    assert recover(kiosk.parts()).phase is Phase.TRIAL and kiosk.slots.active() == "b"


@pytest.mark.parametrize("step", ["download", "write", "trial"])
def test_a_termination_in_any_step_leaves_old_or_new(kiosk: Kiosk, step: str) -> None:
    """First the default action (the process is gone), then a word that the loop listens to."""
    pid = os.fork()
    if pid == 0:
        parts = kiosk.parts()
        object.__setattr__(parts, "tell", lambda what, done, whole: (
            os.kill(os.getpid(), signal.SIGTERM) if what == step else None))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            update(kiosk, parts)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    recover(kiosk.parts())
    active = kiosk.slots.active()
    assert kiosk.slots.verified(str(active)) and active == ("b" if step == "trial" else "a")
    stopping: list[str] = []
    parts = kiosk.parts()
    object.__setattr__(parts, "tell", lambda what, done, whole: stopping.append(what))
    object.__setattr__(parts, "stop", lambda: bool(stopping))
    if parts.state.load().phase is Phase.IDLE:
        assert update(kiosk, parts) is Verdict.WAIT, "asked to leave: neither kept nor taken back"
    assert kiosk.parts().state.load().phase is Phase.TRIAL
    life(kiosk)
    assert kiosk.parts().state.load().good_version == "1.1.0"
    assert kiosk.parts().history.broken_at() is None


@pytest.mark.parametrize("call", ["write", "unlink", "rename", "symlink", "fsync", "mkdir"])
def test_a_disk_that_turns_read_only_leaves_the_old_release(
    kiosk: Kiosk, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worn card does so in the middle of the work; after a repair it is done again."""
    real = getattr(os, call)
    source = kiosk.source()
    offer = find_offer(source)
    for after in (0, 3):
        left = [after]

        def turned(*arguments: object, left: list[int] = left, **named: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EROFS, "Read-only file system")
            return real(*arguments, **named)

        monkeypatch.setattr(os, call, turned)
        with suppress(Retry, OSError):
            install(kiosk.parts(), source, offer)
        monkeypatch.undo()
        recover(kiosk.parts())
        state = kiosk.parts().state.load()
        assert kiosk.slots.verified(str(kiosk.slots.active())) and state.refused == ()
        if state.good_version == "1.1.0":
            break
    life(kiosk)
    assert kiosk.parts().state.load().good_version == "1.1.0"


def test_the_second_updater_says_who_is_at_work_and_since_when(tmp_path: Path) -> None:
    lock, note = tmp_path / "lock", tmp_path / "run" / "holder.json"
    with held(lock, note, "daemon", NOW, 0.0):
        told = r"vitrine ota daemon \(pid \d+\), since 2026-11-25T12:00"
        with pytest.raises(Retry, match=told), held(lock, note, "install", NOW, 0.0):
            raise AssertionError("two at once")
        note.write_bytes(b"{")
        with pytest.raises(Retry, match="Another process"), held(lock, note, "x", NOW, 0.0):
            raise AssertionError("two at once")
    with pytest.raises(Retry, match="of its own"), held(lock, note, "install", NOW, 0.0):
        raise Retry("trouble of its own")


def test_a_clock_years_behind_does_not_stop_an_update(kiosk: Kiosk, fleet: Fleet) -> None:
    parts = kiosk.parts()
    slow = FloorClock(kiosk.root / "var" / "clock", lambda: NOW - timedelta(days=900))
    object.__setattr__(parts, "clock", slow)
    assert update(kiosk, parts) is Verdict.CONFIRM
    years = [entry.at[:4] for entry in parts.history.entries()]
    assert min(years) >= "2026", "the log's time is never before the newest signed one"


def test_what_worked_before_the_switch_must_work_after_it(kiosk: Kiosk) -> None:
    kiosk.proven = ("sound", "plays")
    kiosk.health = lambda: Health("b", True, True, sound=False, plays=True)
    kiosk.with_settings(show_s=0.05)
    assert update(kiosk) is Verdict.ROLLBACK
    assert "test tone" in kiosk.parts().state.load().reason
    well = Health("b", True, True)
    assert lacks(well, ("sound", "plays")) == "", "nobody can tell: no fault"
    assert lacks(Health("b", True, True, plays=False), ("sound",)) == "", "it never played"
    assert Health("a", sound=True, plays=False).proven == ("sound",)


def test_a_release_that_hangs_later_is_given_less_time_than_one_that_starts() -> None:
    trial = Trial(0.0).observe(True, True, False, 5.0)
    lost = trial.observe(False, True, False, 10.0)
    assert lost.observe(False, True, False, 29.0).verdict is Verdict.WAIT
    assert lost.observe(False, True, False, 30.0).verdict is Verdict.ROLLBACK
    assert lost.observe(True, True, False, 29.0).verdict is Verdict.WAIT, "started again in time"
    again = lost.observe(True, True, False, 25.0).observe(False, True, False, 35.0)
    assert again.observe(False, True, False, 39.0).verdict is Verdict.WAIT
    assert again.observe(False, True, False, 40.0).verdict is Verdict.ROLLBACK, "15 s, and 5 more"
    never = Trial(0.0).observe(False, True, False, 59.0)
    assert never.verdict is Verdict.WAIT
    assert never.observe(False, True, False, 60.0).verdict is Verdict.ROLLBACK


def test_a_torn_tail_of_the_log_is_named_and_does_not_stop_it(tmp_path: Path) -> None:
    history = History(tmp_path)
    for _ in range(3):
        history.add("check", NOW)
    path = tmp_path / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert history.broken_at() == 3
    history.add("install", NOW)
    assert history.broken_at() == 3 and history.entries()[-1].number == 4
    path.unlink()
    shutil.rmtree(tmp_path)
    assert History(tmp_path).broken_at() is None


def test_people_read_it_in_both_languages(tmp_path: Path) -> None:
    wait = Wait("open", NOW + timedelta(hours=1))
    write_progress(tmp_path, "idle", message="ready", wait=wait)
    told = {
        "running": "1.0.0", "slot": "a", "previous": None, "phase": "waiting", "version": "1.1.0",
        "waits": waits_told(read_progress(tmp_path)), "slots": {"a": "1.0.0", "b": "1.1.0"},
        "refused": ["0.9"], "reason": "why",
        "progress": {"what": "download", "done": 1, "whole": 4},
    }
    chinese, english = (status_lines(told, language) for language in ("zh-CN", "en-US"))
    assert len(chinese) == len(english)
    assert any("11-25 13:00" in line and "营业" in line for line in chinese)
    assert any("the shop is open, until 11-25 13:00 (UTC)" in line for line in english)
    assert any("25 %" in line for line in english)
    assert progress_line("write", 5_000_000, 10_000_000, "zh-CN") == "写入 5.0 / 10.0 MB  50 %"
    assert wait_sentence(Wait("visitor"), "zh-CN") == "正在接待顾客"
    assert waits_told({}) is None and waits_told({"wait": "x", "until": "soon"}) is not None
    history = History(tmp_path)
    history.add("put off", NOW, {"version": "1.1.0"})
    assert "已取消等待" in history_lines(history.entries(), None, "zh-CN")[0]
    assert "Line 7" in history_lines([], 7)[-1]


def test_an_install_beside_a_trial_is_refused(kiosk: Kiosk) -> None:
    parts = kiosk.parts()
    object.__setattr__(parts, "stop", lambda: True)
    assert update(kiosk, parts) is Verdict.WAIT
    with pytest.raises(Refused, match="not confirmed yet"):
        update(kiosk)
