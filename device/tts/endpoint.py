"""Speech from a server that a chain runs or rents: `POST <url>/audio/speech` as OpenAI has it.

For builds only, never on the box: a screen must speak without a network. Every sentence has a
time and a size; what comes back is measured before it is believed.
"""

from __future__ import annotations

import http.client
import json
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from device.audio.soundfiles import Samples, read
from device.tts.engine import Speech, trimmed
from device.tts.text import normalise
from ota.clock import Deadline, sleep_s
from ota.errors import Refused
from ota.hosts import is_near

RATE_HZ = 48_000
ANSWER_BYTES_MAX = 16 << 20
TEXT_CHARS_MAX = 2000
TRIES, PAUSE_S = 2, 1.0
_BLOCK_BYTES = 1 << 16
# Slower than anybody speaks: so much sound for so few words is no answer to them.
_SECONDS_A_CHARACTER, _SECONDS_MORE = 1.0, 4.0
_MS_MIN = 60.0


@dataclass(frozen=True)
class Endpoint:
    """One server: `url` ends before `/audio/speech`; `key` is sent as a bearer token."""

    url: str
    model: str
    voice: str
    key: str | None = None
    timeout_s: float = 20.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key and the script to somebody else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class EndpointVoice:
    """An `Engine` (device/tts/engine.py) without timings, for one language.

    Raises Refused at once for an address that is none, or that would carry the key openly over
    the internet.
    """

    def __init__(
        self, endpoint: Endpoint, language: str, pause: Callable[[float], None] = sleep_s
    ) -> None:
        self._endpoint = endpoint
        self._language = language
        self._pause = pause
        parts = urlsplit(endpoint.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f'"{endpoint.url}" is no address of a speech server; begin with https://.')
        if endpoint.key and parts.scheme == "http" and not is_near(parts.hostname):
            raise Refused(
                f"The key would go to {parts.hostname} in the open; use https:// for that server.")
        self._host = parts.hostname
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def engine(self) -> str:
        """See Engine. The server's address is no part: the same model elsewhere says the same."""
        return f"speech-endpoint/1 {self._endpoint.model}"

    @property
    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """See Engine: the one of the settings; a programme may name any other the server has."""
        return {self._language: (self._endpoint.voice,)}

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Speech:
        """See Engine. Numbers go there as words, so that every engine reads them alike."""
        if len(text) > TEXT_CHARS_MAX:
            raise Refused(f"The text has {len(text)} characters; at most {TEXT_CHARS_MAX} a line.")
        said = normalise(text, language)
        if not any(c.isalnum() for c in said):
            raise Refused(f"There is nothing to say in the line {text[:40]!r}.")
        data = self._ask(json.dumps({
            "model": self._endpoint.model, "input": said, "voice": voice or self._endpoint.voice,
            "response_format": "wav", "speed": min(2.0, max(0.5, speed)),
        }).encode())  # fmt: skip
        samples = self._decoded(data, said)
        cut, _ = trimmed(samples, RATE_HZ)
        return Speech(cut, RATE_HZ)

    def _ask(self, body: bytes) -> bytes:
        for attempt in range(1, TRIES + 1):
            try:
                return self._answer(body)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in (429, 500, 502, 503, 504) or attempt == TRIES:
                    raise Refused(self._sentence(_http_reason(error.code))) from error
            except (OSError, http.client.HTTPException) as error:
                if attempt == TRIES:
                    raise Refused(self._sentence(_reason(error))) from error
            self._pause(PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _answer(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "audio/wav"}
        if self._endpoint.key:
            headers["Authorization"] = f"Bearer {self._endpoint.key}"
        url = self._endpoint.url.rstrip("/") + "/audio/speech"
        deadline = Deadline(self._endpoint.timeout_s)
        request = urllib.request.Request(url, body, headers, method="POST")
        with self._opener.open(request, timeout=self._endpoint.timeout_s) as answer:
            data = bytearray()
            while block := answer.read1(_BLOCK_BYTES):
                data += block
                if len(data) > ANSWER_BYTES_MAX:
                    raise Refused(self._sentence("sent more than 16 MB for one sentence"))
                if deadline.passed:
                    raise TimeoutError
        return bytes(data)

    def _decoded(self, data: bytes, said: str) -> Samples:
        with tempfile.TemporaryDirectory(prefix="vitrine-") as folder:
            path = Path(folder) / "answer"
            path.write_bytes(data)
            try:
                samples = read(path, RATE_HZ, allow_silence=False)
            except Refused as error:
                raise Refused(self._sentence("sent no sound that can be read")) from error
        seconds = len(samples) / RATE_HZ
        if seconds > _SECONDS_MORE + _SECONDS_A_CHARACTER * len(said) or seconds * 1000 < _MS_MIN:
            raise Refused(self._sentence(f"sent {seconds:.1f} s of sound for {said[:20]!r}"))
        return samples

    def _sentence(self, what: str) -> str:
        return (f"The speech server {self._host} {what}; check it, or build without it "
                "(VITRINE_SPEECH).")


def _http_reason(code: int) -> str:
    if code in (401, 403):
        return f"does not accept the key ({code})"
    if code in (301, 302, 303, 307, 308):
        return f"sends the question elsewhere ({code})"
    if code == 404:
        return "has no /audio/speech at that address (404)"
    return f"answered with an error ({code})"


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError | socket.timeout):
        return "did not answer in time"
    return "cannot be reached" if isinstance(cause, OSError) else "broke off its answer"
