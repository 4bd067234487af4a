"""Attract mode: who comes near is greeted once, who passes by is not, and nothing is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device import messages as m
from device.bus import Bus
from device.conversation.script import Script
from device.eye.sight import LOOKS_PER_S, Camera, Sight
from device.paths import Places, repository_root
from device.player import Player, PlayerSettings
from device.render.bundle import load_bundle
from device.render.cards import Look, ai_label, brand
from device.render.compose import Compositor, Overlay
from device.render.pills import below, camera_pill
from device.render.sink import NullSink
from device.stage.attract import GREET_EVERY_S, WAITS_S_MAX, Attract, greeting_of
from ota.clock import Deadline, monotonic_ns
from ota.errors import Retry
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import make_programme
from tests.sim.walker import EMPTY_S, SECONDS, STORIES, write_walk

NEARER = [0.04, 0.06, 0.09, 0.13, 0.17, 0.18, 0.18, 0.18]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {story: write_walk(folder / f"{story}.mp4", story) for story in STORIES}


def greetings(attract: Attract, sizes: list[float], busy: bool = False, at_s: float = 0) -> int:
    given = 0
    for n, size in enumerate(sizes):
        attract.see(size, at_s + n / LOOKS_PER_S, busy)
        given += attract.take(at_s + n / LOOKS_PER_S, busy)
    return given


def watched(film: Path) -> list[float]:
    camera, sight, sizes = Camera(str(film)), Sight(), []
    with pytest.raises(Retry, match="has gone"):
        while True:
            sizes.append(sight.size(camera.look()))
    camera.close()
    return sizes


@pytest.mark.parametrize(("story", "greeted"), [
    ("comes", 1), ("passes", 0), ("lights", 0)])
def test_only_who_walks_up_and_stays_is_greeted(
    films: dict[str, Path], story: str, greeted: int
) -> None:
    sizes = watched(films[story])
    assert len(sizes) == SECONDS * LOOKS_PER_S, "of a film with six pictures a second"
    assert greetings(Attract(on=True), sizes) == greeted
    assert max(sizes[: EMPTY_S * LOOKS_PER_S]) == 0.0, "the empty shop is empty, noise and all"
    assert greetings(Attract(on=False), sizes) == 0


def test_who_stays_is_greeted_once_and_comes_back_to_a_second_greeting_much_later() -> None:
    attract = Attract(on=True)
    assert greetings(attract, NEARER + [0.18] * 3000) == 1
    assert greetings(attract, [0.0] * 20 + NEARER, at_s=1100) == 1
    assert greetings(attract, [0.0] * 20 + NEARER, at_s=1130) == 0, "within the pause"
    assert greetings(attract, [0.0] * 20 + NEARER, at_s=1130 + GREET_EVERY_S) == 1


def test_a_visitor_who_is_being_talked_to_is_not_greeted_afterwards_either() -> None:
    attract = Attract(on=True)
    assert greetings(attract, NEARER, busy=True) == 0
    assert greetings(attract, [0.18] * 100, at_s=5) == 0


def test_a_greeting_waits_for_the_sentence_but_not_for_ever() -> None:
    attract = Attract(on=True)
    for n, size in enumerate(NEARER):
        attract.see(size, n / 3, False)
    assert attract.take(4.0, False) and not attract.take(4.1, False)
    for n, size in enumerate([*[0.0] * 12, *NEARER]):
        attract.see(size, 1000 + n / 3, False)
    assert not attract.take(1010 + WAITS_S_MAX, False), "they have gone by then"


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=400))
@settings(max_examples=60)
def test_whatever_is_seen_greetings_are_rare_and_never_into_a_talk(
    looks: list[tuple[float, bool]]
) -> None:
    attract, times = Attract(on=True), []
    for n, (size, busy) in enumerate(looks):
        attract.see(size, n / 3, busy)
        if attract.take(n / 3, busy):
            times.append(n / 3)
            assert not busy
    assert all(b - a >= GREET_EVERY_S for a, b in pairwise(times))


@pytest.fixture
def eye(tmp_path: Path, films: dict[str, Path]) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "VITRINE_ROOT": str(tmp_path),
                   "PYTHONPATH": str(repository_root())}
    command = [sys.executable, "-m", "cli", "device", "eye", "--camera", str(films["comes"])]
    process = subprocess.Popen(command, env=environment, cwd=repository_root())
    yield process
    process.kill()
    process.wait()


def test_the_eye_is_shut_until_asked_says_a_number_and_keeps_nothing(
    tmp_path: Path, eye: subprocess.Popen[bytes]
) -> None:
    places = Places(tmp_path)
    with Bus(places.run, "player") as player:
        def next_seen(attract: bool | None) -> m.Seen | None:
            if attract is not None:
                player.publish(m.PlayerState(at_ns=monotonic_ns(), ready=True, attract=attract))
            seen = player.receive(0.5)
            return seen if isinstance(seen, m.Seen) else None

        deadline = Deadline(20)
        while not (places.run / "eye.bus").exists() and not deadline.passed:
            player.receive(0.05)
        assert next_seen(False) is None, "off by default"
        first = None
        while first is None and not deadline.passed:
            first = next_seen(True)
        assert first is not None and first.on and first.size == 0.0
        looks = [seen for _ in range(4) if (seen := next_seen(True)) is not None]
        assert len(looks) >= 2 and all(seen.on and seen.fault is None for seen in looks)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files == [], "sockets only: no frame, no log, no anything"
        opened = {str(link.readlink()) for link in Path(f"/proc/{eye.pid}/fd").iterdir()}
        assert not [path for path in opened if path.startswith(str(tmp_path))]
        last = looks[-1]
        while last.on and not deadline.passed:
            last = next_seen(False) or last
        assert not last.on, "the camera goes off when nobody wants it"


def test_a_camera_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(Retry, match=r"nowhere\.mp4 does not open"):
        Camera("/tmp/nowhere.mp4")


def test_the_player_marks_the_camera_and_greets_who_comes(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 25, gestures=("greet",))
    bundle = load_bundle(avatar, datetime(2026, 1, 1, tzinfo=timezone.utc))
    shop = make_programme(tmp_path / "shop", seconds=0.6)
    places = Places(tmp_path / "root")
    options = PlayerSettings(headless=True, sound=False, width_px=270, height_px=480)
    with Bus(places.run, "player") as bus, Bus(places.run, "eye") as eye, \
            Bus(places.run, "agent") as agent:
        player = Player(places, options, bundle, bus, NullSink())
        agent.publish(m.ContentReady(path=str(shop), programme_id="sim-tea", version=1,
                                     settings=m.Settings(attract=True)))
        deadline, happened = Deadline(15), []
        marks, sizes, next_look = set(), iter(NEARER * 30), Deadline(0.0)
        while "attract" not in happened and not deadline.passed:
            if next_look.passed:
                next_look = Deadline(1 / LOOKS_PER_S)
                eye.publish(m.Seen(at_ns=monotonic_ns(), on=True, size=min(0.2, next(sizes))))
            player.director.turn()
            marks.add(player.performer._camera_on)
            while (message := agent.receive(0.005)) is not None:
                if isinstance(message, m.Happened):
                    happened.append(message.kind)
        said = player.performer.saying
        assert "attract" in happened and said is not None
        assert said.say.sentence.text == "欢迎光临春山茶行。" and said.say.kind == "notice"
        assert player.stage.base.waiting, "and she waves"
        eye.publish(m.Seen(at_ns=monotonic_ns(), on=False))
        player.director.turn()
        assert True in marks and not player.performer._camera_on
        player.stage.base.close()


def test_a_programme_greets_with_its_own_words_or_not_at_all(tmp_path: Path) -> None:
    programme = Script.load(make_programme(tmp_path / "shop")).programme
    assert greeting_of(programme) == "welcome"


    other = msgspec.structs.replace(programme, segments=programme.segments[1:])
    assert greeting_of(other) is None


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (540, 960)])
def test_the_camera_mark_keeps_clear_of_the_label(size: tuple[int, int]) -> None:
    compositor = Compositor(*size, size)
    look = compositor.look
    pill = camera_pill(look)
    corner = below(brand("春山茶行", None, look, look.px(320)), pill, look)
    placed = compositor.layers(Overlay(brand=corner))
    mark, label = placed[0], placed[-1]
    assert mark.x >= 0 and mark.x + corner.width_px <= size[0]
    apart = mark.x >= label.x + label.sprite.width_px or (
        mark.y + corner.height_px - pill.height_px >= label.y + label.sprite.height_px)
    assert apart
    assert np.array_equal(below(None, pill, Look()).colour, pill.colour)
    assert ai_label(look).text_px >= 0.05 * min(size)
