"""The echo canceller in a simulated room: how much goes, what the clocks do, who is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli.benches.room import BEGIN_NS, HEARD_HZ, Shop, walk
from device.asr.gate import EchoGate
from device.asr.turns import Began, Sure, Turns
from device.asr.vad import CHUNK_MS
from device.audio import speexdsp
from device.audio.capture import Chunk
from device.audio.echo import (
    ADAPTING,
    CANCELLING,
    NO_REFERENCE,
    NOT_NEEDED,
    EchoCanceller,
)  # fmt: skip
from device.audio.hole import Hole
from device.audio.soundfiles import read
from device.paths import repository_root
from ota.errors import Refused
from tests.sim.speech import CLIPS, vad

NOBODY = np.zeros(0, np.float32)


def presenting(seconds: float) -> np.ndarray:
    """Sentences of the sample programme at 48 kHz, a quarter of a second between."""
    pieces: list[np.ndarray] = []
    for file in sorted((repository_root() / "programmes/tea-shop/speech").glob("*.opus")):
        pieces += [read(file, 48_000), np.zeros(12_000, np.float32)]
        if sum(map(len, pieces)) >= seconds * 48_000:
            break
    return np.concatenate(pieces)[: int(seconds * 48_000)]


class Heard:
    """What came of a walk through a shop: powers and states of chunks, and turns that began."""

    def __init__(self, folder: Path, shop: Shop, seconds: float, near: np.ndarray = NOBODY,
                 mode: str = "auto", voices: bool = False, gap_s: tuple[float, float] = (0.0, 0.0),
                 ) -> None:
        self.canceller = EchoCanceller(folder)
        self.gate = EchoGate(mode, self.canceller)
        self.states: list[str] = []
        self.began_s: list[float] = []
        self.stopped_s: list[float] = []  # a certain voice stops the avatar
        turns, powers, clean = Turns(), [], []
        if voices:
            vad().reset()
        for samples, end_ns in walk(folder, presenting(seconds), near, shop):
            if gap_s[0] <= (end_ns - BEGIN_NS) / 1e9 < gap_s[1]:
                samples = np.zeros_like(samples)
            chunk = self.gate.clean(Chunk(samples, end_ns))
            probability = vad().probability(chunk.samples) if voices else 0.0
            probability = self.gate.listened(probability, chunk.end_ns)
            self.states.append(self.gate.state)
            powers.append((np.mean(samples**2), np.mean(chunk.samples**2)))
            clean.append(chunk.samples)
            if self.gate.closed(chunk.end_ns):
                turns.drop()
                continue
            for event in turns.feed(chunk.samples, probability, chunk.end_ns):
                at_s = (end_ns - BEGIN_NS) / 1e9
                if isinstance(event, Began):
                    self.began_s.append((event.at_ns - BEGIN_NS) / 1e9)
                if isinstance(event, Sure) or (isinstance(event, Began) and event.certain):
                    self.stopped_s.append(at_s)
        self.powers, self.clean = np.array(powers), np.concatenate(clean)

    def erle_db(self, from_s: float, to_s: float) -> float:
        part = self.powers[int(from_s * 1e3 / CHUNK_MS) : int(to_s * 1e3 / CHUNK_MS)].sum(axis=0)
        return float(10 * np.log10(part[0] / part[1]))


def test_its_own_voice_is_gone_from_a_reverberant_room(tmp_path: Path) -> None:
    heard = Heard(tmp_path, Shop(), 14, voices=True)
    assert heard.erle_db(8, 14) >= 25
    assert heard.canceller.erle_db is not None and heard.canceller.erle_db >= 15
    assert heard.states[20] == ADAPTING and heard.states[-1] == CANCELLING
    assert heard.canceller.delay_ms is not None and 40 <= heard.canceller.delay_ms <= 55
    assert not heard.began_s, "it began a turn by its own voice"


def test_clocks_that_drift_and_promise_wrong_times_are_followed(tmp_path: Path) -> None:
    heard = Heard(tmp_path, Shop(delay_ms=180, drift_ppm=50, jitter_ms=6), 22)
    assert heard.canceller.drift_ppm == pytest.approx(50, abs=3)
    assert heard.erle_db(17, 22) >= 25
    assert heard.states[-1] == CANCELLING


@pytest.mark.parametrize(("jump_ms", "echo_db", "noise_rms"), [
    (150.0, -4.4, 0.0008), (6.4, -15.0, 0.003), (-30.0, -15.0, 0.002)])
def test_a_stream_that_loses_its_place_is_followed_within_a_second(
    tmp_path: Path, jump_ms: float, echo_db: float, noise_rms: float
) -> None:
    """Sound servers do so when another stream begins; no clock tells."""
    shop = Shop(jump_ms=jump_ms, jump_s=10, echo_db=echo_db, noise_rms=noise_rms)
    heard = Heard(tmp_path, shop, 12.5, voices=True)
    before_db = heard.erle_db(8, 10)
    assert before_db >= 15 and heard.erle_db(10.1, 10.3) < 6
    assert heard.erle_db(11.2, 12.5) >= min(20, before_db - 3), "what was learnt still holds"
    assert not heard.stopped_s, "it stopped for its own late voice"
    assert ADAPTING not in heard.states[int(9_000 / CHUNK_MS) :], "it was deaf"
    assert heard.canceller.slips == 1


def test_a_visitor_is_not_taken_for_a_stream_that_lost_its_place(tmp_path: Path) -> None:
    visitor = read(CLIPS / "go-forward-en.flac", HEARD_HZ)
    near = np.tile(np.concatenate([np.zeros(HEARD_HZ, np.float32), visitor]), 6)
    heard = Heard(tmp_path, Shop(echo_db=-15), 14, near[: 14 * HEARD_HZ], voices=True)
    assert heard.canceller.slips == 0 and heard.stopped_s


def test_a_sound_that_breaks_off_and_comes_late_is_not_taken_for_a_visitor(tmp_path: Path) -> None:
    late, gap_s = Shop(jump_ms=70, jump_s=10), (10.0, 10.07)
    heard = Heard(tmp_path, late, 14, voices=True, gap_s=gap_s)
    assert heard.canceller.holes and not heard.began_s
    # One who is louder than all of the echo is heard meanwhile.
    visitor = read(CLIPS / "go-forward-en.flac", HEARD_HZ)
    near = np.concatenate([np.zeros(int(10.3 * HEARD_HZ), np.float32), 3 * visitor])
    heard = Heard(tmp_path, late, 12, near, voices=True, gap_s=gap_s)
    assert heard.began_s and 10.2 < heard.began_s[0] < 11.5


@pytest.mark.parametrize(("echo_db", "until_s"), [(-4.4, 14.0), (-15.0, 20.0)])
def test_a_loudspeaker_that_was_mute_does_not_make_its_voice_a_visitors(
    tmp_path: Path, echo_db: float, until_s: float
) -> None:
    visitor = read(CLIPS / "go-forward-en.flac", HEARD_HZ)
    near = np.concatenate([np.zeros(int(12.5 * HEARD_HZ), np.float32),
                           visitor * 0.03 / np.sqrt(np.mean(visitor**2))])
    shop = Shop(echo_db=echo_db, muted_s=(10.0, until_s))
    heard = Heard(tmp_path, shop, until_s + 4, near[: int(until_s * HEARD_HZ)], voices=True)
    assert heard.canceller.holes == 1, "what was learnt stands for what lacks"
    assert heard.stopped_s and 12.4 < heard.stopped_s[0] < 13.5, "a visitor is heard meanwhile"
    assert max(heard.stopped_s) < until_s, "it stopped for its own voice"
    assert heard.erle_db(until_s + 1, until_s + 3) >= 12, "the filter learns on from there"


def test_a_loudspeaker_that_is_turned_down_has_no_hole(tmp_path: Path) -> None:
    hole, way = Hole(4_096), np.zeros(4_096, np.float32)
    way[200] = 3.0
    played = presenting(6)[:: 3].astype(np.float32)
    noise = np.random.default_rng(1).standard_normal(512).astype(np.float32) * 0.001
    held = []
    for at in range(0, len(played) - 511, 512):
        hole.hears(played[at : at + 512])
        echo = played[max(0, at - 200) : at + 312]
        if at < 9 * 512 or np.mean(echo**2) < 1e-4:
            continue
        hole.learns(way, 0.5 * echo)
        hole.begins(0.05 * echo + noise)
        held.append(hole.lasts)
        hole.begins(noise)
        assert hole.lasts and np.allclose(hole.expected(), 0.5 * echo, atol=1e-3)
        assert not (hole.goes_on(0.5 * echo, 0.5 * echo) and hole.goes_on(0.5 * echo, 0.5 * echo))
    assert np.mean(held) < 0.1
    hole.forgets()
    hole.begins(noise)
    assert not hole.lasts, "nothing can stand for what was never learnt"


def test_a_pause_of_the_avatar_in_a_dry_room_has_no_hole(tmp_path: Path) -> None:
    heard = Heard(tmp_path, Shop(rt60_s=0.03, noise_rms=1e-5, drive=0.01), 8)
    assert heard.canceller.holes == 0, "two seconds in which hardly a visitor counts"


def test_a_visitor_is_heard_through_its_voice(tmp_path: Path) -> None:
    visitor = read(CLIPS / "go-forward-en.flac", HEARD_HZ)
    at = 9 * HEARD_HZ
    near = np.zeros(at + len(visitor), np.float32)
    near[at:] = visitor * 0.05 / np.sqrt(np.mean(visitor**2))  # 6 dB under the echo
    heard = Heard(tmp_path, Shop(), 9.0 + len(visitor) / HEARD_HZ, near, voices=True)
    assert len(heard.began_s) >= 1 and 8.9 < heard.began_s[0] < 10.5
    kept = heard.clean[at + speexdsp.DELAY_SAMPLES :]
    said = near[at : at + len(kept)]
    assert np.corrcoef(kept, said[: len(kept)])[0, 1] > 0.8, "the visitor stays what he was"


def test_where_the_microphone_does_not_hear_it_nothing_is_shut(tmp_path: Path) -> None:
    heard = Heard(tmp_path, Shop(echo_db=-90), 6)
    assert heard.states[-1] == NOT_NEEDED
    heard.gate.avatar(True, "欢迎光临", BEGIN_NS + 6_000_000_000)
    assert not heard.gate.closed(BEGIN_NS + 6_100_000_000)
    careful = EchoGate("on", heard.canceller)
    careful.avatar(True, "欢迎光临", BEGIN_NS + 6_000_000_000)
    assert careful.closed(BEGIN_NS + 6_100_000_000), "on: it believes no silence"


def test_without_a_player_or_beside_a_servers_own_canceller_it_steps_aside(tmp_path: Path) -> None:
    canceller = EchoCanceller(tmp_path)
    canceller.clean(np.zeros(512, np.float32), BEGIN_NS)
    assert canceller.state == NO_REFERENCE
    canceller.source_name = "Echo-Cancel Source: USB microphone"
    sound = np.full(512, 0.1, np.float32)
    assert canceller.clean(sound, BEGIN_NS).samples is sound
    gate = EchoGate("auto", canceller)
    gate.avatar(True, "欢迎光临", BEGIN_NS)
    assert gate.closed(BEGIN_NS + 1), "deaf meanwhile, until the microphone proves it is clean"


def test_without_the_library_the_ear_is_half_duplex_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speexdsp, "_SONAME", "libnot-there.so.7")
    with pytest.raises(Refused, match="libspeexdsp1"):
        speexdsp.SpeexDsp()
    canceller = EchoCanceller(tmp_path)
    assert canceller.fault is not None and not speexdsp.available()
    gate = EchoGate("auto", canceller)
    gate.avatar(True, "欢迎光临", BEGIN_NS)
    assert gate.state == NO_REFERENCE and gate.closed(BEGIN_NS + 1)


def test_the_library_takes_whole_frames_only() -> None:
    dsp = speexdsp.SpeexDsp()
    with pytest.raises(Refused, match="256"):
        dsp.process(np.zeros(100, np.float32), np.zeros(100, np.float32))
    dsp.close()
    dsp.close()
