"""Reads JSON text and remembers where each field stands, so that a fault can name its line."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]
DEPTH_MAX = 32
NUMBER_CHARS_MAX = 40
_STRINGS = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}
_FULL_WIDTH = {"“": '"', "”": '"', "：": ":", "，": ",", "｛": "{", "｝": "}", "【": "[", "】": "]"}


class JsonBroken(Exception):
    """The text is not JSON. `zh` and `en` say why; line and column count from 1."""

    def __init__(self, line: int, column: int, zh: str, en: str) -> None:
        super().__init__(en)
        self.line, self.column, self.zh, self.en = line, column, zh, en


@dataclass(frozen=True)
class Document:
    """A JSON value, and where each of its parts stands: (line, column), both from 1."""

    value: Any
    values: dict[Path, tuple[int, int]]
    keys: dict[Path, tuple[int, int]]
    doubled: list[Path]

    def place(self, path: Path, of_key: bool = False) -> tuple[int, int]:
        """Where the part is, or the nearest part around it."""
        if of_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, (1, 1))


def parse(text: str) -> Document:
    """The value and the places of a JSON text. Raises JsonBroken."""
    reader = _Reader(text)
    start = reader.space(1 if text.startswith("\ufeff") else 0)
    value, end = reader.value(start, (), 0)
    end = reader.space(end)
    if end != len(text):
        reader.fail(end, "后面还有多余的内容", "there is more text after the end")
    return Document(value, reader.values, reader.keys, reader.doubled)


def field_path(path: Path) -> str:
    """`products[0].name.zh-CN` of a path; "" is the whole file."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


@dataclass
class _Reader:
    text: str
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    doubled: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line_starts = [0, *(m.end() for m in re.finditer("\n", self.text))]

    def place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self.line_starts, at)
        return line, at - self.line_starts[line - 1] + 1

    def fail(self, at: int, zh: str, en: str) -> None:
        sign = self.text[at : at + 1]
        if sign in _FULL_WIDTH:
            zh += f"(这里是全角的 {sign},请改成半角的 {_FULL_WIDTH[sign]})"
            en += f" (here is the full-width {sign}; write {_FULL_WIDTH[sign]})"
        elif sign == "'":
            zh += "(请用双引号)"
            en += " (use double quotes)"
        raise JsonBroken(*self.place(at), zh, en)

    def space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def value(self, at: int, path: Path, depth: int) -> tuple[Any, int]:
        self.values[path] = self.place(at)
        sign = self.text[at : at + 1]
        if depth > DEPTH_MAX:
            self.fail(at, "嵌套太深", f"it is nested deeper than {DEPTH_MAX}")
        if sign == "{":
            return self._object(at + 1, path, depth)
        if sign == "[":
            return self._array(at + 1, path, depth)
        if sign == '"':
            return self._string(at)
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, at):
                return meaning, at + len(word)
        found = _NUMBER.match(self.text, at)
        if not found:
            self.fail(at, "这里应该有一个值", "a value is missing here")
        return self._number(found, at)

    def _number(self, found: re.Match[str] | None, at: int) -> tuple[Any, int]:
        if found is None or len(found[0]) > NUMBER_CHARS_MAX:
            self.fail(at, "数字太长", "the number is too long")
        assert found is not None
        is_whole = found[1] is None and found[2] is None
        return (int(found[0]) if is_whole else float(found[0])), found.end()

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = _STRINGS.raw_decode(self.text, at)
            return str(text), int(end)
        except json.JSONDecodeError as error:
            where = min(error.pos, max(len(self.text) - 1, 0))
            if "Unterminated" in error.msg:
                self.fail(at, "引号没有结束", "the text in quotes has no end")
            self.fail(where, "引号里有不允许的字符", "the text in quotes has a forbidden character")
            raise

    def _object(self, at: int, path: Path, depth: int) -> tuple[dict[str, Any], int]:
        out: dict[str, Any] = {}
        at = self.space(at)
        if self.text[at : at + 1] == "}":
            return out, at + 1
        while True:
            if self.text[at : at + 1] != '"':
                self.fail(at, "这里应该有带引号的字段名", "a field name in quotes is missing here")
            key_at = at
            key, at = self._string(at)
            inner = (*path, key)
            if key in out:
                self.doubled.append(inner)
            self.keys[inner] = self.place(key_at)
            at = self.space(at)
            if self.text[at : at + 1] != ":":
                self.fail(at, "字段名后面缺少冒号", "a colon is missing after the field name")
            out[key], at = self.value(self.space(at + 1), inner, depth + 1)
            at, over = self._next(at, "}")
            if over:
                return out, at

    def _array(self, at: int, path: Path, depth: int) -> tuple[list[Any], int]:
        out: list[Any] = []
        at = self.space(at)
        if self.text[at : at + 1] == "]":
            return out, at + 1
        while True:
            item, at = self.value(at, (*path, len(out)), depth + 1)
            out.append(item)
            at, over = self._next(at, "]")
            if over:
                return out, at

    def _next(self, at: int, closing: str) -> tuple[int, bool]:
        """Past the comma, or past the end of the object or list."""
        at = self.space(at)
        sign = self.text[at : at + 1]
        if sign == closing:
            return at + 1, True
        if sign != ",":
            self.fail(at, f"这里缺少逗号或 {closing}", f"a comma or {closing} is missing here")
        following = self.space(at + 1)
        if self.text[following : following + 1] == closing:
            self.fail(at, "最后一项后面多了逗号", "there is a comma after the last entry")
        return following, False
