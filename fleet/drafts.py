"""A programme's draft as a person edits it in a form: pure changes of the JSON document.

Form fields are paths: `products/0/price`, `segments/2/say/zh-CN`, `answers/1/ask/en-US` (one
question a line), `products/0/groups` (names with commas). What the form does not know (gestures,
recordings, later fields) stays untouched.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from device.programme.schema import Colours, Theme
from fleet.studio import Fault

Document = dict[str, Any]
LISTS = ("products", "segments", "answers")
OPTIONAL_LINES = ("sold_out", "did_you_mean")  # gone when their last word is deleted
FORM_KEYS = (*LISTS, "fallback", *OPTIONAL_LINES, "theme")
NUMBERS = ("weight", "per_hour_max", "apart_minutes")
SWITCHES = ("theme/bumper_at_opening",)
USUAL_THEME = msgspec.structs.asdict(Theme())
USUAL_COLOURS = msgspec.structs.asdict(Colours())
FIELDS_MAX = 5000
TEXT_CHARS_MAX = 4000
REST_CHARS_MAX = 200_000
ITEMS_MAX = 500

_LANGUAGE = r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})?"
EDITABLE = re.compile(
    rf"products/\d{{1,3}}/(?:id|price|image|qr|stock|(?:name|unit|note)/{_LANGUAGE})"
    rf"|segments/\d{{1,3}}/(?:id|show|say/{_LANGUAGE}|weight|per_hour_max|apart_minutes)"
    rf"|answers/\d{{1,3}}/(?:id|show|say/{_LANGUAGE}|ask/{_LANGUAGE})"
    r"|(?:products|segments|answers)/\d{1,3}/(?:groups|valid/(?:from|until))"
    rf"|(?:fallback|sold_out|did_you_mean)/(?:show|say/{_LANGUAGE})"
    rf"|theme/(?:brand/{_LANGUAGE}|colours/(?:background|text|accent)|logo|font|bold_font|card"
    r"|captions|bumper_at_opening)"
)


class RestBroken(ValueError):
    """The raw JSON part does not parse; carries the fault to show beside it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.sentence_en)
        self.fault = fault


def languages_of(document: Document) -> list[str]:
    """The programme's languages, zh-CN first when nothing is said."""
    found = document.get("languages")
    if isinstance(found, list) and found:
        return [str(language) for language in found][:8]
    return ["zh-CN", "en-US"]


def rest_of(document: Document) -> Document:
    """The part of the document that the form shows as raw JSON."""
    return {key: value for key, value in document.items() if key not in FORM_KEYS}


