"""The runtime of imported networks: what they hear, when they run, and over which base frame."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.infer import ort
from device.render import fbank, melspec
from device.render.bundle import Bundle, Manifest, load_bundle
from device.render.ears import EncoderEars, MelEars
from device.render.foreign_mouth import ForeignMouth, WindowCodes
from device.render.layouts import Layout, read_layout
from device.render.mouths import open_mouth
from device.stage.clips import Clip
from device.stage.mouths import CLOSING_FRAMES, MouthMaker, Spoken, cut_short
from models.importing.bundle import Order, import_avatar
from ota.clock import Deadline, process_cpu_s, sleep_s
from ota.errors import Refused
from ota.trust.keys import SigningKey
from tests.sim import face_film, foreign_networks
from tests.sim.built_programme import murmur

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
RATE_HZ = 16_000
FLOAT = "tensor(float)"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("foreign")
    consent = {"avatar": "mei", "owner": "a drawing", "chains": ["*"], "regions": ["*"],
               "uses": ["*"], "from": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z",
               "revocation_id": "1"}
    (folder / "consent.json").write_text(json.dumps(consent))
    SigningKey.generate().save(folder / "key.pem")
    what = Order("mei", face_film.film(folder / "v.mp4", 26),
                 foreign_networks.wav2lip(folder / "m.onnx"), folder / "consent.json",
                 folder / "avatars" / "mei", key=folder / "key.pem")
    import_avatar(what, face_film.EyeTracker, NOW, lambda stage, done, total: None)
    return load_bundle(what.out, NOW)


def voice(seconds: float = 1.5, seed: int = 1) -> np.ndarray:
    return murmur(seconds, seed)[::3].copy()


def slow_mel(samples: np.ndarray) -> np.ndarray:
    """The published formulas, one step and one band at a time, by another way (direct DFT)."""
    sharp = np.append(samples[0], samples[1:] - 0.97 * samples[:-1]).astype(np.float64)
    padded = np.concatenate([sharp[400:0:-1], sharp, sharp[-2:-402:-1]])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    turn = np.exp(-2j * np.pi * np.outer(np.arange(401), np.arange(800)) / 800)

    def mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    def hz(mel_value: float) -> float:
        if mel_value < 15:
            return mel_value * 200 / 3
        return float(1000 * np.exp(np.log(6.4) / 27 * (mel_value - 15)))

    edges = [hz(m) for m in np.linspace(mel(55), mel(7600), 82)]
    rows = []
    for step in range(1 + len(samples) // 200):
        size = np.abs(turn @ (padded[step * 200 : step * 200 + 800] * window))
        row = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            total = 0.0
            for number in range(int(low // 20), int(high // 20) + 2):
                at = number * 20.0
                share = min((at - low) / (middle - low), (high - at) / (high - middle))
                if share > 0 and number <= 400:
                    total += share * 2 / (high - low) * size[number]
            level_db = 20 * np.log10(max(1e-5, total)) - 20
            row.append(float(np.clip(8 * (level_db + 100) / 100 - 4, -4, 4)))
        rows.append(row)
    return np.array(rows)


def test_the_mel_steps_are_those_of_the_published_formulas() -> None:
    sound = voice(0.3)[1200:3600]
    got = melspec.mel_steps(sound)
    assert got.shape == (1 + len(sound) // 200, 80)
    assert np.abs(got - slow_mel(sound)).max() < 1e-3
    assert (melspec.mel_steps(np.zeros(4000, np.float32)) == -4).all()
    assert melspec.mel_steps(np.zeros(0, np.float32)).shape == (0, 80)
    assert melspec.mel_steps(np.ones(7, np.float32)).shape == (1, 80)


def test_a_second_of_sound_costs_less_than_15_ms() -> None:
    sound = voice(4.0)
    melspec.mel_steps(sound)
    best = 1e9
    for _ in range(5):
        started_s = process_cpu_s()
        melspec.mel_steps(sound)
        best = min(best, process_cpu_s() - started_s)
    assert best / 4.0 * 1e3 < 15


def test_filter_banks_are_those_of_the_recogniser() -> None:
    sound = np.trunc(voice(0.3) * 32767)
    got = fbank.fbank(sound)
    frame = sound[1480 : 1480 + 400].astype(np.float64)  # the tenth: 10 * 160 + 80 - 200
    frame -= frame.mean()
    frame = np.append(frame[0] * 0.03, frame[1:] - 0.97 * frame[:-1])
    frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.fft(frame, 512)[:256]) ** 2
    edges = np.linspace(1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + 8000 / 700), 82)
    bins = 1127 * np.log(1 + np.arange(256) * 31.25 / 700)
    for band in (0, 17, 40, 79):
        shares = np.interp(bins, edges[band : band + 3], [0, 1, 0], left=0, right=0)
        assert got[10, band] == pytest.approx(np.log(shares @ power), abs=2e-3)
    assert got.shape == (30, 80)


def test_a_frames_window_begins_with_the_frame_and_the_last_ones_end_with_the_sound() -> None:
    sound = np.zeros(RATE_HZ, np.float32)
    sound[8000:8640] = voice(1.0)[4000:4640]  # frame 12 and a half
    heard = MelEars().hear(sound, 25)
    windows = [MelEars().as_input(heard.window(i))[0, 0] for i in range(25)]
    assert windows[0].shape == (80, 16)
    loud = [float(w[10:60, :4].mean()) for w in windows]
    assert int(np.argmax(loud)) in (12, 13)
    assert np.array_equal(windows[3][:, 3:], windows[4][:, :13]), "frame 4 is 3 steps on"
    assert np.array_equal(windows[24], windows[23])


@pytest.mark.parametrize("inputs,types,words", [
    ({"a": (1, 6, 96, 96)}, {}, r"a \(1,6,96,96\)"),
    ({"m": ("N", 1, 80, 16), "f": ("N", 6, 100, 100)}, {}, r"expected a face \(N,6,96,96\)"),
    ({"m": ("N", 1, 80, 20), "f": ("N", 6, 96, 96)}, {}, "export the network again"),
    ({"f": (1, 6, 160, 160), "a": (1, 8, 8, 8)}, {}, r"\(N,16,32,32\)"),
    ({"m": (8, 1, 80, 16), "f": (8, 6, 96, 96)}, {}, "takes 8 frames at once"),
    ({"m": (1, 1, 80, 16), "f": (1, 6, 96, 96)}, {"f": "tensor(float16)"}, "f is float16"),
])
def test_other_inputs_are_refused_with_what_was_expected_and_found(
    inputs: dict[str, Any], types: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words) as error:
        read_layout("net.onnx", inputs, {**dict.fromkeys(inputs, FLOAT), **types})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("audio,way", [
    ((16, 32, 32), "samples"), ((32, 32, 32), "samples"), ((32, 16, 16), "mel"),
    ((128, 16, 32), "wenet"), ((256, 16, 32), "wenet")])
def test_each_encoder_puts_the_frame_itself_into_the_middle_of_its_window(
    tmp_path: Path, audio: tuple[int, int, int], way: str
) -> None:
    make = {"samples": foreign_networks.hubert, "mel": foreign_networks.mel_encoder,
            "wenet": foreign_networks.wenet}[way]
    layout = Layout("ultralight", "f", "a", 160, audio)
    ears = EncoderEars(make(tmp_path / "e.onnx"), layout)
    assert ears.way == way
    sound = np.zeros(2 * RATE_HZ, np.float32)
    sound[16_000:16_640] = voice(1.0)[4000:4640]  # frame 25
    heard = ears.hear(sound, 50)
    rows = layout.window.frames
    loud = np.array([ears.as_input(heard.window(i))[0].reshape(rows, -1).mean(axis=1)
                     for i in range(50)])
    assert int(np.argmax(loud[:, rows // 2])) in (24, 25, 26)
    assert loud[25, rows // 2] > loud[25, 0] and loud.shape == (50, rows)


def test_silence_is_exactly_the_rest_and_costs_nothing(bundle: Bundle) -> None:
    mouth = open_mouth(bundle)
    assert isinstance(mouth, ForeignMouth)
    assert mouth.precision == "fp32", "the network that was brought plays where INT8 is asked for"
    assert open_mouth(bundle, "fp16", provider="auto").degraded == ()
    assert "runs on cpu" in open_mouth(bundle, provider="tensorrt").degraded[0]
    silent = mouth.codes(np.zeros(RATE_HZ, np.float32))
    assert len(silent) == 25 and all(np.array_equal(silent[i], mouth.rest) for i in range(25))
    mouth._renderer.run = None  # type: ignore[method-assign, assignment]
    assert not mouth.patch(mouth.rest)[..., 3].any()
    hiss = (1e-4 * np.random.default_rng(0).standard_normal(RATE_HZ)).astype(np.float32)
    hissed = mouth.codes(hiss)
    assert all(np.array_equal(hissed[i], mouth.rest) for i in range(25)), "no trembling"


def test_codes_come_and_go_softly_and_a_clip_keeps_its_features_once(bundle: Bundle) -> None:
    mouth = open_mouth(bundle)
    gap = np.zeros(RATE_HZ, np.float32)
    codes = mouth.codes(np.concatenate([gap, voice(1.5), gap]))
    assert isinstance(codes, WindowCodes)
    share = np.array([codes[i][0] for i in range(len(codes))])
    assert share[:20].max() == 0 and share[-10:].max() == 0 and share.max() == 1
    assert ((share > 0) & (share < 1)).sum() >= 2
    assert Clip(gap, codes).codes.nbytes < 0.3 * len(codes) * mouth.rest.nbytes
    cut = cut_short(Spoken(0, codes), 40, mouth.rest)
    ends = [cut.at(40 + k) for k in range(CLOSING_FRAMES)]
    assert [float(e[0]) for e in ends if e is not None] == pytest.approx([0.75, 0.5, 0.25, 0])
    assert np.array_equal(ends[-1], mouth.rest)


def test_the_maker_paints_over_the_base_frame_that_will_be_shown(bundle: Bundle) -> None:
    frames = bundle.manifest.base.frames
    mouth = open_mouth(bundle)
    asked: dict[bytes, int] = {}
    plain = mouth.patch

    def noted(code: np.ndarray, base_patch: Any = None, base_index: int = 0) -> np.ndarray:
        asked[code.tobytes()] = base_index
        return plain(code, base_patch, base_index)

    mouth.patch = noted  # type: ignore[method-assign]
    codes = mouth.codes(voice(1.2))
    maker = MouthMaker(mouth, frames).start()
    try:
        maker.say(100, codes)
        deadline = Deadline(20)
        shown = 104
        while shown < 112 and not deadline.passed:
            known, _ = maker.at(shown, (shown + 40) % frames)
            shown += known
            if not known:
                maker.at(shown - 1, (shown + 39) % frames)
                sleep_s(0.002)
        assert shown == 112
        late = [asked[codes[n - 100].tobytes()] for n in range(106, 112)]
        assert late == [(n + 40) % frames for n in range(106, 112)]
    finally:
        maker.close()


def test_a_slow_network_shows_fewer_mouths_but_in_time(bundle: Bundle) -> None:
    maker = MouthMaker(open_mouth(bundle), bundle.manifest.base.frames)
    maker.at(10)
    assert maker._next() == 11
    maker._pace_ms = 39.0
    assert maker._next() == 11
    maker._pace_ms = 90.0
    assert maker._next() == 13
    maker._pace_ms = 600.0
    assert maker._next() == 26
    maker._ready[26] = None
    assert maker._next() is None, "one at a time"


def test_the_networks_picture_keeps_the_bases_colour_at_its_edge(bundle: Bundle) -> None:
    mouth = open_mouth(bundle)
    code = mouth.rest.copy()
    code[0] = 1
    warm = mouth.patch(code, base_index=3)
    edge = (warm[..., 3] > 20) & (warm[..., 3] < 150)
    crop = mouth._crops.at(3)[..., ::-1]
    assert np.abs(warm[..., :3].astype(int) - crop)[edge].mean() < 4
    cold = mouth._painter.rgba(
        np.clip(crop[..., ::-1].transpose(2, 0, 1) / np.float32(255) - np.float32(0.05), 0, 1),
        np.ascontiguousarray(crop[..., ::-1]), 0.5)
    assert np.abs(cold[..., :3].astype(int) - crop)[edge].mean() < 4
    assert cold[..., 3].max() == 128


def test_a_manifest_must_have_what_its_kind_needs(bundle: Bundle, tmp_path: Path) -> None:
    import msgspec

    text = json.loads((bundle.folder / "avatar.json").read_text())
    (tmp_path / "likeness-root.pub").write_text(
        (bundle.folder.parent / "likeness-root.pub").read_text())
    for change, words in (
        ({"renderer": {**text["renderer"], "kind": "puppet"}}, "'puppet', this release plays"),
        ({"renderer": {**text["renderer"], "kind": "code"}}, "lacks `voice_to_code`"),
        ({"crops": None}, "lacks `crops`"),
    ):
        (tmp_path / "avatar.json").write_text(json.dumps({**text, **change}))
        with pytest.raises(Refused, match=words):
            load_bundle(tmp_path, NOW)
    assert msgspec.convert(text, Manifest).kind == "wav2lip"
    with pytest.raises(Refused, match="no mouth codes"):
        assert bundle.voice_path


def test_a_network_swapped_for_another_layout_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    session = ort.open_session(foreign_networks.ultralight(tmp_path / "u.onnx"))
    assert read_layout("u", session.inputs, session.types).kind == "ultralight"
    foreign_networks.wav2lip(tmp_path / "renderer.fp32.onnx", 256)
    other = Bundle(tmp_path, bundle.manifest, bundle.consent, bundle.track)
    with pytest.raises(Refused, match="does not fit its network"):
        open_mouth(other)
