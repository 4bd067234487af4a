"""The agent's courier to an OpenAI-compatible endpoint. The only importer of httpx on the box.

It carries a question out and a reply back and judges neither. A visitor's words are in memory
only: neither they nor the reply are logged, written or kept.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from device.messages import AnswersFrom, Question, Reply
from ota.clock import Deadline, monotonic_s
from ota.errors import VitrineError
from ota.files import read_bounded

REPLY_BYTES_MAX = 64 << 10
REPLY_CHARACTERS_MAX = 2000
KEY_BYTES_MAX = 4096
TOKENS_MAX = 200
WAITING_MAX = 1


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class Courier:
    """One question at a time, in a thread of its own; a newer one replaces the one that waits."""

    def __init__(self, keys: Path, say: Callable[[Reply], None]) -> None:
        self._keys, self._say = keys, say
        self._waiting: queue.Queue[tuple[AnswersFrom, Question]] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None

    def ask(self, where: AnswersFrom | None, question: Question) -> None:
        """Send it on its way; the Reply comes by `say`. Without an endpoint it is refused."""
        if where is None:
            self._say(Reply(id=question.id, why="off"))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
            self._thread.start()
        while True:
            try:
                self._waiting.put_nowait((where, question))
                return
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                except queue.Empty:
                    continue

    def _work(self) -> None:
        while True:
            where, question = self._waiting.get()
            started_s = monotonic_s()
            text, why = fetch(where, question.messages, self._keys)
            took_ms = round((monotonic_s() - started_s) * 1000, 1)
            self._say(Reply(id=question.id, text=text, why=why, took_ms=took_ms))


def fetch(
    where: AnswersFrom, messages: list[dict[str, str]], keys: Path
) -> tuple[str | None, str]:
    """(reply, "") or (None, why): never raises, never longer than about twice the limit."""
    import httpx

    limit_s = where.limit_ms / 1000
    deadline = Deadline(limit_s)
    try:
        headers = {"accept-encoding": "identity", **_authorization(where, keys)}
    except (OSError, VitrineError, UnicodeDecodeError):
        return None, "no key"
    body = {"model": where.model, "messages": messages, "temperature": 0, "stream": False,
            "max_tokens": TOKENS_MAX}  # fmt: skip
    url = where.url.rstrip("/") + "/chat/completions"
    try:
        with (
            httpx.Client(
                timeout=limit_s, trust_env=False, follow_redirects=False,
                verify=url.startswith("https:"),  # plain HTTP need not wait for certificates
            ) as client,
            client.stream("POST", url, json=body, headers=headers) as response,
        ):
            if response.status_code != 200:
                return None, f"status {response.status_code}"
            data = bytearray()
            for block in response.iter_raw():
                data += block
                if len(data) > REPLY_BYTES_MAX:
                    return None, "too large"
                if deadline.passed:
                    return None, "late"
    except httpx.TimeoutException:
        return None, "late"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return None, "not reached"
    return _read(bytes(data))


def _read(data: bytes) -> tuple[str | None, str]:
    try:
        found = msgspec.json.decode(data, type=_Completion)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, "not an answer"
    text = found.choices[0].message.content if found.choices else None
    if not text or len(text) > REPLY_CHARACTERS_MAX:
        return None, "not an answer" if not text else "too large"
    return text, ""


def _authorization(where: AnswersFrom, keys: Path) -> dict[str, str]:
    """The key of that name in the box's own folder: no path of the console's choosing."""
    if where.key_file is None:
        return {}
    key = read_bounded(keys / where.key_file, KEY_BYTES_MAX).decode("ascii").strip()
    return {"authorization": f"Bearer {key}"}
