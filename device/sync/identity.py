"""Who this box is, as enrolment left it in `etc/vitrine/identity/`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.messages import BoxSettings
from ota.clock import utc_now
from ota.errors import Refused
from ota.fetch import tls_context, tls_for_downloads
from ota.files import read_bounded
from ota.trust.keys import PublicKey, load_public_keys

BOX_FILE_BYTES_MAX = 65_536
ROOT_BYTES_MAX = 512_000


@dataclass(frozen=True)
class Identity:
    """A complete identity: who we are, whom we trust, and where to find them."""

    box: BoxSettings
    desired_keys: tuple[PublicKey, ...]
    tuf_root: bytes
    folder: Path

    @property
    def topic_root(self) -> str:
        """`vitrine/1/<chain>/<box>/`, the only branch the broker lets us touch."""
        return f"vitrine/1/{self.box.chain}/{self.box.box}/"

    def tls(self) -> ssl.SSLContext:
        """Mutual TLS with the box's certificate. Raises Refused when a file is unreadable."""
        context = tls_context(
            self.folder / "ca.pem", self.folder / "cert.pem", self.folder / "key.pem"
        )
        assert isinstance(context, ssl.SSLContext)
        return context

    def tls_for_downloads(self) -> ssl.SSLContext:
        """TLS for what is signed anyway: see `ota.fetch`. Raises Refused."""
        context = tls_for_downloads(self.folder, utc_now())
        assert isinstance(context, ssl.SSLContext)
        return context


def load_identity(folder: Path) -> Identity:
    """Read and check an identity. Raises Refused when there is none, or it is damaged."""
    try:
        data = read_bounded(folder / "box.json", BOX_FILE_BYTES_MAX)
        root = read_bounded(folder / "tuf-root.json", ROOT_BYTES_MAX)
    except OSError as error:
        raise Refused(
            "This box is not enrolled; get a ticket (`vitrine provision claim`) and run "
            "`vitrine provision enrol`."
        ) from error
    try:
        box = msgspec.json.decode(data, type=BoxSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        path = folder / "box.json"
        raise Refused(f"{path} is damaged ({error}); enrol this box again.") from error
    if box.schema != 1:
        raise Refused(f"{folder / 'box.json'} is of kind {box.schema}; update this box first.")
    return Identity(box, load_public_keys(box.desired_keys), root, folder.resolve())
