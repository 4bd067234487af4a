"""The programme format (DESIGN B3) and its index, as types; exported to docs/schemas."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

SCHEMA = 1
PROGRAMME_FILE = "programme.json"
INDEX_FILE = "index.json"
SPEECH_FOLDER = "speech"

LINE_CHARS_MAX = 600
NAME_CHARS_MAX = 80
ITEMS_MAX = 2000
OPTIONS_MAX = 20
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$", description="a-z, 0-9 and -")]
Language = Annotated[
    str, Meta(pattern=r"^[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?$", description="BCP 47, such as zh-CN")
]
Line = Annotated[str, Meta(min_length=1, max_length=LINE_CHARS_MAX)]
Phrase = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
VariableName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
FilePath = Annotated[
    str, Meta(min_length=1, max_length=200, description="a path inside the programme's folder")
]
Instant = Annotated[
    str, Meta(max_length=40, description="2026-12-31T23:59+08:00; 24:00 is midnight's other name")
]
ClockTime = Annotated[str, Meta(max_length=8, description="09:00 to 24:00")]
Days = Annotated[str, Meta(max_length=40, description="mon-sun, mon,wed,fri or sat-mon")]
Day = Annotated[str, Meta(max_length=10, description="a day of the calendar: 2027-02-17")]
Colour = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$", description="#rrggbb")]
Url = Annotated[str, Meta(min_length=1, max_length=500)]

Names = dict[Language, Name]
Lines = dict[Language, Line]
Phrases = dict[Language, Annotated[tuple[Phrase, ...], Meta(max_length=200)]]
Recordings = dict[Language, Annotated[tuple[FilePath, ...], Meta(min_length=1, max_length=40)]]
Ids = Annotated[tuple[Id, ...], Meta(max_length=50)]
Value = Annotated[str, Meta(max_length=200)]


class Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Base of everything an editor writes: frozen, and no field that nobody knows."""


class Valid(Part, frozen=True, kw_only=True):
    """From when until when something may be said or shown; the end is not included."""

    starts: Instant | None = field(default=None, name="from")
    until: Instant | None = None


class TypedVariable(Part, frozen=True, kw_only=True):
    """A variable whose values have a type: what each store may set is checked against it.

    `default` holds where a store sets none; without one the lines that need it are skipped there.
    A store's value is good for `fresh_h` hours after it was set. `label` is its name in forms.
    """

    type: Literal["text", "price", "stock", "number", "time"]
    default: Value | Names | None = None
    fresh_h: Annotated[int, Meta(ge=1, le=8760)] | None = None
    label: Names | None = None


# A text, a text a language, or the fields of a TypedVariable: JSON knows one kind of object only.
VariableKey = Annotated[
    str,
    Meta(pattern=r"^([a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?|type|default|fresh_h|label)$",
         description="BCP 47, such as zh-CN; or type, default, fresh_h, label"),
]
VariableValue = Value | dict[VariableKey, Value | int | Names | None]


class Holiday(Part, frozen=True, kw_only=True):
    """Named days of the shop's calendar, from the first to the last (both are part of it)."""

    id: Id
    name: Names | None = None
    starts: Day = field(name="from")
    until: Day | None = None


class AvatarWish(Part, frozen=True, kw_only=True):
    """Which digital human presents: a bundle id and the versions that will do."""

    id: Id = "lin"
    version: Annotated[str, Meta(pattern=r"^(>=)?\d{1,6}$")] = ">=1"


class Option(Part, frozen=True, kw_only=True):
    """A size or kind of a product, by the names that people say for it ("the big one").

    Used to understand questions: one about an option is answered only by an answer whose
    questions name it; the product's own price is never said for it.
    """

    id: Id
    name: Names
    aliases: Phrases | None = None


class Product(Part, frozen=True, kw_only=True):
    """Something that is sold: what its card shows.

    `price` is shown as written ("¥128"); lines say it by `{<id>.price}` or in words.
    `aliases` are other names that people say for it, used to understand questions;
    `options` its sizes or kinds. `groups`: only in stores of one of them. `stock` names a variable
    of type stock: while a store has 0 of it, it is not offered there.
    """

    id: Id
    name: Names
    price: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    unit: Names | None = None
    note: dict[Language, Phrase] | None = None
    aliases: Phrases | None = None
    options: Annotated[tuple[Option, ...], Meta(max_length=OPTIONS_MAX)] = ()
    image: FilePath | None = None
    qr: Url | None = None
    valid: Valid | None = None
    groups: Ids = ()
    stock: VariableName | None = None


