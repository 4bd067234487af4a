"""Stories of importing: a video and a network somebody has become an avatar that plays, or a
sentence and nothing left behind."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.main import main
from device.audio.soundfiles import write_wav
from device.render import offline, pixels
from device.render.baseloop import BaseLoop
from device.render.bundle import load_bundle
from models.importing.bundle import Order, import_avatar, make_loop
from models.importing.loop import calmest, ends_match
from ota.errors import Refused, Retry
from ota.files import sha256_file
from ota.trust import dsse
from ota.trust.keys import SigningKey
from tests.sim import face_film, foreign_networks
from tests.sim.built_programme import RATE_HZ, murmur

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
STATEMENT = {
    "avatar": "mei", "owner": "nobody: a drawing", "synthetic": True, "chains": ["*"],
    "regions": ["*"], "uses": ["*"], "from": "2026-01-01T00:00:00Z",
    "until": "2030-01-01T00:00:00Z", "revocation_id": "mei-1"}
KEY = SigningKey.generate()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has: a film, networks, a statement and a key."""
    folder = tmp_path_factory.mktemp("bench")
    face_film.film(folder / "talk.mp4")
    foreign_networks.wav2lip(folder / "wav2lip.onnx")
    foreign_networks.wav2lip(folder / "wav2lip256.onnx", 256)
    foreign_networks.ultralight(folder / "ultralight.onnx", level=(0.8, -0.1))
    foreign_networks.hubert(folder / "hubert.onnx")
    (folder / "consent.json").write_text(json.dumps(STATEMENT))
    KEY.save(folder / "key.pem")
    return folder


def order(bench: Path, avatars: Path, **change: Any) -> Order:
    return replace(
        Order("mei", bench / "talk.mp4", bench / "wav2lip.onnx", bench / "consent.json",
              avatars / "mei", key=bench / "key.pem"), **change)


def run(what: Order) -> dict[str, Any]:
    return import_avatar(what, face_film.EyeTracker, NOW, lambda stage, done, total: None)


