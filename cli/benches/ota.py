"""Updates: what a release costs on the line, and what durability and verification cost."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from cli.benches import steer
from cli.benches.figure import Figure, median_ms
from cli.benches.ota_delta import networks, releases
from ota.box.store import Store
from ota.files import write_durable
from ota.trust import dsse
from ota.trust.keys import SigningKey

BLOCK_BYTES = 8 << 20


def measure() -> list[Figure]:
    """Releases as deltas, a durable write, a verified file, a verified signature."""
    data = os.urandom(BLOCK_BYTES)
    key = SigningKey.generate()
    kind = "application/vnd.vitrine.desired+json"
    envelope = dsse.sign(b'{"seq": 1}', kind, [key])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        durable_ms = median_ms(lambda: write_durable(path, data[:4096]))
        store = Store(Path(folder) / "store", 1 << 30)
        name = store.put(data)
        verify_ms = median_ms(lambda: store.verify(name))
    hash_ms = median_ms(lambda: hashlib.sha256(data).digest())
    trust_ms = median_ms(lambda: dsse.verify(envelope, kind, [key.public]))
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        deltas = [*networks(Path(folder)), *releases(Path(folder))]
    return [
        *deltas,
        Figure("durable write of 4 kB", durable_ms, "ms", 100.0),
        Figure("stored file verified, against its bare hash", verify_ms / hash_ms, "x", 2.0),
        Figure("signature of the desired state verified", trust_ms, "ms", 5.0),
        *steer.measure(),
    ]