class Segment(Part, frozen=True, kw_only=True):
    """A piece of the presentation: what is said, and the card that is shown beside it.

    `bumper` shows the brand over the whole picture before it; `notice` stands as an emergency
    notice over the picture while it is said. `recording` holds sound files of the chain's own
    speaker, one a sentence or one for the whole line: they are heard instead of a synthesiser.

    `valid_in` limits the line in one language. With a `weight` anywhere in a part of the day its
    segments are drawn instead of taken in order, twice the weight twice as often. `per_hour_max`:
    begun so often within an hour at most; `apart_minutes`: not again before.
    """

    id: Id
    say: Lines
    recording: Recordings | None = None
    show: Id | None = None
    gesture: Id | None = None
    bumper: bool = False
    notice: dict[Language, Phrase] | None = None
    valid: Valid | None = None
    valid_in: dict[Language, Valid] | None = None
    groups: Ids = ()
    weight: Annotated[int, Meta(ge=1, le=100)] | None = None
    per_hour_max: Annotated[int, Meta(ge=1, le=60)] | None = None
    apart_minutes: Annotated[int, Meta(ge=1, le=1440)] | None = None


class Answer(Part, frozen=True, kw_only=True):
    """What is said to any of the questions in `ask`; the rest as in a segment."""

    id: Id
    ask: Phrases
    say: Lines
    recording: Recordings | None = None
    show: Id | None = None
    gesture: Id | None = None
    valid: Valid | None = None
    valid_in: dict[Language, Valid] | None = None
    groups: Ids = ()


class Fallback(Part, frozen=True, kw_only=True):
    """What is said to a question that no answer fits; `recording` as in a segment."""

    say: Lines
    recording: Recordings | None = None
    show: Id | None = None
    gesture: Id | None = None


class Slot(Part, frozen=True, kw_only=True):
    """Which segments play, in which order, at which time of which days, in which stores.

    An end that is not after the beginning is the next day's: the day on which it begins counts.
    `only_on` and `not_on` name holidays.
    """

    days: Days = "mon-sun"
    starts: ClockTime = field(default="00:00", name="from")
    until: ClockTime = "24:00"
    play: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=ITEMS_MAX)]
    valid: Valid | None = None
    only_on: Ids = ()
    not_on: Ids = ()
    groups: Ids = ()


class Hours(Part, frozen=True, kw_only=True):
    """When the shop is open: outside it the screen may be dimmed; the schedule says what plays.

    Days, midnight and holidays as in a slot.
    """

    days: Days = "mon-sun"
    starts: ClockTime = field(name="from")
    until: ClockTime
    only_on: Ids = ()
    not_on: Ids = ()


class Colours(Part, frozen=True, kw_only=True):
    """The three colours of cards and captions."""

    background: Colour = "#10231c"
    text: Colour = "#ffffff"
    accent: Colour = "#d8b46a"


class Theme(Part, frozen=True, kw_only=True):
    """The chain's look: its name, logo, colours, type and how cards and captions stand.

    `font` and `bold_font` are TrueType or OpenType files of the folder; one alone serves for
    both. `card` lies at the picture's foot or stands at its side. `captions` shows what is said
    in no language, in the one that is spoken, or in a second one below it too.
    """

    brand: Names | None = None
    logo: FilePath | None = None
    colours: Colours = Colours()
    font: FilePath | None = None
    bold_font: FilePath | None = None
    card: Literal["foot", "side"] = "foot"
    captions: Literal["off", "one", "both"] = "both"
    bumper_at_opening: bool = False


class Listen(Part, frozen=True, kw_only=True):
    """When the kiosk listens: always; for `awake_s` after one of the `wake` phrases was said;
    while the key `key` is held (or from one press to the next); while somebody is near."""

    mode: Literal["always", "wake", "push", "presence"] = "always"
    wake: dict[Language, Annotated[tuple[Name, ...], Meta(max_length=8)]] = {}
    awake_s: Annotated[int, Meta(ge=3, le=300)] = 20
    key: Annotated[str, Meta(pattern=r"^[a-z0-9 ]{1,20}$", description="as SDL calls it")] = "space"
    press: Literal["hold", "toggle"] = "hold"


