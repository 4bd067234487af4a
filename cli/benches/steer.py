"""What it costs a box to look for a release, and how well a million boxes are shared out."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from cli.benches.figure import Figure, cpu_ms
from ota.box.steer import look
from ota.clock import utc_now
from ota.errors import VitrineError
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.formats.manifest import NEWEST
from ota.formats.rollout import Plan, decide, encoded, place, read_waves
from ota.publish.repository import ROLES, Repository
from ota.publish.spread import new_plan, sign_plan
from ota.trust.client import TrustClient
from ota.trust.keys import SigningKey

CHECK_BYTES_MAX, CHECK_CPU_MS_MAX = 400, 10.0
ROUNDS = 30
BOXES = 1_000_000
SHARES_PERMILLE = (1, 10, 50, 100, 250, 500)
OFF_PERCENT_MAX = 0.1
SERVER = "import http.server, functools, sys\n" \
    "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(" \
    "http.server.SimpleHTTPRequestHandler, directory=sys.argv[1]))\n" \
    "print(s.server_port, flush=True); s.serve_forever()"


class Counting:
    """The real fetcher, and how many bytes its answers had."""

    def __init__(self) -> None:
        self.fetcher = Fetcher(None)
        self.asked: list[tuple[str, int]] = []

    def bytes(self, url: str, bytes_max: int) -> bytes:
        """As the fetcher; an error has no body that counts."""
        try:
            body = self.fetcher.bytes(url, bytes_max)
        except VitrineError:
            self.asked.append((url.rpartition("/")[2], 0))
            raise
        self.asked.append((url.rpartition("/")[2], len(body)))
        return body


def measure() -> list[Figure]:
    """A look with nothing new; the share of each wave."""
    with tempfile.TemporaryDirectory(prefix="vitrine-steer-") as name:
        folder = Path(name)
        keys = {role: [SigningKey.generate()] for role in ROLES}
        repository = Repository.create(folder / "tuf", keys)
        for version in ("1.3.0", "1.4.0"):
            repository.add("releases", f"releases/{version}.json", b"{}")
        repository.add("releases", NEWEST, b'{"schema":1,"version":"1.3.0"}')
        repository.publish()
        sign_plan(repository, new_plan("1.4.0", "1%,10%@24h,100%@3d", utc_now()))
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(folder / "tuf")], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            figures = _looks(folder, url, repository.root_bytes())
        finally:
            server.kill()
            server.wait()
    return [*figures, *_shares()]


def _looks(folder: Path, url: str, root: bytes) -> list[Figure]:
    counting = Counting()
    trust = TrustClient(
        folder / "trust", f"{url}/metadata", counting, FloorClock(folder / "clock"))
    trust.bootstrap(root)

    def once() -> None:
        look(trust, counting, f"{url}/targets", folder / "kept")

    once()
    counting.asked.clear()
    taken_ms = sorted(cpu_ms(once) for _ in range(ROUNDS))
    bytes_each = sum(count for _, count in counting.asked) / ROUNDS
    names = ", ".join(sorted({name for name, _ in counting.asked}))
    return [
        Figure("check with nothing new", bytes_each, "B", CHECK_BYTES_MAX, note=f"asks {names}"),
        Figure("check with nothing new, processor", taken_ms[ROUNDS // 2], "ms", CHECK_CPU_MS_MAX,
               note=f"median of {ROUNDS}"),
    ]


def _shares() -> list[Figure]:
    """A million boxes with ids as chains give them, one static file."""
    moment = datetime(2026, 11, 25, tzinfo=timezone.utc)
    plan = Plan(schema=1, release="1.4.0", salt="5a17" * 8, at=moment.isoformat(),
                pace=read_waves("1%,10%@24h,100%@3d"))
    ids = [f"city-{number // 100:05d}-{number % 100:02d}" for number in range(BOXES)]
    places = sorted(place(box, plan.salt) for box in ids)
    worst = 0.0
    for permille in SHARES_PERMILLE:
        share = sum(at < permille / 1000 for at in places) / BOXES
        worst = max(worst, abs(share * 100 - permille / 10))
    took_ms = cpu_ms(lambda: [decide(plan, None, box, "1.3.0", moment) for box in ids[:2000]])
    asked = ", ".join(f"{permille / 10:g} %" for permille in SHARES_PERMILLE)
    return [
        Figure("share of a wave, farthest from what was asked", worst, "% pts", OFF_PERCENT_MAX,
               note=f"{BOXES:,} boxes, waves {asked}"),
        Figure("the file that steers them", len(encoded(plan)), "B", 1000),
        Figure("one decision on a box", took_ms / 2000 * 1000, "us"),
    ]
