"""What a microphone in a loud shop hears: many voices at once, a radio, the kiosk's own voice.

Every voice is made once (`build`), by the synthesiser and by the people of `models/recordings`, and
mixed anew for each scene of 16 s at random places and levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cli.benches.room import Shop, echo_of, response
from device.audio.resample import resample
from device.audio.soundfiles import read
from device.paths import assets_dir, repository_root
from device.programme.load import load_index
from device.tts.kokoro import Voice

Samples = npt.NDArray[np.float32]

HEARD_HZ, PLAYED_HZ = 16_000, 48_000
SCENE_S = 16
HEARD, PLAYED = SCENE_S * HEARD_HZ, SCENE_S * PLAYED_HZ
SCENES = {"babble": 0.25, "radio": 0.2, "own voice": 0.25, "own voice in babble": 0.2, "quiet": 0.1}
QUESTION_SHARE = 0.35  # of the scenes: a visitor asks in it
PEOPLE, OWN_LINES = 40, 24
VOICE_RMS = 0.05
OWN_PAUSE_S = (0.25, 1.5)
_PHONE_HZ = (300.0, 3400.0)
_MUSIC_S = 40
SHOP = Shop()
# Nothing of it stands in the programme; nobody said it: made up.
TALK = (
    ("zh-CN", "zm_yunxi", "昨天晚上孩子发烧,我们去了两趟医院。"),
    ("zh-CN", "zf_xiaoxiao", "下个星期三我要坐高铁去南京开会。"),
    ("zh-CN", "zm_yunxi", "他说那套房子的贷款还要还二十年呢。"),
    ("zh-CN", "zf_xiaobei", "你把车停在地下二层,电梯口右边那个位置。"),
    ("zh-CN", "zf_xiaoxiao", "妈妈的膝盖又疼了,明天陪她去看中医。"),
    ("zh-CN", "zm_yunxi", "公司今年的奖金听说要推迟到三月份。"),
    ("zh-CN", "zf_xiaobei", "晚饭吃火锅吧,再叫上隔壁老王他们。"),
    ("zh-CN", "zm_yunxi", "电影七点十分开始,我们别迟到了。"),
    ("en-US", "am_michael", "My sister is moving to Berlin in the second week of April."),
    ("en-US", "af_heart", "I told him the meeting was moved to Thursday afternoon."),
    ("en-US", "am_michael", "The doctor said her blood pressure is a little too high."),
    ("en-US", "af_heart", "Did you remember to feed the neighbour's cat this morning?"),
    ("en-US", "am_michael", "We paid four hundred dollars for that broken dishwasher."),
    ("en-US", "af_heart", "The train to the airport leaves from platform number nine."),
)  # fmt: skip
QUESTIONS = (
    ("zh-CN", "zm_yunxi", "龙井现在什么价"), ("zh-CN", "zf_xiaoxiao", "你们晚上几点关门"),
    ("zh-CN", "zm_yunxi", "这里有没有洗手间"), ("en-US", "am_michael", "How much is the pu'er?"),
    ("en-US", "af_heart", "Can I taste it before I buy?"),
    ("en-US", "am_michael", "Where did you grow up, little robot?"),
)  # fmt: skip


@dataclass(frozen=True)
class Own:
    """One of the kiosk's own lines: as it is played (48 kHz) and as the room gives it back."""

    text: str
    played: Samples
    echo: Samples


@dataclass(frozen=True)
class Library:
    """All sounds at 16 kHz; `radio` is speech through a small loudspeaker."""

    voices: list[Samples]
    questions: list[Samples]
    radio: list[Samples]
    own: list[Own]
    music: Samples
    noise: Samples


@dataclass(frozen=True)
class Scene:
    """`heard` (16 kHz), `played` (48 kHz); who speaks when, in samples of `heard`: own lines as
    (begin, end, text), whether a visitor `asks`. The arrays are overwritten by the next scene."""

    kind: str
    heard: Samples
    played: Samples
    sayings: list[tuple[int, int, str]]
    asks: bool


