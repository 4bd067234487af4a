"""What a publish costs on a shop's line: bytes between boxes and the console's own HTTPS."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cli.benches.content_shop import ContentShop, write_programme
from cli.benches.figure import Figure
from cli.benches.relay import Relay
from device.messages import ProgrammeWanted
from ota.clock import monotonic_s

MIB = 1 << 20
AVATAR_BYTES = 200 * 1_000_000
CUT_BYTES = 50 * 1_000_000
SHOP_BYTES = 40 * 1_000_000
CHANGED_LINE, FEW_LINES = 77, 20
EXTRA_BYTES = 20_000
VERSIONS_BEFORE = 8


def measure() -> list[Figure]:
    """One changed line, one changed avatar, a line cut again and again."""
    with (tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder,
          ContentShop(Path(folder)) as shop):
        return [*changes(shop), cut_line(shop), five_boxes(shop)]


def said(changed: str = "") -> Callable[[int, str], str]:
    """The programme's sentences; `changed` is put into one of them."""
    def sentence(number: int, language: str) -> str:
        more = changed if number == CHANGED_LINE else ""
        if language == "zh-CN":
            return f"欢迎光临,这是第{number}句话{more},今天的茶很香。"
        return f"Welcome to our shop, this is line {number}{more}, the tea is fresh today."
    return sentence


def changes(shop: ContentShop) -> list[Figure]:
    """Bytes on the wire, both ways with TLS, against the bytes that changed."""
    folder = shop.draft
    write_programme(folder, said())
    for _ in range(VERSIONS_BEFORE):
        shop.publish()
    avatar = folder / "assets" / "avatar.bin"
    avatar.parent.mkdir(parents=True)
    body = bytearray(os.urandom(AVATAR_BYTES))
    avatar.write_bytes(body)
    wanted = shop.publish()
    with Relay(shop.https_port) as line:
        box = shop.box("bench-1", line.port)
        shop.give_clips("bench-1")
        box.bring(wanted)
        changed_bytes = write_programme(folder, said("!"))
        wanted = shop.publish()
        before = line.wire_bytes
        box.bring(wanted)
        line_bytes = line.wire_bytes - before
        new = os.urandom(MIB)
        body[50 * MIB : 51 * MIB] = new
        body[120 * MIB : 120 * MIB] = b"a few bytes more"
        avatar.write_bytes(body)
        wanted = shop.publish()
        before = line.wire_bytes
        box.bring(wanted)
        avatar_bytes = line.wire_bytes - before
    allowed = 1.1 * changed_bytes + EXTRA_BYTES
    return [
        Figure("one changed line of 200, avatar of 200 MB: wire / allowed", line_bytes / allowed,
               "x", 1.0, note=f"{line_bytes} B for {changed_bytes} B of new speech"),
        Figure("1 MiB of a 200 MB avatar changed: wire / changed", avatar_bytes / MIB, "x", 2.0,
               note=f"{avatar_bytes} B"),
    ]


def new_avatar(shop: ContentShop, length_bytes: int) -> ProgrammeWanted:
    """A programme of fewer lines and another avatar, published."""
    write_programme(shop.draft, said(), FEW_LINES)
    (shop.draft / "assets" / "avatar.bin").write_bytes(os.urandom(length_bytes))
    return shop.publish()


def cut_line(shop: ContentShop) -> Figure:
    """Reset every two seconds at 5 MB/s: what comes twice or is overhead, TLS with it."""
    wanted = new_avatar(shop, CUT_BYTES)
    with Relay(shop.https_port, bytes_per_s=5e6, cut_every_s=2.0) as line:
        box = shop.box("bench-2", line.port)
        found = box.bring(wanted)
        came = sum(path.stat().st_size for path in Path(found.path).rglob("*") if path.is_file())
        waste = 100.0 * (line.down_bytes - came) / came
        return Figure("line cut every 2 s, 50 MB: bytes beyond the content", waste, "%", 3.0,
                      note=f"{line.cuts} cuts")


def five_boxes(shop: ContentShop) -> Figure:
    """Five new boxes begin at the same moment; what they cost together, against one alone."""
    wanted = new_avatar(shop, SHOP_BYTES)
    with Relay(shop.https_port) as line:
        shop.box("alone", line.port).bring(wanted)
        alone = line.wire_bytes
    with Relay(shop.https_port) as line:
        boxes = [shop.box(f"shop-{number}", line.port, share=True) for number in range(5)]
        begun_s = monotonic_s()
        with ThreadPoolExecutor(len(boxes)) as crew:
            list(crew.map(lambda box: box.bring(wanted), boxes))
        took_s = monotonic_s() - begun_s
        return Figure("five new boxes at once: bytes from the server / one box's",
                      line.wire_bytes / alone, "x", 1.05,
                      note=f"{alone / 1e6:.1f} MB for one; {took_s:.0f} s")
