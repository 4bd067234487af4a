"""A person speaks as the avatar: what is decided about it, without a network or a sound card."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.audio.soundfiles import read
from device.live.grant import Grants, relay_url
from device.live.level import VoiceLevel
from device.live.placement import DELAY_FRAMES, EXCESS_FRAMES_MAX, RATE_HZ, Placement
from device.live.ring import Ring
from device.live.wire import HEAD_BYTES, VOICE, read_head, voice_of
from device.messages import LiveGrant
from device.paths import repository_root
from device.preview.wire import packet
from device.render.bundle import load_bundle
from device.render.mouth import Mouth
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey

CHUNK = RATE_HZ // 50
HORIZON = RATE_HZ * 14 // 100
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
AHEAD_MS = 100


def placed(placement: Placement, heard: int, quiet: bool = False) -> int | None:
    return placement.place(CHUNK, heard, heard + HORIZON, quiet)


def test_a_steady_line_is_heard_after_the_delay_chunk_after_chunk() -> None:
    placement = Placement()
    starts = [placed(placement, n * CHUNK) for n in range(100)]
    assert starts == [DELAY_FRAMES + n * CHUNK for n in range(100)]
    assert placement.late == placement.dropped == 0


def test_a_chunk_after_its_time_moves_the_voice_back_and_it_comes_home_in_a_pause() -> None:
    placement = Placement()
    placed(placement, 0)
    start = placed(placement, RATE_HZ // 2)
    assert start is not None and start >= RATE_HZ // 2 + HORIZON and placement.late == 1
    lag = start - RATE_HZ // 2
    assert DELAY_FRAMES < lag < DELAY_FRAMES + RATE_HZ // 10, "the line gets more time for a while"
    for n in range(1, 5000):
        placed(placement, RATE_HZ // 2 + n * CHUNK, quiet=n % 100 < 20)
    assert placement.lag < lag and abs(placement.lag - DELAY_FRAMES) < 2 * CHUNK
    assert placement.late == 1


def test_what_piled_up_in_the_line_is_not_played_seconds_late() -> None:
    placement = Placement()
    placed(placement, 0)
    starts = [placed(placement, RATE_HZ) for _ in range(100)]
    heard = [start for start in starts if start is not None]
    assert placement.dropped > 50 and max(heard) - RATE_HZ < 2 * DELAY_FRAMES + EXCESS_FRAMES_MAX


@pytest.mark.parametrize("share", [0.999, 1.001])
def test_a_microphone_with_another_clock_drifts_nowhere_in_half_an_hour(share: float) -> None:
    placement, lags = Placement(), []
    for n in range(90_000):
        placed(placement, round(n * CHUNK * share), quiet=n % 150 < 25)
        lags.append(placement.lag)
    assert placement.late <= 3 and max(abs(lag - DELAY_FRAMES) for lag in lags) < RATE_HZ // 10


@given(st.lists(st.tuples(st.integers(0, RATE_HZ), st.booleans()), max_size=60))
def test_chunks_never_overlap_nor_come_before_the_device_can_take_them(
    arrivals: list[tuple[int, bool]],
) -> None:
    placement, heard, end = Placement(), 0, 0
    for wait, quiet in arrivals:
        heard += wait
        start = placed(placement, heard, quiet)
        if start is not None:
            assert start >= max(end, heard + HORIZON)
            end = start + CHUNK


def spoken(level: float, chunks: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [(level * random.standard_normal(CHUNK)).astype(np.float32) for _ in range(chunks)]


def test_a_soft_voice_becomes_as_loud_as_the_script_and_noise_does_not() -> None:
    level = VoiceLevel()
    for chunk in spoken(0.0005, 100):
        assert level.feed(chunk)[1], "the room alone is no speech"
    assert level.gain_db == pytest.approx(8.0)
    pauses = spoken(0.0005, 400)
    for n, chunk in enumerate(spoken(0.025, 400)):
        pause = n % 20 == 0
        _, quiet = level.feed(pauses[n] if pause else chunk)
        assert quiet == pause
    assert level.sounding_db == pytest.approx(-20.0, abs=1.0)
    assert np.abs(level.feed(np.full(CHUNK, 0.9, np.float32))[0]).max() <= 0.89


def test_the_ring_gives_back_what_was_written_and_silence_elsewhere() -> None:
    ring = Ring()
    assert ring.read(0, 100) is None
    ring.write(1000, np.ones(960, np.float32))
    ring.write(1960, np.ones(40, np.float32))
    found = ring.read(900, 1200)
    assert found is not None and not found[:100].any() and (found[250:1040] == 1).all()
    ring.write(1500, np.full(10, 9, np.float32))
    assert ring.end == 2000, "nothing is written twice"
    assert ring.cut(1100) == 1484
    after = ring.read(1100, 900)
    assert after is not None and not after[384:].any() and np.abs(np.diff(after)).max() < 0.01
    for n in range(400):
        ring.write(10_000 + n * 960, np.full(960, n, np.float32))
    newest = ring.read(10_000 + 399 * 960, 960)
    assert newest is not None and (newest == 399).all()
    assert ring.read(10_000, 960) is None, "too old to be known"


@pytest.fixture(scope="module")
def mouth() -> Mouth:
    return Mouth(load_bundle(repository_root() / "models" / "avatars" / "lin", NOW))


def test_mouths_of_a_stream_are_nearly_those_of_the_whole_sentence(mouth: Mouth) -> None:
    folder = repository_root() / "programmes" / "tea-shop" / "speech"
    clip = read(sorted(folder.glob("*.opus"))[0], 16_000)
    whole = mouth.codes(clip)
    level_db = -20.0
    streamed = []
    for n in range(len(whole)):
        first = max(0, n - 15)
        known = clip[first * 640 : (n + 1) * 640 + AHEAD_MS * 16]
        streamed.append(mouth.code_at(known, n - first, level_db, level_db))
    agreement = np.corrcoef(np.array(streamed)[:, 0], whole[:, 0])[0, 1]
    assert agreement > 0.98, agreement
    assert np.abs(np.array(streamed) - whole).mean() < 0.02
    silence = np.zeros(16_000, np.float32)
    assert np.array_equal(mouth.code_at(silence, 15, level_db, level_db), mouth.rest)


def test_a_voice_packet_is_taken_whole_or_not_at_all() -> None:
    data = packet(VOICE, 12.5, np.array([0, 16384, -32768], "<i2").tobytes())
    assert read_head(data) == (VOICE, 12.5)
    assert voice_of(data).tolist() == [0.0, 0.5, -1.0]
    for broken in (data[:-1], data[:HEAD_BYTES], data + b"\0" * 100_000):
        with pytest.raises(Refused):
            voice_of(broken)


class Console:
    """Who signs permissions, and a box that knows the key."""

    def __init__(self) -> None:
        self.key = SigningKey.generate()
        self.grants = Grants([self.key.public], "tea", "shanghai-001")
        self.grant = LiveGrant(
            chain="tea", box="shanghai-001", session="a" * 32, who="li", speak=True,
            until=(NOW + timedelta(seconds=30)).isoformat())

    def sealed(self, key: SigningKey | None = None, **other: object) -> dict[str, str]:
        grant = replace_grant(self.grant, **other)
        return {"envelope": dsse.sign(
            msgspec.json.encode(grant), dsse.LIVE, [key or self.key]).decode()}


def replace_grant(grant: LiveGrant, **other: object) -> LiveGrant:
    changed: LiveGrant = msgspec.structs.replace(grant, **other)
    return changed


def test_only_the_consoles_signed_word_for_this_box_lets_somebody_speak_and_only_once() -> None:
    console = Console()
    sealed = console.sealed()
    assert console.grants.take(sealed, NOW) == console.grant
    with pytest.raises(Refused, match="before"):
        console.grants.take(sealed, NOW)
    for args, why in (
        (console.sealed(SigningKey.generate(), session="b" * 32), "not signed"),
        (console.sealed(box="shanghai-002", session="b" * 32), "another box"),
        (console.sealed(until=NOW.isoformat(), session="b" * 32), "out of date"),
        (console.sealed(until="2027-01-01T00:00:00+00:00", session="b" * 32), "too long"),
        (console.sealed(session="../../tuf/metadata/x"), "session"),
        ({}, "permission"), ({"envelope": "x" * 9000}, "permission"), ({"envelope": "{"}, "read"),
    ):
        with pytest.raises(Refused, match=why):
            console.grants.take(args, NOW)
    other = dsse.sign(msgspec.json.encode(console.grant), dsse.DESIRED, [console.key])
    with pytest.raises(Refused, match="type"):
        console.grants.take({"envelope": other.decode()}, NOW)


def test_the_box_dials_only_the_server_it_was_enrolled_with() -> None:
    assert relay_url("https://fleet.example:8443/enrol", "abc") == (
        "wss://fleet.example:8443/live/box/abc")


