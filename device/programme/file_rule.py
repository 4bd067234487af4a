"""The rule that every picture and font is in the folder, and is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

from device.programme.load import ASSET_BYTES_MAX, inside, is_inside_path
from device.programme.positions import Path
from device.programme.problems import Fault
from device.programme.rules import Checked
from ota.errors import Refused


@dataclass(frozen=True)
class _Kind:
    """What a file must be: how its bytes start, and its name in both languages."""

    starts: tuple[bytes, ...]
    zh: str
    en: str


_PICTURES = _Kind((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"),
                  "PNG、JPEG 或 WebP 图片", "PNG, JPEG or WebP picture")
_FONTS = _Kind((b"\x00\x01\x00\x00", b"OTTO", b"ttcf", b"true"),
               "TrueType 或 OpenType 字体", "TrueType or OpenType font")


def files(checked: Checked) -> Iterator[Fault]:
    """Pictures and fonts outside the folder, missing, too large, or something else."""
    theme = checked.programme.theme
    fonts: list[tuple[Path, str | None]] = [
        (("theme", "font"), theme.font), (("theme", "bold_font"), theme.bold_font)]
    named = [(path, name, _PICTURES) for path, name in pictures(checked)]
    named += [(path, name, _FONTS) for path, name in fonts if name]
    for path, name, kind in named:
        if not is_inside_path(name):
            yield Fault(
                path,
                f"“{name}”指向节目文件夹之外",
                f'"{name}" leaves the programme\'s folder',
            )
        elif checked.folder is not None:
            yield from _file(checked.folder, path, name, kind)


def pictures(checked: Checked) -> list[tuple[Path, str]]:
    """(path, name) of every picture that the programme names."""
    programme = checked.programme
    named = [(checked.path(p, "image"), p.image) for p in programme.products if p.image]
    if programme.theme.logo:
        named.append((("theme", "logo"), programme.theme.logo))
    return named


def _file(folder: FilePath, path: Path, name: str, kind: _Kind) -> Iterator[Fault]:
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
    elif not start.startswith(kind.starts):
        yield Fault(path, f"“{name}”不是 {kind.zh}", f'"{name}" is no {kind.en}')
