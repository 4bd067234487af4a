"""Does what the conversation asks: sentences onto the timeline, cards and captions over it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from device.audio.speaker import RATE_HZ, Speaker
from device.conversation import cues
from device.conversation.asking_back import ASKED_BACK_S
from device.conversation.script import Script
from device.live.voice import LiveVoice
from device.render.pills import below
from device.render.pixels import Sprite
from device.stage.announcer import SECONDS_MAX, Announcer
from device.stage.billboard import Billboard
from device.stage.care import WELCOME, Idle, idle_gestures
from device.stage.clips import Clip, ClipShelf
from device.stage.mouths import MouthMaker
from device.stage.record import Record, Screen
from device.stage.stage import FPS, Stage
from device.stage.wardrobe import Wardrobe
from ota.clock import monotonic_s, utc_now
from ota.errors import Refused, Retry

CAPTION_LINGER_S = 1.6
HEARD_SHOWN_S = 6.0
THINKING_S_MAX = 6.0
DUCKED = 0.25  # -12 dB
STEP_DB = 4.0
NOD = "nod"
SILENT_CHARACTERS_PER_S = 5.0
SILENT_S_MIN = 2.0
FAULTS_MAX = 16
WARM_S = 0.5
IDENTIFIED_S = 15.0
OVERRIDE_KEY = "notice/override/"


@dataclass(frozen=True)
class Saying:
    """The sentence on the timeline: `first`..`last` in frames of the sound.

    `waits`: its sound is still being made.
    """

    say: cues.Say
    first: int
    last: int
    waits: bool = False


class Performer:
    """One thread (the director's). `faults` are sentences for people, `news` events
    (kind and detail) for the console, oldest first."""

    def __init__(
        self, stage: Stage, speaker: Speaker, mouths: MouthMaker, shelf: ClipShelf,
        wardrobe: Wardrobe, announcer: Announcer,
    ) -> None:
        self._announcer = announcer
        self._stage, self._speaker, self._mouths, self._shelf = stage, speaker, mouths, shelf
        self.wardrobe = wardrobe
        self._hears = False
        self.live: LiveVoice | None = None
        self._on_air = False
        self.saying: Saying | None = None
        self.showing: str | None = None
        self.faults: deque[str] = deque(maxlen=FAULTS_MAX)
        self.news: deque[tuple[str, dict[str, Any]]] = deque(maxlen=FAULTS_MAX)
        self._last_end = 0
        self.billboard = Billboard(stage)
        self._wished: str | None = None
        self._pinned: str | None = None
        self._idle = Idle(idle_gestures(stage.gestures), since_s=monotonic_s())
        self._resting: str | None = None
        self._camera_on = self._outside = self._passed_on = self._ear_on = False
        self.screen = Screen()
        self.record = Record(self.news, self._screen_now)

    def dress(self, wardrobe: Wardrobe) -> None:
        """A programme's colours, brand and cards, from the next frame on."""
        self.wardrobe = wardrobe
        now = self._stage.now()
        self._stage.change_at(now, "hint", self._ask())
        self._show_brand()
        self._show_ear()
        self.show_card(self._wished)

    def perform(self, cue: cues.Cue) -> None:
        """Do one cue. `Count` is not for here."""
        self._idle.happened(monotonic_s())
        self._rest()
        match cue:
            case cues.Say():
                self._say(cue)
            case cues.StopSpeech():
                self._hush()
            case cues.ShowCard():
                self.show_card(cue.product_id)
            case cues.Caption():
                self._heard(cue)
            case cues.Duck():
                self._speaker.duck = DUCKED if cue.on else 1.0
            case cues.HoldBreath():
                self._speaker.hold_breath(cue.on)
            case cues.Loudness():
                self._speaker.trim = 10 ** (cue.steps * STEP_DB / 20)
            case cues.Gesture():
                self._move(cue.name)
            case cues.OnAir():
                self._put_on_air(cue.on)
            case cues.Listening():
                sprite = self.wardrobe.listening if cue.on else self._ask()
                self._stage.change_at(self._stage.now(), "hint", sprite)
            case cues.Thinking():
                now = self._stage.now()
                self._move(NOD)
                self._stage.change_at(now, "hint", self.wardrobe.thinking)
                self._stage.change_at(now + round(THINKING_S_MAX * FPS), "hint", self._ask())

    def loudest(self, volume: float) -> None:
        """How loud (0..1) visitors may make it for themselves."""
        self._speaker.loudest = volume

    def hears(self, on: bool) -> None:
        """Is there an ear that understands? Only then the screen invites to ask."""
        if on != self._hears:
            self._hears = on
            self._stage.change_at(self._stage.now(), "hint", self._ask())

    def microphone(self, on: bool) -> None:
        """The ear that is shown whenever the kiosk listens, to whom or for what word ever."""
        if on != self._ear_on:
            self._ear_on = on
            self._show_ear()

    def camera(self, on: bool) -> None:
        """The mark that says so whenever the camera is on."""
        if on != self._camera_on:
            self._camera_on = on
            self._show_brand()

    def outside(self, on: bool) -> None:
        """The mark that says so while what visitors ask may leave the box."""
        if on != self._outside:
            self._outside = on
            self._show_brand()

    def passed_on(self, on: bool) -> None:
        """The mark that says so while questions without an answer are passed on."""
        if on != self._passed_on:
            self._passed_on = on
            self._show_brand()

    def seen(self) -> tuple[float, bool]:
        """Seconds of pictures shown so far, and whether something covers the whole picture."""
        return self._stage.figures.shown_s, self._stage.compositor.covered

    def _screen_now(self) -> Screen:
        return replace(self.screen, shown_s=self._stage.figures.shown_s)

    def expect_words(self) -> None:
        """Something that no clip says will be said soon, perhaps."""
        self._announcer.warm()

    def greet(self) -> None:
        """Wave, if this avatar can: somebody has come."""
        self._move(WELCOME)

    def _move(self, name: str) -> None:
        if name in self._stage.gestures:
            self._stage.gesture(name)

    def identify(self, box: str) -> None:
        """Write this box's name on the screen for a while: which one of the five is it?"""
        now = self._stage.now()
        self._stage.change_at(now, "hint", self.wardrobe.name_plate(box))
        self._stage.change_at(now + round(IDENTIFIED_S * FPS), "hint", self._ask())

    def sound_news(self) -> list[str]:
        """What happened to the sound, for people."""
        return self._speaker.news()

    def look_after(self) -> None:
        """Begin the notice that the synthesiser has finished, or show it for its reading time.

        Ends an emergency notice in time, and says what is wrong with the picture, too.
        """
        self.billboard.look_after(self.wardrobe, utc_now(), self.saying is not None)
        if self._pinned != self.billboard.pinned:
            self.show_card(self._wished)
        self.faults.extend(self._stage.faults())
        self._rest()
        self.record.turn()
        said = self.saying
        if said is None or said.say.sentence.file is not None or not said.waits:
            return
        not_before = said.first
        try:
            path = self._announcer.result()
            if path is None:
                return
            first, clip = self._sound(path, not_before)
        except (Refused, Retry) as error:
            self.faults.append(str(error))
            first, clip = not_before, None
        self._place(said.say, first, clip)

    def done_key(self) -> str | None:
        """The line key of the sentence that has just been heard to its end, once."""
        said = self.saying
        if said is None or self._speaker.position_s() * RATE_HZ < said.last:
            return None
        self.saying = None
        self.record.ends()
        return said.say.sentence.key

    def left_s(self) -> float | None:
        """Seconds until the sentence that sounds is over; None when there is none."""
        if self.saying is None:
            return None
        return max(0.0, self.saying.last / RATE_HZ - self._speaker.position_s())

    def sounds_in_s(self) -> float:
        """Seconds until the first sound of the sentence on the timeline; 0 when it sounds."""
        if self.saying is None:
            return 0.0
        return max(0.0, self.saying.first / RATE_HZ - self._speaker.position_s())

    def prepare(self, sentence: cues.Sentence | None) -> None:
        """Read the likely next clip now, so that it begins without a wait."""
        if sentence is not None and sentence.file is not None:
            try:
                self._shelf.take(sentence.file)
            except Refused as error:
                self.faults.append(str(error))

    def cool(self, script: Script) -> None:
        """Another programme comes, with other clips to make ready."""
        self._shelf.forget(script)

    def warm(self, files: deque[Path]) -> None:
        """Make one more clip ready, if the sentence at hand leaves the time for it."""
        if self._on_air:
            return  # the network that computes codes belongs to the person who speaks
        left_s = self.left_s()
        while files and (left_s is None or left_s > WARM_S):
            path = files.popleft()
            try:
                if self._shelf.warm(path):
                    return
            except Refused as error:
                self.faults.append(str(error))

    def override(
        self, say: Mapping[str, str] | None, show: str | None, until: datetime | None
    ) -> None:
        """The console's emergency notice, in words or as a card that stays; None ends it."""
        self.billboard.order(say, show, until)
        self.look_after()

    def show_card(self, product_id: str | None) -> None:
        """Show the product's card from the next frame on, or none; the console's pin wins."""
        self._wished, self._pinned = product_id, self.billboard.pinned
        self.showing = self._pinned or product_id
        rests = self._resting == "card" and self._pinned is None
        card = None if rests else self.wardrobe.card(self.showing)
        self.faults.extend(self.wardrobe.faults)
        self.wardrobe.faults.clear()
        self._stage.change_at(self._stage.now(), "card", card)

    def _show_brand(self) -> None:
        brand = None if self._resting == "brand" else self.wardrobe.brand()
        if self._camera_on:
            brand = below(brand, self.wardrobe.camera, self.wardrobe.look)
        if self._outside:
            brand = below(brand, self.wardrobe.outside, self.wardrobe.look)
        if self._passed_on:
            brand = below(brand, self.wardrobe.passed_on, self.wardrobe.look)
        self._stage.change_at(self._stage.now(), "brand", brand)

    def _show_ear(self) -> None:
        ear = self.wardrobe.ear if self._ear_on else None
        self._stage.change_at(self._stage.now(), "ear", ear)

    def _rest(self) -> None:
        """Hide the part whose turn it is after long quiet; a gesture without words at times."""
        now_s = monotonic_s()
        if self.saying is not None or self._on_air:
            self._idle.happened(now_s)
        if (resting := self._idle.resting(now_s)) != self._resting:
            self._resting = resting
            self._show_brand()
            self.show_card(self._wished)
        if (gesture := self._idle.gesture(now_s)) is not None:
            self._stage.gesture(gesture)

    def live_change(self) -> bool | None:
        """Somebody asks to speak as the avatar (True) or has ended (False), each once."""
        return self.live.change() if self.live is not None else None

    def _put_on_air(self, on: bool) -> None:
        self._on_air = on
        self.record.driven(on)
        if self.live is not None:
            self.live.on() if on else self.live.off()
        self._stage.change_at(self._stage.now(), "hint", self._ask())

    def _ask(self) -> Sprite | None:
        if self._on_air:
            return self.wardrobe.on_air
        return self.wardrobe.ask if self._hears else None

    def _say(self, say: cues.Say) -> None:
        if say.gesture is not None:
            # Before all else: it has to wait for a pose, and the words need not wait for it.
            self._stage.gesture(say.gesture)
        now = int(self._speaker.position_s() * RATE_HZ)
        not_before = max(now, self._last_end + round(say.pause_s * RATE_HZ))
        sentence = say.sentence
        not_before += round(
            self.billboard.lead_s(sentence.key, self.wardrobe, utc_now()) * RATE_HZ)
        if sentence.file is None:
            keep = say.kind == "notice"  # what answers a visitor is not kept
            self._announcer.ask(sentence.text, sentence.language,
                                self.wardrobe.voice(sentence.language), keep)
            longest = round((SECONDS_MAX + 5) * RATE_HZ)
            self.saying = Saying(say, not_before, not_before + longest, waits=True)
            self._last_end = not_before
            self._captions(sentence, not_before, None, longest)
            return
        self._announcer.close()
        try:
            first, clip = self._sound(sentence.file, not_before)
        except (Refused, Retry) as error:
            self.faults.append(str(error))
            first, clip = not_before, None
        self._place(say, first, clip)

    def _sound(self, path: Path, not_before: int) -> tuple[int, Clip]:
        """Put the clip and its mouths onto the timeline; its first frame and the clip."""
        clip = self._shelf.take(path)
        first = self._speaker.play(clip.samples, not_before, clip.quiet)
        self._mouths.say(self._stage.frame_at(first), clip.codes)
        return first, clip

    def _place(self, say: cues.Say, first: int, clip: Clip | None) -> None:
        length = len(clip.samples) if clip else reading_frames(say.sentence.text)
        self.saying = Saying(say, first, first + length)
        self.record.begins(say, self.sounds_in_s(), length / RATE_HZ, self.wardrobe.script)
        self._last_end = first + length
        self._captions(say.sentence, first, clip, length)

    def _captions(
        self, sentence: cues.Sentence, first: int, clip: Clip | None, length: int
    ) -> None:
        begin, end = self._stage.frame_at(first), self._stage.frame_at(first + length)
        sound = clip.samples if clip else reading_frames(sentence.text) * 1000 // RATE_HZ
        # An emergency notice stands in large type already.
        said = None if sentence.key.startswith(OVERRIDE_KEY) else self.wardrobe.captions(
            sentence, sound, begin)
        self._stage.change_at(begin, "said", said)
        self._stage.change_at(end + round(CAPTION_LINGER_S * FPS), "said", None)

    def _hush(self) -> None:
        self._announcer.close()
        self._stage.gesture(None)
        cut = self._speaker.flush()
        if self.saying is not None:
            self.record.cut((cut - self.saying.first) / RATE_HZ)
        self._mouths.cut(self._stage.frame_at(cut) + 1)
        self._last_end = cut
        self.saying = None
        self._stage.change_at(self._stage.frame_at(cut), "said", None)
        self.billboard.hush()

    def _heard(self, heard: cues.Caption) -> None:
        """A visitor's words: into the picture, which is all that ever holds them, for seconds."""
        now = self._stage.now()
        if heard.text is None or heard.final:
            self._stage.change_at(now, "hint", self._ask())
        if self.saying is None:  # the last caption lingers no longer
            self._stage.change_at(now, "said", None)
        shown_s = ASKED_BACK_S if heard.asked_back else HEARD_SHOWN_S
        self._stage.change_at(now, "heard", self.wardrobe.heard(heard) if heard.text else None)
        self._stage.change_at(now + round(shown_s * FPS), "heard", None)


def reading_frames(text: str) -> int:
    """How long a sentence without sound is shown, in frames of the sound timeline."""
    return round(max(SILENT_S_MIN, len(text) / SILENT_CHARACTERS_PER_S) * RATE_HZ)
