"""`vitrine render`: the finished movie is decoded again and judged by what it shows and sounds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from device.audio.soundfiles import write_wav
from device.paths import repository_root
from device.render.baseloop import BaseLoop
from device.render.offline import Job, code_at, render
from device.render.video import read_movie
from ota.errors import Refused, Retry, VitrineError
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import RATE_HZ, make_programme, murmur

SIZE = (270, 480)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("avatars") / "sim", (540, 960), 25)


def job(folder: Path, avatar: Path, samples: np.ndarray, **more: object) -> Job:
    write_wav(folder / "in.wav", samples, RATE_HZ)
    return Job(folder / "in.wav", folder / "out.mp4", avatar, size=SIZE, **more)


def opening(frames: list[np.ndarray]) -> np.ndarray:
    """How much of the mouth's place is dark, for each frame (the drawn mouth is 0.42 down)."""
    return np.array([(f[170:235, 90:180].max(axis=2) < 90).mean() for f in frames])


def loudness(samples: np.ndarray, frames: int, fps: int = 25) -> np.ndarray:
    step = RATE_HZ // fps
    padded = np.pad(samples, (0, max(0, frames * step - len(samples))))[: frames * step]
    return np.sqrt((padded.reshape(frames, step) ** 2).mean(axis=1))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two curves, allowing for 40 ms of smoothing in the features."""
    def soft(row: np.ndarray) -> np.ndarray:
        return np.convolve(row, [0.25, 0.5, 0.25], "same")

    return float(np.corrcoef(soft(one), soft(other))[0, 1])


def test_the_mouth_follows_its_own_sentence_and_no_other(tmp_path: Path, avatar: Path) -> None:
    said, other = murmur(4.0, 1, 3.1), murmur(4.0, 2, 4.3)
    found = render(job(tmp_path, avatar, said), lambda done, total: None)
    frames, sound, rate_hz = read_movie(tmp_path / "out.mp4")
    mouth = opening(frames)
    assert frames[0].shape == (SIZE[1], SIZE[0], 3) and rate_hz == RATE_HZ
    assert likeness(mouth, loudness(said, len(frames))) > 0.75
    assert likeness(mouth, loudness(other, len(frames))) < 0.4
    heard = loudness(sound.astype(np.float32), len(frames))
    assert likeness(heard, loudness(said, len(frames))) > 0.95, "its sound is in it, in its place"
    assert found["frames_shown"] == len(frames) and found["ai_label"]
    assert found["ai_label_px"] >= 0.05 * min(SIZE)


def test_silence_closes_the_mouth(tmp_path: Path, avatar: Path) -> None:
    quiet = np.zeros(RATE_HZ, np.float32)
    said = np.concatenate([murmur(1.2, 3), quiet, murmur(1.2, 4)])
    render(job(tmp_path, avatar, said), lambda done, total: None)
    frames, _, _ = read_movie(tmp_path / "out.mp4")
    mouth = opening(frames)
    still = mouth[36:48]
    assert still.max() < 0.1 * mouth[:30].max() and mouth[60:80].max() > 5 * still.max()


def test_fifty_frames_a_second_and_a_programme(tmp_path: Path, avatar: Path) -> None:
    shop = make_programme(tmp_path / "shop")
    found = render(
        job(tmp_path, avatar, murmur(0.6, 1), fps=50, programme=shop,
            report=tmp_path / "r.json"), lambda done, total: None)
    frames, _, _ = read_movie(tmp_path / "out.mp4")
    assert len(frames) == found["frames_shown"] == 50
    assert json.loads((tmp_path / "r.json").read_text())["precision"] == "int8"
    card = frames[10][400:460, 20:250].astype(int)
    assert card.std() > 30, "the card stands at the foot of the picture"


def test_codes_between_two_codes_are_mixed_and_outside_is_rest() -> None:
    codes, rest = np.array([[0.0], [1.0]], np.float32), np.array([-1.0], np.float32)
    assert code_at(codes, 0.02, rest)[0] == pytest.approx(0.5)
    assert code_at(codes, 9.0, rest)[0] == -1.0


@pytest.mark.parametrize(
    ("fault", "words"),
    [("missing", "no sound file"), ("silent", "silent"), ("text", "not a sound file"),
     ("odd size", "even"), ("no folder", "folder"), ("fps", "frames a second"),
     ("avatar", "no avatar"), ("not mp4", r"\.mp4")])
def test_what_cannot_be_rendered_is_said_in_one_sentence_and_leaves_nothing(
    tmp_path: Path, avatar: Path, fault: str, words: str
) -> None:
    sound, out, size, fps, who = tmp_path / "in.wav", tmp_path / "out.mp4", SIZE, 25, avatar
    write_wav(sound, np.zeros(RATE_HZ, np.float32) if fault == "silent" else murmur(1, 1), RATE_HZ)
    match fault:
        case "missing":
            sound = tmp_path / "nowhere.wav"
        case "text":
            sound.write_text("hello")
        case "odd size":
            size = (271, 480)
        case "no folder":
            out = tmp_path / "nowhere" / "out.mp4"
        case "fps":
            fps = 0
        case "avatar":
            who = tmp_path
        case "not mp4":
            out = tmp_path / "out.avi"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused, match=words) as error:
        render(Job(sound, out, who, size=size, fps=fps), lambda done, total: None)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path: Path, avatar: Path) -> None:
    write_wav(tmp_path / "in.wav", murmur(1.0, 1), RATE_HZ)
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from device.render.offline import Job, render\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "folder, avatar = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "try:\n"
        "    render(Job(folder / 'in.wav', folder / 'out.mp4', avatar), lambda d, t: None)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n")
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(avatar)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(repository_root())}, timeout=60, check=False)
    assert ran.stdout.startswith(Retry.__name__), ran.stdout + ran.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.wav"]


def test_the_base_loop_has_no_gap_at_its_seam_and_says_when_it_is_broken(
    tmp_path: Path, avatar: Path
) -> None:
    with BaseLoop(avatar / "base.mp4", 25) as loop:
        taken = [loop.take() for _ in range(60)]
    assert [index for index, _ in taken] == [n % 25 for n in range(60)]
    first, again = taken[0][1], taken[25][1]
    assert np.array_equal(first, again)
    broken = tmp_path / "base.mp4"
    shutil.copy(avatar / "base.mp4", broken)
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(VitrineError, match="not a video"):
        BaseLoop(broken, 25)


def test_the_command_says_what_it_did_and_what_is_wrong(
    tmp_path: Path, avatar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "in.wav", murmur(0.4, 1), RATE_HZ)
    words = ["render", "--audio", str(tmp_path / "in.wav"), "--out", str(tmp_path / "out.mp4"),
             "--avatar", str(avatar), "--size", "270x480", "--json"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["frames_shown"] == 20 and "is ready" in said.err
    assert main([*words, "--precision", "fp32"]) == 0

    words[2] = str(tmp_path / "nowhere.wav")
    capsys.readouterr()
    assert main(words) == 1
    said = capsys.readouterr()
    assert "nowhere.wav" in said.err and "Traceback" not in said.err
    assert json.loads(said.out)["ok"] is False
    with pytest.raises(SystemExit) as wrong:
        main([*words, "--size", "tall"])
    assert wrong.value.code == 2


TWICE = """
import sys
from pathlib import Path
import numpy as np
from device.render.video import MovieWriter
soft = np.kron(np.random.default_rng(1).random((62, 36, 4)), np.ones((8, 8, 1)))
picture = (soft[:480, :270] * 120 + 60).astype(np.uint8)
with MovieWriter(Path(sys.argv[1]), (270, 480), 25, 48_000) as movie:
    movie.sound(np.zeros(4_800, np.float32))
    for n in range(14):
        movie.picture(np.ascontiguousarray(np.roll(picture, n, axis=1)))
"""


def test_the_same_pictures_make_the_same_film_whatever_lay_in_memory(tmp_path: Path) -> None:
    films = []
    for fill in ("0", "1"):  # of memory that nobody has written yet (mallopt(3), M_PERTURB)
        out = tmp_path / f"{fill}.mp4"
        subprocess.run([sys.executable, "-c", TWICE, str(out)], check=True, timeout=60, env={
            **os.environ, "PYTHONPATH": str(repository_root()), "MALLOC_PERTURB_": fill})
        films.append(out.read_bytes())
    assert films[0] == films[1]
