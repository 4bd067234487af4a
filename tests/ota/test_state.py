"""Whatever happens in whatever order, a box boots something whole, and never sinks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ota.box.confirm import Trial, Verdict
from ota.box.state import (
    SLOTS,
    Begin,
    Confirm,
    Event,
    Fail,
    GoBack,
    Lost,
    Overwrite,
    Phase,
    Ready,
    Started,
    State,
    StateFile,
    Stopped,
    Written,
    free_slot,
    overwritten,
    step,
    wanted_slot,
)
from ota.formats.versions import version_key

VERSIONS = st.sampled_from(["1", "1.0.1", "1.2", "1.10", "2", "3.4.5.6"])
EVENTS: st.SearchStrategy[Event] = st.one_of(
    VERSIONS.map(Begin),
    st.just(Overwrite()),
    st.just(Written()),
    st.just(Ready()),
    st.just(Started()),
    st.just(Confirm()),
    st.builds(Fail, st.just("why"), st.booleans()),
    st.just(GoBack()),
    st.just(Stopped()),
    st.just(Lost()),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(EVENTS, max_size=40))
def test_any_order_of_events_leaves_a_slot_that_was_whole(events: list[Event]) -> None:
    """The model keeps what lies in each slot: an install makes it unbootable until Ready."""
    state = State()
    whole: dict[str, str | None] = {"a": None, "b": None}
    for event in events:
        before = state
        state = step(state, event)
        if isinstance(event, Begin) and state != before:
            assert state.slot != before.good, "the good slot was written to"
            assert state.previous == before.previous, "what is there is there until it must go"
        if state.phase is Phase.INSTALLING and overwritten(state):
            whole[state.slot] = None
        if isinstance(event, Ready) and state != before:
            whole[state.slot] = state.version
        wanted = wanted_slot(state)
        assert wanted is None or whole[wanted] is not None, (event, state)
        if state.good:
            assert whole[state.good] == state.good_version
        if state.previous:
            assert state.previous != state.good and whole[state.previous] is not None
        assert (version_key(state.floor) or ()) >= (version_key(before.floor) or ())
        assert free_slot(state) != state.good
        assert len(state.refused) <= 16
        if state.phase is Phase.IDLE:
            assert state.slot == "" and state.version == ""


@settings(max_examples=50, deadline=None)
@given(st.lists(EVENTS, max_size=20))
def test_a_torn_state_file_costs_nothing(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    directory = tmp_path_factory.mktemp("state")
    state = State()
    for event in events:
        state = step(state, event)
    StateFile(directory).save(state)
    assert StateFile(directory).load() == state
    for name, torn in (("state.0.json", b""), ("state.0.json", b'{"half')):
        (directory / name).write_bytes(torn)
        assert StateFile(directory).load() == state
    StateFile(directory).save(state)
    (directory / "state.1.json").write_bytes(b"\x00" * 50)
    assert StateFile(directory).load() == state


def test_a_lost_state_is_the_first_state(tmp_path: Path) -> None:
    for number in (0, 1):
        (tmp_path / f"state.{number}.json").write_bytes(b"rot")
    assert StateFile(tmp_path).load() == State()


def test_versions_are_compared_as_numbers() -> None:
    order = ["0", "1", "1.0.1", "1.2", "1.9.9", "1.10", "2"]
    keys = [version_key(version) for version in order]
    assert keys == sorted(keys)  # type: ignore[type-var]
    assert version_key("1.0.0") == version_key("1")
    for bad in ("", "1.", "v1", "1.2.3.4.5", "-1", "1e3", "１", "9" * 10, "1 "):
        assert version_key(bad) is None, bad


def test_a_picture_and_an_ear_held_confirm() -> None:
    trial = Trial(100.0, show_s=75, hold_s=600)
    trial = trial.observe(False, False, False, 110.0).observe(True, True, False, 130.0)
    assert trial.observe(True, True, False, 729.0).verdict is Verdict.WAIT
    assert trial.observe(True, True, False, 730.0).verdict is Verdict.CONFIRM


def test_black_or_deaf_goes_back_within_ninety_seconds() -> None:
    for presented, ready, word in ((False, True, "picture"), (True, False, "recogniser")):
        trial, now_s = Trial(0.0), 0.0
        while trial.verdict is Verdict.WAIT:
            now_s += 1.0
            trial = trial.observe(presented, ready, False, now_s)
        assert trial.verdict is Verdict.ROLLBACK and now_s <= 80 and word in trial.reason


def test_a_crash_goes_back_at_once_and_a_short_gap_does_not() -> None:
    trial = Trial(0.0, show_s=10, hold_s=50).observe(True, True, False, 1.0)
    assert trial.observe(True, True, True, 2.0).verdict is Verdict.ROLLBACK
    gap = trial.observe(False, True, False, 5.0).observe(True, True, False, 6.0)
    assert gap.verdict is Verdict.WAIT
    assert gap.observe(True, True, False, 55.0).verdict is Verdict.WAIT
    assert gap.observe(True, True, False, 56.0).verdict is Verdict.CONFIRM


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.0, 9.0)), min_size=1))
def test_a_trial_ends_in_bounded_time_and_a_verdict_stays(
    looks: list[tuple[bool, bool, float]],
) -> None:
    trial, now_s = Trial(0.0, show_s=5, hold_s=7), 0.0
    first: Verdict | None = None
    for presented, ready, pause_s in looks:
        now_s += pause_s
        trial = trial.observe(presented, ready, False, now_s)
        if trial.verdict is not Verdict.WAIT:
            first = first or trial.verdict
        assert first is None or trial.verdict is first
    assert now_s < 36 or trial.verdict is not Verdict.WAIT


class Restarts(RuleBasedStateMachine):
    """A box that is cut at any time: what is loaded again is what was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()

    @rule(version=VERSIONS)
    def begin(self, version: str) -> None:
        self.state = step(self.state, Begin(version))

    @precondition(lambda self: self.state.phase is Phase.INSTALLING)
    @rule()
    def power_cut_while_installing(self) -> None:
        self.state = step(self.state, Fail("cut", bad=False))
        assert self.state.phase is Phase.IDLE

    @rule(event=EVENTS)
    def anything(self, event: Event) -> None:
        self.state = step(self.state, event)

    @invariant()
    def something_runs(self) -> None:
        assert wanted_slot(self.state) in (None, *SLOTS)


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
