"""The player from inside: mouths ahead of time, changes on the right frame, figures."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.audio.speaker import Speaker
from device.conversation.cues import Sentence
from device.conversation.script import Script
from device.render.bundle import Bundle, load_bundle
from device.render.cards import Look, hint
from device.render.mouth import Mouth
from device.render.sink import NullSink
from device.stage.measure import Figures, report, spread
from device.stage.mouths import AHEAD, CLOSING_FRAMES, MouthMaker, Spoken, cut_short
from device.stage.stage import Stage
from device.stage.wardrobe import Wardrobe
from ota.clock import Deadline, sleep_s
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import make_programme, murmur


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = make_bundle(tmp_path_factory.mktemp("avatars") / "sim", (270, 480), 25)
    return load_bundle(folder, datetime(2026, 1, 1, tzinfo=timezone.utc))


def ready(maker: MouthMaker, n: int) -> tuple[bool, np.ndarray | None]:
    deadline = Deadline(5)
    while not deadline.passed:
        known, patch = maker.at(n)
        if known:
            return known, patch
        maker.at(n - 1)
        sleep_s(0.01)
    return False, None


def codes_of(bundle: Bundle, seconds: float = 1.0) -> np.ndarray:
    return Mouth(bundle).codes(murmur(seconds, 1)[::3].copy())


def test_a_sentence_broken_off_closes_the_mouth_softly_and_fully() -> None:
    rest = np.zeros(2, np.float32)
    spoken = Spoken(100, np.ones((50, 2), np.float32))
    cut = cut_short(spoken, 120, rest)
    after = [cut.at(120 + k) for k in range(CLOSING_FRAMES)]
    assert len(cut.codes) == 20 + CLOSING_FRAMES
    assert [float(a[0]) for a in after if a is not None] == pytest.approx([0.75, 0.5, 0.25, 0.0])
    assert cut_short(spoken, 200, rest) is spoken


def test_mouths_are_ready_before_their_frame_and_closed_outside_of_speech(bundle: Bundle) -> None:
    maker = MouthMaker(Mouth(bundle)).start()
    try:
        codes = codes_of(bundle)
        maker.say(110, codes)
        assert ready(maker, 105) == (True, None)
        spoken = [n for n in range(110, 110 + len(codes)) if maker.is_open(n)]
        assert len(spoken) > 10
        known, patch = ready(maker, spoken[3])
        assert known and patch is not None and patch.shape == (256, 256, 4)
        sleep_s(0.1)
        assert all(maker.at(n)[0] for n in range(spoken[3] + 1, spoken[3] + 1 + AHEAD // 2))
        assert ready(maker, 110 + len(codes)) == (True, None)
    finally:
        maker.close()


def test_what_was_made_for_words_that_are_not_said_is_thrown_away(bundle: Bundle) -> None:
    maker = MouthMaker(Mouth(bundle)).start()
    try:
        codes = np.tile(np.float32([1, 0, 0, 0]), (50, 1))
        maker.say(10, codes)
        ready(maker, 12)
        sleep_s(0.1)
        maker.cut(14)
        assert ready(maker, 14 + CLOSING_FRAMES - 1) == (True, None)
        assert not maker.is_open(30)
    finally:
        maker.close()


def test_the_overlay_changes_on_its_frame_and_the_last_word_counts(bundle: Bundle) -> None:
    speaker = Speaker(enabled=False)
    maker = MouthMaker(Mouth(bundle)).start()
    sink = NullSink(keep_hashes=True)
    stage = Stage(bundle, sink, speaker, maker, (270, 480))
    stage.open()
    pill, never = hint("A", stage.compositor.look), hint("B", stage.compositor.look)
    shown: dict[int, bool] = {}
    first = stage.now() + 20
    stage.change_at(first, "hint", pill)
    stage.change_at(first + 10, "hint", never)
    stage.change_at(first + 5, "hint", None)

    def watch(n: int, canvas: np.ndarray) -> None:
        shown[n] = bool((canvas[400:470, 60:210].max(axis=(1, 2)) > 0).any()) and (
            stage._overlay.hint is pill)
        assert stage._overlay.hint is not never
        if n > first + 14:
            stage.leave()

    stage.on_presented = watch
    try:
        stage.run()
    finally:
        stage.close()
        maker.close()
    on = [n for n, visible in shown.items() if visible]
    assert min(on) == first and max(on) == first + 4
    assert 20 < stage.figures.fps() < 30 and stage.figures.frames_shown > 30


def test_figures_become_the_report_of_the_contract() -> None:
    figures = Figures()
    for k in range(101):
        figures.shown(10.0 + k * 0.04)
        figures.av_offset_ms.append(-3.0)
    figures.note_memory()
    found = report(figures, [4.0, 6.0], "cpu", "int8", 0.25)
    assert found["fps"] == pytest.approx(25.0) and found["frames_shown"] == 101
    assert found["frame_ms"]["p50"] == pytest.approx(40.0)
    assert found["av_offset_ms"]["p50"] == -3.0 and found["av_offset_ms"]["p95_abs"] == 3.0
    assert found["rss_bytes"]["max"] >= found["rss_bytes"]["start"] > 10_000_000
    assert spread([], "p50", "max") == {"p50": None, "max": None}


def test_a_card_with_a_huge_or_broken_picture_is_shown_without_it_and_said(tmp_path: Path) -> None:
    shop = make_programme(tmp_path / "shop")
    picture = shop / "assets" / "longjing.png"
    huge = cv2.imencode(".png", np.zeros((9000, 16), np.uint8))[1].tobytes()
    for data in (huge, b"no picture", picture.read_bytes()[:300]):
        picture.write_bytes(data)
        wardrobe = Wardrobe(Look(), Script.load(shop))
        card = wardrobe.card("longjing")
        assert card is not None and card.width_px > 900
        assert len(wardrobe.faults) == 1 and "longjing.png" in wardrobe.faults[0]


def test_a_programmes_cards_speak_both_languages_and_captions_come_in_pages(
    tmp_path: Path,
) -> None:
    wardrobe = Wardrobe(Look(), Script.load(make_programme(tmp_path / "shop")))
    assert wardrobe.card(None) is None and wardrobe.card("unknown") is None
    assert wardrobe.brand() is not None
    assert wardrobe.card("longjing") is wardrobe.card("longjing"), "drawn once"
    text = "明前龙井，清明之前采摘的嫩芽，香气清雅，滋味甘醇，" * 3
    said = wardrobe.captions(Sentence("notice/said/zh-CN/0", text, "zh-CN", None), 9000, 100)
    assert said is not None and said.begins[0] == 100 and said.at(99) is None
    assert list(said.begins) == sorted(said.begins) and said.begins[-1] < 100 + 9 * 25
    assert len({id(view.parts[0].sprite) for view in said.views}) >= 2, "more than one page"
