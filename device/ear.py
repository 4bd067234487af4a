"""The ear process: microphone, voice detection, turns, recogniser, and what it says on the bus.

A visitor's words are in memory only: they go out as `Heard` and are forgotten; neither they
nor their sound are ever logged or written.
"""

from __future__ import annotations

import gc
import logging
import signal
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from device import messages as m
from device.asr.decoder import GIVEN_UP, Decoded, Decoder
from device.asr.engines import expected
from device.asr.engines import load as load_recogniser
from device.asr.gate import EchoGate
from device.asr.hearing import Hearing, keep_newest
from device.asr.known import Learning, known
from device.asr.listening import Listening
from device.asr.ownvoice import OwnVoice
from device.asr.partials import Partials
from device.asr.recogniser import Recogniser
from device.asr.turns import (
    Began,
    Ended,
    Event,
    Nothing,
    Paused,
    Perhaps,
    Sure,
    Turns,
    TurnSettings,
    WentOn,
)
from device.asr.vad import Vad
from device.audio.capture import Capture, Chunk, FileSource, Source
from device.audio.echo import EchoCanceller
from device.bus import Bus
from device.conversation.spelling import Spelling
from device.hal.notify import Notifier
from device.paths import Places, assets_dir, notify_socket
from device.programme.load import load
from ota.clock import Deadline, monotonic_ns, utc_now
from ota.errors import VitrineError
from ota.heap import give_back, resident_bytes, use_few_arenas

_LOG = logging.getLogger("vitrine.ear")
TURNS = TurnSettings(is_judged=True)
_STATE_EVERY_S = 1.0
_READ_S = 0.1
_AWAITING_READ_S = 0.008  # an answer is on its way: look for it more often
_MESSAGES_A_TURN = 32
_SPEAK_AFTER_S = 2.0
_SPEAK_ANYWAY_AFTER_S = 30.0
_MONOLOGUE_GAP_NS = 5_000_000_000
_HEARING_EVERY_S = 0.25
_GIVE_BACK_EVERY_S = 60.0  # long utterances leave 80 MB of free pages behind
_ANSWERING = ("answering", "fallback", "listening")


@dataclass(frozen=True)
class EarSettings:
    """How this ear hears.

    microphone: a part of the device's name, None for the default. speak: recordings instead of
    a microphone. echo: a mode of `device.asr.gate`. languages: until a programme says.
    """

    microphone: str | None = None
    speak: tuple[Path, ...] = ()
    echo: str = "auto"
    languages: tuple[str, ...] = ("zh-CN", "en-US")
    threads: int = 1
    assets: Path | None = None


