"""A visitor's words are on the screen before them, for seconds, and in no other copy of it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from device import messages as m
from device.audio.speaker import Speaker
from device.paths import Places
from device.preview.wire import FULL, PICTURE, PICTURES_ONLY, read_packet, socket_path
from device.render.cards import hint
from device.render.compose import Compositor, Overlay
from device.render.dirty import Box as Area
from device.render.notices import bumper
from device.render.pills import listening_pill
from device.render.pixels import Picture, picture_from_bytes
from device.stage.discretion import veil
from device.stage.keeper import PictureKeeper, last_picture
from device.stage.orders import Orders
from device.stage.volume import Loudness
from ota.clock import Deadline, monotonic_ns, monotonic_s, sleep_s
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import LINES, make_programme
from tests.sim.player_box import Box
from tests.sim.sound import sound_server

WORDS = "请问龙井多少钱"
ANSWER, WELCOME = LINES["answer/price/zh-CN/0"], LINES["segment/welcome/zh-CN/0"]


def framed(overlay: Overlay, size: tuple[int, int] = (540, 960)) -> tuple[Picture, Compositor]:
    compositor = Compositor(*size, size)
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    base = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    compositor.frame(canvas, base, None, np.eye(2, 3, dtype=np.float32), overlay)
    return canvas, compositor


def relief(picture: Picture, area: Area) -> float:
    """How much the pixels of a part differ; near 0 for one colour."""
    part = picture[area.top : area.bottom, area.left : area.right, :3]
    return float(part.std(axis=(0, 1)).max())


@pytest.mark.parametrize("size", [(540, 960), (960, 540)])
def test_what_was_heard_stands_over_the_caption_and_can_be_taken_out(
    size: tuple[int, int],
) -> None:
    look = Compositor(*size, size).look
    heard = hint(WORDS, look, accent=True)
    canvas, compositor = framed(Overlay(hint=listening_pill(look), heard=heard), size)
    (area,) = compositor.private
    assert (area.right - area.left, area.bottom - area.top) == (heard.width_px, heard.height_px)
    assert relief(canvas, area) > 15, "it can be read"
    before = canvas.copy()
    veil(canvas, compositor.private)
    assert relief(canvas, area) < 2, "one colour"
    assert (canvas != before).any(axis=2).sum() <= (area.area_px + 4 * (heard.width_px + 99))


def test_without_words_or_beneath_the_brand_nothing_is_private() -> None:
    _, compositor = framed(Overlay(hint=hint("Just ask me", Compositor(540, 960, (1, 1)).look)))
    assert compositor.private == ()
    look = compositor.look
    overlay = Overlay(heard=hint(WORDS, look), bumper=bumper(("春山", ""), None, look))
    for _ in range(20):
        canvas = np.zeros((960, 540, 4), np.uint8)
        base = np.full((1440, 540), 128, np.uint8)
        compositor.frame(canvas, base, None, np.eye(2, 3, dtype=np.float32), overlay)
    assert compositor.private == ()


def test_the_kept_picture_waits_until_the_words_are_gone_or_is_without(tmp_path: Path) -> None:
    places = Places(tmp_path)
    canvas, compositor = framed(Overlay(heard=hint(WORDS, Compositor(540, 960, (1, 1)).look)))
    (area,) = compositor.private
    keeper = PictureKeeper(places).start()
    keeper.want()
    keeper.presented(canvas, compositor.private)
    assert last_picture(places) is None
    keeper.close()  # an end in the middle of a conversation
    kept = last_picture(places)
    assert kept is not None and relief(kept, area) < 4
    assert relief(canvas, area) > 15, "the screen still has them"


def test_a_screenshot_is_without_them() -> None:
    canvas, compositor = framed(Overlay(heard=hint(WORDS, Compositor(540, 960, (1, 1)).look)))
    orders = Orders(Speaker(enabled=False), lambda: None)
    orders._wanted.set()
    orders.presented(canvas, compositor.private)
    assert orders._shot is not None
    scale = orders._shot.shape[0] / 960
    (area,) = compositor.private
    small = Area(*(round(x * scale) for x in (area.left, area.top, area.right, area.bottom)))
    assert relief(orders._shot, small) < 2


def test_louder_is_within_the_shops_limit() -> None:
    speaker, loudness = Speaker(enabled=False), Loudness()
    loudness.follow(0.2, {"09:00": 0.6, "20:00": 0.2}, "Asia/Shanghai")
    assert loudness.loudest == 0.6
    speaker.loudest, speaker.volume, speaker.trim = loudness.loudest, 0.2, 10.0
    speaker.play(np.ones(480_000, np.float32))
    assert float(speaker._block(48_000, 96_000)[-1]) == pytest.approx(0.6)
    speaker.duck = 0.25
    assert float(speaker._block(150_000, 96_000)[-1]) == pytest.approx(0.15)
    speaker.volume, speaker.trim, speaker.duck = 0.9, 1.0, 1.0
    assert float(speaker._block(250_000, 96_000)[-1]) == pytest.approx(0.9), "an order may be more"


class Stream(threading.Thread):
    """The player's pictures, as the page on the box or as the console's relay gets them."""

    def __init__(self, places: Places, wish: bytes) -> None:
        super().__init__(daemon=True)
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(10)
        self._line.connect(str(socket_path(places)))
        self._line.sendall(wish)
        self.pictures: dict[float, bytes] = {}
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while data := read_packet(self._line):
                if data[:1] == PICTURE:
                    moment = float(np.frombuffer(data[1:9], ">f8")[0])
                    self.pictures[round(moment, 3)] = data[9:]


def test_a_visitor_interrupts_and_sees_their_words_and_the_console_does_not(
    tmp_path: Path,
) -> None:
    avatar = make_bundle(tmp_path / "sim", (540, 960), 25)
    with sound_server(tmp_path / "sound") as sound:
        box = Box(tmp_path / "root", avatar, sound.environment)
        try:
            _interrupted(box, make_programme(tmp_path / "v1", seconds=4.0))
        finally:
            box.close()
    for path in (tmp_path / "root").rglob("*"):
        if path.is_file() and not path.is_socket():
            assert WORDS.encode() not in path.read_bytes(), path


def _voice(speaking: bool, certain: bool) -> m.Voice:
    return m.Voice(at_ns=monotonic_ns(), speaking=speaking, certain=certain)


def _interrupted(box: Box, shop: Path) -> None:
    box.start("--programme", str(shop))
    box.state(lambda s: s.saying == WELCOME)
    box.ear.publish(_voice(True, False))
    assert box.state(lambda s: s.saying == WELCOME).speaking, "a maybe does not stop it"
    begun_s = monotonic_s()
    box.ear.publish(_voice(True, True))
    assert box.state(lambda s: not s.speaking).state == "listening"
    print(f"silent after {(monotonic_s() - begun_s) * 1e3:.0f} ms on the bus")
    box.ear.publish(m.Hearing(at_ns=monotonic_ns(), text=WORDS[:4], language="zh-CN"))
    box.ear.publish(_voice(False, False))
    assert box.asked(WORDS)["answer_id"] == "price"
    box.state(lambda s: s.saying == ANSWER)
    local, console = Stream(box.places, FULL), Stream(box.places, PICTURES_ONLY)
    deadline = Deadline(10)
    while not (both := sorted(set(local.pictures) & set(console.pictures))) or len(both) < 3:
        assert not deadline.passed, "no pictures of the same moment"
        sleep_s(0.05)
    seen, relayed = (picture_from_bytes(each.pictures[both[2]], "live")[..., :3]
                     for each in (local, console))
    differ = np.abs(seen.astype(int) - relayed).max(axis=2) > 40
    assert differ.sum() > 100, "the words, for whoever stands there"
    rows, columns = np.nonzero(differ)
    words = Area(int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
    assert relief(relayed, words) < 8 < relief(seen, words)
    assert box.stop() == 0
    told = json.dumps([h.detail for h in box.happened], ensure_ascii=False)
    assert "barge-in" in [h.kind for h in box.happened] and WORDS[2:] not in told
