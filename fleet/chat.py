"""One question to an OpenAI-compatible server, within a hard time and size.

For the console alone; a box asks by `device/sync/answers.py`. No redirect is followed, no proxy of
the environment is used, a key never goes in the open beyond a private network.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import msgspec

from device.messages import FileName
from ota.clock import Deadline
from ota.errors import Refused
from ota.files import read_bounded
from ota.hosts import is_near

REPLY_BYTES_MAX = 256 << 10
REPLY_CHARACTERS_MAX = 8000
KEY_BYTES_MAX = 4096
TOKENS_MAX = 900
_BLOCK_BYTES = 1 << 14


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """`url` ends before `/chat/completions`; `key_file` is a file name in `chat-keys/`."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+$", max_length=300)]
    model: Annotated[str, msgspec.Meta(max_length=100)] = ""
    key_file: FileName | None = None
    limit_s: Annotated[float, msgspec.Meta(ge=1.0, le=30.0)] = 20.0


class NoReply(Refused):
    """`why`: late, unreachable, status, large, garbage or key; `detail` is for people."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(f"The drafting server gave no lines ({why} {detail}).")
        self.why, self.detail = why, detail


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


def complete(chat: Chat, messages: Sequence[dict[str, str]], keys: Path) -> str:
    """The reply's text. Raises NoReply, at the latest `limit_s` after the call."""
    call = _Call(chat, messages, _headers(chat, keys))
    call.start()
    try:
        found = call.result.get(timeout=chat.limit_s)
    except queue.Empty:
        call.abort()
        raise NoReply("late", _limit(chat)) from None
    if isinstance(found, NoReply):
        raise found
    return _text(found)


class _Call(threading.Thread):
    """One exchange in a thread of its own, so that nothing the server does can hold the caller."""

    def __init__(
        self, chat: Chat, messages: Sequence[dict[str, str]], headers: dict[str, str]
    ) -> None:
        super().__init__(name="chat", daemon=True)
        self.result: queue.Queue[bytes | NoReply] = queue.Queue(1)
        self._headers = headers
        self._deadline, self._limit = Deadline(chat.limit_s), _limit(chat)
        self._body = json.dumps({
            "model": chat.model, "messages": list(messages), "temperature": 0.4,
            "stream": False, "max_tokens": TOKENS_MAX,
        }).encode()  # fmt: skip
        parts = _parts(chat.url)
        self._path = parts.path.rstrip("/") + "/chat/completions"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else (
            http.client.HTTPConnection)
        self._connection = kind(parts.hostname or "", parts.port, timeout=chat.limit_s)

    def run(self) -> None:
        try:
            self.result.put(self._exchanged())
        except TimeoutError:
            self.result.put(NoReply("late", self._limit))
        except (OSError, http.client.HTTPException, ValueError):
            self.result.put(NoReply("unreachable"))
        except NoReply as reason:
            self.result.put(reason)
        finally:
            self._connection.close()

    def abort(self) -> None:
        """Nobody waits any more: let the socket fail, so that the thread ends."""
        if (sock := self._connection.sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _exchanged(self) -> bytes:
        self._connection.request("POST", self._path, self._body, self._headers)
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise NoReply("status", str(answer.status))
        data = bytearray()
        while block := answer.read1(_BLOCK_BYTES):
            data += block
            if len(data) > REPLY_BYTES_MAX:
                raise NoReply("large")
            if self._deadline.passed:
                raise NoReply("late", self._limit)
        return bytes(data)


def _limit(chat: Chat) -> str:
    return f"{chat.limit_s:g} s"


def _text(data: bytes) -> str:
    try:
        found = msgspec.json.decode(data, type=_Completion)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NoReply("garbage") from None
    text = found.choices[0].message.content if found.choices else None
    if not text:
        raise NoReply("garbage")
    if len(text) > REPLY_CHARACTERS_MAX:
        raise NoReply("large")
    return text


def _headers(chat: Chat, keys: Path) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if chat.key_file is None:
        return headers
    parts = _parts(chat.url)
    if parts.scheme == "http" and not is_near(parts.hostname or ""):
        raise NoReply("key", "https://")
    try:
        key = read_bounded(keys / chat.key_file, KEY_BYTES_MAX).decode("ascii").strip()
    except (OSError, Refused, UnicodeDecodeError):
        raise NoReply("key", chat.key_file) from None
    return {**headers, "Authorization": f"Bearer {key}"}


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise NoReply("unreachable")