class Ear:
    """The ear's loop, with its parts given: `step` handles one chunk at most."""

    def __init__(
        self, source: Source, vad: Vad, recogniser: Recogniser, bus: Bus, gate: EchoGate,
        languages: tuple[str, ...], meanings: Learning, settings: TurnSettings = TURNS,
    ) -> None:  # fmt: skip
        self._source = source
        self._vad = vad
        self._recogniser = recogniser
        self._decoder = Decoder(recogniser)
        self._bus = bus
        self._gate = gate
        self._meanings = meanings
        self._own = OwnVoice()
        self._turns = Turns(settings)
        self._listening = Listening()
        self._partials = Partials()
        self._hearing = Hearing(languages)
        self._hearing_due = Deadline(0)
        self._state_due = Deadline(0)
        self._waiting_to_speak = Deadline(_SPEAK_ANYWAY_AFTER_S)
        self._give_back_due = Deadline(_GIVE_BACK_EVERY_S)

    def step(self) -> bool:
        """Read the bus, one chunk of sound and what the recogniser finished.

        True when a chunk was heard, or the reason why not is known. Raises Broken when the
        recogniser is lost.
        """
        for _ in range(_MESSAGES_A_TURN):
            message = self._bus.receive(0)
            if message is None:
                break
            self._take(message)
        chunk = self._source.read(_AWAITING_READ_S if self._decoder.awaited else _READ_S)
        if chunk is not None:
            self._listen(chunk)
        for decoded in self._decoder.finished():
            self._decoded(decoded)
        keep_newest(self._hearing.results)
        self._publish_heard()
        if self._state_due.passed:
            self._state_due = Deadline(_STATE_EVERY_S)
            self.publish_state(True)
        if self._give_back_due.passed and not self._decoder.awaited:
            self._give_back_due = Deadline(_GIVE_BACK_EVERY_S)
            give_back()
        if self._waiting_to_speak.passed and isinstance(self._source, FileSource):
            self._source.start()
        return chunk is not None or self._source.fault is not None

    def publish_state(self, ready: bool) -> None:
        """Say how the ear is."""
        level = self._source.level_dbfs
        self._bus.publish(m.EarState(
            at_ns=monotonic_ns(), ready=ready, recogniser=self._recogniser.name,
            level_dbfs=None if level is None else round(level, 1),
            fault=(self._source.fault or self._own.fault or self._hearing.wrong
                   or self._listening.fault or self._recogniser.fault),
            listening=self._hearing.state, rss_bytes=resident_bytes(),
            echo=self._gate.state, erle_db=self._gate.erle_db,
        ))  # fmt: skip

    def close(self) -> None:
        """Let go of microphone and recogniser."""
        for part in (self._source, self._gate, self._decoder, self._meanings):
            part.close()

    def _take(self, message: m.Message) -> None:
        if isinstance(message, m.PlayerState):
            self._gate.avatar(message.speaking, message.saying, message.at_ns)
            self._own.avatar(message.speaking, message.saying, message.volume)
            if message.ready and self._waiting_to_speak.seconds > _SPEAK_AFTER_S:
                self._waiting_to_speak = Deadline(_SPEAK_AFTER_S)
            self._hearing.showing = message.showing
            if message.state in _ANSWERING:
                self._listening.busy(monotonic_ns())
        elif isinstance(message, m.ContentReady):
            self._learn(message)
        elif isinstance(message, m.Talk):
            self._talk(message.pressed, message.at_ns)
        elif isinstance(message, m.Seen):
            self._listening.seen(message.on, message.size, message.at_ns)

    def _talk(self, pressed: bool, now_ns: int) -> None:
        before = self._listening.state(now_ns)
        self._listening.talk(pressed, now_ns)
        if before != "awake" and self._listening.state(now_ns) == "awake":
            # Whoever presses the key wants to speak: the avatar makes room at once.
            self._follow(now_ns)
            self._voice("certain", now_ns)

    def _learn(self, content: m.ContentReady) -> None:
        """Languages and words of the programme; a broken one changes nothing."""
        now = (content.path, content.version)
        if now == self._hearing.programme:
            return
        try:
            programme = load(Path(content.path))
        except VitrineError as error:
            self._hearing.fault = str(error)
            return
        languages = tuple(name for name in programme.languages if self._recogniser.knows(name))
        self._hearing.programme = now
        self._hearing.spelling = Spelling.of(programme)
        self._listening.set(programme.listen, monotonic_ns())
        self._follow(monotonic_ns())
        self._decoder.learn(
            lambda: known(programme, lambda: self._hearing.showing, self._meanings))
        if not languages:
            self._hearing.fault = (
                f"The recogniser knows none of the programme's languages "
                f"({', '.join(programme.languages)}); it listens as before.")
            return
        self._hearing.languages = languages
        self._hearing.prompt = expected(self._recogniser, programme)
        self._hearing.fault = None
        _LOG.info("listening for %s", ", ".join(languages))

    def _listen(self, chunk: Chunk) -> None:
        silent = not chunk.samples.any()
        if self._source.is_room:
            chunk = self._gate.clean(chunk, self._source.device_name)
        probability = self._vad.probability(chunk.samples)
        self._hearing.chunk_ns = chunk.end_ns
        self._follow(chunk.end_ns)
        if self._source.is_room:
            self._own.listened(1.0 if self._gate.echoed else probability, silent)
            probability = self._gate.listened(probability, chunk.end_ns)
            if self._gate.closed(chunk.end_ns):
                self._turns.drop()
                self._voice("", chunk.end_ns)
                return
        if not self._recognises:
            return
        for event in self._turns.feed(chunk.samples, probability, chunk.end_ns):
            self._happened(event)
        self._sketch()

    @property
    def _recognises(self) -> bool:
        """Awake, or waiting for words that wake it."""
        return self._hearing.state == "awake" or (
            self._hearing.state == "armed" and self._listening.mode == "wake"
        )

    def _follow(self, now_ns: int) -> None:
        """Take up how the ear is to listen now; a change is told at once."""
        state = self._listening.state(now_ns)
        if state == self._hearing.state:
            return
        if self._hearing.state == "awake":
            for event in self._turns.finish():
                self._happened(event)
            self._voice("", now_ns)
        if state != "awake":
            self._turns.drop()
        self._hearing.state = state
        self.publish_state(True)

    def _sketch(self) -> None:
        """A look at the words so far, where somebody goes on speaking and there is time."""
        turns, hearing = self._turns, self._hearing
        if hearing.state != "awake" or not turns.certain or turns.quiet:
            return
        length_ms = turns.so_far_ms()
        if self._partials.due(length_ms) and self._decoder.sketch(
            turns.so_far(), self._languages()
        ):
            self._partials.looked(length_ms)
            hearing.sketched_turn = hearing.turn

    def _languages(self) -> tuple[str, ...]:
        """The one that this turn is surely in, or those of the programme."""
        sure = self._partials.language
        return (sure,) if sure in self._hearing.languages else self._hearing.languages

    def _happened(self, event: Event) -> None:
        hearing = self._hearing
        if isinstance(event, Began):
            hearing.turn += 1
            self._partials.clear()
            self._voice("certain" if event.certain else "maybe", event.at_ns)
        elif isinstance(event, Perhaps | Nothing):
            self._voice("perhaps" if isinstance(event, Perhaps) else "", event.at_ns)
        elif isinstance(event, Sure):
            self._voice("certain", event.at_ns)
            self._listening.busy(event.at_ns)
        elif isinstance(event, Paused):
            hearing.behind = not self._decoder.submit(
                event.number, event.samples, self._languages(), hearing.prompt
            )
        elif isinstance(event, WentOn):
            if hearing.results.pop(event.number, None) is None:
                self._decoder.forget(event.number)
        else:
            if event.number is not None:
                hearing.ended[event.number] = event
                keep_newest(hearing.ended)
            if event.cut:
                self._tell_monologue(event)
            self._voice("", event.speech_end_ns)

    def _tell_monologue(self, ended: Ended) -> None:
        """Somebody speaks without end: heard in pieces, and told once."""
        if ended.begin_ns - self._hearing.cut_ns > _MONOLOGUE_GAP_NS:
            seconds = round((ended.speech_end_ns - ended.begin_ns) / 1e9)
            self._bus.publish(m.Happened(
                id=uuid.uuid4().hex, at=utc_now().isoformat(timespec="seconds"),
                kind="monologue", detail={"seconds": seconds},
            ))  # fmt: skip
        self._hearing.cut_ns = ended.speech_end_ns

    def _decoded(self, decoded: Decoded) -> None:
        """A look at the words so far, or an utterance that is probably whole."""
        hearing, transcript = self._hearing, decoded.transcript
        if decoded.number is None:
            given_up = transcript.rejected == GIVEN_UP
            if hearing.sketched_turn == hearing.turn and self._turns.speaking and not given_up:
                self._show(self._partials.saw(
                    transcript.text, transcript.language, transcript.took_ms
                ), self._partials.language)
            return
        hearing.results[decoded.number] = transcript
        if self._turns.speaking:
            self._show(transcript.text, transcript.language)
        for event in self._turns.judge(decoded.number, decoded.ending):
            self._happened(event)

    def _show(self, text: str | None, language: str) -> None:
        """The words so far, for the screen; at most four times a second."""
        if not text or self._hearing.state != "awake" or not self._hearing_due.passed:
            return
        now_ns = monotonic_ns()
        if self._source.is_room and self._gate.sounds_like_avatar(text, now_ns):
            return
        self._hearing_due = Deadline(_HEARING_EVERY_S)
        self._bus.publish(m.Hearing(at_ns=now_ns, text=text[:1000], language=language))

    def _voice(self, voice: str, at_ns: int) -> None:
        """"" (nobody), "perhaps", "maybe" or "certain"; who is not for the kiosk is not told of."""
        if voice and self._hearing.state != "awake":
            return
        if voice != self._hearing.voice:
            self._hearing.voice = voice
            self._bus.publish(m.Voice(
                at_ns=at_ns, speaking=voice != "", certain=voice in ("", "certain"),
                first=voice == "perhaps"))

    def _publish_heard(self) -> None:
        hearing = self._hearing
        for number in [n for n in hearing.ended if n in hearing.results]:
            ended, transcript = hearing.ended.pop(number), hearing.results.pop(number)
            now_ns = monotonic_ns()
            if not transcript.text:
                continue
            if self._source.is_room and self._gate.sounds_like_avatar(transcript.text, now_ns):
                continue
            text = self._listening.wakes(transcript.text, ended.speech_end_ns)
            if text is None:
                continue
            self._follow(max(now_ns, self._hearing.chunk_ns))
            if not text:
                # Called by its name: it falls silent and waits for the question.
                self._voice("certain", now_ns)
                self._voice("", now_ns)
                continue
            self._bus.publish(m.Heard(
                at_ns=now_ns, speech_end_ns=ended.speech_end_ns,
                text=hearing.spelling.spelt(text[:1000]),
                language=transcript.language, confidence=transcript.log_prob,
                took_ms=transcript.took_ms,
            ))  # fmt: skip


