"""The player as a process: it presents, obeys, answers, changes its programme, dies and returns."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device import messages as m
from device.paths import Places
from device.preview.wire import FULL, PICTURE, read_packet, socket_path
from device.render.pixels import picture_from_bytes
from device.render.sink import NullSink
from device.safe import Safe
from device.stage.keeper import last_picture_path, somebody_presents
from ota.clock import Deadline, monotonic_s, sleep_s
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import LINES, make_programme
from tests.sim.player_box import Box
from tests.sim.sound import sound_server

WELCOME, ANSWER = LINES["segment/welcome/zh-CN/0"], LINES["answer/price/zh-CN/0"]
LONGJING = [LINES[f"segment/longjing/zh-CN/{number}"] for number in (0, 1)]
FALLBACK = LINES["fallback/fallback/zh-CN/0"]


class Watcher(threading.Thread):
    """Watches the live stream: how dark is each picture, and is one missing?"""

    def __init__(self, places: Places) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(str(socket_path(places)))
        self.socket.sendall(FULL)
        self.light: list[float] = []
        self.at_s: list[float] = []
        self.sounds = 0
        self.start()

    def run(self) -> None:
        try:
            while (data := read_packet(self.socket)) is not None:
                if data[:1] == PICTURE:
                    self.light.append(float(picture_from_bytes(data[9:], "live")[..., :3].mean()))
                    self.at_s.append(float(np.frombuffer(data[1:9], ">f8")[0]))
                else:
                    self.sounds += 1
        except OSError:
            return


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(
        tmp_path_factory.mktemp("avatars") / "sim", (540, 960), 25, gestures=["greet"])


@pytest.fixture()
def box(tmp_path: Path, avatar: Path) -> Iterator[Box]:
    with sound_server(tmp_path / "sound") as sound:
        kiosk = Box(tmp_path / "root", avatar, sound.environment)
        try:
            yield kiosk
        finally:
            kiosk.close()


@pytest.mark.alone
def test_a_day_in_the_shop(box: Box, tmp_path: Path) -> None:
    first, second = make_programme(tmp_path / "v1"), make_programme(tmp_path / "v2", 2, "¥138")
    box.start("--report", str(tmp_path / "report.json"))
    box.play(first)
    state = box.state(lambda s: s.saying == WELCOME and s.speaking)
    assert (state.programme_id, state.programme_version) == ("sim-tea", 1)
    assert state.state == "presenting"
    watcher = Watcher(box.places)

    box.play(second, 2, volume=0.5)
    begun_s = monotonic_s()
    box.state(lambda s: s.programme_version == 2 and s.speaking)
    assert monotonic_s() - begun_s < 5, "at the next sentence"
    assert box.state(lambda s: s.showing == "longjing").fault is None

    assert box.asked("龙井多少钱")["answer_id"] == "price"
    state = box.state(lambda s: s.saying == ANSWER)
    assert (state.state, state.showing) == ("answering", "longjing")
    box.state(lambda s: not s.speaking)
    assert box.asked("这里有厕所吗")["answer_id"] is None
    assert box.state(lambda s: s.saying == FALLBACK).state == "fallback"

    box.agent.publish(m.Command(id="c1", name="screenshot"))
    done = box.message(lambda x: isinstance(x, m.CommandDone))
    assert isinstance(done, m.CommandDone) and done.ok and done.id == "c1"
    shot = picture_from_bytes(base64.b64decode(done.result["jpeg_base64"]), "shot")
    assert shot.shape[:2] == (384, 216) and shot[..., :3].mean() > 60

    notice = "请注意，本店十分钟后打烊。"
    box.agent.publish(m.Command(id="c2", name="say", args={"text": notice}))
    begun_s = monotonic_s()
    box.state(lambda s: s.saying == notice and s.state == "notice")
    box.state(lambda s: s.saying != notice, 60)
    assert monotonic_s() - begun_s > 2
    assert list((box.places.run / "notices").glob("*.wav")), "spoken, not only shown"

    assert box.stop() == 0
    watcher.join(5)
    assert min(watcher.light) > 60, "never a black frame"
    assert max(np.diff(watcher.at_s)) < 0.3 and watcher.sounds > 20
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames_dropped"] <= 0.01 * report["frames_shown"] + 3, report
    assert report["av_offset_ms"]["p95_abs"] <= 40 and report["ai_label"]
    assert report["render_ms"]["p50"] is not None and report["fps"] > 24
    assert report["gestures_shown"] >= 1 and report["gestures_unknown"] == []
    assert any(h.kind == "played" for h in box.happened)
    assert "visitor" not in json.dumps([h.detail for h in box.happened])
    assert "厕所" not in json.dumps([h.detail for h in box.happened], ensure_ascii=False)


@pytest.mark.beside
def test_kill_nine_leaves_the_last_picture_and_the_sentence_begins_again(
    box: Box, tmp_path: Path
) -> None:
    shop = make_programme(tmp_path / "v1")
    sink = NullSink()
    safe = Safe(box.places, sink, (540, 960))
    safe.open()
    safe.look()
    brand = sink.frame_buffer().copy()
    assert safe.covering and brand[..., :3].std() > 3, "the brand picture before the first frame"

    box.start("--programme", str(shop))
    deadline = Deadline(15)
    while not last_picture_path(box.places).exists() and not deadline.passed:
        sleep_s(0.05)
    safe.look()
    assert not safe.covering and somebody_presents(box.places)

    box.state(lambda s: s.saying == LONGJING[0])
    box.kill()
    safe.look()
    assert safe.covering and not somebody_presents(box.places)
    stands = sink.frame_buffer()
    assert stands[..., :3].mean() > 100 and not np.array_equal(stands, brand), "the last good frame"

    back_s = box.start("--programme", str(shop))
    assert back_s < 8, "3 s on a quiet machine"
    safe.look()
    assert not safe.covering
    assert box.state(lambda s: s.saying is not None).saying == LONGJING[0], "from its first word"
    box.kill()
    box.start("--programme", str(shop))
    assert box.state(lambda s: s.saying is not None).saying == LONGJING[1], "it killed twice"
    told = [(h.kind, h.detail) for h in box.happened if h.kind in ("resumed", "fault")]
    assert [kind for kind, _ in told] == ["resumed", "fault", "resumed"]
    assert "ended 2 times in sentence 1 of segment longjing" in told[1][1]["what"]
    assert box.stop() == 0
    assert not (box.places.run / "saying.json").exists(), "an ordered end leaves nothing to resume"


def test_a_broken_programme_is_said_and_the_old_one_plays_on(box: Box, tmp_path: Path) -> None:
    box.start("--programme", str(make_programme(tmp_path / "v1")))
    box.state(lambda s: s.speaking)
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "programme.json").write_text("{broken")
    box.play(tmp_path / "v2", 2)
    fault = box.message(lambda x: isinstance(x, m.Happened) and x.kind == "fault")
    assert isinstance(fault, m.Happened) and "programme" in fault.detail["what"]
    state = box.state(lambda s: s.fault is not None)
    assert state.programme_version == 1
    box.state(lambda s: s.speaking and s.programme_version == 1)
    assert box.stop() == 0


def test_without_an_avatar_it_says_so_in_one_sentence_and_ends(tmp_path: Path) -> None:
    box = Box(tmp_path / "root", tmp_path, {})
    try:
        with pytest.raises(AssertionError, match="is no avatar"):
            box.start()
        assert "Traceback" not in box.log() and box.process is not None
        assert box.process.wait(5) == 1
    finally:
        box.close()


@pytest.mark.alone
def test_without_any_sound_device_the_picture_lives(tmp_path: Path, avatar: Path) -> None:
    (tmp_path / "asound.conf").write_text("pcm.!default { type pulse }\n")
    nowhere = {"PULSE_SERVER": f"unix:{tmp_path}/nobody",
               "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    box = Box(tmp_path / "root", avatar, nowhere)
    try:
        box.start("--programme", str(make_programme(tmp_path / "v1")))
        state = box.state(lambda s: s.speaking and s.fault is not None)
        assert "no sound device" in str(state.fault)
        before = state.frames_shown
        assert box.state(lambda s: s.frames_shown > before + 25).fps > 20
        assert box.stop() == 0
    finally:
        box.close()
