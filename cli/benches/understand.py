"""Understanding: right and false answers to questions not used in tuning, and spoken orders.

Written questions are counted always; `spoken` has some of them said by voices that are not the
kiosk's, in noise; the orders are `models/recordings`. Nothing that is heard is written anywhere.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cli.benches.figure import Figure
from cli.benches.order_menu import MENU
from device.asr.endings import is_known
from device.asr.known import judged_by
from device.asr.recogniser import SAMPLE_RATE_HZ, Samples
from device.asr.vocabulary import vocabulary
from device.asr.whisper import Whisper
from device.audio.resample import resample
from device.audio.soundfiles import read
from device.conversation.ask import open_script
from device.conversation.context import Context, resolve
from device.conversation.match import Match
from device.conversation.meaning import Meaning
from device.conversation.script import Script
from device.conversation.slots import Vocabulary, read_slots
from device.paths import assets_dir, repository_root
from device.tts.kokoro import Voice
from models.calibrate_answers import folders, questions

RIGHT_PERCENT, FALSE_PERCENT = {"clean": 97.0, "10 dB": 94.0, "5 dB": 88.0}, 2.0
ORDERS_PERCENT = {"clean": 96.0, "10 dB": 94.0}
_SNR_DB: dict[str, float | None] = {"clean": None, "10 dB": 10.0, "5 dB": 5.0}
# Voices that nothing was tuned with, in turn.
_SPEAKERS = {"zh-CN": ("zm_yunxi", "zf_xiaoxiao"), "en-US": ("am_michael", "af_heart")}
_SPOKEN_DBFS, _LOUD, _BEFORE = -22.0, 0.004, int(0.3 * SAMPLE_RATE_HZ)
_ORDER_PROMPT = {
    "en-US": "Can I get a medium roast small iced mocha with a double shot, skim milk and brown "
    "sugar? Americano, cappuccino, latte, espresso, house coffee, drip coffee, almond milk, soy "
    "milk, sweetener, twelve ounce."
}


@dataclass
class Count:
    """Answers of one kind, counted."""

    right: int = 0
    wrong: int = 0
    asked: int = 0
    false: int = 0
    strangers: int = 0
    meant: int = 0  # not answered, but asked back for the right one
    bothered: int = 0  # strangers who were asked back

    def add(self, wanted: str, found: Match) -> None:
        """One more question and what was found; `wanted` is "" where no answer is right."""
        if wanted:
            self.asked += 1
            self.right += found.answer_id == wanted
            self.wrong += found.answer_id not in (wanted, None)
            self.meant += found.answer_id is None and found.maybe == wanted
        else:
            self.strangers += 1
            self.false += found.answer_id is not None
            self.bothered += found.maybe is not None


def measure(spoken: int = 0, orders: int = 0) -> list[Figure]:
    """The figures; `spoken` is how many questions are said aloud (about 5 s each), `orders` how
    many recordings of people are heard (1 s each)."""
    meaning = Meaning.load(assets_dir())
    scripts = {
        shop: open_script(folder).with_meaning(meaning) for shop, folder in folders().items()
    }
    figures = _written(scripts)
    if spoken > 0:
        figures += _spoken(scripts, spoken)
    if orders > 0:
        figures += _orders(repository_root() / "models" / "recordings", orders)
    return figures


def _answer(script: Script, heard: str, language: str) -> Match:
    return resolve(heard, language, Context(), script).match or Match(None, 0.0)


def _written(scripts: dict[str, Script]) -> list[Figure]:
    count = Count()
    for shop, wanted, question in questions("held_out"):
        count.add(wanted, _answer(scripts[shop], question, ""))
    return _as_figures("written", count, None)


def _as_figures(name: str, count: Count, wanted: float | None) -> list[Figure]:
    limits = (wanted, FALSE_PERCENT)
    right = 100.0 * count.right / max(1, count.asked)
    wrong = 100.0 * count.wrong / max(1, count.asked)
    false = 100.0 * count.false / max(1, count.strangers)
    meant = right + 100.0 * count.meant / max(1, count.asked)
    bothered = 100.0 * count.bothered / max(1, count.strangers)
    asked, others = f"{count.asked} questions", f"{count.strangers} out of domain"
    return [
        Figure(f"right answers, {name}", right, "%", limits[0], at_least=True, note=asked),
        Figure(f"wrong answers, {name}", wrong, "%", note=asked),
        Figure(f"false answers, {name}", false, "%", limits[1], note=others),
        Figure(f"right, or right after one yes, {name}", meant, "%", note=asked),
        Figure(f"asked back for nothing, {name}", bothered, "%", note=others),
    ]


def _spoken(scripts: dict[str, Script], number: int) -> list[Figure]:
    voice, ear = Voice.load(assets_dir(), threads=1), Whisper.load(assets_dir(), threads=1)
    prompts = {shop: vocabulary(script.programme) for shop, script in scripts.items()}
    knows = {shop: judged_by(script.matcher) for shop, script in scripts.items()}
    drawn = list(questions("held_out"))
    random.Random(5).shuffle(drawn)
    counts = {name: Count() for name in _SNR_DB}
    rng = np.random.default_rng(1)
    for place, (shop, wanted, question) in enumerate(drawn[:number]):
        language = "zh-CN" if any("\u4e00" <= c <= "\u9fff" for c in question) else "en-US"
        speaker = _SPEAKERS[language][place // 2 % 2]
        said = voice.synthesise(question, language, voice=speaker)
        samples = _as_loud(resample(said.samples, said.sample_rate_hz, SAMPLE_RATE_HZ))
        hiss = _low_passed(rng.standard_normal(len(samples)))
        for name, snr_db in _SNR_DB.items():
            heard = ear.transcribe_unless(
                mixed_at(samples, hiss, snr_db), tuple(_SPEAKERS), prompts[shop],
                lambda: False, partial(is_known, knows=knows[shop]))
            text = heard.text if heard else ""
            language = heard.language if heard else ""
            counts[name].add(wanted, _answer(scripts[shop], text, language))
    return [
        figure
        for name, count in counts.items()
        for figure in _as_figures(f"spoken {name}", count, RIGHT_PERCENT[name])
    ]


def _as_loud(samples: Samples) -> Samples:
    """As loud as a visitor before the screen, after a moment of silence."""
    loud = samples[np.abs(samples) > _LOUD]
    gain = 10 ** (_SPOKEN_DBFS / 20) / float(np.sqrt(np.mean(loud**2)))
    return np.concatenate([np.zeros(_BEFORE, np.float32), (samples * gain).astype(np.float32)])


def _low_passed(noise: np.ndarray) -> Samples:
    """White noise made dull, as a shop's hum is: a running mean over 1 ms."""
    return np.convolve(noise, np.ones(16) / 16.0, mode="same").astype(np.float32)


