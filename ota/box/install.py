"""One update from beginning to end, in one readable order:

    plan, check, bring, mark bad, write, verify, wait, mark active, restart, trial, confirm

Never from an unconfirmed slot (`objection`), never while a visitor is served, only in the shop's
window (`Parts.waits`, `ota.box.window`): until then what was written lies ready, and survives cuts.
Every step is durable before the next begins, and any of them may be the last one before a power
cut: `recover` goes on from whatever it finds. Bad first, good last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ota.box.bring import Bringing, Fetch, Origin, Running, prepare
from ota.box.budget import Budget
from ota.box.confirm import HOLD_S, SHOW_S, Health, Trial, Verdict
from ota.box.slots import DirectorySlots
from ota.box.state import (
    TRIAL_STARTS_MAX,
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
from ota.box.store import Store
from ota.box.unpack import members
from ota.box.watch import watch
from ota.box.window import Wait
from ota.clock import monotonic_s
from ota.errors import Refused, Retry, VitrineError
from ota.floor import FloorClock
from ota.formats.manifest import (
    MANIFEST_BYTES_MAX,
    NEWEST,
    Machine,
    Manifest,
    environment_here,
    misfit,
    parse_manifest,
    parse_newest,
    release_target,
)
from ota.formats.versions import version_key
from ota.history import History
from ota.trust.client import NothingSigned, Target, TrustClient

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Source:
    """Where releases come from: signed names, and the bytes behind them. `tag` is the kind of
    environment that runs here, `running` the file with the manifest of the release that does.
    `budget` holds back what comes over the shop's line, but not what is `urgent`."""

    trust: TrustClient
    fetcher: Fetch
    targets_url: str
    tag: str = field(default_factory=environment_here)
    running: Path | None = None
    budget: Budget | None = None
    urgent: bool = False

    def spending(self, length_bytes: int, urgent: bool = False) -> AbstractContextManager[None]:
        """While so much comes. Raises Spent: the line's share is used up."""
        if self.budget is None:
            return nullcontext()
        return self.budget.spending(length_bytes, urgent or self.urgent)

    @property
    def origin(self) -> Origin:
        """As what brings releases needs it."""
        return Origin(self.trust, self.fetcher, self.targets_url)


@dataclass(frozen=True)
class Offer:
    """A signed release, as the fleet offers it; `manifest_bytes` are the signed bytes."""

    manifest: Manifest
    manifest_bytes: bytes

    @property
    def version(self) -> str:
        """The release's version."""
        return self.manifest.version


@dataclass(frozen=True)
class Settings:
    """Times of a trial; the defaults are a shop's, a test or demo takes shorter ones."""

    show_s: float = SHOW_S
    hold_s: float = HOLD_S
    look_s: float = 0.25


@dataclass(frozen=True)
class Parts:
    """All that an update touches, passed in.

    `restart(slot)` is called after each switch; `health()` is what the supervisor sees, None when
    it says nothing; `order()` is a person's word in a trial ("confirm", "rollback" or None);
    `tell(what, done, whole)` is for people watching; `waits()` is why the switch may not be made
    now, None: go on; `proven()` is what the running release is seen to do (`Health.proven`);
    `machine()` is what this box is now.
    """

    state: StateFile
    slots: DirectorySlots
    artefacts: Store
    history: History
    clock: FloorClock
    machine: Callable[[], Machine]
    restart: Callable[[str | None], None]
    health: Callable[[], Health | None]
    settings: Settings = field(default_factory=Settings)
    order: Callable[[], str | None] = lambda: None
    stop: Callable[[], bool] = lambda: False
    tell: Tell = lambda what, done, whole: None
    waits: Callable[[], Wait | None] = lambda: None
    proven: Callable[[], tuple[str, ...]] = lambda: ()

    def take(self, event: Event) -> State:
        """Step the saved state; durable before it returns."""
        state = step(self.state.load(), event)
        self.state.save(state)
        return state

    def note(self, what: str, **detail: str) -> None:
        """A line of the audit log."""
        self.history.add(what, self.clock.now(), detail)


def find_offer(source: Source, version: str | None = None) -> Offer:
    """The signed release of this version, or the chain's newest.

    Raises NothingSigned (no release yet, or not this one), Refused, Retry.
    """
    source.trust.refresh()
    if version is None:
        try:
            newest = source.trust.target(NEWEST)
        except NothingSigned as error:
            raise NothingSigned("The fleet has not published a release yet.") from error
        version = parse_newest(_signed(source, newest))
    if version_key(version) is None:
        raise Refused(f"{version[:40]!r} is not a version; write dotted numbers like 1.4.0.")
    target = _release(source, version)
    if target.length_bytes > MANIFEST_BYTES_MAX:
        raise Refused(f"{target.path} is too long to be a manifest; publish it again.")
    body = source.origin.manifest(target, source.running) or _signed(source, target)
    manifest = parse_manifest(body)
    if manifest.version != version:
        raise Refused(f"What is signed as release {version} says it is {manifest.version}.")
    return Offer(manifest, body)


