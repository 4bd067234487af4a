"""Compares JSON with the programme's types: every wrong field is named, not only the first.

It builds the programme all the same, with neutral values where a field is missing or of the
wrong type, so that the rules can look at all the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec import inspect

from device.programme.positions import Path
from device.programme.problems import Fault, near
from device.programme.schema import TypedVariable

T = TypeVar("T")
_ZH_TYPES = {
    "object": "一个对象 {…}",
    "array": "一个列表 […]",
    "str": "一段文字",
    "int": "一个整数",
    "bool": "true 或 false",
}
_EN_TYPES = {
    "object": "an object {…}",
    "array": "a list […]",
    "str": "a text",
    "int": "a whole number",
    "bool": "true or false",
}


@dataclass
class Shape:
    """The faults found, and the path of every struct that was built (by its identity)."""

    faults: list[Fault] = field(default_factory=list)
    paths: dict[int, Path] = field(default_factory=dict)

    def path(self, built: object) -> Path:
        """Where a built struct stands in the file."""
        return self.paths.get(id(built), ())

    def build(self, value: Any, of: type[T]) -> T:
        """The struct `of` made from JSON data, whatever that data is."""
        built: T = self._build(inspect.type_info(of), value, ())
        return built

    def _build(self, kind: inspect.Type, value: Any, path: Path) -> Any:
        if isinstance(kind, inspect.Metadata):
            return self._build(kind.type, value, path)
        if isinstance(kind, inspect.UnionType):
            return self._union(kind, value, path)
        if isinstance(kind, inspect.StructType):
            return self._struct(kind, value, path)
        if isinstance(kind, inspect.DictType):
            return self._dict(kind, value, path)
        if isinstance(kind, inspect.VarTupleType):
            return self._list(kind, value, path)
        if isinstance(kind, inspect.IntType):
            return self._int(kind, value, path)
        if isinstance(kind, inspect.StrType):
            return self._str(kind, value, path)
        if isinstance(kind, inspect.BoolType):
            return self._bool(value, path)
        if isinstance(kind, inspect.LiteralType):
            return self._choice(kind, value, path)
        return None

    def _wrong(self, path: Path, wanted: str, value: Any) -> None:
        if value is not _MISSING:
            self.faults.append(
                Fault(path, f"这里应该是{_ZH_TYPES[wanted]}", f"this must be {_EN_TYPES[wanted]}")
            )

    def _union(self, kind: inspect.UnionType, value: Any, path: Path) -> Any:
        kinds = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        if value is None and len(kinds) < len(kind.types):
            return None
        bare = [each.type if isinstance(each, inspect.Metadata) else each for each in kinds]
        is_mapping = [isinstance(each, inspect.DictType | inspect.StructType) for each in bare]
        if isinstance(value, dict) and "type" in value and path[:-1] == ("variables",):
            # The one union of a text and two kinds of objects; a default with a "type" is none.
            return self._build(inspect.type_info(TypedVariable), value, path)
        for each, mapping in zip(kinds, is_mapping, strict=True):
            if mapping == isinstance(value, dict):
                return self._build(each, value, path)
        return self._build(kinds[0], value, path)

    def _struct(self, kind: inspect.StructType, value: Any, path: Path) -> Any:
        known = {each.encode_name: each for each in kind.fields}
        if not isinstance(value, dict):
            self._wrong(path, "object", value)
            value = {}
        else:
            for name in value:
                if name not in known:
                    self._unknown(name, [n for n in known if n not in value], list(known), path)
            for name, each in known.items():
                if each.required and name not in value:
                    self._absent(name, path)
        made = {
            each.name: self._build(each.type, value.get(name, _MISSING), (*path, name))
            for name, each in known.items()
            if name in value or each.required
        }
        built = kind.cls(**made)
        self.paths[id(built)] = path
        return built

    def _unknown(self, name: str, free: list[str], known: list[str], path: Path) -> None:
        zh, en = near(name, free)
        if not zh:
            zh, en = f";这里可以有:{'、'.join(known)}", f"; possible here: {', '.join(known)}"
        self.faults.append(
            Fault((*path, name), f"没有“{_short(name)}”这个字段{zh}",
                  f'there is no field "{_short(name)}"{en}', at_key=True)
        )  # fmt: skip

    def _absent(self, name: str, path: Path) -> None:
        if (*path, name) == ("fallback",):
            zh = "缺少 fallback:答不上来时要说的话"
            en = 'the field "fallback" is missing: what to say to a question without an answer'
        else:
            zh, en = f"缺少字段“{name}”", f'the field "{name}" is missing'
        self.faults.append(Fault((*path, name), zh, en))

    def _dict(self, kind: inspect.DictType, value: Any, path: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(path, "object", value)
            return {}
        out = {}
        for key, item in value.items():
            inner = (*path, key)
            self._str(kind.key_type, key, inner, is_key=True)
            out[key] = self._build(kind.value_type, item, inner)
        return out

    def _list(self, kind: inspect.VarTupleType, value: Any, path: Path) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self._wrong(path, "array", value)
            return ()
        if kind.max_length is not None and len(value) > kind.max_length:
            self.faults.append(
                Fault(path, f"最多 {kind.max_length} 项", f"at most {kind.max_length} entries")
            )
            value = value[: kind.max_length]
        if kind.min_length and not value:
            self.faults.append(Fault(path, "至少要有一项", "at least one entry is needed"))
        return tuple(
            self._build(kind.item_type, item, (*path, number)) for number, item in enumerate(value)
        )

    def _int(self, kind: inspect.IntType, value: Any, path: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self._wrong(path, "int", value)
            return kind.ge or 0
        if (kind.ge is not None and value < kind.ge) or (kind.le is not None and value > kind.le):
            limits = f"{kind.ge}" if kind.ge == kind.le else f"{kind.ge} – {kind.le}"
            self.faults.append(Fault(path, f"这里只能是 {limits}", f"this must be {limits}"))
            return kind.ge or 0
        return value

    def _bool(self, value: Any, path: Path) -> bool:
        if not isinstance(value, bool):
            self._wrong(path, "bool", value)
        return value is True

    def _choice(self, kind: inspect.LiteralType, value: Any, path: Path) -> Any:
        if value in kind.values:
            return value
        zh, en = near(str(value), [str(each) for each in kind.values])
        known = ", ".join(f'"{each}"' for each in kind.values)
        self.faults.append(
            Fault(path, f"这里只能是 {known}{zh}", f"this must be one of {known}{en}"))
        return kind.values[0]

    def _str(self, kind: inspect.Type, value: Any, path: Path, is_key: bool = False) -> str:
        if isinstance(kind, inspect.Metadata):
            return self._str_of(kind.type, value, path, is_key, (kind.extra_json_schema or {}))
        return self._str_of(kind, value, path, is_key, {})

    def _str_of(
        self, kind: inspect.Type, value: Any, path: Path, is_key: bool, more: dict[str, Any]
    ) -> str:
        if not isinstance(value, str):
            self._wrong(path, "str", value)
            return ""
        if not isinstance(kind, inspect.StrType):
            return value
        if any(0xD800 <= ord(c) < 0xE000 or (ord(c) < 32 and c != "\n") for c in value):
            self.faults.append(
                Fault(path, "文字里有不能用的控制字符", "the text holds a control character",
                      at_key=is_key)
            )  # fmt: skip
            return "".join(c for c in value if ord(c) >= 32 and not 0xD800 <= ord(c) < 0xE000)
        if kind.min_length and len(value) < kind.min_length:
            self.faults.append(Fault(path, "这里不能为空", "this must not be empty"))
        elif kind.max_length and len(value) > kind.max_length:
            self.faults.append(
                Fault(path, f"太长:最多 {kind.max_length} 个字,现在 {len(value)} 个",
                      f"too long: at most {kind.max_length} characters, it has {len(value)}")
            )  # fmt: skip
        elif kind.pattern and ("\n" in value or not re.search(kind.pattern, value)):
            example = more.get("description") or kind.pattern
            self.faults.append(
                Fault(path, f"“{_short(value)}”的写法不对(应为 {example})",
                      f'"{_short(value)}" is not written right (wanted: {example})', at_key=is_key)
            )  # fmt: skip
        return value


class _Missing:
    """Stands for a required field that is not there (already reported)."""


_MISSING = _Missing()


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
