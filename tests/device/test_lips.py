"""Lips that shut at p, b and m: the correction by itself, with Lin, and from the build on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.benches.shut_lips import gaps, shut
from device.audio.resample import resample
from device.audio.soundfiles import read, write_wav
from device.conversation.script import Script
from device.paths import repository_root
from device.programme.build import build
from device.programme.load import load_index
from device.programme.schema import Clip
from device.programme.times_beside import read_times, times_file, write_times
from device.programme.word_times import phoneme_times
from device.render.bundle import Bundle, load_bundle
from device.render.lips import Lips, weights
from device.render.mouth import Mouth
from device.stage.clips import ClipShelf, answers_first
from models.film.codes import lips_of
from ota.clock import utc_now
from tests.sim.avatar_bundle import make_bundle
from tests.sim.hummer import SMALL, Hummer, Speech, write

ROOT = repository_root()
TEA_SHOP = ROOT / "programmes" / "tea-shop"
NAMES = ["open", "round", "press"]
LIPS = Lips({"tucked": (np.array([0], np.intp), np.array([0.2], np.float32)),
             "closed": (np.array([0, 2], np.intp), np.array([0.1, 0.5], np.float32))},
            rest=np.zeros(3, np.float32))
OPEN = np.tile(np.array([0.8, 0.4, 0.0], np.float32), (25, 1))


@pytest.fixture(scope="module")
def lin() -> Bundle:
    return load_bundle(ROOT / "models" / "avatars" / "lin", utc_now())


@pytest.mark.parametrize("at_ms", range(400, 441, 4))
def test_a_closure_shuts_one_or_two_frames_wherever_it_falls_between_them(at_ms: int) -> None:
    codes = np.asarray(LIPS.shaped(OPEN, "amˈa", (300, at_ms, 440, 450)))
    wide = codes[:, 0]
    assert 1 <= int((wide < 0.12).sum()) <= 2
    middle_ms = (int(wide.argmin()) + 0.5) * 40
    assert abs(middle_ms - at_ms) <= 30
    assert np.allclose(codes[:8], OPEN[:8]) and np.allclose(codes[14:], OPEN[14:])
    assert np.allclose(codes[:, 1], 0.4), "the rounding is the vowel's"
    turns = np.diff(np.sign(np.diff(wide)[np.abs(np.diff(wide)) > 1e-6]))
    assert np.count_nonzero(turns) == 1, "it shuts once and opens once, without a flutter"


def test_the_lips_go_shut_in_advance_and_not_in_one_leap() -> None:
    shares = weights(25, [420.0])
    assert shares[10] == 1.0 and 0.2 < shares[9] < 0.95 and 0.2 < shares[11] < 0.95
    assert shares[8] < 0.1 and not shares[13:].any()


def test_two_closures_in_a_row_stay_shut() -> None:
    codes = np.asarray(LIPS.shaped(OPEN, "mp", (400, 460)))
    assert (codes[10:12, 0] < 0.16).all()


def test_lips_shut_wins_over_the_teeth_and_both_win_over_the_sound() -> None:
    codes = np.asarray(LIPS.shaped(OPEN, "fv", (420, 420)))
    assert codes[10, 0] == pytest.approx(0.2) and codes[10, 2] == 0
    codes = np.asarray(LIPS.shaped(OPEN, "fb", (420, 420)))
    assert codes[10, 0] == pytest.approx(0.1) and codes[10, 2] == pytest.approx(0.5)


def test_without_times_the_codes_are_the_very_same() -> None:
    assert LIPS.shaped(OPEN, "", ()) is OPEN
    assert LIPS.shaped(OPEN, "mama", (0, 40)) is OPEN, "times of something else"
    assert LIPS.shaped(OPEN, "aeiou", (0, 40, 80, 120, 160)) is OPEN


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pbmfva .ˈ"), st.integers(0, 600_000)), max_size=40),
       st.integers(0, 40))
def test_whatever_an_index_says_the_codes_stay_codes(
    said: list[tuple[str, int]], frames: int
) -> None:
    codes = OPEN[:1].repeat(frames, axis=0)
    shaped = np.asarray(LIPS.shaped(codes, "".join(s for s, _ in said), [ms for _, ms in said]))
    assert shaped.shape == codes.shape and np.isfinite(shaped).all()
    assert shaped.min(initial=0) >= 0 and shaped.max(initial=0) <= 0.8 + 1e-6


def test_an_avatar_that_does_not_say_how_its_lips_look_is_left_alone(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "sim", size=(270, 480), frames=4)
    assert Lips.of(load_bundle(folder, utc_now())) is None
    manifest = json.loads((folder / "avatar.json").read_text())
    for lips in ({"closed": {"no such number": 0.1}}, {"some day": {"c0": 0.1}}, {}):
        manifest["code"]["lips"] = lips
        (folder / "avatar.json").write_text(json.dumps(manifest))
        assert Lips.of(load_bundle(folder, utc_now())) is None
    manifest["code"]["lips"] = {"closed": {manifest["code"]["names"][0]: 99.0}}
    (folder / "avatar.json").write_text(json.dumps(manifest))
    found = Lips.of(load_bundle(folder, utc_now()))
    assert found is not None and found.shapes["closed"][1].tolist() == pytest.approx([1.1])


def test_a_filmed_mouth_that_rests_open_shows_nobody_how_it_shuts() -> None:
    assert lips_of(0.01) == {"closed": {"open": 0.0}}
    assert lips_of(0.08) == {} and lips_of(float("inf")) == {}


@dataclass
class Murmurer(Hummer):
    """A synthesiser that has times: it says m at 490 ms of its own clock, which is 50 ms late."""

    engine: str = "murmurer/1"

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Speech:
        speech = super().synthesise(text, language, speed, voice)
        return Speech(speech.samples, phonemes=(("a", 20.0, 490.0), ("m", 490.0, 540.0)))


def test_the_times_travel_with_the_audio_and_a_second_build_keeps_them(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    programme = {**SMALL, "products": [], "segments": SMALL["segments"][:1]}
    write(shop, programme)
    build(shop, Murmurer())
    clip = load_index(shop).speech["segment/hi/zh-CN/0"]
    assert (clip.phonemes, clip.phonemes_ms) == ("am", (0, 440))
    before = (shop / "index.json").read_bytes()
    again = Murmurer()
    build(shop, again)
    assert again.said == [] and (shop / "index.json").read_bytes() == before
    build(shop, Hummer())  # another synthesiser, which has no times
    assert load_index(shop).speech["segment/hi/zh-CN/0"].phonemes == ""


def test_an_index_of_before_and_one_of_later_are_read() -> None:
    old = b'{"file":"speech/a.opus","text":"a","language":"zh-CN","duration_ms":1}'
    clip = msgspec.json.decode(old, type=Clip)
    assert (clip.phonemes, clip.phonemes_ms) == ("", ())
    assert b"phonemes" not in msgspec.json.encode(clip)
    said = (("ma", 0.0, 90.0), ("ˈ", 90.0, 90.4), ("b", 90.4, 120.0), ("ʰ", 120.0, 140.0),
            (" ", 140.0, 150.0))
    assert phoneme_times(said) == ("b", (40,))


@pytest.fixture(scope="module")
def tea_shop() -> Script:
    return Script.load(TEA_SHOP)


def test_every_clip_of_the_shipped_programme_says_when_its_phonemes_are(tea_shop: Script) -> None:
    for key, clip in tea_shop.index.speech.items():
        assert len(clip.phonemes) == len(clip.phonemes_ms) > 3, key
        assert list(clip.phonemes_ms) == sorted(clip.phonemes_ms), key
        assert clip.phonemes_ms[-1] <= clip.duration_ms, key


def test_lin_shuts_her_lips_in_the_shipped_programme(lin: Bundle, tea_shop: Script) -> None:
    """Some clips of each language: with the times every closure shuts, of sound alone half."""
    mouth, lips = Mouth(lin), Lips.of(lin)
    assert lips is not None
    names = lin.manifest.code.names
    heard: list[bool] = []
    shaped: list[bool] = []
    silent = 0
    for language in ("zh-CN", "en-US"):
        rich = sorted((c for c in tea_shop.index.speech.values() if c.language == language),
                      key=lambda c: -sum(sign in "pbm" for sign in c.phonemes))[:3]
        for clip in rich:
            sound = resample(read(TEA_SHOP / clip.file, 48_000), 48_000, 16_000)
            codes = mouth.codes(sound)
            moved = np.asarray(lips.shaped(codes, clip.phonemes, clip.phonemes_ms))
            heard += shut(gaps(codes, names), clip.phonemes, clip.phonemes_ms)
            shaped += shut(gaps(moved, names), clip.phonemes, clip.phonemes_ms)
            assert np.abs(np.diff(moved, axis=0)).max() < 0.85
            quiet = (codes == mouth.rest).all(1)
            silent += int(quiet.sum())
            assert (moved[quiet] == mouth.rest).all(), "silence stays exactly the rest"
    assert len(shaped) > 15 and all(shaped) and silent > 0
    assert np.mean(heard) < 0.8, "the sound alone is enough: the correction is not needed any more"
    closed = mouth.rest.copy()
    columns, values = lips.shapes["closed"]
    closed[columns] = values
    open_wide = mouth.rest.copy()
    open_wide[lin.manifest.code.open_index] = 0.8
    assert dark_share(mouth.patch(closed)) < 0.01 < 0.2 < dark_share(mouth.patch(open_wide))


def dark_share(patch: np.ndarray) -> float:
    """How much of the middle of the mouth shows its inside, which is dark."""
    return float((patch[100:150, 110:146, :3].max(axis=2) < 60).mean())


class Counted(Mouth):
    """Lin's mouth, which counts the clips that it hears."""

    heard = 0

    def codes(self, samples_16k: np.ndarray) -> np.ndarray:
        self.heard += 1
        return super().codes(samples_16k)