def objection(state: State, offer: Offer, machine: Machine) -> str | None:
    """Why this release is not to be installed now, as a sentence, or None. Pure."""
    manifest = offer.manifest
    if state.phase is Phase.WAITING:
        return f"release {state.version} lies ready and waits for the shop's window"
    if state.phase is not Phase.IDLE:
        return f"release {state.version} is not confirmed yet; wait for the end of its trial"
    if manifest.version == state.good_version:
        return f"release {manifest.version} is running already"
    if manifest.version in state.refused:
        return f"release {manifest.version} failed here before; publish a newer one"
    wanted, floor = version_key(manifest.version) or (0,), version_key(state.floor) or (0,)
    if wanted < floor:
        return (
            f"release {manifest.version} is older than {state.floor}, which this box has run; "
            "publish the old code under a higher version"
        )
    return misfit(manifest.compat, machine, state.good_version)


def install(parts: Parts, source: Source, offer: Offer, trial: bool = True) -> Verdict:
    """Install a release into the free slot, switch to it, try it, keep it or go back.

    Returns CONFIRM or ROLLBACK; WAIT when it lies ready for its moment (phase WAITING; `go_on`),
    when asked to stop in the trial, or with `trial` False: then the updater begins the trial at
    its next start. Raises Refused (bad release; not tried again),
    Retry (network, disk); in both cases the old release runs on.
    """
    manifest = offer.manifest
    state = parts.state.load()
    against = objection(state, offer, parts.machine())
    if against:
        raise Refused(f"Nothing was installed: {against}.")
    slot = free_slot(state)
    bringing = _plan(parts, source, manifest, slot, state.good)
    with source.spending(bringing.wire_bytes):
        pass  # nothing is begun in an hour that has no share left
    parts.take(Begin(manifest.version))
    parts.note("install", version=manifest.version, slot=slot, **bringing.told())
    try:
        with source.spending(bringing.wire_bytes):
            path = bringing.go(lambda done, whole: parts.tell("download", done, whole))
        parts.take(Overwrite())
        parts.slots.mark_bad(slot)
        parts.slots.write(
            slot, manifest, members(path), lambda done, whole: parts.tell("write", done, whole)
        )
        parts.slots.mark_whole(slot, offer.manifest_bytes)
        # Its bytes are in the slot; a roll back must find room for its own few bytes.
        parts.artefacts.keep_only(())
    except (VitrineError, OSError) as error:
        parts.take(Fail(str(error), bad=isinstance(error, Refused)))
        parts.note("failed", version=manifest.version, reason=str(error))
        if isinstance(error, OSError):
            raise Retry(f"The slot cannot be written ({error}); check the disk.") from error
        raise
    if trial and parts.waits() is not None:
        parts.take(Written())
        parts.note("waiting", version=manifest.version, slot=slot)
        return Verdict.WAIT
    parts.take(Ready(parts.proven()))
    if not trial:
        parts.slots.make_active(slot)
        return Verdict.WAIT
    return run_trial(parts)


def go_on(parts: Parts) -> Verdict:
    """The moment may have come for a release that lies ready: switch and try it. WAIT: not yet."""
    if parts.state.load().phase is not Phase.WAITING or parts.waits() is not None:
        return Verdict.WAIT
    return run_trial(parts) if recover(parts).phase is Phase.TRIAL else Verdict.WAIT


def put_off(parts: Parts, reason: str, declined: bool = False) -> State:
    """A release that lies ready is not wanted any more (paused, or there is a newer one, or a
    person `declined` it: then it is left until somebody orders it)."""
    state = parts.state.load()
    if state.phase is not Phase.WAITING:
        return state
    parts.slots.mark_bad(state.slot)
    after = parts.take(Fail(reason, bad=False, declined=declined))
    parts.note("put off", version=state.version, slot=state.slot, reason=reason)
    return after


def run_trial(parts: Parts) -> Verdict:
    """Switch to the slot on trial, watch it, confirm it or go back."""
    state = parts.take(Started())
    if state.trial_starts > TRIAL_STARTS_MAX:
        return roll_back(parts, "the machine stopped again and again while it was tried")
    parts.note("trial", version=state.version, slot=state.slot, start=str(state.trial_starts))
    try:
        parts.slots.make_active(state.slot)
        parts.restart(state.slot)
        ended = _watch(parts, state.slot)
    except VitrineError as error:
        # A disk that could not take the switch says nothing about the release.
        return roll_back(parts, str(error), bad=not isinstance(error, Retry))
    if ended.verdict is Verdict.CONFIRM:
        confirm(parts, ended.reason)
    elif ended.verdict is Verdict.ROLLBACK:
        roll_back(parts, ended.reason)
    else:
        parts.take(Stopped())
    return ended.verdict


