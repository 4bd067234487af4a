"""The rule that every picture is in the folder, and is a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from device.programme.load import ASSET_BYTES_MAX, inside, is_inside_path
from device.programme.positions import Path
from device.programme.problems import Fault
from device.programme.rules import Checked
from ota.errors import Refused

_PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


def files(checked: Checked) -> Iterator[Fault]:
    """Pictures outside the folder, missing, too large, or no pictures."""
    programme = checked.programme
    named = [(checked.path(p, "image"), p.image) for p in programme.products if p.image]
    if programme.theme.logo:
        named.append((("theme", "logo"), programme.theme.logo))
    for path, name in named:
        if not is_inside_path(name):
            yield Fault(
                path,
                f"“{name}”指向节目文件夹之外",
                f'"{name}" leaves the programme\'s folder',
            )
        elif checked.folder is not None:
            yield from _picture(checked.folder, path, name)


def _picture(folder: FilePath, path: Path, name: str) -> Iterator[Fault]:
    try:
        where = inside(folder, name)
        size = where.stat().st_size if where.is_file() else None
        start = where.open("rb").read(12) if size else b""
    except Refused as error:
        yield Fault(path, f"“{name}”是符号链接,请放入文件本身", str(error))
        return
    except (OSError, ValueError):
        size, start = None, b""
    if size is None:
        yield Fault(path, f"找不到文件“{name}”", f'the file "{name}" is not there')
    elif size > ASSET_BYTES_MAX:
        limit = ASSET_BYTES_MAX >> 20
        yield Fault(
            path, f"文件“{name}”超过 {limit} MB", f'the file "{name}" is larger than {limit} MB'
        )
    elif not start.startswith(_PICTURE_STARTS):
        yield Fault(
            path,
            f"“{name}”不是 PNG、JPEG 或 WebP 图片",
            f'"{name}" is no PNG, JPEG or WebP picture',
        )
