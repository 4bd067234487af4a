"""Stories of the mouth: a bundle is trusted or refused; silence closes it, speech moves it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.paths import repository_root
from device.render import logmel
from device.render.bundle import Bundle, load_bundle
from device.render.mouth import Mouth, soft_gate
from ota.clock import utc_now
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey
from tests.sim.avatar_bundle import make_bundle

LIN = repository_root() / "models" / "avatars" / "lin"


@pytest.fixture(scope="module")
def lin() -> Bundle:
    return load_bundle(LIN, utc_now())


@pytest.fixture(scope="module")
def mouth(lin: Bundle) -> Mouth:
    return Mouth(lin, "int8")


def babble(seconds: float, level: float = 0.1) -> np.ndarray:
    """Four syllables a second of a buzzing vowel: not speech, but as loud and as lively."""
    t = np.arange(int(16_000 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 30))
    return (level * buzz * np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)).astype(np.float32)


def test_the_shipped_avatar_is_whole_and_small(lin: Bundle) -> None:
    assert lin.manifest.id == "lin"
    assert lin.consent.synthetic
    assert lin.track.matrix.shape[0] == lin.manifest.base.frames >= 250
    assert sum(p.stat().st_size for p in LIN.iterdir()) <= 25_000_000


def test_the_patch_keeps_its_shape_in_every_frame(lin: Bundle) -> None:
    """Each matrix is a similarity (turn, scale, move), and the patch stays inside the picture."""
    for m in lin.track.matrix.astype(np.float64):
        linear = m[:, :2]
        scale = np.sqrt(abs(np.linalg.det(linear)))
        assert np.allclose(linear.T @ linear, scale**2 * np.eye(2), atol=1e-4)
        corners = m @ np.array([[0, 256, 0, 256], [0, 0, 256, 256], [1, 1, 1, 1]])
        assert corners.min() >= 0
        assert (corners.max(axis=1) <= lin.manifest.size).all()
    steps = np.abs(np.diff(lin.track.matrix[:, :, 2], axis=0, append=lin.track.matrix[:1, :, 2]))
    assert steps.max() < 2.0, "the head jumps, or the loop does not close"


def test_silence_is_exactly_the_closed_mouth(mouth: Mouth) -> None:
    noise = np.random.default_rng(1).normal(0, 3e-4, 32_000).astype(np.float32)
    for sound in (np.zeros(32_000, np.float32), noise):
        codes = mouth.codes(sound)
        assert len(codes) == 50
        assert (codes == mouth.rest).all()
    patch = mouth.patch(mouth.rest)
    assert not patch[..., 3].any()
    assert (patch[..., :3] == mouth.bundle.track.rest_patch).all()


def test_a_pause_inside_speech_closes_the_mouth(mouth: Mouth) -> None:
    sound = np.concatenate([babble(1.0), np.zeros(16_000, np.float32), babble(1.0)])
    codes = mouth.codes(sound)
    assert (codes[35:45] == mouth.rest).all()
    assert np.abs(codes[5:20] - mouth.rest).max() > 0.15
    assert np.abs(codes[55:70] - mouth.rest).max() > 0.15


def test_loudness_does_not_change_what_is_said(mouth: Mouth) -> None:
    loud, quiet = mouth.codes(babble(2.0, 0.2)), mouth.codes(babble(2.0, 0.02))
    assert np.abs(loud - quiet).max() < 0.12


def test_an_open_mouth_is_drawn_dark_and_only_inside_the_feather(mouth: Mouth) -> None:
    code = mouth.rest.copy()
    code[mouth.bundle.manifest.code.open_index] = 0.8
    patch = mouth.patch(code).astype(np.int16)
    rest = mouth.bundle.track.rest_patch.astype(np.int16)
    assert not patch[mouth.bundle.track.mask == 0][:, 3].any()
    shown = rest + (patch[..., :3] - rest) * (patch[..., 3:] / 255)
    inside = shown[105:135, 108:148].mean()
    assert inside < rest[105:135, 108:148].mean() - 30, "no mouth opened"


def test_both_precisions_draw_the_same_mouth(lin: Bundle, mouth: Mouth) -> None:
    code = mouth.rest + np.float32(0.25)
    full = Mouth(lin, "fp32").patch(code).astype(np.int16)
    small = mouth.patch(code).astype(np.int16)
    covered = full[..., 3] > 128
    assert np.abs(full - small)[covered].mean() < 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-130, 0), max_size=400))
def test_the_gate_never_hangs_open(levels: list[float]) -> None:
    """Whatever the levels: same length, and after 300 ms far below the voice the gate is shut."""
    found = np.array([*levels, *([-130.0] * 30)], np.float32)
    gate = logmel.speech_gate(found, logmel.speech_level_db(found))
    assert len(gate) == len(found)
    assert not gate[-1]


def test_the_soft_gate_opens_early_and_closes_late() -> None:
    gate = np.zeros(400, bool)
    gate[200:240] = True
    weight = soft_gate(gate, 100)
    assert (weight[50:60] == 1).all()
    assert 0 < weight[49] < 1
    assert 0 < weight[61] < 1
    assert weight[46] == 0
    assert weight[65] == 0


@pytest.mark.parametrize(("rate", "count"), [(16_000, 0), (16_000, 1), (16_000, 641)])
def test_clips_of_any_length_give_all_their_frames(mouth: Mouth, rate: int, count: int) -> None:
    assert len(mouth.codes(np.zeros(count, np.float32))) == -(-count // 640)


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "sim", size=(270, 480), frames=4)
    model = folder / "renderer.onnx"
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(Refused, match="altered or is damaged"):
        load_bundle(folder, utc_now())


def test_no_expired_forged_or_foreign_consent(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "sim", size=(270, 480), frames=4)
    load_bundle(folder, utc_now())
    with pytest.raises(Refused, match="ended on 2100"):
        load_bundle(folder, datetime(2101, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(Refused, match="begins only"):
        load_bundle(folder, datetime(2019, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(Refused, match="not signed by a key"):
        load_bundle(folder, utc_now(), trusted=[SigningKey.generate().public])
    consent = folder / "consent.dsse.json"
    saved = consent.read_bytes()
    consent.unlink()
    with pytest.raises(Refused, match="no likeness consent"):
        load_bundle(folder, utc_now())
    resigned(folder, saved, chains=["other-chain"])
    with pytest.raises(Refused, match="does not cover the chain 'tea'"):
        load_bundle(folder, utc_now(), chain="tea")
    resigned(folder, saved, base_sha256="0" * 64)
    with pytest.raises(Refused, match="another avatar"):
        load_bundle(folder, utc_now())


def resigned(folder: Path, envelope: bytes, **changes: object) -> None:
    """The consent with other words, signed by a new key that the folder's root then trusts."""
    import base64

    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    payload["until"] = (utc_now() + timedelta(days=1)).isoformat()
    key = SigningKey.generate()
    (folder.parent / "likeness-root.pub").write_text(key.public.to_pem())
    signed = dsse.sign(json.dumps({**payload, **changes}).encode(), dsse.CONSENT, [key])
    (folder / "consent.dsse.json").write_bytes(signed)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"schema": 9}, "schema 9"), ({"base": {"file": "../x", "sha256": ""}}, "outside the bundle"),
     ({"patch": "wide"}, "not a valid avatar"), ({"renderer": {}}, "no int8 renderer")],
)
def test_a_strange_manifest_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    folder = make_bundle(tmp_path / "sim", size=(270, 480), frames=4)
    manifest = json.loads((folder / "avatar.json").read_text())
    (folder / "avatar.json").write_text(json.dumps({**manifest, **change}))
    with pytest.raises(Refused, match=words):
        Mouth(load_bundle(folder, utc_now()), "int8")


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no avatar\.json"):
        load_bundle(tmp_path, utc_now())