def with_rest(document: Document, text: str) -> Document:
    """Replace the raw part by `text`; raises RestBroken with the line of the mistake."""
    try:
        rest = msgspec.json.decode(text[:REST_CHARS_MAX], type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        line = text[: _byte_of(str(error))].count("\n") + 1
        raise RestBroken(
            Fault(
                "rest",
                line,
                f"第 {line} 行附近不是正确的 JSON({error})。",
                f"This is not valid JSON near line {line} ({error}).",
            )
        ) from error
    kept = {key: document[key] for key in FORM_KEYS if key in document}
    return {**{key: value for key, value in rest.items() if key not in FORM_KEYS}, **kept}


def with_fields(document: Document, fields: Mapping[str, str]) -> Document:
    """The document with each known form field set; an empty field is taken out."""
    changed = copy.deepcopy(document)
    for path, text in list(fields.items())[:FIELDS_MAX]:
        if EDITABLE.fullmatch(path):
            if path in SWITCHES:
                _switch(changed, path.split("/"), text == "on")
            else:
                _set(changed, path.split("/"), text[:TEXT_CHARS_MAX])
    for line in OPTIONAL_LINES:
        if not (changed.get(line) or {}).get("say", True):
            del changed[line]
    return _without_empty_theme(changed)


def theme_of(document: Document) -> Document:
    """The look as the form shows it: what the draft says, the programme's defaults elsewhere."""
    given = document.get("theme")
    given = given if isinstance(given, dict) else {}
    colours = given.get("colours")
    shades = {**USUAL_COLOURS, **(colours if isinstance(colours, dict) else {})}
    return {**USUAL_THEME, **given, "colours": shades}


def _switch(document: Document, parts: list[str], on: bool) -> None:
    """A choice of yes or no; no is what nothing said means."""
    owner = _child(document, parts[0])
    if isinstance(owner, dict) and on != (owner.get(parts[1]) is True):
        owner[parts[1]] = on


def _without_empty_theme(document: Document) -> Document:
    """A form always sends all its fields: what stays at its default is not written down."""
    theme = document.get("theme")
    if not isinstance(theme, dict):
        return document
    colours = theme.get("colours")
    if isinstance(colours, dict):
        theme["colours"] = {k: v for k, v in colours.items() if v != USUAL_COLOURS.get(k)}
    kept = {key: value for key, value in theme.items()
            if value not in ({}, None) and (key == "colours" or value != USUAL_THEME.get(key))}
    document["theme"] = kept
    if not kept:
        del document["theme"]
    return document


def with_new_item(document: Document, kind: str) -> Document:
    """Append an empty product, segment or answer for the form to fill in."""
    if kind not in LISTS:
        return document
    changed = copy.deepcopy(document)
    items = changed.setdefault(kind, [])
    if not isinstance(items, list) or len(items) >= ITEMS_MAX:
        return document
    taken = {item.get("id") for item in items if isinstance(item, dict)}
    stem = kind[:-1]
    number = next(n for n in range(1, ITEMS_MAX + 2) if f"{stem}-{n}" not in taken)
    item: Document = {"id": f"{stem}-{number}"}
    if kind == "products":
        item |= {"name": {}, "price": ""}
    elif kind == "answers":
        item |= {"ask": {}, "say": {}}
    else:
        item |= {"say": {}}
    items.append(item)
    return changed


def without_item(document: Document, path: str) -> Document:
    """Take out one entry, named like `products/2`."""
    kind, _, number = path.partition("/")
    items = document.get(kind)
    if kind not in LISTS or not isinstance(items, list) or not number.isdecimal():
        return document
    if int(number) >= len(items):
        return document
    changed = copy.deepcopy(document)
    del changed[kind][int(number)]
    return changed


def to_bytes(document: Document) -> bytes:
    """`programme.json` as people read it: two spaces, Chinese as itself."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def differences(old: Document, new: Document) -> list[tuple[str, str, str]]:
    """(path, before, after) of every leaf that differs; the version number aside."""
    before, after = dict(_leaves(old, "")), dict(_leaves(new, ""))
    paths = [path for path in {**before, **after} if path != "version"]
    return [
        (path, before.get(path, ""), after.get(path, ""))
        for path in paths
        if before.get(path, "") != after.get(path, "")
    ]


def changed_fields(document: Document, changes: list[tuple[str, str, str]]) -> set[str]:
    """The form fields of `document` that `changes` (of `differences`) touch."""
    places: dict[str, str] = {}
    for kind in LISTS:
        items = document.get(kind)
        for number, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict):
                places[f"{kind}/{item.get('id', number)}"] = f"{kind}/{number}"
    found: set[str] = set()
    for path, _, _ in changes:
        parts = path.split("/")
        head = places.get("/".join(parts[:2]))
        field = "/".join([head, *parts[2:]]) if head else path
        found.add(re.sub(r"/\d+$", "", field))
    return found


def _leaves(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in _leaves(part, f"{path}/{key}")]
    if isinstance(value, list):
        found: list[tuple[str, str]] = []
        for number, part in enumerate(value):
            # Named by id where there is one: a new first product is no change of all others.
            name = part.get("id", number) if isinstance(part, dict) else number
            found += _leaves(part, f"{path}/{name}")
        return found
    return [(path.lstrip("/"), "" if value is None else str(value))]


def _set(document: Document, parts: list[str], text: str) -> None:
    text = text.replace("\r\n", "\n").strip()
    owner: Any = document
    for part in parts[:-1]:
        if not text and isinstance(owner, dict) and part not in owner:
            return  # nothing where nothing was
        owner = _child(owner, part)
        if owner is None:
            return
    key = parts[-1]
    if not isinstance(owner, dict):
        return
    before = owner.get(key)
    if "ask" in parts:
        questions = [line.strip() for line in text.split("\n") if line.strip()]
        value: Any = questions or None
    elif key == "groups":
        value = re.split(r"[\s,，、;]+", text) if text else None
    elif key in NUMBERS and text.isdecimal():
        value = int(text[:6])
    elif key == "show":
        value = text or None
        if value is None and key in owner:
            owner[key] = None
            return
    else:
        value = text or None
    if value is None:
        owner.pop(key, None)
    elif value != before:
        owner[key] = value


def _child(owner: Any, part: str) -> Any:
    if isinstance(owner, list):
        number = int(part) if part.isdecimal() else -1
        return owner[number] if 0 <= number < len(owner) else None
    if not isinstance(owner, dict):
        return None
    if part not in owner:
        owner[part] = {}
    return owner[part]


def _byte_of(message: str) -> int:
    found = re.search(r"byte (\d+)", message)
    return int(found.group(1)) if found else 0