class Street:
    """`scene()` after scene, the same ones for a seed, in two buffers that never grow."""

    def __init__(self, library: Library, seed: int = 7) -> None:
        self._library = library
        self._random = np.random.default_rng(seed)
        self._heard = np.zeros(HEARD, np.float32)
        self._played = np.zeros(PLAYED, np.float32)

    def scene(self) -> Scene:
        """The next 16 s."""
        random, library = self._random, self._library
        self._heard[:] = 0.0
        self._played[:] = 0.0
        kind = str(random.choice(list(SCENES), p=list(SCENES.values())))
        self._loop(library.noise, random.uniform(-52.0, -38.0))
        if "babble" in kind:
            self._talk(library.voices, int(random.integers(4, 9)), (-34.0, -22.0))
        elif kind == "radio":
            self._loop(library.music, random.uniform(-34.0, -24.0))
            self._talk(library.radio, int(random.integers(0, 3)), (-32.0, -24.0))
        sayings = self._present() if kind.startswith("own") else []
        asks = bool(random.random() < QUESTION_SHARE)
        if asks:
            self._ask(library.questions)
        np.clip(self._heard, -1.0, 1.0, out=self._heard)
        return Scene(kind, self._heard, self._played, sayings, asks)

    def _loop(self, sound: Samples, dbfs: float) -> None:
        at, gain = int(self._random.integers(len(sound))), 10 ** (dbfs / 20)
        written = 0
        while written < HEARD:
            piece = sound[at : at + HEARD - written]
            self._heard[written : written + len(piece)] += gain / VOICE_RMS * piece
            written, at = written + len(piece), 0

    def _talk(self, voices: Sequence[Samples], rows: int, dbfs: tuple[float, float]) -> None:
        """So many people who speak on end, cut where the scene is cut."""
        for _ in range(rows):
            gain = 10 ** (self._random.uniform(*dbfs) / 20) / VOICE_RMS
            at = 0
            while at < HEARD:
                at += self._say(voices, at, gain)
                at += int(self._random.uniform(0.1, 0.8) * HEARD_HZ)

    def _ask(self, questions: Sequence[Samples]) -> None:
        """A visitor before the screen, once."""
        gain = 10 ** (self._random.uniform(-24.0, -18.0) / 20) / VOICE_RMS
        self._say(questions, int(self._random.integers(HEARD // 2)), gain)

    def _say(self, voices: Sequence[Samples], at: int, gain: float) -> int:
        """Any of them from `at` on; how long it is."""
        piece = voices[int(self._random.integers(len(voices)))][: HEARD - at]
        self._heard[at : at + len(piece)] += gain * piece
        return len(piece)

    def _present(self) -> list[tuple[int, int, str]]:
        """Own lines one after the other, as many as are whole within the scene."""
        sayings: list[tuple[int, int, str]] = []
        at = int(self._random.uniform(*OWN_PAUSE_S) * HEARD_HZ)
        while True:
            line = self._library.own[int(self._random.integers(len(self._library.own)))]
            end = at + len(line.played) // 3
            if at + len(line.echo) > HEARD:
                return sayings
            self._played[3 * at : 3 * at + len(line.played)] += line.played
            self._heard[at : at + len(line.echo)] += line.echo
            sayings.append((at, end, line.text))
            at = end + int(self._random.uniform(*OWN_PAUSE_S) * HEARD_HZ)


def build(each: int = 1) -> Library:
    """Speak and filter everything once (a minute and a half of one core); with `each` only every
    so-manieth line that must be synthesised."""
    voice = Voice.load(assets_dir(), threads=1)
    talk = [spoken(voice, *line) for line in TALK[::each]]
    questions = [spoken(voice, *line) for line in QUESTIONS[::each]]
    orders = sorted((repository_root() / "models" / "recordings" / "orders").glob("*.opus"))
    people = [levelled(read(path, HEARD_HZ)) for path in orders[:PEOPLE]]
    room = response(SHOP)
    wet = [levelled(np.convolve(voiced, room)[: len(voiced)]) for voiced in (*talk, *people)]
    noise = read(repository_root() / "models" / "recordings" / "kitchen.opus", HEARD_HZ)
    return Library(
        voices=wet, questions=questions, radio=[levelled(_band(line)) for line in talk],
        own=_own_lines(), music=levelled(music(11)), noise=levelled(noise))


def spoken(voice: Voice, language: str, voice_id: str, text: str) -> Samples:
    """One line by one voice, at 16 kHz and the usual level."""
    speech = voice.synthesise(text, language, voice=voice_id)
    return levelled(resample(speech.samples, speech.sample_rate_hz, HEARD_HZ))


def levelled(sound: npt.NDArray[np.floating]) -> Samples:
    """As loud as all others where it is loud, whatever its silences are."""
    loud = np.abs(sound) > 0.2 * np.max(np.abs(sound))
    rms = float(np.sqrt(np.mean(np.square(sound[loud]))))
    found: Samples = (sound * (VOICE_RMS / rms)).astype(np.float32)
    return found


def music(seed: int) -> Samples:
    """A slow song of four chords with a melody and a drum: pitched, rhythmic, and nobody's."""
    random = np.random.default_rng(seed)
    beat = HEARD_HZ // 2
    t = np.arange(beat) / HEARD_HZ
    fade = np.minimum(t / 0.01, 1.0) * np.exp(-t / 0.4)
    chords = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
    bars = []
    for number in range(2 * _MUSIC_S):
        chord = chords[number // 4 % 4]
        notes = [*chord, int(random.choice(chord)) + 12]
        tone = sum(
            np.sin(2 * np.pi * 196.0 * 2 ** (note / 12) * harmonic * t) / harmonic**1.5
            for note in notes for harmonic in (1, 2, 3, 4))
        drum = random.standard_normal(beat) * np.exp(-t / 0.03) * (1.5 if number % 2 else 0.5)
        bars.append(tone * fade + drum)
    return np.concatenate(bars).astype(np.float32)


def save(library: Library, path: Path) -> None:
    """Into one file, for another process."""
    parts: dict[str, npt.NDArray[np.generic]] = {"music": library.music, "noise": library.noise}
    for kind in ("voices", "questions", "radio"):
        parts |= {f"{kind}/{n}": each for n, each in enumerate(getattr(library, kind))}
    for n, own in enumerate(library.own):
        parts |= {f"text/{n}": np.array(own.text), f"played/{n}": own.played,
                  f"echo/{n}": own.echo}
    with path.open("wb") as file:
        np.savez(file, **parts)  # type: ignore[arg-type]


def load(path: Path) -> Library:
    """What `save` wrote."""
    with np.load(path, allow_pickle=False) as found:
        def rows(kind: str) -> list[Samples]:
            return [found[f"{kind}/{n}"] for n in range(sum(
                name.startswith(f"{kind}/") for name in found.files))]

        texts = rows("text")
        own = [Own(str(text), played, echo)
               for text, played, echo in zip(texts, rows("played"), rows("echo"), strict=True)]
        return Library(rows("voices"), rows("questions"), rows("radio"), own,
                       found["music"], found["noise"])


def _own_lines() -> list[Own]:
    folder = repository_root() / "programmes" / "tea-shop"
    speech = load_index(folder).speech
    found = []
    for key in sorted(speech)[:: max(1, len(speech) // OWN_LINES)][:OWN_LINES]:
        clip = read(folder / speech[key].file, PLAYED_HZ)
        clip = clip[: len(clip) // 3 * 3]
        tail = np.zeros(PLAYED_HZ * 2 // 5, np.float32)
        found.append(Own(speech[key].text, clip, echo_of(np.concatenate([clip, tail]), SHOP)))
    return found


def _band(sound: Samples) -> Samples:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / HEARD_HZ)
    spectrum[(hz < _PHONE_HZ[0]) | (hz > _PHONE_HZ[1])] = 0.0
    return np.fft.irfft(spectrum, len(sound)).astype(np.float32)
