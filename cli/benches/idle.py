"""What a box costs the chain when there is nothing new: one look at the signed lists."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from cli.benches.content_shop import ContentShop, write_programme
from cli.benches.figure import Figure
from cli.benches.relay import Relay
from device.paths import Places
from device.sync.identity import load_identity
from ota.clock import thread_cpu_s
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.trust.client import TrustClient

LOOKS = 15
VERSIONS = 8
LINES = 20
BYTES_MAX, CPU_MS_MAX = 400.0, 10.0


class Counted:
    """A fetcher that counts what it was given."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self.body_bytes = 0

    def bytes(self, url: str, bytes_max: int) -> bytes:
        """As `Fetcher.bytes`."""
        data = self._fetcher.bytes(url, bytes_max)
        self.body_bytes += len(data)
        return data


def measure() -> list[Figure]:
    """Bytes of signed lists, CPU milliseconds on the box, and bytes on the wire, of one look."""
    with (tempfile.TemporaryDirectory(prefix="vitrine-idle-") as folder,
          ContentShop(Path(folder)) as shop):
        write_programme(shop.draft, lambda n, language: f"{language} {n}", LINES)
        for _ in range(VERSIONS):
            shop.publish()
        with Relay(shop.https_port) as line:
            shop.box("idle", line.port)
            places = Places(shop.folder / "idle")
            identity = load_identity(places.identity)
            counted = Counted(Fetcher(identity.tls_for_downloads()))
            trust = TrustClient(
                places.var / "trust", f"https://127.0.0.1:{line.port}/tuf/metadata/", counted,
                FloorClock(places.var / "clock"))
            trust.bootstrap(identity.tuf_root)
            trust.refresh()  # the first one fetches all
            bodies, cpus_ms, wires = [], [], []
            for _ in range(LOOKS):
                body, wire, begun_s = counted.body_bytes, line.wire_bytes, thread_cpu_s()
                trust.refresh()
                cpus_ms.append((thread_cpu_s() - begun_s) * 1e3)
                bodies.append(counted.body_bytes - body)
                wires.append(line.wire_bytes - wire)
    return [
        Figure("idle box: signed lists of one check", statistics.median(bodies), "B", BYTES_MAX,
               note=f"{statistics.median(wires):.0f} B on the wire, TLS and headers both ways"),
        Figure("idle box: CPU of one check", statistics.median(cpus_ms), "ms", CPU_MS_MAX,
               note=f"the worst of {LOOKS}: {max(cpus_ms):.1f}"),
    ]
