"""Stories of lips and sound: a moved sound is found, foreign sound is not believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from device.paths import repository_root
from device.render.bundle import load_bundle
from device.render.mouth import Mouth
from models.measure import sync
from models.measure.pictures import shown, unit
from ota.clock import utc_now
from ota.errors import Refused

CLIPS = sorted((repository_root() / "tests" / "device" / "clips").glob("*.flac"))
SECONDS = 2.4


class Telling:
    """Stands in for the network: a mouth says where its white bar is, a sound its first band."""

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        middle = feeds["mouth"][:, sync.WINDOW // 2]
        bar = middle.mean(1).argmax(1).astype(np.float32)
        heard = feeds["sound"][:, sync.WINDOW_STEPS // 2, 0]
        return {"mouth_code": bar[:, None], "sound_code": heard[:, None]}


def story(frames: int, late: int) -> tuple[np.ndarray, np.ndarray]:
    """Thumbs whose bar moves about, and a mel that says the same `late` pictures later."""
    place = (np.random.default_rng(3).permutation(frames) * 5) % sync.INPUT[1]
    small = np.zeros((frames, *sync.THUMB), np.uint8)
    left = (sync.THUMB[1] - sync.INPUT[1]) // 2
    for i, at in enumerate(place):
        small[i, :, left + at] = 255
    mel = np.zeros((frames * 4, 80), np.float32)
    for i, at in enumerate(place):
        if 0 <= i + late < frames:
            mel[(i + late) * 4 : (i + late + 1) * 4, 0] = at
    return small, mel


@pytest.mark.parametrize("late", [-9, 0, 1, 7])
def test_the_offset_is_how_late_the_sound_comes(late: int) -> None:
    scorer: Any = sync.Scorer.__new__(sync.Scorer)
    scorer._session = Telling()
    curve, frames = scorer.curve(*story(120, late))
    got = sync.judged(curve, frames)
    assert got.offset_frames == late
    assert got.confidence > 5


def test_between_two_pictures_the_offset_is_finer() -> None:
    offsets = np.arange(-sync.REACH, sync.REACH + 1)
    curve = (1 + 0.01 * (offsets - 2.25) ** 2).astype(np.float32)
    got = sync.judged(curve, 100)
    assert got.offset_frames == 2
    assert got.offset_ms == pytest.approx(2.25 * 40, abs=0.5)
    assert got.confidence == pytest.approx(float(np.median(curve) - curve.min()))


def test_a_sound_window_lies_around_its_picture_and_silence_lies_outside() -> None:
    mel = np.repeat(np.arange(40, dtype=np.float32)[:, None], 80, 1)
    windows = sync.sound_windows(mel, -1, 12)
    assert windows.shape == (12, sync.WINDOW_STEPS, 80)
    # Picture 4 is 160..200 ms; its window 80..280 ms.
    assert windows[5][:, 0].tolist() == list(range(8, 28))
    assert (windows[0][:12] < 0).all()
    assert windows[0][12:, 0].tolist() == list(range(8))


def test_light_and_contrast_say_nothing() -> None:
    window = np.random.default_rng(0).uniform(0, 200, (1, 5, 8, 8)).astype(np.float32)
    assert sync.evened(window) == pytest.approx(sync.evened(window * 0.5 + 30), abs=1e-3)


def test_a_missing_scorer_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is missing"):
        sync.Scorer(tmp_path / "none.onnx")


@pytest.fixture(scope="module")
def people() -> list[tuple[np.ndarray, np.ndarray]]:
    """(thumbs, samples): Lin speaks with the voices of recorded people, as the box would."""
    bundle = load_bundle(repository_root() / "models" / "avatars" / "lin", utc_now())
    mouth = Mouth(bundle)
    rest = unit(bundle.track.rest_patch.transpose(2, 0, 1))
    result = []
    for file in CLIPS[:2]:
        samples, rate = soundfile.read(file, dtype="float32")
        sound = soxr.resample(samples, rate, 16_000).astype(np.float32)[: int(SECONDS * 16_000)]
        codes = mouth.codes(sound)
        made = shown(bundle.renderer_path("int8"), rest, bundle.track.mask, codes)
        result.append((sync.thumbs(made), sound))
    return result


@pytest.mark.parametrize("moved", [-7, 0, 4])
def test_the_trained_scorer_finds_a_moved_voice(
    people: list[tuple[np.ndarray, np.ndarray]], moved: int
) -> None:
    scorer = sync.Scorer()
    got = scorer.score([(small, sync.shifted(sound, moved)) for small, sound in people])
    assert abs(got.offset_frames - moved) <= 1, got


def test_the_trained_scorer_does_not_believe_another_voice(
    people: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    scorer = sync.Scorer()
    own = scorer.score(people)
    (one, voice), (other, foreign) = people
    count = min(len(one), len(other))
    swapped = scorer.score([(one[:count], foreign), (other[:count], voice)])
    assert own.confidence > 2 * swapped.confidence, (own.confidence, swapped.confidence)


def test_the_checked_in_scorer_is_small_and_saw_true_pictures_only() -> None:
    known = sync.about(sync.SCORER)
    assert known["pictures"] > 100
    assert "stand_in" not in known, "run `vitrine models scorer --work .work/lin`"
    assert known["offset_found_share"] > 0.9
    assert sync.SCORER.stat().st_size < 2_000_000
