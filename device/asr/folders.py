"""A speech model as a folder: what engine it is for, its languages, licence, hashes, figures.

A folder says so itself in `model.json`, or is recognised by the files it has and by the
languages in its name, as their makers publish them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ota.errors import Refused
from ota.files import read_bounded, sha256_file

MODEL_FILE = "model.json"
WHISPER, VOSK = "whisper", "vosk"
SENSE_VOICE, TRANSDUCER = "sherpa-sense-voice", "sherpa-transducer"
ENGINES = (WHISPER, VOSK, SENSE_VOICE, TRANSDUCER)
SCHEMA = 1
_MANIFEST_BYTES_MAX = 1 << 20
_FILES_MAX = 200
_BY_NAME = {
    "zh": "zh-CN", "cn": "zh-CN", "chinese": "zh-CN", "yue": "yue-HK", "cantonese": "yue-HK",
    "en": "en-US", "us": "en-US", "english": "en-US", "ko": "ko-KR", "korean": "ko-KR",
    "ja": "ja-JP", "japanese": "ja-JP", "de": "de-DE", "fr": "fr-FR", "es": "es-ES",
    "ru": "ru-RU", "it": "it-IT", "pt": "pt-PT", "vi": "vi-VN", "th": "th-TH",
}  # fmt: skip

Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?$")]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Pinned(Struct, frozen=True, kw_only=True):
    """One file of a model."""

    bytes: Annotated[int, Meta(ge=0)]
    sha256: Hash


class Measured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `vitrine models compare --speech` found: error rate 0.., CPU seconds a second."""

    language: Language
    metric: str
    error_rate: float
    clips: int
    rtf: float
    rss_bytes: int | None = None


class Manifest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`model.json`."""

    schema: int = SCHEMA
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    engine: str
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=100)]
    licence: Annotated[str, Meta(min_length=1, max_length=200)]
    files: Annotated[dict[str, Pinned], Meta(min_length=1, max_length=_FILES_MAX)]
    measured: tuple[Measured, ...] = ()


def open_folder(path: Path) -> tuple[Manifest, bool]:
    """What lies in `path`, and whether its `model.json` says so (True) or only its layout.

    Without `model.json` nobody pinned the files: their hashes are zeros. Raises Refused with the
    way out.
    """
    names = files_of(path)
    found = layout(names)
    if MODEL_FILE not in names:
        return _guess(path, names, found), False
    try:
        manifest = msgspec.json.decode(
            read_bounded(path / MODEL_FILE, _MANIFEST_BYTES_MAX), type=Manifest
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise Refused(f"{path / MODEL_FILE} cannot be read ({error}); add the model again.") from (
            error
        )
    if manifest.schema != SCHEMA:
        raise Refused(f"{path / MODEL_FILE} has schema {manifest.schema}; update this software.")
    if manifest.engine != found:
        raise Refused(
            f"{path / MODEL_FILE} names the engine {manifest.engine}, but the files are those of "
            f"{found or 'no engine'} ({', '.join(ENGINES)}); add the model again."
        )
    return manifest, True


def verify(path: Path, manifest: Manifest) -> None:
    """Hash every byte. Raises Refused, naming the file that is missing, altered or torn."""
    for name, pinned in manifest.files.items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise Refused(f"{path / MODEL_FILE} names {name}, which leaves its folder.")
        file = path / name
        try:
            whole = file.stat().st_size == pinned.bytes and sha256_file(file) == pinned.sha256
        except OSError as error:
            raise Refused(
                f"The model {path.name} lacks {name} ({error.strerror}); add it again."
            ) from error
        if not whole:
            raise Refused(f"{name} of the model {path.name} is not the one that was added; "
                          "add it again.")  # fmt: skip


def pin(path: Path) -> dict[str, Pinned]:
    """Size and SHA-256 of every file of a model folder."""
    return {
        name: Pinned(bytes=(path / name).stat().st_size, sha256=sha256_file(path / name))
        for name in files_of(path)
        if name != MODEL_FILE
    }


def files_of(path: Path) -> list[str]:
    """The names of all files in `path`, sorted. Raises Refused when there are none or too many."""
    if not path.is_dir():
        raise Refused(f"There is no model folder {path}; check the name.")
    names: list[str] = []
    for file in path.rglob("*"):
        if file.is_file():
            names.append(file.relative_to(path).as_posix())
        if len(names) > _FILES_MAX:
            raise Refused(f"{path} holds over {_FILES_MAX} files; name the model's own folder.")
    if not names:
        raise Refused(f"The model folder {path} is empty; bring the model again.")
    return sorted(names)


def layout(names: Iterable[str]) -> str:
    """The engine that such files are for, or an empty string. Pure."""
    files = set(names)
    top = {n for n in files if "/" not in n}
    if "am/final.mdl" in files and any(n.startswith("conf/") for n in files):
        return VOSK
    if "tokens.txt" in top and all(onnx(top, part) for part in ("encoder", "decoder", "joiner")):
        return TRANSDUCER
    if "tokens.txt" in top and onnx(top, "model"):
        return SENSE_VOICE
    if "model.bin" in top and {"vocabulary.txt", "vocabulary.json"} & top:
        return WHISPER
    return ""


def onnx(names: Iterable[str], part: str) -> str:
    """The file name of one network ("encoder-epoch-99.int8.onnx"), the int8 one if there is one."""
    fitting = sorted(n for n in names if re.fullmatch(rf"{part}[^/]*\.onnx", n))
    quantised = [n for n in fitting if ".int8." in n]
    return (quantised or fitting or [""])[0]


def languages_in(name: str) -> tuple[str, ...]:
    """The languages a published model's name tells ("vosk-model-small-cn-0.22"). Pure."""
    words = re.split(r"[^a-z]+", name.lower())
    return tuple(dict.fromkeys(_BY_NAME[w] for w in words if w in _BY_NAME))


def _guess(path: Path, names: list[str], engine: str) -> Manifest:
    if not engine:
        raise Refused(
            f"{path} is no speech model that is known (Vosk: am/final.mdl and conf/; sherpa: "
            "tokens.txt and encoder, decoder, joiner or model .onnx; CTranslate2: model.bin and "
            "vocabulary); name the folder that holds these files."
        )
    languages = languages_in(path.name)
    if not languages:
        raise Refused(
            f"Nobody says which languages {path} knows; add it with "
            f"`./vitrine models add {path} --languages zh-CN,en-US`."
        )
    files = {n: Pinned(bytes=(path / n).stat().st_size, sha256="0" * 64) for n in names}
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.name)[:64]
    return Manifest(name=name, engine=engine, languages=languages, licence="not stated",
                    files=files)  # fmt: skip
