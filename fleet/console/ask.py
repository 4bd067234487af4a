"""A request and its answer as the console's handlers see them: plain data, no web framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ota.errors import Refused

if TYPE_CHECKING:
    from fleet.console.console import Console

BODY_BYTES_MAX = 5 << 20
LANGUAGES = ("zh-CN", "en-US")


@dataclass(frozen=True)
class Person:
    """Who asks. `name` goes into the audit; `roles` decide (see fleet/console/access.py)."""

    name: str
    roles: frozenset[str]


@dataclass(frozen=True)
class Ask:
    """One request; `form` is filled for HTML forms only."""

    method: str
    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    body: bytes
    cookies: Mapping[str, str]
    headers: Mapping[str, str]
    peer: str
    secure: bool
    person: Person = Person("nobody", frozenset())

    @property
    def language(self) -> str:
        """zh-CN unless the reader chose English."""
        chosen = self.cookies.get("vitrine_language", "")
        return chosen if chosen in LANGUAGES else LANGUAGES[0]

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query, kept inside bounds."""
        text = self.query.get(name, "")
        return min(high, max(low, int(text))) if text.isdecimal() and len(text) < 16 else default

    def decoded(self, kind: type[msgspec.Struct]) -> Any:
        """The JSON body as `kind`; raises Refused with the field that is wrong."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"The request's JSON is not as documented: {error}.") from error


@dataclass(frozen=True)
class Answer:
    """One response: bytes, or a file that may be asked for in ranges."""

    body: bytes = b""
    status: int = 200
    media_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None


Handler = Callable[["Console", Ask], Answer]


@dataclass(frozen=True)
class Route:
    """One line of the console's table. `open_to_boxes` routes exist on HTTPS for everybody."""

    method: str
    path: str
    handler: Handler
    open_to_boxes: bool = False
    is_api: bool = False
    summary: str = ""
    body: type[msgspec.Struct] | None = None


class NotFound(Exception):
    """There is no such thing; becomes 404."""


def page(html: str, status: int = 200) -> Answer:
    """An HTML page."""
    return Answer(html.encode(), status)


def json_answer(value: Any, status: int = 200) -> Answer:
    """A JSON document."""
    return Answer(msgspec.json.encode(value), status, "application/json")


def see_other(path: str) -> Answer:
    """After a form was taken: go and look."""
    return Answer(status=303, headers={"location": path})