def test_the_shelf_shapes_what_the_programme_times_and_nothing_else(
    lin: Bundle, tea_shop: Script, tmp_path: Path
) -> None:
    mouth = Counted(lin)
    shelf = ClipShelf(mouth, Lips.of(lin))
    path = answers_first(tea_shop, 1)[0]
    plain = np.asarray(shelf.take(path).codes)
    shelf.forget(tea_shop)
    timed = np.asarray(shelf.take(path).codes)
    assert mouth.heard == 2, "what was heard before its times were known is heard anew"
    assert np.abs(timed - plain).max() > 0.1
    shelf.forget(tea_shop)
    assert not shelf.warm(path) or mouth.heard == 2
    assert mouth.heard == 2, "the same programme again: the codes are kept"
    notice = tmp_path / "notice.wav"
    write_wav(notice, read(path, 24_000), 24_000)
    assert np.abs(np.asarray(shelf.take(notice).codes)[:20] - plain[:20]).max() < 0.1
    said = tmp_path / "said.wav"
    times_file(said).write_bytes(b"{broken")
    assert read_times(said) == ("", ()), "as if there were none"
    clip = next(c for c in tea_shop.index.speech.values() if path.name in c.file)
    write_times(said, clip.phonemes, clip.phonemes_ms)
    write_wav(said, read(path, 24_000), 24_000)
    assert np.abs(np.asarray(shelf.take(said).codes)[:20] - timed[:20]).max() < 0.1
