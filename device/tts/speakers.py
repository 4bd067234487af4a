"""Which engine speaks which language: the box's own, or a server that the chain has set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from device.tts.endpoint import Endpoint, EndpointVoice
from device.tts.engine import Engine
from ota.errors import Refused
from ota.files import read_bounded

SETTINGS_BYTES_MAX = 64 << 10
KEY_BYTES_MAX = 4096
TIMEOUT_S_MAX = 120.0


class Speakers:
    """`own` speaks what no other engine is set for."""

    def __init__(self, own: Engine, others: Mapping[str, Engine] | None = None) -> None:
        self.own = own
        self._others = dict(others or {})

    def of(self, language: str) -> Engine:
        """The engine of a language."""
        return self._others.get(language, self.own)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that another engine than the own one speaks."""
        return tuple(self._others)


class _Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One language of the settings file."""

    url: str
    model: str
    voice: str
    key_file: str | None = None
    timeout_s: float = 20.0


def endpoints(path: Path) -> dict[str, Engine]:
    """The engines of a settings file: `{"zh-CN": {"url", "model", "voice", "key_file"}}`.

    `key_file` is looked for beside the file. Raises Refused when anything in it is wrong.
    """
    try:
        servers = msgspec.json.decode(
            read_bounded(path, SETTINGS_BYTES_MAX), type=dict[str, _Server])
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); see docs/speech.md.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{path} is no settings file of speech servers: {error}.") from error
    return {language: _engine(path, language, server) for language, server in servers.items()}


def _engine(path: Path, language: str, server: _Server) -> EndpointVoice:
    if not 1.0 <= server.timeout_s <= TIMEOUT_S_MAX:
        raise Refused(f"{path}: timeout_s of {language} must be 1 to {TIMEOUT_S_MAX:.0f} seconds.")
    key = None
    if server.key_file is not None:
        where = path.parent / server.key_file
        try:
            key = read_bounded(where, KEY_BYTES_MAX).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"The key file {where} cannot be read; check its path.") from error
        if not key or any(c.isspace() or not c.isprintable() for c in key):
            raise Refused(f"The key file {where} must hold the key alone, on one line.")
    return EndpointVoice(
        Endpoint(server.url, server.model, server.voice, key, server.timeout_s), language)
