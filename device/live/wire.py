"""What travels while a person speaks: the preview's packets, on one socket and one WebSocket.

browser -> server -> agent -> player: V voice (s16le mono at 48 kHz, `at_s` the browser's clock).
agent -> player: B begin (JSON: who). Player -> agent -> server -> browser: L state (JSON), where
`at_s` is that of the newest voice packet. The pictures are the preview's own J packets.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from device.paths import Places
from device.preview.wire import packet
from ota.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VOICE, BEGIN, STATE = b"V", b"B", b"L"
RATE_HZ = 48_000
CHUNK_FRAMES_MAX = RATE_HZ // 10
HEAD_BYTES = 9
VOICE_BYTES_MAX = HEAD_BYTES + 2 * CHUNK_FRAMES_MAX
_HEAD = struct.Struct(">cd")


class LiveState(msgspec.Struct, frozen=True, kw_only=True):
    """How a takeover stands. `phase`: wait, on or end (then `why` says who ended it).

    `delay_ms` is from a packet's arrival at the player to its sound; `held_ms` how long ago the
    newest packet came; `ahead_ms` how much sound after its frame the last mouth was made from.
    """

    phase: str
    delay_ms: float = 0.0
    held_ms: float = 0.0
    ahead_ms: float = 0.0
    late: int = 0
    dropped: int = 0
    why: str = ""


def socket_path(places: Places) -> Path:
    """Where the player takes a voice."""
    return places.run / "live.sock"


def state_packet(state: LiveState, at_s: float = 0.0) -> bytes:
    """One L packet."""
    return packet(STATE, at_s, msgspec.json.encode(state))


def read_head(data: bytes) -> tuple[bytes, float]:
    """Kind and `at_s` of a packet. Raises Refused when it is too short for one."""
    if len(data) < HEAD_BYTES:
        raise Refused("A live packet is too short to be one of ours.")
    kind, at_s = _HEAD.unpack_from(data)
    return kind, at_s


def voice_of(data: bytes) -> NDArray[np.float32]:
    """The samples -1..1 of a V packet. Raises Refused when it is too long or cut off."""
    import numpy as np  # the agent, which hands packets on, need not have it in memory

    body = data[HEAD_BYTES:]
    if len(body) % 2 or not 0 < len(body) <= 2 * CHUNK_FRAMES_MAX:
        raise Refused(f"A voice packet of {len(body)} bytes is not one of ours.")
    samples: NDArray[np.float32] = np.frombuffer(body, "<i2").astype(np.float32) / np.float32(32768)
    return samples
