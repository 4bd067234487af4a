"""Pages from Jinja2 templates, in Chinese or English. The only importer of jinja2."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import ChainableUndefined, Environment, FileSystemLoader

from fleet.console.ask import Ask
from ota.clock import utc_now
from ota.files import read_bounded

HERE = Path(__file__).parent
TEXTS_BYTES_MAX = 1 << 20


class Pages:
    """Compiled templates and the table of texts."""

    def __init__(self) -> None:
        data = read_bounded(HERE / "texts.json", TEXTS_BYTES_MAX)
        self._texts = msgspec.json.decode(data, type=dict[str, tuple[str, str]])
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            # Drafts and reports are open documents: an absent field is an empty cell.
            undefined=ChainableUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def text(self, key: str, language: str, **values: object) -> str:
        """The words for `key`; the key itself when nobody wrote them (a test finds those)."""
        pair = self._texts.get(key)
        words = pair[1 if language.startswith("en") else 0] if pair else key
        return words.format(**values) if values else words

    def render(self, template: str, ask: Ask, csrf: str, **values: Any) -> str:
        """HTML of one page."""
        language = ask.language

        def t(key: str, **parts: object) -> str:
            return self.text(key, language, **parts)

        def ago(moment: str) -> str:
            return self.ago(moment, language)

        return self._environment.get_template(template).render(
            t=t,
            ago=ago,
            clock=local_time,
            language=language,
            english=language.startswith("en"),
            path=ask.path,
            person=ask.person,
            csrf=csrf,
            **values,
        )

    def ago(self, moment: str, language: str) -> str:
        """`12 s ago` in the reader's language; a dash for never."""
        if not moment:
            return "–"
        passed_s = max(0.0, (utc_now() - datetime.fromisoformat(moment)).total_seconds())
        for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if passed_s >= seconds:
                return self.text(f"ago.{unit}", language, n=int(passed_s // seconds))
        return self.text("ago.second", language, n=int(passed_s))


def local_time(moment: str, seconds: bool = False) -> str:
    """An ISO moment in the server's own time zone, short."""
    if not moment:
        return "–"
    when = datetime.fromisoformat(moment)
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return when.astimezone().strftime("%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