def mixed_at(samples: Samples, noise: Samples, snr_db: float | None) -> Samples:
    """Speech with noise that is `snr_db` weaker; as it is when None."""
    if snr_db is None:
        return samples
    power = float(np.mean(samples**2)), float(np.mean(noise**2))
    gain = np.sqrt(power[0] / max(power[1], 1e-12) / 10.0 ** (snr_db / 10.0))
    mixed = samples + gain * noise
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)


def _orders(folder: Path, number: int) -> list[Figure]:
    labels: dict[str, dict[str, str]] = json.loads(
        (folder / "orders.json").read_text(encoding="utf-8"))
    ear, menu = Whisper.load(assets_dir(), threads=1), Vocabulary.of(MENU)
    kitchen = read(folder / "kitchen.opus", SAMPLE_RATE_HZ)
    rng = np.random.default_rng(0)
    right = dict.fromkeys(ORDERS_PERCENT, 0)
    names = sorted(labels)[:number]
    for name_of_order in names:
        samples = read(folder / "orders" / f"{name_of_order}.opus", SAMPLE_RATE_HZ)
        start = int(rng.integers(0, len(kitchen) - len(samples)))
        noise = kitchen[start : start + len(samples)]
        for name in right:
            mixed = mixed_at(samples, noise, _SNR_DB[name])
            heard = ear.transcribe(mixed, ("en-US",), _ORDER_PROMPT).text
            found = {each.slot: each.value for each in read_slots(heard, "en-US", menu)}
            right[name] += found == labels[name_of_order]
    note = f"{len(names)} orders by people, no slot missing or too many"
    return [
        Figure(f"orders with every slot right, {name}", 100.0 * right[name] / max(1, len(names)),
               "%", limit, at_least=True, note=note)
        for name, limit in ORDERS_PERCENT.items()
    ]  # fmt: skip

