"""The player: picture, sound and the conversation's next step, in one process (DESIGN A2)."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device import messages as m
from device.audio.reference import ReferenceWriter
from device.audio.speaker import Speaker
from device.audio.tone import ProofTone
from device.bus import Bus
from device.conversation.meanings import Meanings
from device.conversation.script import Script
from device.hal import Hal, open_box
from device.hal.notify import Notifier
from device.live.voice import LiveVoice
from device.paths import Places, assets_dir, notify_socket, starts_behind
from device.processes import EXIT_FROZEN, EXIT_RECAST, EXIT_WINDOW_CLOSED
from device.render import pixels
from device.render.bundle import Bundle, load_bundle
from device.render.lips import Lips
from device.render.mouths import open_mouth
from device.render.sink import Sink, open_sink
from device.stage import casting, offset
from device.stage.announcer import Announcer
from device.stage.calibration import Calibration
from device.stage.clips import ClipShelf
from device.stage.day import ShopDay
from device.stage.director import Director
from device.stage.keeper import PictureKeeper, Presence
from device.stage.liveness import Liveness, PictureGuard
from device.stage.measure import report, spread
from device.stage.mouths import MouthMaker
from device.stage.orders import Orders
from device.stage.performer import Performer
from device.stage.permission import Permission, forget_face, withdrawn_ids
from device.stage.record import Screen
from device.stage.resume import Bookmark
from device.stage.stage import Stage
from device.stage.streamer import Streamer
from device.stage.surroundings import canvas_size, go_first, who
from device.stage.ties import Ties
from device.stage.warden import Warden
from device.stage.wardrobe import Wardrobe
from device.warmup import wait_behind
from ota.clock import monotonic_ns, monotonic_s, process_cpu_s
from ota.errors import Broken, Refused, VitrineError
from ota.files import write_durable
from ota.floor import FloorClock
from ota.heap import use_few_arenas
from ota.trust.consent import NotAllowed

FAULT_SHOWN_S = 3.0
SETTLE_S = 1.0
FIRST_FRAME_S = 5.0
SWITCH_S = 0.001
# Decoder and mouth work some frames ahead; who presents has no slack, who directs has seconds.
PRIORITY, PRESENT_PRIORITY, DIRECT_PRIORITY = -5, -11, 0
ALIVE_EVERY_FRAMES = 25


@dataclass(frozen=True)
class PlayerSettings:
    """How to play; the command line's arguments. Sizes in pixels."""

    avatar: Path | None = None
    programme: Path | None = None
    headless: bool = False
    full_screen: bool = False
    width_px: int | None = None  # None: as the screen is
    height_px: int | None = None
    precision: str = "int8"
    provider: str = "auto"
    sound: bool = True
    sound_device: str | None = None
    av_offset_ms: float = 0.0
    seconds: float | None = None
    report: Path | None = None


def run(places: Places, settings: PlayerSettings) -> int:
    """Play until SIGTERM, the window's close, or `seconds`; writes the report. Exit code.

    Raises Refused (avatar or settings are bad) and Broken (this process must restart).
    """
    pixels.use_one_thread()
    use_few_arenas()
    go_first(PRIORITY)
    behind = starts_behind()
    with Bus(places.run, "player", bound=not behind) as bus:
        speaker = Speaker(settings.sound_device, settings.sound)
        try:
            if not behind:
                speaker.start()  # the sound's clock settles while the avatar is loaded
            bundle = load_bundle(
                settings.avatar or casting.chosen(places), FloorClock(places.var / "clock").now(),
                who(places)[0], withdrawn=withdrawn_ids(places))
            player = Player(places, settings, bundle, bus, speaker=speaker)
        except VitrineError as error:
            speaker.close()
            if isinstance(error, NotAllowed):
                forget_face(places)
            _confess(places, bus, str(error))
            raise
        if behind:
            wait_behind(places)
            bus.bind()
        return player.play()


