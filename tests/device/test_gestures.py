"""Gestures: asked for, played at the next join, gone without a trace; never a jump, never a gap."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from device.audio.soundfiles import write_wav
from device.audio.speaker import Speaker
from device.conversation import cues, events
from device.conversation.script import Script
from device.conversation.step import begin, step
from device.paths import Places
from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle, load_bundle
from device.render.gestures import WISH_FRAMES_MAX, Wish, Wishes
from device.render.mouth import Mouth
from device.render.offline import Job, render
from device.render.sink import NullSink
from device.render.video import read_movie
from device.stage.announcer import Announcer
from device.stage.clips import ClipShelf
from device.stage.mouths import MouthMaker
from device.stage.performer import Performer
from device.stage.stage import Stage
from device.stage.wardrobe import Wardrobe
from ota.clock import Deadline
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey
from tests.sim.avatar_bundle import GESTURE_FRAMES, joins, make_bundle
from tests.sim.built_programme import RATE_HZ, make_programme, murmur

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SIZE, FRAMES = (270, 480), 50
NAMES = ("greet", "point-left")
GREET = list(range(FRAMES, FRAMES + GESTURE_FRAMES))
POINT_LEFT = list(range(FRAMES + GESTURE_FRAMES, FRAMES + 2 * GESTURE_FRAMES))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("avatars") / "sim"
    return load_bundle(make_bundle(folder, SIZE, FRAMES, gestures=NAMES), NOW)


def row_of(loop: BaseLoop, count: int) -> list[tuple[int, np.ndarray]]:
    with loop:
        return [loop.take(10) for _ in range(count)]


def indices(row: list[tuple[int, np.ndarray]]) -> list[int]:
    return [index for index, _ in row]


def test_a_gesture_begins_at_the_next_join_and_the_very_next_idle_frame_follows(
    bundle: Bundle,
) -> None:
    loop = BaseLoop.of(bundle)
    assert loop.ask("greet", not_before=3)
    row = row_of(loop, 3 * FRAMES + GESTURE_FRAMES)
    idle = [*range(FRAMES)] * 3
    half = joins(FRAMES)[1]
    assert indices(row) == idle[:half] + GREET + idle[half:]
    assert loop.gestures_shown == 1 and not loop.faults
    plain = row_of(BaseLoop(bundle.base_path, FRAMES), FRAMES)
    for index, planes in row[half + GESTURE_FRAMES : FRAMES + GESTURE_FRAMES]:
        assert np.array_equal(planes, plain[index][1]), "the idle video stood still meanwhile"


def test_two_gestures_follow_each_other_where_both_are_wanted(bundle: Bundle) -> None:
    loop = BaseLoop.of(bundle)
    loop.ask("greet")
    with loop:
        row = [loop.take(10) for _ in range(4)]
        loop.ask("point-left")
        row += [loop.take(10) for _ in range(FRAMES)]
    found = indices(row)
    assert found[:GESTURE_FRAMES] == GREET and loop.gestures_shown == 2
    second = found.index(POINT_LEFT[0])
    assert found[second : second + GESTURE_FRAMES] == POINT_LEFT
    assert found[second + GESTURE_FRAMES] in joins(FRAMES)
    rest = [index for index in found if index < FRAMES]
    assert rest == [n % FRAMES for n in range(len(rest))], "none lost, none shown twice"


def test_the_newest_wish_wins_and_a_wish_can_be_taken_back(bundle: Bundle) -> None:
    loop = BaseLoop.of(bundle)
    loop.ask("greet")
    loop.ask("point-left")
    assert indices(row_of(loop, GESTURE_FRAMES + 1)) == [*POINT_LEFT, 0]
    loop = BaseLoop.of(bundle)
    loop.ask("greet")
    loop.ask(None)
    assert indices(row_of(loop, FRAMES)) == [*range(FRAMES)]


def test_a_wish_that_finds_no_join_in_time_is_dropped_unplayed(bundle: Bundle) -> None:
    wishes, wish = Wishes(), Wish("greet", 10)
    wishes.ask(wish)
    assert wishes.waiting(10 + WISH_FRAMES_MAX) is wish
    assert wishes.waiting(11 + WISH_FRAMES_MAX) is None and not wishes.take(wish)
    loop = BaseLoop(bundle.base_path, FRAMES, bundle.gestures, joins=())
    loop.ask("greet")
    assert loop.waiting
    assert max(indices(row_of(loop, WISH_FRAMES_MAX + 10))) < FRAMES
    assert not loop.waiting and loop.gestures_shown == 0


def test_a_wish_is_taken_once_and_never_in_place_of_a_newer_one() -> None:
    wishes, old, new = Wishes(), Wish("greet", 0), Wish("greet", 0)
    wishes.ask(old)
    wishes.ask(new)
    assert not wishes.take(old) and wishes.take(new) and not wishes.take(new)


def test_an_unknown_gesture_is_ignored(bundle: Bundle) -> None:
    loop = BaseLoop.of(bundle)
    assert not loop.ask("somersault") and not loop.waiting
    assert indices(row_of(loop, 60)) == [n % FRAMES for n in range(60)]
    assert not loop.faults


@pytest.mark.parametrize("broken", ["empty", "cut", "small", "missing"])
def test_a_broken_gesture_is_said_once_and_the_avatar_idles_on(
    bundle: Bundle, tmp_path: Path, broken: str
) -> None:
    path = tmp_path / "greet.mp4"
    greet = replace(bundle.gestures[0], path=path)
    match broken:
        case "empty":
            path.write_bytes(b"")
        case "cut":  # fewer frames than the track promises
            path.write_bytes(bundle.gestures[0].path.read_bytes())
            greet = replace(greet, frames=GESTURE_FRAMES + 5)
        case "small":
            other = make_bundle(tmp_path / "other", (180, 320), 2, gestures=["greet"])
            path.write_bytes((other / "greet.mp4").read_bytes())
    loop = BaseLoop(bundle.base_path, FRAMES, [greet, bundle.gestures[1]], joins(FRAMES))
    assert loop.ask("greet")
    with loop:
        row = [loop.take(10) for _ in range(20)]
        assert loop.ask("greet") and not loop.waiting
        assert loop.ask("point-left")
        row += [loop.take(10) for _ in range(FRAMES)]
    idle = [index for index in indices(row) if index < FRAMES]
    assert idle == [n % FRAMES for n in range(len(idle))]
    assert POINT_LEFT[-1] in indices(row), "the other one still plays"
    assert len(loop.faults) == 1
    assert "greet" in loop.faults[0] and "install the avatar again" in loop.faults[0]


def test_nothing_jumps_where_a_gesture_begins_and_ends(bundle: Bundle) -> None:
    seams, own = steps_of(BaseLoop.of(bundle))
    assert max(own) > 0.3, "the head moves at all"
    assert max(seams) < 0.5 * max(own)
    wrong_pose = BaseLoop(bundle.base_path, FRAMES, bundle.gestures, joins=[12])
    seams, own = steps_of(wrong_pose)
    assert max(seams) > max(own), "a jump would be seen"


def steps_of(loop: BaseLoop) -> tuple[list[float], list[float]]:
    """Mean change of light from frame to frame: at both ends of a gesture, and everywhere else."""
    loop.ask("greet", not_before=3)
    row = row_of(loop, FRAMES + GESTURE_FRAMES)
    light = [planes[: SIZE[1]].astype(np.int16) for _, planes in row]
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(light)]
    begins = indices(row).index(GREET[0])
    seams = (begins - 1, begins + GESTURE_FRAMES - 1)
    return [steps[n] for n in seams], [each for n, each in enumerate(steps) if n not in seams]


def test_the_mouth_goes_with_the_head_that_nods(bundle: Bundle, tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", murmur(1.6, 1, 9.0), RATE_HZ)
    found = render(
        Job(tmp_path / "in.wav", tmp_path / "out.mp4", bundle.folder, size=SIZE,
            gestures=(("point-left", 0.0),)), lambda done, total: None)
    assert found["gestures_shown"] == 1
    frames, _, _ = read_movie(tmp_path / "out.mp4")
    shown = [*POINT_LEFT, *range(len(frames) - GESTURE_FRAMES)]
    judged = 0
    for index, frame in zip(shown, frames, strict=True):
        middle = bundle.matrices[index] @ np.array([128, 128, 1], np.float32)
        top, left = round(float(middle[1])) - 24, round(float(middle[0])) - 20
        dark = np.argwhere(frame[top : top + 48, left : left + 40].max(axis=2) < 100)
        if len(dark) > 20:
            judged += index >= FRAMES
            assert np.abs(dark.mean(axis=0) - (24, 20)).max() < 3, index
    assert judged >= 4, "the mouth was open while the head nodded"


def test_a_film_has_each_gesture_in_its_place_every_time(bundle: Bundle, tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", murmur(2.4, 1), RATE_HZ)
    plan = (("point-left", 1.4), ("greet", 0.2))
    pictures = []
    for n in range(2):
        out = tmp_path / f"{n}.mp4"
        found = render(Job(tmp_path / "in.wav", out, bundle.folder, size=SIZE, gestures=plan),
                       lambda done, total: None)
        assert found["gestures_shown"] == 2
        pictures.append(read_movie(out)[0])
    others = [n for n, (a, b) in enumerate(zip(*pictures, strict=True)) if not np.array_equal(a, b)]
    assert not others, f"pictures that are not the same the second time, of {len(pictures[0])}"


def test_the_render_command_knows_the_gestures(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "in.wav", murmur(0.6, 1), RATE_HZ)
    words = ["render", "--audio", str(tmp_path / "in.wav"), "--out", str(tmp_path / "out.mp4"),
             "--avatar", str(bundle.folder), "--size", "270x480", "--json", "--gesture"]
    assert main([*words, "greet"]) == 0
    assert json.loads(capsys.readouterr().out)["gestures_shown"] == 1
    for wish, said in (("somersault", "it has greet, point-left"), ("greet@9", "outside of")):
        assert main([*words, wish]) == 1
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit) as wrong:
        main([*words, "greet@soon"])
    assert wrong.value.code == 2
    capsys.readouterr()
    assert main(["avatar", "info", str(bundle.folder), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["gestures_s"] == dict.fromkeys(NAMES, GESTURE_FRAMES / 25)


def test_a_line_with_a_gesture_makes_the_avatar_show_it(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_programme(tmp_path / "shop")
    programme = json.loads((shop / "programme.json").read_text())
    programme["answers"][0]["gesture"] = "somersault"
    (shop / "programme.json").write_text(json.dumps(programme))
    script = Script.load(shop)
    speaker = Speaker(enabled=False)
    maker = MouthMaker(Mouth(bundle)).start()
    stage = Stage(bundle, NullSink(), speaker, maker, SIZE)
    performer = Performer(stage, speaker, maker, ClipShelf(Mouth(bundle)),
                          Wardrobe(stage.compositor.look, script), Announcer(Places(tmp_path)))
    order = listen(stage, speaker, monkeypatch)
    shown = watch(stage, monkeypatch)
    stage.open()
    state, found = step(begin(script), events.Tick(NOW), 0.0)
    for cue in found:
        performer.perform(cue)
    assert order == ["greet", "sound"], "asked for before the sound is there"
    deadline = Deadline(10)

    def until_it_is_over(n: int, canvas: np.ndarray) -> None:
        now = [index >= FRAMES for index, _ in shown[-2:]]
        if now == [True, False] or deadline.passed:
            stage.leave()

    stage.on_presented = until_it_is_over
    try:
        stage.run()
        performer.perform(cues.StopSpeech())
        assert order[-1] is None, "a gesture for words that are not said is taken back"
        state, found = step(state, events.SayNow(answer_id="price"), 1.0)
        for cue in found:
            performer.perform(cue)
        performer.look_after()
    finally:
        stage.close()
        maker.close()
    seen = [index for index, _ in shown if index >= FRAMES]
    assert stage.figures.gestures_shown == 1 and len(seen) > 4 and set(seen) <= set(GREET)
    assert all(np.array_equal(matrix, bundle.matrices[index]) for index, matrix in shown)
    assert list(stage.figures.gestures_unknown) == ["somersault"]
    assert not performer.faults, "another avatar may know it: no fault of this box"


def listen(
    stage: Stage, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> list[str | None]:
    """In which order gestures and sounds are asked for."""
    order: list[str | None] = []
    gesture: Callable[[str | None], None] = stage.gesture
    play = speaker.play
    monkeypatch.setattr(stage, "gesture", lambda name: (order.append(name), gesture(name)))
    monkeypatch.setattr(
        speaker, "play", lambda *words: (order.append("sound"), play(*words))[1])
    return order


def watch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, np.ndarray]]:
    """Every frame that is composed: its index, and where its mouth is laid."""
    shown: list[tuple[int, np.ndarray]] = []
    taken: list[int] = []
    take, frame = stage.base.take, stage.compositor.frame

    def taking() -> tuple[int, np.ndarray]:
        index, planes = take()
        taken.append(index)
        return index, planes

    def composing(canvas, planes, patch, matrix, overlay) -> None:
        shown.append((taken[-1], matrix))
        frame(canvas, planes, patch, matrix, overlay)

    monkeypatch.setattr(stage.base, "take", taking)
    monkeypatch.setattr(stage.compositor, "frame", composing)
    return shown


def consented(folder: Path, gestures_sha256: dict[str, str]) -> None:
    """The consent signed anew, with these gestures."""
    path = folder / "consent.dsse.json"
    payload = json.loads(base64.b64decode(json.loads(path.read_text())["payload"]))
    key = SigningKey.generate()
    (folder.parent / "likeness-root.pub").write_text(key.public.to_pem())
    words = json.dumps({**payload, "gestures_sha256": gestures_sha256}).encode()
    path.write_bytes(dsse.sign(words, dsse.CONSENT, [key]))


def test_the_owner_of_the_likeness_signs_the_gestures_too(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "sim", SIZE, 4, gestures=NAMES)
    whole = load_bundle(folder, NOW).consent.gestures_sha256
    for words in ({}, {"greet": whole["greet"]}, {**whole, "point-left": whole["greet"]}):
        consented(folder, words)
        with pytest.raises(Refused, match="does not cover its gesture"):
            load_bundle(folder, NOW)
    consented(folder, {**whole, "bow": "0" * 64})
    assert [each.name for each in load_bundle(folder, NOW).gestures] == list(NAMES)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("altered", "greet.mp4 was altered"), ("missing", "lacks its gesture greet"),
     ("no joins", "gestures but no joins"), ("join", "a join outside"),
     ("track", "matrix_greet"), ("frames", "does not fit its gesture greet"),
     ("imported", "imported mouth cannot")])
def test_a_bundle_whose_gestures_do_not_fit_is_refused(
    tmp_path: Path, fault: str, words: str
) -> None:
    folder = make_bundle(tmp_path / "sim", SIZE, 4, gestures=["greet"])
    manifest = json.loads((folder / "avatar.json").read_text())
    clip = folder / "greet.mp4"
    match fault:
        case "altered":
            clip.write_bytes(clip.read_bytes() + b"x")
        case "missing":
            clip.unlink()
        case "no joins":
            manifest["joins"] = []
        case "join":
            manifest["joins"] = [0, 4]
        case "track":
            plain = make_bundle(tmp_path / "plain", SIZE, 4)
            (folder / "track.npz").write_bytes((plain / "track.npz").read_bytes())
            manifest["track"] = json.loads((plain / "avatar.json").read_text())["track"]
            (folder.parent / "likeness-root.pub").unlink()
            consented(folder, {"greet": manifest["gestures"]["greet"]["sha256"]})
        case "imported":
            manifest["renderer"]["kind"], manifest["crops"] = "wav2lip", manifest["track"]
        case "frames":
            manifest["gestures"]["greet"]["frames"] = 9
    (folder / "avatar.json").write_text(json.dumps(manifest))
    with pytest.raises(Refused, match=words):
        load_bundle(folder, NOW)


def test_a_bundle_without_gestures_is_as_before(tmp_path: Path) -> None:
    plain = load_bundle(make_bundle(tmp_path / "sim", SIZE, 4), NOW)
    assert plain.gestures == () and np.array_equal(plain.matrices, plain.track.matrix)
