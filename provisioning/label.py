"""The label on the back of a box: who it is, as text and as a QR that a phone or box can read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from device.paths import Places
from ota.errors import Refused
from ota.files import write_durable
from provisioning.enrol import read_identity
from provisioning.qr import label_svg, write_qr
from provisioning.x509 import certificate_until


def label_code(chain: str, box: str, fingerprint: str) -> str:
    """What the QR says: a name and 16 hex digits of the certificate's hash; no secret."""
    return f"vitrine:{chain}/{box}?f={fingerprint[:16]}"


def write_label(places: Places, out: Path) -> dict[str, str]:
    """Write the label (.svg) or its QR alone (.png); returns its facts. Raises Refused."""
    settings, certificate = read_identity(places)
    fingerprint = hashlib.sha256(certificate).hexdigest()
    code = label_code(settings.chain, settings.box, fingerprint)
    until = certificate_until(certificate).date().isoformat()
    if out.suffix.lower() == ".svg":
        lines = (f"chain {settings.chain}", f"fingerprint {fingerprint[:16]}", f"until {until}")
        write_durable(out.absolute(), label_svg(settings.box, lines, code).encode())
    elif out.suffix.lower() == ".png":
        write_qr(code, out)
    else:
        raise Refused(f"{out} must end in .svg (whole label) or .png (the QR alone).")
    return {"box": settings.box, "chain": settings.chain, "code": code, "until": until}
