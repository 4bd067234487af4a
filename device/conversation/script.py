"""A programme made ready for the conversation: its lines with their sound, and its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from device.conversation.cues import Sentence
from device.conversation.match import Matcher
from device.conversation.meaning import Meaning
from device.programme.lines import (
    DID_YOU_MEAN,
    SOLD_OUT,
    card_price_text,
    line_clips,
    merged,
    sold_out_line,
)
from device.programme.load import load, load_index
from device.programme.playable import Playable, line_text, playable, said_at
from device.programme.schema import Answer, Fallback, Index, Product, Programme, Segment
from device.programme.stores import Store, for_store, sold_out, values_at
from device.programme.variables import Plain

Item = Segment | Answer | Fallback


@dataclass(frozen=True)
class Script:
    """One version of a programme with the store's values; never changes.

    `programme` has the parts for this store alone, `whole` all that was written.
    """

    programme: Programme
    index: Index
    folder: Path
    variables: Mapping[str, Plain]
    matcher: Matcher
    whole: Programme
    store: Store = field(default_factory=Store)

    @classmethod
    def of(
        cls, programme: Programme, index: Index, folder: Path,
        variables: Mapping[str, str] | None = None, until: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
    ) -> Script:
        """Join what was loaded from a programme's folder with what is known of the store."""
        store = Store(variables or {}, until or {}, frozenset(groups))
        own = for_store(programme, store)
        values = merged(programme, variables)
        return cls(own, index, folder, values, Matcher.of(own), programme, store)

    def with_meaning(self, meaning: Meaning) -> Script:
        """The same script, its questions also compared by meaning (13 ms each; not in a frame)."""
        return replace(self, matcher=Matcher.of(self.programme, meaning))

    @classmethod
    def load(
        cls, folder: Path, variables: Mapping[str, str] | None = None,
        until: Mapping[str, str] | None = None, groups: Sequence[str] = (),
    ) -> Script:
        """Read a built programme's folder; raises Refused when it cannot be played."""
        return cls.of(load(folder), load_index(folder), folder, variables, until, groups)

    def playable(self, now: datetime, language: str) -> Playable:
        """What may be said and shown at the moment `now` in `language`."""
        return playable(self.programme, now, self.store.variables, language)

    def values_at(self, now: datetime) -> Mapping[str, Plain]:
        """The values that still hold at `now`."""
        return values_at(self.programme, self.store, now)

    def sentences(
        self, item: Item, language: str, now: datetime | None = None
    ) -> tuple[Sentence, ...]:
        """The sentences of a line, in `language` or the first it has; () when it has no sound.

        At `now` only those languages and values that hold then.
        """
        return self._sentences(*kind_and_id(item), item, language, now)

    def sold_out(self, answer_id: str, language: str, now: datetime) -> tuple[Sentence, ...]:
        """What to say where that answer is about a product of which the store has none now."""
        answer = self.whole.answer(answer_id)
        product = self.whole.product(answer.show) if answer is not None else None
        if product is None or not sold_out(self.whole, self.store, product.id, now):
            return ()
        line = sold_out_line(self.whole, product)
        return self._sentences(SOLD_OUT, product.id, line, language, now) if line else ()

    def did_you_mean(self, language: str, now: datetime) -> tuple[Sentence, ...]:
        """What to say while the likeliest question stands on the screen; () without such words."""
        line = self.whole.did_you_mean
        found = self._sentences(DID_YOU_MEAN, DID_YOU_MEAN, line, language, now) if line else ()
        # In another language than the question's it would ask whom it does not concern.
        return found if found and found[0].language == language else ()

    def _sentences(
        self, kind: str, item_id: str, item: Item, language: str, now: datetime | None
    ) -> tuple[Sentence, ...]:
        say = said_at(self.programme, item, now) if now is not None else item.say
        values = self.values_at(now) if now is not None else self.variables
        line = line_text(say, language, self.programme, values)
        if line is None:
            return ()
        spoken, text = line
        over_in = frozenset(item.say.keys() - say.keys())
        return tuple(
            Sentence(key, clip.text, spoken, self.folder / clip.file, clip.duration_ms, over_in)
            for key, clip in line_clips(self.index, kind, item_id, spoken, text)
        )

    def product(self, product_id: str | None) -> Product | None:
        """The product of that id, its price as this store's card shows it."""
        product = self.programme.product(product_id)
        if product is None or product.price is None or "{" not in product.price:
            return product
        first = self.programme.languages[0]
        price = card_price_text(product, self.programme, self.variables, first)
        return msgspec.structs.replace(product, price=price)


def kind_and_id(item: Item) -> tuple[str, str]:
    """The first two parts of an item's line keys."""
    if isinstance(item, Segment):
        return "segment", item.id
    if isinstance(item, Answer):
        return "answer", item.id
    return "fallback", "fallback"
