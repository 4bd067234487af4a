"""Hostile bytes out of good ones: what a thief, a rotten disk or a broken program would send."""

from __future__ import annotations

import json
import random
from typing import Any

BYTES_MAX = 4096
# Pieces that break readers: of JSON, of numbers, of paths, of text.
PIECES = (
    b"null", b"-1", b"1e999", b"9" * 400, b"NaN", b"true", b'""', b"[]", b"{}", b"[" * 3000,
    b'{"a":' * 2000, b'"\\ud800"', b"\xff\xfe", b"\x00", b"../../etc/passwd", b"/etc/passwd",
    b"0.0000001", b"2147483648", b"18446744073709551616", b"-0", b"\r\n\r\n", b"\xc0\x80",
    b"9999-99-99T99:99:99Z", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59",
    b"mon-fri 25:00-00:99", "٣".encode(), "\u202e龙".encode(), b"%s%n", b"1" * 5000,
)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 2**200, -(2**64), 1e308, "", "x" * 3000, "../x", "/etc/passwd",
    "\x00", "\u202e", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", [], {}, [[]],
    {"a": {"b": []}}, "٣", "1" * 5000,
)


def mutated(good: bytes, seed: int) -> bytes:
    """`good`, hurt in one to six ways; the same for the same seed."""
    dice = random.Random(seed)
    data = _structurally(good, dice) if dice.random() < 0.5 else good
    for _ in range(dice.randrange(0 if data is not good else 1, 6)):
        data = _hurt(data, dice)
    return data


def _hurt(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data) + 1)
    end = min(len(data), start + dice.choice((0, 1, 2, 8, 64, 512)))
    kind = dice.randrange(6)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:start] + data[start:end] * 2 + data[end:]
    if kind == 2:
        return data[:start] + dice.choice(PIECES) + data[end:]
    if kind == 3:
        return data[:start] + dice.randbytes(end - start) + data[end:]
    if kind == 4:
        return data[:start]
    changed = bytearray(data)
    if changed:
        changed[start % len(changed)] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _structurally(good: bytes, dice: random.Random) -> bytes:
    """JSON that is still JSON, with one of its values replaced; other formats as they are."""
    try:
        body = json.loads(good)
    except (ValueError, UnicodeDecodeError):
        return good
    places: list[tuple[Any, Any]] = []
    _collect(body, places)
    if not places:
        return json.dumps(dice.choice(VALUES)).encode()
    holder, key = dice.choice(places)
    change = dice.randrange(3)
    if change == 0:
        holder[key] = dice.choice(VALUES)
    elif change == 1 and isinstance(holder, dict):
        holder[str(dice.choice(VALUES))[:100]] = holder.pop(key)
    elif isinstance(holder, dict):
        del holder[key]
    else:
        holder.extend([holder[key]] * dice.choice((1, 50)))
    return json.dumps(body).encode()


def _collect(body: Any, places: list[tuple[Any, Any]]) -> None:
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(
        body, list) else ()
    for key, value in items:
        places.append((body, key))
        _collect(value, places)
