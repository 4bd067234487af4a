"""A programme made ready for the conversation: its lines with their sound, and its questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from device.conversation.cues import Sentence
from device.conversation.match import Matcher
from device.conversation.meaning import Meaning
from device.programme.lines import Variables, fill, line_clips, merged
from device.programme.load import load, load_index
from device.programme.playable import Playable, line_text, playable
from device.programme.schema import (
    Answer,
    Fallback,
    Index,
    Product,
    Programme,
    Segment,
    VariableValue,
)

Item = Segment | Answer | Fallback


@dataclass(frozen=True)
class Script:
    """One version of a programme with the store's values; never changes."""

    programme: Programme
    index: Index
    folder: Path
    variables: Mapping[str, VariableValue]
    matcher: Matcher

    @classmethod
    def of(
        cls, programme: Programme, index: Index, folder: Path, variables: Variables | None = None
    ) -> Script:
        """Join what was loaded from a programme's folder with the store's values."""
        values = merged(programme, variables)
        return cls(programme, index, folder, values, Matcher.of(programme))

    def with_meaning(self, meaning: Meaning) -> Script:
        """The same script, its questions also compared by meaning (5 ms each; not in a frame)."""
        return replace(self, matcher=Matcher.of(self.programme, meaning))

    @classmethod
    def load(cls, folder: Path, variables: Variables | None = None) -> Script:
        """Read a built programme's folder; raises Refused when it cannot be played."""
        return cls.of(load(folder), load_index(folder), folder, variables)

    def playable(self, now: datetime, language: str) -> Playable:
        """What may be said and shown at the moment `now` in `language`."""
        return playable(self.programme, now, self.variables, language)

    def sentences(self, item: Item, language: str) -> tuple[Sentence, ...]:
        """The sentences of a line, in `language` or the first it has; () when it has no sound."""
        line = line_text(item.say, language, self.programme, self.variables)
        if line is None:
            return ()
        spoken_language, text = line
        kind, item_id = kind_and_id(item)
        return tuple(
            Sentence(key, clip.text, spoken_language, self.folder / clip.file, clip.duration_ms)
            for key, clip in line_clips(self.index, kind, item_id, spoken_language, text)
        )

    def product(self, product_id: str | None) -> Product | None:
        """The product of that id, its price as this store's card shows it."""
        product = self.programme.product(product_id)
        if product is None or product.price is None or "{" not in product.price:
            return product
        first = self.programme.languages[0]
        price = fill(product.price, self.programme, self.variables, first)
        return msgspec.structs.replace(product, price=price)


def kind_and_id(item: Item) -> tuple[str, str]:
    """The first two parts of an item's line keys."""
    if isinstance(item, Segment):
        return "segment", item.id
    if isinstance(item, Answer):
        return "answer", item.id
    return "fallback", "fallback"
