"""The operating system's updates in the updater's own turns: one process, one lock, one thing at a
time. An application's trial is over before a system's begins, and the other way round.

Each turn looks at the fleet, and goes as far as it can: judge, fetch, write. What lies ready waits
for its moment (`go_on`); its trial is the first thing after the restart (`begin`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ota.box.daemon import Gate
from ota.box.going_back import REFUSED
from ota.box.install import Parts as Application
from ota.box.install import Source
from ota.box.orders import Order
from ota.box.state import Phase as ApplicationPhase
from ota.box.steer import Steering, look
from ota.box.store import Store
from ota.clock import Deadline
from ota.errors import Refused, Retry, VitrineError
from ota.formats.systems import SystemRelease, steering_names
from ota.formats.versions import version_key
from ota.system import bringing, update
from ota.system.told import Bundle
from ota.system.update import Phase
from ota.trust.client import NothingSigned

GO_ON_LOOK_S = 1.0
RESTART_AGAIN_S = 300.0
# After an hour of downloading the application has its turn.
SITTING_S = 3600.0
# A server that gives out other bytes than were signed is not asked for them again at once.
SPOILT_S = 6 * 3600.0


def waits_for(gate: Gate, application: Application) -> Callable[[], bool]:
    """Is this no moment for a restart? Not before a visitor, nor in the middle of a release."""
    return lambda: (application.state.load().phase is not ApplicationPhase.IDLE
                    or gate() is not None)


@dataclass
class Beside:
    """`parts` is the system's world, `application` the other's; `kept` a folder for what the fleet
    said, `is_wanted()` true when the updater is needed elsewhere (an order, the end)."""

    parts: update.Parts
    application: Application
    store: Store
    source: Callable[[str | None], Source]
    gate: Gate
    kept: Path
    box: Callable[[], str] = lambda: ""
    is_wanted: Callable[[], bool] = lambda: False
    _next_look: Deadline = field(default_factory=lambda: Deadline(0.0))
    _has_looked: bool = False
    _spoilt: tuple[str, Deadline] = ("", Deadline(0.0))

    def begin(self) -> str:
        """After a start: end a trial, or what a cut left open. What went wrong, or ""."""
        try:
            if self.parts.state.load().phase in (Phase.READY, Phase.TRIAL):
                self.store.keep_only(())  # a cut came before it was removed
            update.after_start(self.parts, self.application.stop)
        except VitrineError as error:
            return str(error)
        return ""

    def turn(self, order: Order | None = None) -> tuple[str, str]:
        """One look at the fleet, or a person's word ("system"): what was done, what went wrong."""
        asked = order if order is not None and order.name == "system" else None
        self.gate.asked = asked is not None and asked.now == "now"
        try:
            return self._turn(asked), ""
        except VitrineError as error:
            return "", str(error)
        finally:
            self._has_looked = True

    def decline(self) -> str:
        """A person's rollback: what lies ready is put off, what is tried taken back; a sentence,
        "" for neither. Raises Refused, Retry, Broken."""
        return update.decline(self.parts, REFUSED)

    def go_on(self) -> None:
        """Begin what lies ready once its moment has come; looks once a second."""
        # Before the first look the roll-out's window is not known.
        if not self._has_looked or not self._next_look.passed:
            return
        self._next_look = Deadline(GO_ON_LOOK_S)
        try:
            phase = self.parts.state.load().phase
            if phase is Phase.TRIAL or (phase is Phase.READY and update.go_on(self.parts)):
                # The machine is on its way down; should it not be, it is told again.
                self._next_look = Deadline(RESTART_AGAIN_S)
                if phase is Phase.TRIAL:
                    update.after_start(self.parts, watches=False)
        except VitrineError as error:
            self._next_look = Deadline(RESTART_AGAIN_S)
            self.parts.note("system trouble", reason=str(error))

    def _turn(self, asked: Order | None) -> str:
        if self.application.state.load().phase is ApplicationPhase.TRIAL:
            return ""  # never from an unconfirmed release
        if asked is not None and asked.bundle:
            return self._written(update.install(self.parts, Path(asked.bundle)).version)
        source = self.source(asked.stick if asked else None)
        board = self.parts.rauc.compatible()
        told = look(source.trust, source.fetcher, source.targets_url, self.kept,
                    steering_names(board))
        version = self._wanted(told, asked)
        state = self.parts.state.load()
        if version is None or state.phase is Phase.TRIAL:
            return ""
        if state.phase is Phase.READY and state.version == version:
            return self._written(version) if asked else ""
        try:
            release = bringing.find(source.trust.known, source.origin, version, board)
            self._judge(release)
        except NothingSigned:
            if asked:
                raise
            return ""
        except Refused as error:
            if asked:
                raise
            return self._passed_over(str(error))
        update.put_off(self.parts, f"system {version} is wanted instead")
        self._install(release, self._brought(source, release, asked is not None))
        return self._written(version)

    def _wanted(self, told: Steering, asked: Order | None) -> str | None:
        """The version to bring now; None: leave it. Notes whether what lies ready is held back."""
        if asked is not None and asked.version:
            return asked.version
        state = self.parts.state.load()
        decision = told.decide(self.box(), self._running(), self.application.clock.now())
        self.gate.window = decision.window
        held = state.phase is Phase.READY and told.held_back == state.version
        if held != state.held:
            state = self.parts.state.save(replace(state, held=held))
        if decision.release is None and asked is not None:
            raise Refused(f"Nothing was installed: {decision.why}.")
        if asked is None and decision.release is not None:
            newer = (version_key(decision.release) or (0,)) > (version_key(state.floor) or (0,))
            if not newer or decision.release in (*state.refused, state.declined):
                self.store.keep_only(())
                return None
        return decision.release

    def _judge(self, release: SystemRelease) -> None:
        """By all that is known before the bundle: raises Refused with the reason."""
        parts, state = self.parts, self.parts.state.load()
        if state.phase is Phase.READY:
            state = replace(state, phase=Phase.IDLE)  # it would be put off
        rauc = parts.rauc.version()
        application = self.application.state.load()
        facts = bringing.facts_with(
            self.application.machine().facts, rauc, self._running(), application.good_version)
        against = bringing.misfit(release, facts) or update.objection(
            state, Bundle(release.board, release.version), rauc, parts.rauc_at_least,
            parts.control.primary() == parts.control.booted())
        if against:
            raise Refused(f"Nothing was installed: {against}.")

    def _install(self, release: SystemRelease, path: Path) -> None:
        """Let RAUC write it. The bundle is kept for another try, until its bytes are in place or
        it was found to be bad."""
        parts = self.parts
        found = parts.rauc.inspect(path)
        try:
            bringing.check_same(release, found)
        except Refused as error:
            parts.state.save(replace(parts.state.load(), version=release.version))
            update.fail(parts, str(error), bad=True)
            self.store.keep_only(())
            raise
        try:
            update.install(parts, path)
        except Refused:
            if release.version in parts.state.load().refused:
                self.store.keep_only(())
            raise
        self.store.keep_only(())

    def _brought(self, source: Source, release: SystemRelease, is_asked: bool) -> Path:
        """The bundle, whole. Raises Retry (PutOff among them), Refused."""
        sha256, until = self._spoilt
        if sha256 == release.bundle.sha256 and not until.passed and not is_asked:
            raise Retry(f"The bytes of system {release.version} were not the signed ones; they "
                        "are asked for again in some hours.")
        over = Deadline(SITTING_S)

        def tell(done: int, whole: int) -> None:
            self.parts.tell("system download", done, whole)
            if self.application.stop() or (
                    not is_asked and done < whole and (over.passed or self.is_wanted())):
                raise bringing.PutOff("The system's download goes on after what came between.")

        try:
            with source.spending(bringing.missing_bytes(self.store, release), is_asked):
                return bringing.bring(source.origin, self.store, release, tell)
        except Refused:
            self._spoilt = release.bundle.sha256, Deadline(SPOILT_S)
            raise

    def _running(self) -> str:
        """The version of the system that runs, as far as RAUC knows."""
        found = self.parts.rauc.systems().get(self.parts.control.booted())
        known = found.version if found is not None else ""
        return known if version_key(known) is not None else "0"

    def _passed_over(self, reason: str) -> str:
        """A system that is not for this box is not asked for again and again; people read why."""
        state = self.parts.state.load()
        if state.reason != reason:
            self.parts.state.save(replace(state, reason=reason))
        return ""

    def _written(self, version: str) -> str:
        if update.go_on(self.parts):
            self._next_look = Deadline(RESTART_AGAIN_S)
            return f"system {version} is written and verified; the box restarts into it"
        return f"system {version} is written and verified; it lies ready for its moment"