def shown(
    avatar: Path, samples: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[np.ndarray]:
    """The canvases that `vitrine render` hands to its encoder, and the report's word on time."""
    canvases: list[np.ndarray] = []

    class Film:
        def __init__(self, *_: object) -> None:
            self.picture = lambda canvas: canvases.append(canvas.copy())
            self.sound = lambda sound: None

        def __enter__(self) -> Film:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(offline, "MovieWriter", Film)
    write_wav(folder / "in.wav", samples, RATE_HZ)
    offline.render(
        offline.Job(folder / "in.wav", folder / "out.mp4", avatar, size=face_film.SIZE),
        lambda done, total: None)
    return canvases


def opening(frames: list[np.ndarray]) -> np.ndarray:
    """How much of the mouth's place is as dark red as the simulated networks paint it."""
    rows, columns = face_film.mouth_box()
    places = [f[rows, columns, :3].astype(int) for f in frames]
    return np.array([((p[..., 1] < 70) & (p[..., 2] > p[..., 0] + 20)).mean() for p in places])


def likeness(mouth: np.ndarray, samples: np.ndarray) -> float:
    step = RATE_HZ // 25
    padded = np.pad(samples, (0, len(mouth) * step))[: len(mouth) * step]
    loud = np.sqrt((padded.reshape(-1, step) ** 2).mean(axis=1))
    soft = [np.convolve(row, [0.25, 0.5, 0.25], "same") for row in (mouth, loud)]
    return float(np.corrcoef(*soft)[0, 1])


@pytest.mark.parametrize("model,encoder,kind", [
    ("wav2lip.onnx", None, "wav2lip"), ("wav2lip256.onnx", None, "wav2lip"),
    ("ultralight.onnx", "hubert.onnx", "ultralight")])
def test_a_video_and_a_network_become_an_avatar_that_speaks_and_is_silent(
    tmp_path: Path, bench: Path, model: str, encoder: str | None, kind: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    found = run(order(bench, tmp_path, model=bench / model,
                      encoder=bench / encoder if encoder else None))
    assert (found["kind"], found["loop"]["forward_backward"]) == (kind, True)
    assert found["frames"] == 2 * 30 - 2
    assert main(["avatar", "check", str(tmp_path / "mei"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["avatar", "info", str(tmp_path / "mei"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == kind
    quiet = np.zeros(RATE_HZ, np.float32)
    said, other = murmur(3.0, 1, 3.1), murmur(3.0, 2, 4.3)
    frames = shown(tmp_path / "mei", np.concatenate([said, quiet]), tmp_path, monkeypatch)
    mouth = opening(frames)
    assert likeness(mouth[:75], said) > 0.7
    assert likeness(mouth[:75], other) < 0.4
    with BaseLoop(tmp_path / "mei" / "base.mp4", found["frames"]) as loop:
        bases = [loop.take()[1] for _ in range(len(frames))]
    rows, columns = face_film.mouth_box()
    canvas = np.zeros((*face_film.SIZE[::-1], 4), np.uint8)
    for n in (83, 88, 94):
        pixels.i420_to_bgra(bases[n], canvas)
        assert np.array_equal(frames[n][rows, columns], canvas[rows, columns]), "bit by bit"
    pixels.i420_to_bgra(bases[20], canvas)
    skin = np.abs(frames[20].astype(int) - canvas)[215:225, 100:200, :3]
    assert skin.max() < 12, "what the network repaints lies where it was, in its colours"


def test_a_video_that_is_a_loop_already_is_taken_as_it_is_and_may_be_signed_before(
    tmp_path: Path, bench: Path
) -> None:
    loop = tmp_path / "loop.mp4"
    made = make_loop(bench / "talk.mp4", loop, face_film.EyeTracker, lambda *_: None)
    assert made["base_sha256"] == sha256_file(loop) and made["loop"]["forward_backward"]
    signed = dsse.sign(json.dumps({**STATEMENT, "base_sha256": sha256_file(loop)}).encode(),
                       dsse.CONSENT, [KEY])
    (tmp_path / "signed.json").write_bytes(signed)
    (tmp_path / "signer.pub").write_text(KEY.public.to_pem())
    found = run(order(bench, tmp_path / "avatars", video=loop, key=None,
                      consent=tmp_path / "signed.json", trust=tmp_path / "signer.pub"))
    assert found["loop"]["as_is"] and not found["loop"]["forward_backward"]
    bundle = load_bundle(tmp_path / "avatars" / "mei", NOW)
    assert bundle.base_path.read_bytes() == loop.read_bytes()
    with pytest.raises(Refused, match="trusted by another key"):
        SigningKey.generate().save(tmp_path / "other.pem")
        run(order(bench, tmp_path / "avatars", out=tmp_path / "avatars" / "two",
                  key=tmp_path / "other.pem"))


def test_int8_is_measured_and_plays(tmp_path: Path, bench: Path) -> None:
    found = run(order(bench, tmp_path, int8=True))
    assert found["int8"]["psnr_db"] > 30
    assert main(["avatar", "check", str(tmp_path / "mei")]) == 0


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def forged(folder: Path, bench: Path) -> Path:
    statement = {**STATEMENT, "base_sha256": sha256_file(bench / "talk.mp4")}
    return write(folder / "c.json", dsse.sign(json.dumps(statement).encode(), dsse.CONSENT,
                                              [SigningKey.generate()]))


def statement(folder: Path, **change: Any) -> Path:
    return write(folder / "c.json", json.dumps({**STATEMENT, **change}).encode())


def trouble(name: str, own: Path, bench: Path) -> tuple[dict[str, Any], str]:
    """What to change in a good order, and words of the sentence that must come."""
    talk = bench / "talk.mp4"
    signer = write(own / "signer.pub", KEY.public.to_pem().encode())
    net = foreign_networks
    cases: dict[str, Any] = {
        "truncated video": lambda: (
            {"video": write(own / "cut.mp4", talk.read_bytes()[: talk.stat().st_size // 2])},
            "only a part of one|breaks off"),
        "no video": lambda: ({"video": write(own / "v.mp4", b"words")}, "no video that can be"),
        "no face": lambda: ({"video": face_film.film(own / "v.mp4", faces=0)}, "no face"),
        "two faces": lambda: ({"video": face_film.film(own / "v.mp4", faces=2)}, "2 faces"),
        "too short": lambda: ({"video": face_film.film(own / "v.mp4", 9)}, "only 0.4 s"),
        "expired consent": lambda: (
            {"consent": statement(own, until="2026-05-01T00:00:00Z")}, "ended on 2026-05-01"),
        "forged consent": lambda: (
            {"consent": forged(own, bench), "trust": signer}, "not signed by a key"),
        "consent for another": lambda: ({"consent": statement(own, avatar="li")}, "another avatar"),
        "consent for another video": lambda: (
            {"consent": statement(own, base_sha256="0" * 64)}, "another video"),
        "nobody signed": lambda: ({"key": None}, "nobody has signed"),
        "no consent": lambda: ({"consent": own / "none.json"}, "no consent"),
        "no onnx": lambda: ({"model": write(own / "m.onnx", b"\x08\x08text")}, "no ONNX"),
        "wrong inputs": lambda: (
            {"model": net.wav2lip(own / "m.onnx", 128)}, r"\(N,6,128,128\); expected a face"),
        "float16": lambda: ({"model": net.wav2lip(own / "m.onnx", half=True)}, "float16"),
        "one face only": lambda: (
            {"model": net.wav2lip(own / "m.onnx", channels=7)}, r"face \(N,7,96,96\)"),
        "NaN": lambda: ({"model": net.wav2lip(own / "m.onnx", poison=True)}, "NaN"),
        "0 to 255": lambda: ({"model": net.wav2lip(own / "m.onnx", gain=255.0)}, "expected 0 to 1"),
        "encoder missing": lambda: ({"model": bench / "ultralight.onnx"}, "--audio-encoder"),
        "encoder of another": lambda: (
            {"model": bench / "ultralight.onnx", "encoder": net.hubert(own / "e.onnx", 768)},
            r"\(16, 32, 32\).*expected \(52,1024\), found \(\d+,768\)"),
        "encoder hears nothing known": lambda: (
            {"model": bench / "ultralight.onnx", "encoder": bench / "wav2lip.onnx"},
            "accepted are float32"),
        "encoder for wav2lip": lambda: ({"encoder": bench / "hubert.onnx"}, "needs no encoder"),
        "bad name": lambda: ({"id": "Mei Li"}, "small letters"),
        "there already": lambda: ({"out": own}, "exists already"),
    }
    change, words = cases[name]()
    return change, words


@pytest.mark.parametrize("name", [
    "truncated video", "no video", "no face", "two faces", "too short", "expired consent",
    "forged consent", "consent for another", "consent for another video", "nobody signed",
    "no consent", "no onnx", "wrong inputs", "float16", "one face only", "NaN", "0 to 255",
    "encoder missing", "encoder of another", "encoder hears nothing known", "encoder for wav2lip",
    "bad name", "there already"])
def test_each_trouble_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, bench: Path, name: str
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    change, words = trouble(name, own, bench)
    with pytest.raises(Refused, match=words) as error:
        run(order(bench, tmp_path / "avatars", **change))
    assert "\n" not in str(error.value)
    assert [each.name for each in tmp_path.iterdir()] == ["own"]


@contextmanager
def small_disk(bytes_max: int) -> Iterator[None]:
    """No file may grow beyond this, as when the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("bytes_max", [4_000, 60_000])
def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, bench: Path, bytes_max: int
) -> None:
    with small_disk(bytes_max), pytest.raises(Retry, match=r"disk is full|was not written"):
        run(order(bench, tmp_path / "avatars"))
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_the_sentence_and_ends_with_1(
    tmp_path: Path, bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(bench / "talk.mp4", tmp_path / "talk.mp4")
    code = main(["avatar", "import", "--video", str(tmp_path / "talk.mp4"), "--model",
                 str(bench / "wav2lip.onnx"), "--id", "mei", "--consent",
                 str(bench / "consent.json"), "--out", str(tmp_path / "mei"), "--json"])
    said = capsys.readouterr()
    assert code == 1 and "nobody has signed" in json.loads(said.out)["error"]
    assert "Traceback" not in said.err


def test_the_calm_stretch_is_where_the_lips_rest_and_a_seam_is_a_step_like_others() -> None:
    talking = np.abs(np.sin(np.arange(100))).astype(np.float32)
    talking[40:60] = 0.02
    assert calmest(talking, 15) in range(40, 46)
    ramp = [np.full((8, 8), level, np.uint8) for level in (10, 14, 18, 14)]
    assert ends_match(*ramp)
    assert not ends_match(ramp[0], ramp[1], ramp[0] + 46, ramp[0] + 50)
