"""Pictures of products, as they come from an editor's browser into a draft's folder.

A picture's name carries its hash, so a file never changes under its name and an old version of
the programme can always be brought back.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from fleet.places import BOX_ID
from ota.errors import Refused
from ota.files import write_durable

PICTURE_BYTES_MAX = 4 << 20
FOLDER = "assets"
OURS = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}\.(webp|png|jpg)")


def kind_of(data: bytes) -> str:
    """`webp`, `png` or `jpg` by the first bytes; raises Refused for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:3] == b"\xff\xd8\xff":
        return "jpg"
    raise Refused("This is no WebP, PNG or JPEG picture; export it as one of them.")


def put_picture(draft: Path, product: str, data: bytes) -> str:
    """Keep a picture in the draft; returns its path inside the folder. Raises Refused."""
    if not BOX_ID.fullmatch(product):
        raise Refused(f"{product[:60]!r} is no product id; save the product first.")
    if len(data) > PICTURE_BYTES_MAX:
        raise Refused("The picture is larger than 4 MB; make it smaller.")
    digest = hashlib.sha256(data).hexdigest()[:12]
    relative = f"{FOLDER}/{product}-{digest}.{kind_of(data)}"
    write_durable(draft / relative, data)
    return relative


def drop_unused(draft: Path, document_text: str) -> int:
    """Take away pictures put by `put_picture` that the document no longer names."""
    dropped = 0
    for path in sorted((draft / FOLDER).glob("*")):
        if OURS.fullmatch(path.name) and f"{FOLDER}/{path.name}" not in document_text:
            path.unlink(missing_ok=True)
            dropped += 1
    return dropped
