"""The graphs we are compared with are of the published sizes, and the bench's store is safe."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli.bench import renderer_options
from cli.benches import race as race_module
from cli.benches.figure import Figure
from cli.benches.graphs import Graph, input_shapes
from cli.benches.memory import growth, varied_codes
from cli.benches.own import CODES, ours
from cli.benches.peers import PEERS, Peer, Size
from cli.benches.precision import GraphStore, nothing, quantise
from cli.benches.quality import bundle_figures
from cli.benches.race import Times, race, random_feeds
from cli.benches.renderer import RANDOM, Network, key, peer_figures, rest_figures
from cli.benches.still import Rest, mouth_box
from device.infer.ort import open_session
from models.net.networks import SHAPES
from models.net.quantize import blending
from ota.errors import Refused

NEAR = 0.05
SOUND_OF = {"Wav2Lip-96": ("mel", (1, 1, 80, 16)), "Ultralight-160": ("audio", (1, 16, 32, 32)),
            "FeatherTalk-160": ("audio", (1, 16, 32, 32))}


@pytest.mark.parametrize("peer", PEERS, ids=lambda p: p.name)
def test_a_peer_weighs_and_works_what_was_published(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "peer.onnx"
    size = peer.make(path)
    assert size.parameters == pytest.approx(peer.published.parameters, rel=NEAR)
    assert size.macs == pytest.approx(peer.published.macs, rel=NEAR)
    sound, shape = SOUND_OF[peer.name]
    session = open_session(path)
    assert session.inputs == {
        "face": (1, 6, peer.side_px, peer.side_px), sound: shape}
    out = session.run(random_feeds(session))["out"]
    assert out.shape == (1, 3, peer.side_px, peer.side_px)
    # Settled weights: a picture that is neither saturated nor flat.
    assert 0.02 < float(out.mean()) < 0.98
    assert float(out.std()) > 1e-3


@pytest.mark.parametrize("side_px", sorted(SHAPES))
def test_our_network_with_random_weights_paints_a_patch(side_px: int, tmp_path: Path) -> None:
    path = tmp_path / "ours.onnx"
    size = ours(SHAPES[side_px], path)
    session = open_session(path)
    assert session.inputs == {"code": (1, CODES)}
    made = session.run(random_feeds(session))["patch"]
    assert made.shape == (1, 4, side_px, side_px)
    assert 0 <= float(made.min()) < float(made.max()) <= 1
    assert size.macs < min(peer.published.macs for peer in PEERS)


def test_int8_of_our_network_keeps_the_blending_in_fp32(tmp_path: Path) -> None:
    whole, small = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    ours(replace(SHAPES[192], channels=(8, 8, 8)), whole)
    quantise(whole, small, blending)
    feeds = random_feeds(open_session(whole))
    a = open_session(whole).run(feeds)["patch"]
    b = open_session(small).run(feeds)["patch"]
    assert float(np.abs(a - b).mean()) < 0.02
    # More than 256 levels: no quantised value is the last one.
    assert len(np.unique(b)) > 1000
    assert not list(tmp_path.glob("*.prepared*"))


def test_a_layer_counts_its_parameters_and_macs(tmp_path: Path) -> None:
    g = Graph("small")
    x = g.input("x", 1, 4, 8, 6)
    y = g.conv(x, 10, 3, stride=2)
    assert (y.shape, g.parameters, g.macs) == ((1, 10, 4, 3), 370, 10 * 4 * 3 * 36)
    y = g.conv_transpose(y, 5, 3, stride=2, pad=1, extra=1)
    assert (y.shape, g.parameters) == ((1, 5, 8, 6), 370 + 455)
    assert g.macs == 10 * 4 * 3 * 36 + 10 * 4 * 3 * 5 * 9
    g.save(tmp_path / "small.onnx", y, "y")
    assert input_shapes(tmp_path / "small.onnx") == {"x": (1, 4, 8, 6)}


def tiny(path: Path) -> Size:
    g = Graph("tiny")
    g.save(path, g.conv(g.input("x", 1, 4, 8, 8), 4), "y")
    return Size(g.parameters, g.macs)


def test_a_graph_is_made_once_and_found_again(tmp_path: Path) -> None:
    said: list[str] = []
    first = GraphStore(tmp_path, said.append).pair("tiny", tiny)
    written = first.int8.stat().st_mtime_ns
    second = GraphStore(tmp_path, said.append).pair("tiny", tiny, nothing)
    assert first == second
    assert second.int8.stat().st_mtime_ns == written
    assert len(said) == 1
    assert "tiny" in said[0]
    open_session(second.fp32)


def test_a_maker_that_fails_leaves_nothing_half_written(tmp_path: Path) -> None:
    def breaks(path: Path) -> Size:
        path.write_bytes(b"half")
        raise OSError("disk full")

    store = GraphStore(tmp_path, lambda _: None)
    with pytest.raises(OSError, match="disk full"):
        store.pair("tiny", breaks)
    assert list(store.folder.iterdir()) == []
    assert store.pair("tiny", tiny).int8.is_file()


def test_graphs_of_an_older_recipe_go_and_strangers_stay(tmp_path: Path) -> None:
    old, stranger = tmp_path / "0123456789abcdef", tmp_path / "notes"
    for folder in (old, stranger):
        folder.mkdir()
    GraphStore(tmp_path, lambda _: None).pair("tiny", tiny)
    assert not old.exists()
    assert stranger.exists()


def test_a_ratio_is_taken_within_a_round() -> None:
    """The machine became three times slower in the third round: no ratio changes by it."""
    times = Times({"slow": [40.0, 44.0, 120.0], "quick": [4.0, 4.4, 12.0]})
    assert times.ratio("slow", "quick") == pytest.approx(10)
    assert times.ms("quick") == pytest.approx(4.2)


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(race_module, "turn_ms", lambda work, burst_s: work())
    clock = itertools.count(1)

    def contestant(name: str) -> race_module.Work:
        return lambda: (order.append(name), float(next(clock)))[1]

    times = race({"a": contestant("a"), "b": contestant("b")}, rounds=3)
    assert "".join(order) == "ababab"
    assert times.turns_ms == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_limits_lie_at_the_size_that_is_compared(tmp_path: Path) -> None:
    own = Network(192, RANDOM, GraphStore(tmp_path, lambda _: None).pair("tiny", tiny))
    turns = {key(own.name, "int8"): [4.0], key(own.name, "fp32"): [9.0]}
    for peer, ms in zip(PEERS, (100.0, 26.0, 13.0), strict=True):
        turns |= {key(peer.name, "fp32"): [ms], key(peer.name, "int8"): [ms]}
    judged = [f for f in peer_figures([own], Times(turns)) if f.limit is not None]
    assert [(f.value, f.limit, f.met) for f in judged] == [
        (25.0, 20.0, True), (6.5, 7.0, False), (3.25, 3.0, True)]
    assert all(RANDOM in f.name for f in judged)


def test_silence_may_not_move_more_than_the_base() -> None:
    still = rest_figures("lin", Rest(250, 0.0, 0.0, 0.28, 0.28))
    trembling = rest_figures("lin", Rest(250, 2.0, 0.1, 0.28, 0.30))
    assert [f.met for f in still] == [True, True]
    assert [f.met for f in trembling] == [False, False]


def test_the_mouth_box_stays_in_the_picture() -> None:
    matrix = np.array([[0.5, 0, 90], [0, 0.5, -10]], np.float32)
    assert mouth_box(matrix, 100, (120, 200)) == (90, 0, 120, 40)


def test_growth_is_seen_after_the_start_has_settled() -> None:
    frames = list(range(100, 10_100, 100))
    flat = [50_000_000 + min(f, 1000) * 5000 for f in frames]
    assert growth(frames, flat) == (0, pytest.approx(0, abs=1))
    leak = [50_000_000 + f * 8 for f in frames]
    grown, slope = growth(frames, leak)
    assert grown == 8 * 8000
    assert slope == pytest.approx(8000)


def test_the_watched_mouth_never_stands_still() -> None:
    rest = np.zeros(CODES, np.float32)
    codes = varied_codes(rest, 200)
    assert codes.shape == (200, CODES)
    assert float(np.abs(np.diff(codes, axis=0)).max(axis=1).min()) > 0.01


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_bundle_tells_its_quality_in_either_layout(wrapped: bool) -> None:
    quality = {
        "int8_loss": {"psnr_db": 0.4, "ssim": 0.001}, "int8_against_fp32_ssim": 0.998,
        "int8": {"mouth_psnr_db": 37.5, "mouth_ssim": "unknown"},
        "sentences": {"sync": {"int8 voice": {"offset_frames": -2, "of_truth": 0.9}}}}
    found = {f.name: f for f in bundle_figures({"renderer": quality} if wrapped else quality, "a")}
    assert {name.removeprefix("a: "): f.met for name, f in found.items()} == {
        "PSNR lost by INT8": False, "SSIM lost by INT8": True, "SSIM of INT8 against FP32": True,
        "mouth PSNR, pictures never trained on": True, "lip-sync offset": False,
        "lip-sync confidence, of the truth's own": True}
    assert all(isinstance(f, Figure) and f.note == "from the bundle" for f in found.values())
    assert bundle_figures({}, "a") == []


@pytest.mark.parametrize(
    ("frames", "suites", "word"),
    [(500, ("stage",), "renderer"), (0, ("renderer",), "--frames"), (-1, ("renderer",), "-1")])
def test_frames_that_mean_nothing_are_refused(
    frames: int, suites: tuple[str, ...], word: str
) -> None:
    with pytest.raises(Refused, match=word):
        renderer_options(frames, suites)


def test_frames_go_to_the_renderer() -> None:
    assert renderer_options(100_000, ("renderer",)) == {"frames": 100_000}
    assert renderer_options(None, ("ota",)) == {}