def assembled(places: Places, settings: EarSettings, source: Source, bus: Bus) -> Ear:
    """A warm ear on `source`. Raises Refused when a model cannot be used."""
    assets = settings.assets or assets_dir()
    recogniser = load_recogniser(assets, places.recognisers, settings.threads)
    vad = Vad.load(assets)
    recogniser.warm_up()
    gate = EchoGate(settings.echo, EchoCanceller(places.run))
    return Ear(source, vad, recogniser, bus, gate, settings.languages, Learning(assets))


def run(places: Places, settings: EarSettings | None = None) -> int:
    """The process: load, warm up, say READY, listen until SIGTERM. Exit code 0 or 1.

    Raises Refused when a model or recording cannot be used.
    """
    chosen = settings or EarSettings()
    use_few_arenas()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    notifier = Notifier(notify_socket())
    source = FileSource(chosen.speak) if chosen.speak else Capture(
        chosen.microphone, zeros_are_fault=chosen.echo != "off")
    with Bus(places.run, "ear") as bus:
        ear = assembled(places, chosen, source, bus)
        gc.collect()
        gc.freeze()
        give_back()  # what loading the models needed
        notifier.ready()
        ping = Deadline(0)
        try:
            while not stop.is_set():
                if ear.step() and ping.passed:
                    ping = Deadline(_STATE_EVERY_S)
                    notifier.alive()
            return 0
        except VitrineError as error:
            _LOG.error("%s", error)
            return 1
        finally:
            notifier.stopping()
            ear.close()