def confirm(parts: Parts, reason: str) -> None:
    """The release on trial is the good one from now on."""
    before = parts.state.load()
    if before.phase is not Phase.TRIAL:
        raise Refused("There is no release on trial; there is nothing to confirm.")
    parts.take(Confirm())
    parts.note("confirmed", version=before.version, slot=before.slot, reason=reason)
    parts.tell("confirmed", 1, 1)


def roll_back(parts: Parts, reason: str, bad: bool = True) -> Verdict:
    """Back to the good slot; a `bad` release is not tried again."""
    before = parts.state.load()
    if before.phase is not Phase.TRIAL:
        raise Refused("There is no release on trial; there is nothing to roll back.")
    state = parts.take(Fail(reason, bad=bad))
    parts.slots.make_active(wanted_slot(state))
    parts.note("rolled back", version=before.version, slot=before.slot, reason=reason)
    parts.restart(wanted_slot(state))
    parts.tell("rolled back", 1, 1)
    return Verdict.ROLLBACK


def go_back(parts: Parts) -> State:
    """A person's order: the release before this one. Raises Refused when there is none whole."""
    state = parts.state.load()
    if state.phase is not Phase.IDLE or state.good is None:
        raise Refused("There is no earlier release to go back to; publish a better one.")
    if state.previous and not parts.slots.verified(state.previous):
        raise Refused(
            f"The earlier release in slot {state.previous} is damaged; publish a better one."
        )
    after = parts.take(GoBack())
    parts.slots.make_active(wanted_slot(after))
    parts.note("went back", version=after.good_version, left=state.good_version)
    parts.restart(wanted_slot(after))
    return after


def recover(parts: Parts) -> State:
    """After a start, whatever came before: a half install is undone, the switch is set again, and
    a slot that rotted is not run. A trial is left for `run_trial`, and what lies ready becomes one
    when its moment has come. Call before anything runs."""
    parts.state.sweep()
    parts.slots.sweep()
    state = parts.state.load()
    if state.phase is Phase.INSTALLING:
        if overwritten(state):
            parts.slots.mark_bad(state.slot)
        parts.note("cut", version=state.version, slot=state.slot)
        state = parts.take(Fail("the install was interrupted; it is begun again", bad=False))
    unproven = state.phase in (Phase.WAITING, Phase.TRIAL)
    if unproven and not parts.slots.verified(state.slot):
        parts.note("damaged", slot=state.slot)
        state = parts.take(Fail("the new release was damaged on disk", bad=False))
    if state.phase is Phase.WAITING:
        rotten = state.good is not None and not parts.slots.verified(state.good)
        if rotten or parts.waits() is None:
            state = parts.take(Ready(parts.proven()))
    # At most two slots can be lost, then the code the machine came with is left.
    for _ in range(2):
        if state.phase is Phase.IDLE and state.good and not parts.slots.verified(state.good):
            parts.note("damaged", slot=state.good)
            state = parts.take(Lost())
    parts.slots.make_active(wanted_slot(state))
    return state


def _watch(parts: Parts, slot: str) -> Trial:
    settings = parts.settings

    def look() -> Health:
        seen = parts.health()
        # What the supervisor says of another slot says nothing about this one.
        return seen if seen is not None and seen.slot == slot else Health(slot)

    return watch(
        Trial(monotonic_s(), settings.show_s, settings.hold_s), settings.look_s, look,
        parts.state.load().proven, parts.order, parts.stop,
        lambda held_s, hold_s: parts.tell("trial", held_s, hold_s),
    )


def _plan(
    parts: Parts, source: Source, manifest: Manifest, slot: str, good: str | None
) -> Bringing:
    """How the artefact comes, and is there room for it and the slot. Raises Retry: there is not."""
    parts.slots.check_room(slot, manifest.unpacked_bytes)
    running = parts.slots.manifest(good) if good else None
    base = Running(running, parts.slots.folder(good)) if running and good else None
    return prepare(source.origin, parts.artefacts, manifest, base,
                   parts.slots.bytes_beside(slot, manifest.unpacked_bytes,
                                              parts.artefacts.directory))


def _release(source: Source, version: str) -> Target:
    """The release for this kind of box, else the one for any. Raises NothingSigned."""
    for name in (release_target(version, source.tag), release_target(version)):
        found = source.trust.known(name)
        if found is not None:
            return found
    raise NothingSigned(
        f"Release {version} was not published for this box ({source.tag}); publish it for such."
    )


def _signed(source: Source, target: Target) -> bytes:
    if target.length_bytes > MANIFEST_BYTES_MAX:
        raise Refused(f"{target.path} is too long to be a manifest; publish it again.")
    body = source.fetcher.bytes(target.url(source.targets_url), target.length_bytes)
    if hashlib.sha256(body).hexdigest() != target.sha256:
        raise Refused(f"{target.path} was changed after it was signed; it was not used.")
    if len(body) != target.length_bytes:
        raise Retry(f"{target.path} came incomplete; it is fetched again.")
    return body
