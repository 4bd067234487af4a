"""What really sounded, line by line: the proof beside the conversation's own counts.

A row tells which sentences began, which were cut off and how long they sounded, with which
programme, prices, avatar, consent and AI label. The programme's and the console's own words stand
in it; a reply from beyond the script may repeat a visitor and leaves no word and no hash.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from device.conversation.cues import Say
from device.conversation.script import Script
from device.conversation.speaking import BEYOND
from device.programme.prices import card_price, mentions
from device.programme.schema import Programme
from ota.clock import monotonic_ns, monotonic_s, utc_now

SAID_CHARACTERS_MAX = 1200
SENTENCES_MAX = 64
PRICES_MAX = 8
# A line that was broken off and not taken up again within this time is over.
SILENT_S = 10.0
SEQS_KEPT = 4

News = deque[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Screen:
    """What the picture is now. `shown_s` counts the seconds in which fresh pictures were shown,
    the AI label on each of them."""

    avatar: str = ""
    consent: str = ""
    label_px: int = 0
    shown_s: float = 0.0


@dataclass
class _Line:
    """The line that is being said, or was broken off."""

    kind: str
    item_id: str
    language: str
    script: Script | None
    began: str
    mono_ms: int
    shown_s: float
    said: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    ended: int = 0
    cut: int = 0
    ms: int = 0
    silent_since_s: float | None = None


class Record:
    """One thread (the director's). Lines that the conversation does not count itself (notices, what
    was broken off for good) go into `news`."""

    def __init__(self, news: News, screen: Callable[[], Screen]) -> None:
        self._news, self._screen = news, screen
        self._line: _Line | None = None
        self._length_ms = 0
        self._seqs: deque[tuple[Programme, int]] = deque(maxlen=SEQS_KEPT)
        self._live: tuple[str, int, float] | None = None

    def comes(self, script: Script, seq: int) -> None:
        """This script is what the desired state of number `seq` asked for."""
        self._seqs.append((script.programme, seq))

    def begins(self, say: Say, in_s: float, length_s: float, script: Script | None) -> None:
        """That sentence will sound (or be shown) `in_s` from now for `length_s`."""
        sentence = say.sentence
        kind, item_id = named(say)
        line = self._line
        again = line is not None and sentence.key in line.keys[: line.ended]
        if line is not None and (again or (line.kind, line.item_id) != (kind, item_id)):
            self._close()
        if self._line is None:
            began = (utc_now() + timedelta(seconds=in_s)).isoformat(timespec="milliseconds")
            self._line = _Line(
                kind, item_id, sentence.language, script, began,
                round(monotonic_ns() / 1e6 + in_s * 1e3), self._screen().shown_s)
        line, self._length_ms = self._line, round(length_s * 1e3)
        line.silent_since_s = None
        if sentence.key in line.keys:  # it was cut off, and begins again
            return
        line.keys.append(sentence.key)
        line.said.append(sentence.text)

    def ends(self) -> None:
        """It was heard to its end."""
        self._over(self._length_ms, ended=True)

    def cut(self, sounded_s: float) -> None:
        """It was cut off after so long."""
        self._over(max(0, min(self._length_ms, round(sounded_s * 1e3))), ended=False)

    def _over(self, ms: int, ended: bool) -> None:
        line = self._line
        if line is None or line.silent_since_s is not None:
            return
        line.ms += ms
        line.ended, line.cut = line.ended + ended, line.cut + (not ended)
        line.silent_since_s = monotonic_s()

    def driven(self, on: bool) -> None:
        """A person speaks as the avatar, or has ended."""
        if on:
            began = utc_now().isoformat(timespec="milliseconds")
            self._live = (began, round(monotonic_ns() / 1e6), self._screen().shown_s)

    def turn(self) -> None:
        """Now and then: a line that nobody takes up again is over."""
        line = self._line
        if line is None or line.silent_since_s is None:
            return
        if monotonic_s() - line.silent_since_s > SILENT_S:
            self._close()

    def row(self, kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        """What the conversation counted, with what sounded; other kinds as they are."""
        if kind == "live":
            return {**detail, **self._about_live()}
        if kind != "played":
            return dict(detail)
        line = self._line
        if line is None or detail.get(line.kind) != line.item_id:
            return dict(detail)  # a row of ours, or a line of which nothing has sounded since
        self._line = None
        return {**detail, **self._about(line)}

    def _close(self) -> None:
        """The conversation has not counted it, so we do."""
        line, self._line = self._line, None
        if line is None or not line.ms:
            return
        programme = line.script.programme if line.script else None
        counted = {
            line.kind: line.item_id, "language": line.language,
            "complete": line.kind == "notice" and not line.cut,
            "programme": programme.id if programme else "",
            "version": programme.version if programme else 0, "price": None,
        }
        self._news.append(("played", {**counted, **self._about(line)}))

    def _about(self, line: _Line) -> dict[str, Any]:
        script, screen = line.script, self._screen()
        found: dict[str, Any] = {
            "began": line.began, "mono_ms": line.mono_ms, "ms": line.ms,
            "sentences": [_number(key) for key in line.keys[:SENTENCES_MAX]], "cut": line.cut,
            **_about_screen(screen, line.shown_s),
        }
        if script is not None:
            programme = script.programme
            found["target"] = f"programmes/{programme.id}/{programme.version}.json"
            found["seq"] = next((seq for each, seq in self._seqs if each is programme), 0)
            found["prices"] = prices_of(script, line.said, found["seq"])
        if line.item_id != BEYOND:
            words = "\n".join(line.said)
            found["said"] = words[:SAID_CHARACTERS_MAX]
            found["said_sha256"] = hashlib.sha256(words.encode()).hexdigest()
        return found

    def _about_live(self) -> dict[str, Any]:
        if self._live is None:
            return {}
        (began, mono_ms, shown_s), self._live = self._live, None
        return {"began": began, "mono_ms": mono_ms, **_about_screen(self._screen(), shown_s)}


def named(say: Say) -> tuple[str, str]:
    """(kind, id) of a sentence's line. What the console orders out of the programme is a notice
    by the programme's own name ("segment/welcome")."""
    kind, _, rest = say.sentence.key.partition("/")
    item_id = rest.partition("/")[0]
    if say.kind == "notice" and kind != "notice":
        return "notice", f"{kind}/{item_id}"
    return kind, item_id


def prices_of(script: Script, said: list[str], seq: int) -> list[dict[str, Any]]:
    """The prices of products that the words name, each with the version it comes from: the
    programme's, or the desired state's whose variables hold it."""
    heard = [price for text in said for price in mentions(text)]
    found: list[dict[str, Any]] = []
    for raw in script.programme.products:
        product = script.product(raw.id)
        card = card_price(product.price) if product and product.price else None
        if product is None or card is None or not any(price.means(card) for price in heard):
            continue
        of_store = "{" in (raw.price or "")
        version = f"desired/{seq}" if of_store else f"programme/{script.programme.version}"
        found.append({"product": raw.id, "price": product.price, "of": version})
    return found[:PRICES_MAX]


def _about_screen(screen: Screen, since_s: float) -> dict[str, Any]:
    label_ms = max(0, round((screen.shown_s - since_s) * 1e3))
    return {
        "avatar": screen.avatar, "consent": screen.consent,
        "label": screen.label_px > 0 and label_ms > 0, "label_px": screen.label_px,
        "label_ms": label_ms,
    }


def _number(key: str) -> int:
    """The sentence's number in a line key: the last part, without a variant's name."""
    part = key.partition("@")[0].rpartition("/")[2]
    return int(part) if part.isdecimal() else 0