class Programme(Part, frozen=True, kw_only=True):
    """A whole programme, as written in `programme.json`.

    `groups` are the groups of stores that its parts may name. `sold_out` is said to a question
    about a product of which this store has none; `{product.name}` in it is that product's.
    `did_you_mean` is said while the likeliest question stands on the screen, where it is not sure
    what was asked; without it the fallback is said.
    """

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    id: Id
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    name: Names | None = None
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=8)]
    timezone: Annotated[str, Meta(max_length=60)] = "Asia/Shanghai"
    avatar: AvatarWish = AvatarWish()
    voices: dict[Language, Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,40}$")]] | None = None
    valid: Valid | None = None
    groups: Ids = ()
    holidays: Annotated[tuple[Holiday, ...], Meta(max_length=100)] = ()
    opening_hours: tuple[Hours, ...] = ()
    variables: dict[VariableName, VariableValue] = {}
    theme: Theme = Theme()
    listen: Listen = Listen()
    products: Annotated[tuple[Product, ...], Meta(max_length=ITEMS_MAX)] = ()
    segments: Annotated[tuple[Segment, ...], Meta(max_length=ITEMS_MAX)] = ()
    answers: Annotated[tuple[Answer, ...], Meta(max_length=ITEMS_MAX)] = ()
    fallback: Fallback
    sold_out: Fallback | None = None
    did_you_mean: Fallback | None = None
    schedule: Annotated[tuple[Slot, ...], Meta(max_length=200)] = ()

    def spoken(self) -> tuple[Segment | Answer | Fallback, ...]:
        """Everything that is said: segments, answers, the fallback and its kin."""
        others = (each for each in (self.sold_out, self.did_you_mean) if each is not None)
        return (*self.segments, *self.answers, self.fallback, *others)

    def product(self, product_id: str | None) -> Product | None:
        """The product of that id, None when there is none."""
        return next((item for item in self.products if item.id == product_id), None)

    def segment(self, segment_id: str) -> Segment | None:
        """The segment of that id, None when there is none."""
        return next((item for item in self.segments if item.id == segment_id), None)

    def answer(self, answer_id: str) -> Answer | None:
        """The answer of that id, None when there is none."""
        return next((item for item in self.answers if item.id == answer_id), None)


class IndexedFile(Struct, frozen=True, kw_only=True):
    """One file of the folder: its content's hash and length."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Meta(ge=0, le=2**40)]


class Clip(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One spoken sentence: its sound file and what it says (the caption).

    `starts_ms` holds the moment at which each word begins (`word_times.words` of the text); () for
    the player to hear it from the clip. `phonemes` are IPA signs, one a character, and
    `phonemes_ms` when each of them begins; both empty where the synthesiser has no such times.
    `by` tells who made it: "" the box's own synthesiser, "recording" a person, else another
    engine's name.
    """

    file: FilePath
    text: str
    language: Language
    duration_ms: Annotated[int, Meta(ge=0, le=600_000)]
    sentences: tuple[str, ...] = ()
    starts_ms: tuple[Annotated[int, Meta(ge=0, le=600_000)], ...] = ()
    phonemes: Annotated[str, Meta(max_length=20_000)] = ""
    phonemes_ms: tuple[Annotated[int, Meta(ge=0, le=600_000)], ...] = ()
    by: Annotated[str, Meta(max_length=120)] = ""


class Index(Struct, frozen=True, kw_only=True):
    """`index.json`: every file of the folder, and which clip says which sentence.

    Keys of `speech` are line keys `<kind>/<id>/<language>/<n>`; kinds are segment, answer,
    fallback, sold-out (its id is the product's) and did-you-mean; a sentence that was also built
    with other values of the store's variables has further keys `<line key>@<first 8 of the sha256
    of the whole filled-in line>`.
    """

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    files: dict[str, IndexedFile]
    speech: dict[str, Clip]


def programme_json_schema() -> dict[str, Any]:
    """The JSON Schema of `programme.json`, for editors and docs/schemas/programme.json."""
    schema = msgspec.json.schema(Programme)
    typed = msgspec.json.schema(TypedVariable)
    schema["$defs"].update(typed["$defs"])
    # What JSON Schema can tell apart and the reader's types cannot.
    texts = {"type": "object", "propertyNames": {"pattern": _meta(Language)},
             "additionalProperties": {"type": "string", "minLength": 1,
                                      "maxLength": NAME_CHARS_MAX}}
    schema["$defs"]["Programme"]["properties"]["variables"]["additionalProperties"] = {
        "anyOf": [{"type": "string", "maxLength": 200}, texts, {"$ref": typed["$ref"]}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Vitrine programme",
        **schema,
    }


def _meta(kind: Any) -> str:
    """The pattern of an annotated text."""
    return str(kind.__metadata__[0].pattern)


if __name__ == "__main__":  # python -m device.programme.schema > docs/schemas/programme.json
    print(msgspec.json.format(msgspec.json.encode(programme_json_schema()), indent=2).decode())