class Player:
    """All parts of one player, wired. `play` once."""

    def __init__(
        self, places: Places, settings: PlayerSettings, bundle: Bundle, bus: Bus,
        sink: Sink | None = None, speaker: Speaker | None = None, hal: Hal | None = None,
    ) -> None:
        self._settings, self._bundle, self._bus = settings, bundle, bus
        self.mouth = open_mouth(bundle, settings.precision, provider=settings.provider)
        self._degraded_told = 0
        self.speaker = speaker or Speaker(settings.sound_device, settings.sound)
        self.mouths = MouthMaker(self.mouth, bundle.manifest.base.frames)
        size = canvas_size(
            bundle.manifest.size, settings.width_px, settings.height_px,
            settings.full_screen and not settings.headless)
        screen = sink or open_sink(settings.headless, settings.full_screen)
        self.stage = Stage(bundle, screen, self.speaker, self.mouths, size,
                           offset.bounded(settings.av_offset_ms))
        self.warden = Warden(hal or open_box(), self.stage, bundle.manifest.fps)
        look = self.stage.compositor.look
        # Codes are computed by a second runtime: one session is for one thread.
        codes = open_mouth(bundle, settings.precision)
        shelf = ClipShelf(codes, Lips.of(bundle))
        self._announcer = Announcer(places)
        self.performer = Performer(
            self.stage, self.speaker, self.mouths, shelf, Wardrobe(look), self._announcer)
        manifest = bundle.manifest
        self.performer.screen = Screen(
            f"{manifest.id}/{manifest.version}", bundle.consent.revocation_id,
            self.stage.compositor.label.text_px)
        self._live = self.performer.live = LiveVoice(
            places, self.speaker, self.mouths, codes, lambda: -self.stage.av_offset_ms / 1e3)
        self._keeper = PictureKeeper(places)
        self._reference: ReferenceWriter | None = None
        self._streamer = Streamer(places, self.speaker)
        self._orders = Orders(self.speaker, self.stage.leave)
        self._bookmark = Bookmark(places)
        self.director = Director(bus, self.performer, look, self.snapshot, self._orders,
                                 self._keeper.want, self._bookmark)
        self.director.box = who(places)[1]
        self.director.day = ShopDay(places.var / "clock")
        self._permission = Permission(
            places, bundle.consent, who(places)[0], self.director.day.now)
        self._denied: str | None = None
        self._meanings: Meanings[Script] = Meanings(assets_dir())
        self.director.ties = Ties(
            set_volume=self._orders.set_volume, listen_to=self._listen_to_key,
            set_offset=self._delay_picture, avatar_id=bundle.manifest.id,
            give_way=self._give_the_stage_to, meanings=self._meanings,
            calibration=Calibration(self.stage, self.speaker, look))
        self._places = places
        self._presence = Presence(places)
        self._tone = ProofTone(self.speaker)
        self.liveness = Liveness()
        self._guard = PictureGuard(self.liveness, self._give_up)
        self._notifier = Notifier(notify_socket())
        self._crash: BaseException | None = None
        self._recast = False
        self._cpu_start_s = self._wall_start_s = 0.0

    def play(self) -> int:
        """Present until somebody ends it; the exit code."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.stage.leave())
        signal.signal(signal.SIGINT, lambda number, frame: self.stage.leave())
        director = threading.Thread(target=self._direct, name="director", daemon=True)
        try:
            self._begin()
            director.start()
            go_first(PRESENT_PRIORITY)
            self.stage.run()
        finally:
            self._notifier.stopping()
            self.director.leave()
            director.join(3.0) if director.is_alive() else None
            self._end()
        if self._crash is not None:
            raise Broken(f"The player's director failed ({self._crash!r}); restarting.")
        self._bookmark.close()
        if self._denied is not None:
            forget_face(self._places)
            raise Refused(self._denied)
        if self.stage.window_closed:
            return EXIT_WINDOW_CLOSED
        return EXIT_RECAST if self._recast else 0

    def _listen_to_key(self, key: str | None) -> None:
        """The key that lets a visitor talk; None while the kiosk listens without one."""
        self.stage.talk_key = key
        self.stage.on_talk = lambda pressed: self._bus.publish(
            m.Talk(at_ns=monotonic_ns(), pressed=pressed))

    def _give_the_stage_to(self, avatar_id: str) -> None:
        """A programme with another avatar has begun: the next player shows that one."""
        if self._settings.avatar is not None or not casting.is_here(avatar_id):
            return
        casting.remember(self._places, avatar_id)
        self._recast = True
        self.stage.leave()

    def snapshot(self) -> dict[str, Any]:
        """The fields of PlayerState that the stage knows."""
        figures = self.stage.figures
        sound = self.speaker.state()
        self._tell_degraded()
        self._look_at_permission()
        self.performer.news.extend(("band", step) for step in self.warden.take_news())
        return {
            "ready": self.liveness.alive,
            "frozen_s": round(self.liveness.frozen_s(), 1),
            "frames_shown": figures.frames_shown,
            "frames_dropped": figures.frames_dropped,
            "fps": round(figures.recent_fps(), 2),
            "render_p50_ms": spread(list(self.mouths.render_ms), "p50")["p50"],
            "av_offset_p95_ms": spread(
                [abs(v) for v in list(figures.av_offset_ms)[-2000:]], "p95")["p95"],
            "av_offset_set_ms": self.stage.av_offset_ms,
            "volume": self.speaker.volume,
            "underflows": sound.underflows,
            "sound_drift_ppm": sound.drift_ppm,
            "ai_label": True,
            "ai_label_px": self.stage.compositor.label.text_px,
            "avatar": f"{self._bundle.manifest.id}/{self._bundle.manifest.version}",
            "provider": self.mouth.provider,
            "precision": self.mouth.precision,
            "rss_bytes": figures.note_memory(),
            "band": self.warden.standing.band.name,
            "fault": sound.fault if self._settings.sound else None,
            "tone_passed": self._tone.passed,
            **self.director.day.told(),
        }

    def _look_at_permission(self) -> None:
        """Who is no longer allowed on the screen goes at once; the next start says why."""
        self._denied = self._denied or self._permission.objection()
        if self._denied is not None:
            self.stage.leave()

    def _tell_degraded(self) -> None:
        """Each new sentence becomes one fault event, by the director, on whose thread this is."""
        sentences = self.mouth.degraded
        self.performer.faults.extend(sentences[self._degraded_told :])
        self._degraded_told = len(sentences)

    def figures(self) -> dict[str, Any]:
        """The report of contract B5 so far, and the sound's state."""
        wall_s = max(1e-6, monotonic_s() - self._wall_start_s)
        cpu_share = (process_cpu_s() - self._cpu_start_s) / wall_s
        found = report(self.stage.figures, list(self.mouths.render_ms), self.mouth.provider,
                       self.mouth.precision, cpu_share)
        sound = self.speaker.state()
        answers_ms = list(self.director.question_to_sound_ms)
        found["bands"] = self.warden.report()
        found["degraded"] = list(self.mouth.degraded)
        found["question_to_sound_ms"] = spread(answers_ms, "p50", "p95", "max")
        return {**found, "ai_label_px": self.stage.compositor.label.text_px, "sound": {
            "running": sound.running, "device": sound.device, "underflows": sound.underflows,
            "reopened": sound.reopened, "clock_jumps": self.speaker.clock.jumps,
            "fault": sound.fault, "drift_ppm": sound.drift_ppm, "latency_ms": sound.latency_ms}}

    def _begin(self) -> None:
        self._delay_picture(None)
        self.stage.open()
        self.mouths.start()
        self._tell_ear()
        self.speaker.start()
        self.warden.start()
        self._keeper.start()
        self._streamer.start()
        self._live.start()
        self.stage.on_presented = self._on_first_frame
        self.speaker.settle(SETTLE_S)
        self._tone.begin()
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()
        gc.disable()

    def _tell_ear(self) -> None:
        """Let the ear know each sample that is played; without that it is deaf meanwhile."""
        try:
            self._reference = ReferenceWriter(self._places.run, self.speaker.clock)
        except VitrineError as error:
            self.performer.faults.append(str(error))
            return
        self.speaker.reference = self._reference.write

    def _delay_picture(self, of_console: float | None) -> None:
        """Take up the delay that wins now: measured here, set by the console, or the argument."""
        try:
            on_box = offset.on_box(self._places)
        except VitrineError as error:
            self.performer.faults.append(str(error))
            on_box = None
        chosen = offset.choose(on_box, of_console, self._settings.av_offset_ms)
        self.stage.av_offset_ms = chosen.av_offset_ms

    def _give_up(self) -> None:
        """The picture hangs, and what hangs may not be asked to end: leave at once.

        The kernel drops the lock, the safe picture stands, and whoever started us starts us again.
        """
        self.director.picture_froze(self.liveness.frozen_s())
        os._exit(EXIT_FROZEN)

    def _direct(self) -> None:
        go_first(DIRECT_PRIORITY)
        try:
            # The avatar is on the screen while its programme is read and drawn.
            self.stage.started.wait(FIRST_FRAME_S)
            if self._settings.programme is not None:
                self.director.begin_with(self._settings.programme)
            self.director.run()
        except Exception as error:
            self._crash = error
            self.stage.leave()

    def _on_first_frame(self, n: int, canvas: pixels.Picture) -> None:
        self.stage.figures.note_memory()
        self._presence.hold()
        self.liveness.note(canvas)
        self._guard.start()
        self._notifier.ready()
        self._wall_start_s, self._cpu_start_s = monotonic_s(), process_cpu_s()
        self._keeper.want()
        self.performer.dress(self.performer.wardrobe)
        self.stage.on_presented = self._on_frame

    def _on_frame(self, n: int, canvas: pixels.Picture) -> None:
        self.liveness.still = self._bundle.manifest.base.frames < 2 or self.stage.stands_still
        self.liveness.note(canvas)
        private = self.stage.compositor.private
        self._keeper.presented(canvas, private)
        self._streamer.presented(n, canvas, private)
        self._orders.presented(canvas, private)
        shown = self.stage.figures.frames_shown
        if shown % ALIVE_EVERY_FRAMES == 0:
            if self.liveness.alive:
                self._notifier.alive()
            limit_s = self._settings.seconds
            if limit_s is not None and monotonic_s() - self._wall_start_s >= limit_s:
                self.stage.leave()

    def _end(self) -> None:
        """Close everything, whatever fails first; then the report."""
        figures = self.figures()
        closers: tuple[Callable[[], None], ...] = (
            self._guard.close, self._announcer.close, self._live.close, self.warden.close,
            self._meanings.close, self._streamer.close, self._keeper.close, self.speaker.close,
            self.mouths.close, self.stage.close, self._presence.close)
        for close in closers:
            close()
        if self._reference is not None:
            self._reference.close()
        if self._settings.report is not None:
            text = json.dumps(figures, indent=2) + "\n"
            write_durable(self._settings.report, text.encode())


def _confess(places: Places, bus: Bus, sentence: str) -> None:
    """Tell the console why there is no avatar; the safe picture stands meanwhile."""
    bus.publish(m.PlayerState(at_ns=monotonic_ns(), ready=False, fault=sentence))
    casting.hear_of_another(places, bus, FAULT_SHOWN_S)
