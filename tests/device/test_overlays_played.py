"""The real stage plays a line with everything over it, and a visitor of the shop looks at it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from device.audio.speaker import Speaker
from device.conversation import cues
from device.conversation.script import Script
from device.paths import Places
from device.render.bundle import load_bundle
from device.render.mouth import Mouth
from device.render.sink import NullSink
from device.stage.announcer import Announcer
from device.stage.billboard import BUMPER_LEAVES_S, BUMPER_S
from device.stage.clips import ClipShelf
from device.stage.mouths import MouthMaker
from device.stage.performer import Performer
from device.stage.stage import FPS, Stage
from device.stage.wardrobe import Wardrobe
from ota.clock import Deadline, utc_now
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import make_programme

pytestmark = pytest.mark.beside

SIZE = (270, 480)


def test_the_brand_comes_first_then_words_light_up_and_a_notice_ends_by_itself(
    tmp_path: Path,
) -> None:
    folder = make_programme(tmp_path / "shop", seconds=1.2)
    programme = json.loads((folder / "programme.json").read_text())
    programme["theme"] = {"brand": {"zh-CN": "春山茶行"}}
    programme["segments"][0]["bumper"] = True
    (folder / "programme.json").write_text(json.dumps(programme))
    script = Script.load(folder)
    bundle = load_bundle(make_bundle(tmp_path / "avatar"), utc_now())
    speaker, mouth = Speaker(enabled=False), Mouth(bundle)
    maker = MouthMaker(mouth).start()
    stage = Stage(bundle, NullSink(), speaker, maker, SIZE)
    wardrobe = Wardrobe(stage.compositor.look, script)
    performer = Performer(
        stage, speaker, maker, ClipShelf(mouth), wardrobe, Announcer(Places(tmp_path)))
    parts: list[tuple[int, bool, int, bool]] = []
    deadline = Deadline(20)
    background = wardrobe.look.background[::-1]

    def look(n: int, canvas: np.ndarray) -> None:
        branded = bool(np.abs(canvas[100, 10, :3].astype(int) - background).max() < 24)
        lit = int((canvas[300:, :, :3].min(axis=2) > 235).sum())
        red = bool(canvas[-30, 4, 2] > 150 and canvas[-30, 4, 1] < 60)
        parts.append((n, branded, lit, red))
        if performer.done_key() is not None:
            performer.override({"zh-CN": "火警", "en-US": "Fire"}, None,
                               utc_now() + timedelta(seconds=0.4))
        performer.look_after()
        if deadline.passed or (not red and any(each[3] for each in parts)):
            stage.leave()

    stage.on_presented = look
    stage.open()
    key = "segment/welcome/zh-CN/0"
    clip = script.index.speech[key]
    try:
        performer.perform(cues.Say(cues.Sentence(key, clip.text, "zh-CN", folder / clip.file)))
        stage.run()
    finally:
        stage.close()
        maker.close()
    branded = [n for n, brand, _, _ in parts if brand]
    assert branded, "the brand took the whole picture"
    assert speaker.position_s() > BUMPER_S + BUMPER_LEAVES_S + 1.2
    lights = [lit for n, brand, lit, red in parts if n > branded[-1] + FPS // 2 and not red]
    assert max(lights[-5:]) > lights[0] + 20, "words light up while they are said"
    assert any(red for *_, red in parts) and not parts[-1][3], "the notice ended by itself"
