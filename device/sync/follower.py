"""Follows the desired state: plans, has programmes brought, tells player and ear what to play."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from device.messages import ContentReady, Desired, Message, Override, PlayerState, ProgrammeWanted
from device.sync.content import Content
from device.sync.following import Following
from device.sync.inbox import JobDone, Worker
from device.sync.mqtt import retry_wait_s
from device.sync.plan import (
    Actual,
    Announce,
    Bring,
    Install,
    OnDisk,
    Play,
    Played,
    Step,
    Waiting,
    plan,
)
from device.sync.report import Faults
from ota.clock import Deadline, monotonic_s
from ota.errors import Refused, VitrineError
from ota.floor import FloorClock

JOB, SCRUB_JOB, NEWS_JOB = "content", "scrub", "news"
SCRUB_S = 60.0
# So late at most a box that has nothing to fetch hears that a face was taken back.
NEWS_S = 1800.0
PLAY_AGAIN_S = 3.0
RETRY_MIN_S, RETRY_MAX_S = 2.0, 300.0
# A refusal may be cured without a new number (a list signed again), but not by hurrying.
REFUSED_MIN_S, REFUSED_MAX_S = 60.0, 3600.0


@dataclass(frozen=True)
class FollowerParts:
    """What the follower needs; `note(kind, detail)` keeps an event for the console."""

    following: Following
    content: Content
    worker: Worker
    clock: FloorClock
    say: Callable[[Message], None]
    note: Callable[[str, dict[str, object]], None]
    faults: Faults
    install: Callable[[str], None]


class Follower:
    """One thread calls everything here; the bringing itself runs on the worker."""

    def __init__(self, parts: FollowerParts) -> None:
        self._parts = parts
        self._bringing: ProgrammeWanted | None = None
        self._play_again = Deadline(PLAY_AGAIN_S)
        self._scrub_again = Deadline(SCRUB_S)
        self._news_again = Deadline(NEWS_S * random.random())
        self._player: PlayerState | None = None
        self.actual = Actual()

    @property
    def desired(self) -> Desired | None:
        """What is followed now."""
        return self._parts.following.desired

    def begin(self) -> None:
        """Take up what was followed and held before: it plays before any network is there."""
        try:
            self._parts.following.load()
        except Refused as error:
            self._parts.faults.set("desired", str(error))
        self.actual = replace(self.actual, on_disk=self._parts.content.held())

    def offer(self, envelope: bytes) -> None:
        """A desired state came in; a bad one becomes an error and changes nothing."""
        before = self.desired
        try:
            self._parts.following.offer(envelope, self._parts.clock.now())
            self._parts.faults.clear("desired")
        except VitrineError as error:
            self._parts.faults.set("desired", str(error))
        if self.desired != before:
            self.actual = replace(self.actual, waiting=None)
            self._parts.faults.clear(JOB)

    def reload(self) -> None:
        """Try again now what was refused, and tell the player once more."""
        self._parts.faults.clear(JOB)
        self.actual = replace(self.actual, waiting=None, played=None)

    def hurry(self) -> None:
        """The network is back: do not sit out a pause that was meant for its absence."""
        waiting = self.actual.waiting
        if waiting is not None and waiting.for_network:
            self.actual = replace(self.actual, waiting=replace(waiting, until_s=monotonic_s()))

    def see_player(self, state: PlayerState) -> None:
        """The player's newest state; one that lost its programme is told again."""
        self._player = state

    def runs(self, release: str | None) -> None:
        """The release that runs now. One that ran and was taken back is not asked for again."""
        self.actual = replace(self.actual, release=release)

    def turn(self) -> None:
        """Do what the plan says now."""
        if self.desired is not None:
            self._parts.content.follow(self.desired.settings)
        steps = plan(self.desired, self.actual, self._parts.clock.now(), monotonic_s())
        for step in steps:
            self._take_step(step)
        played = self.actual.played
        if played is not None and self._play_again.passed and not self._is_played(played):
            self._tell_play(played)
            if self.actual.notice is not None:
                self._tell_notice()  # a player that began anew knows of no emergency

    def brought(self, job: JobDone) -> None:
        """The worker's answer: a verified folder, or why there is none."""
        self.actual = replace(self.actual, working=False)
        if isinstance(job.result, OnDisk):
            self._parts.faults.clear(JOB)
            self.actual = replace(self.actual, on_disk=job.result, waiting=None)
        elif job.error is not None and self._bringing is not None:
            self._wait(self._bringing, job.error)

    def bring_from(self, content: Content) -> None:
        """Bring what is desired from elsewhere, a stick: as any other bringing it may fail."""
        desired = self.desired
        if self.actual.working or desired is None or desired.programme is None:
            return
        job = partial(content.bring, desired.programme, keep=self._in_use())
        if self._parts.worker.submit(JOB, job) is not None:
            self._bringing = desired.programme
            self.actual = replace(self.actual, working=True)

    @property
    def trouble(self) -> str:
        """Why the wanted programme is not here; empty when nothing is known against it."""
        return self._parts.faults.by_source.get(JOB, "")

    def tidy(self) -> None:
        """Let the worker remove folders that neither the player nor the plan needs."""
        if self.actual.working or self.actual.on_disk is None or self.actual.played is None:
            return
        if self._is_played(self.actual.played):
            self._parts.worker.submit("tidy", partial(self._parts.content.tidy, self._in_use()))

    def scrub(self) -> None:
        """Let the worker look, now and then, at whether what is on the disk is still whole."""
        if not self.actual.working and self._scrub_again.passed:
            self._scrub_again = Deadline(SCRUB_S)
            self._parts.worker.submit(SCRUB_JOB, self._parts.content.scrub)

    def ask_for_news(self) -> None:
        """Let the worker ask, twice an hour, whose face was taken back: nothing else is fetched."""
        if not self.actual.working and self._news_again.passed:
            self._news_again = Deadline(NEWS_S * (0.75 + random.random() / 2))
            self._parts.worker.submit(NEWS_JOB, self._parts.content.look_for_withdrawn)

    def got_news(self, job: JobDone) -> None:
        """The player looks for itself; the console hears of it."""
        if isinstance(job.error, Refused):
            self._parts.faults.set(NEWS_JOB, str(job.error))
        elif job.error is None:
            self._parts.faults.clear(NEWS_JOB)
        if isinstance(job.result, frozenset) and job.result:
            self._parts.note("withdrawn", {"consents": sorted(job.result)[:20]})

    def scrubbed(self, job: JobDone) -> None:
        """Something rotted: what is played stays on the screen until it is here again, whole."""
        if isinstance(job.result, list) and job.result and not self.actual.working:
            self.actual = replace(self.actual, on_disk=None)
            self._parts.note("rot", {"files": len(job.result), "first": str(job.result[0])})

    def _in_use(self) -> tuple[str, ...]:
        """The folders that the player plays, or may be told to play."""
        played = None if self.actual.played is None else self.actual.played.on_disk
        return tuple(each.path for each in (self.actual.on_disk, played) if each is not None)

    def _take_step(self, step: Step) -> None:
        if isinstance(step, Bring):
            job = partial(self._parts.content.bring, step.wanted, keep=self._in_use())
            if self._parts.worker.submit(JOB, job) is not None:
                self._bringing = step.wanted
                self.actual = replace(self.actual, working=True)
        elif isinstance(step, Play):
            self.actual = replace(self.actual, played=step.played)
            self._tell_play(step.played)
        elif isinstance(step, Install):
            self.actual = replace(self.actual, release_asked=step.release)
            self._install(step.release)
        elif isinstance(step, Announce):
            self.actual = replace(self.actual, notice=step.notice)
            self._tell_notice()

    def _tell_notice(self) -> None:
        notice = self.actual.notice
        self._parts.say(
            Override() if notice is None
            else Override(say=notice.say, show=notice.show, until=notice.until)
        )

    def _install(self, release: str) -> None:
        try:
            self._parts.install(release)
            self._parts.faults.clear("release")
        except VitrineError as error:
            self._parts.faults.set("release", str(error))

    def _tell_play(self, played: Played) -> None:
        self._play_again = Deadline(PLAY_AGAIN_S)
        self._parts.say(
            ContentReady(
                path=played.on_disk.path,
                programme_id=played.on_disk.programme_id,
                version=played.on_disk.wanted.version,
                variables=played.variables,
                settings=played.settings,
                seq=0 if self.desired is None else self.desired.seq,
            )
        )

    def _is_played(self, played: Played) -> bool:
        state = self._player
        return (
            state is not None
            and state.programme_id == played.on_disk.programme_id
            and state.programme_version == played.on_disk.wanted.version
        )

    def _wait(self, wanted: ProgrammeWanted, error: VitrineError) -> None:
        refused = isinstance(error, Refused)
        before = self.actual.waiting
        again = before is not None and before.wanted == wanted
        attempt = before.attempt + 1 if before is not None and again else 0
        low_s, high_s = (REFUSED_MIN_S, REFUSED_MAX_S) if refused else (RETRY_MIN_S, RETRY_MAX_S)
        pause_s = low_s / 2 + retry_wait_s(attempt, low_s, high_s, random.random())
        self.actual = replace(
            self.actual, waiting=Waiting(wanted, monotonic_s() + pause_s, attempt, not refused)
        )
        self._parts.faults.set(JOB, str(error))
        if not again:
            kind = "content-refused" if refused else "fault"
            self._parts.note(kind, {"target": wanted.target, "reason": str(error)[:500]})
