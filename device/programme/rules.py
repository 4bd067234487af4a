"""What types cannot tell: references, languages, times, questions, lengths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as FilePath

from device.programme import times
from device.programme.playable import local_zone
from device.programme.positions import Path
from device.programme.problems import Fault, Severity, near
from device.programme.schema import (
    Answer,
    Hours,
    Product,
    Programme,
    Segment,
    Slot,
    Valid,
)
from device.programme.shape import Shape
from device.programme.times import MINUTES_A_DAY
from device.programme.variables import declared, is_typed
from device.tts.sentences import split

SENTENCE_CHARS_MAX_HAN = 80  # about 20 s of speech: no place to interrupt or to change it
SENTENCE_CHARS_MAX = 280
# Who writes "22:00" to "21:30" has mixed them up.
NIGHT_MINUTES_MAX = 18 * 60
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Checked:
    """What the rules look at: the programme, where its parts stand, its folder, the moment; the
    chain and the avatars whose consents are asked, where they are known."""

    programme: Programme
    shape: Shape
    folder: FilePath | None
    now: datetime
    chain: str | None = None
    avatars: FilePath | None = None

    def path(self, part: object, *more: str | int) -> Path:
        """The path of a part of the programme, and further in."""
        return (*self.shape.path(part), *more)


def lines(checked: Checked) -> Iterator[tuple[Path, str, str, str | None]]:
    """(path, language, text, shown product id) of every line that is said."""
    programme = checked.programme
    for item in programme.spoken():
        for language, text in item.say.items():
            yield checked.path(item, "say", language), language, text, item.show


def duplicate_ids(checked: Checked) -> Iterator[Fault]:
    """Two products, segments or answers of the same id."""
    programme = checked.programme
    groups: tuple[tuple[Product | Segment | Answer, ...], ...]
    groups = (programme.products, programme.segments, programme.answers)
    for group in groups:
        seen: set[str] = set()
        for item in group:
            if item.id and item.id in seen:
                yield Fault(
                    checked.path(item, "id"),
                    f"编号“{item.id}”重复了",
                    f'the id "{item.id}" is used twice',
                )
            seen.add(item.id)


def options(checked: Checked) -> Iterator[Fault]:
    """Two options of one product with the same id, or called the same."""
    for product in checked.programme.products:
        owner: dict[str, str] = {}
        seen: set[str] = set()
        for option in product.options:
            path = checked.path(option)
            if option.id in seen:
                yield Fault(
                    (*path, "id"),
                    f"规格编号“{option.id}”重复了",
                    f'the option "{option.id}" is there twice',
                )
            seen.add(option.id)
            names = [
                *option.name.values(),
                *(n for a in (option.aliases or {}).values() for n in a),
            ]
            for name in names:
                first = owner.setdefault(" ".join(name.lower().split()), option.id)
                if first != option.id:
                    yield Fault(
                        path,
                        f"规格“{option.id}”和“{first}”都叫“{name}”",
                        f'the options "{option.id}" and "{first}" are both called "{name}"',
                    )


def references(checked: Checked) -> Iterator[Fault]:
    """A card or a segment that is not there."""
    programme = checked.programme
    products = [product.id for product in programme.products]
    for item in programme.spoken():
        if item.show is not None and item.show and item.show not in products:
            zh, en = near(item.show, products)
            yield Fault(
                checked.path(item, "show"),
                f"没有编号为“{item.show}”的商品{zh}",
                f'there is no product "{item.show}"{en}',
            )
    segments = [segment.id for segment in programme.segments]
    for slot in programme.schedule:
        for number, name in enumerate(slot.play):
            if name and name not in segments:
                zh, en = near(name, segments)
                yield Fault(
                    checked.path(slot, "play", number),
                    f"没有编号为“{name}”的段落{zh}",
                    f'there is no segment "{name}"{en}',
                )
    played = {name for slot in programme.schedule for name in slot.play}
    for segment in programme.segments if programme.schedule else ():
        if segment.id not in played:
            yield Fault(
                checked.path(segment, "id"),
                f"段落“{segment.id}”没有排进播放计划,不会播放",
                f'the segment "{segment.id}" is in no schedule and will not play',
                "warning",
            )
    if not programme.segments:
        yield Fault(("segments",), "没有任何段落可以播放", "there is no segment to play", "warning")


def languages(checked: Checked) -> Iterator[Fault]:
    """A line without one of the programme's languages, or in one that it does not have."""
    wanted = checked.programme.languages
    seen: set[str] = set()
    for number, language in enumerate(wanted):
        if language in seen:
            yield Fault(
                ("languages", number), f"语言“{language}”重复了", f'"{language}" is listed twice'
            )
        seen.add(language)
    for path, texts in _texts(checked):
        extra = [language for language in texts if language and language not in wanted]
        for language in extra:
            zh, en = near(language, [each for each in wanted if each not in texts])
            yield Fault(
                (*path, language),
                f"节目的 languages 里没有“{language}”{zh}",
                f'"{language}" is not among the programme\'s languages{en}',
                at_key=True,
            )
        missing = [language for language in wanted if language not in texts]
        if len(missing) == len(wanted):
            if path[-1] != "ask":
                yield Fault(path, "没有任何语言的文字", "there is no text in any language")
        else:
            for language in missing:
                yield Fault(
                    path,
                    f"缺少 {language} 的文字",
                    f"the text in {language} is missing",
                    "warning",
                )


def _texts(checked: Checked) -> Iterator[tuple[Path, Mapping[str, object]]]:
    programme = checked.programme
    for product in programme.products:
        yield checked.path(product, "name"), product.name
        for option in product.options:
            yield checked.path(option, "name"), option.name
        for field in ("unit", "note"):
            if (texts := getattr(product, field)) is not None:
                yield checked.path(product, field), texts
    for item in programme.spoken():
        yield checked.path(item, "say"), item.say
        if isinstance(item, Answer):
            yield checked.path(item, "ask"), item.ask
    for name, value in programme.variables.items():
        texts = declared(value)
        if texts is not None and isinstance(texts.default, dict):
            where: Path = ("variables", name, "default") if is_typed(value) else ("variables", name)
            yield where, texts.default


def questions(checked: Checked) -> Iterator[Fault]:
    """An answer without a question, and two answers that claim the same one."""
    owner: dict[tuple[str, str], list[Answer]] = {}
    for answer in checked.programme.answers:
        if not any(answer.ask.values()):
            yield Fault(
                checked.path(answer, "ask"), "至少要写一句问法", "at least one question is needed"
            )
        for language, phrases in answer.ask.items():
            for number, phrase in enumerate(phrases):
                path = checked.path(answer, "ask", language, number)
                plain = "".join(c for c in phrase.lower() if c.isalnum())
                if not plain:
                    yield Fault(path, "问法里没有文字", "the question has no words")
                    continue
                owners = owner.setdefault((language, plain), [])
                first = next((each for each in owners if meet(each, answer)), None)
                owners.append(answer)
                if first is not None and first.id != answer.id:
                    yield Fault(
                        path,
                        f"问法“{phrase}”已经属于回答“{first.id}”",
                        f'the question "{phrase}" already belongs to the answer "{first.id}"',
                    )


def meet(one: Answer, other: Answer) -> bool:
    """Is there a store that has both?"""
    return not one.groups or not other.groups or bool(set(one.groups) & set(other.groups))


def lengths(checked: Checked) -> Iterator[Fault]:
    """A sentence that takes too long to say, and a line with nothing to say."""
    for path, language, text, _ in lines(checked):
        if not any(c.isalnum() for c in text):
            yield Fault(
                path,
                "这句台词没有可以念的文字,会被跳过",
                "this line has nothing to say and is left out",
                "warning",
            )
        for sentence in split(text, language):
            han = len(_HAN.findall(sentence)) > len(sentence) // 3
            limit = SENTENCE_CHARS_MAX_HAN if han else SENTENCE_CHARS_MAX
            if len(sentence) > limit:
                yield Fault(
                    path,
                    f"有一句话太长({len(sentence)} 个字,最多 {limit} 个),请用句号分开",
                    f"a sentence is too long ({len(sentence)} characters, at most {limit}); "
                    "split it with a full stop",
                )


def moments(checked: Checked) -> Iterator[Fault]:
    """Impossible days, hours, instants and time zones; what has expired."""
    programme = checked.programme
    try:
        times.zone(programme.timezone)
    except times.BadTime:
        yield Fault(
            ("timezone",),
            f"没有“{programme.timezone}”这个时区,例如 Asia/Shanghai",
            f'there is no time zone "{programme.timezone}"; an example is Asia/Shanghai',
        )
    slots: tuple[Slot | Hours, ...] = (*programme.opening_hours, *programme.schedule)
    for slot in slots:
        yield from _hours(checked, slot)
    if programme.valid is not None:
        yield from _validity(checked, programme.valid, "error")
    parts: tuple[Product | Segment | Answer | Slot, ...] = (
        *programme.products,
        *programme.segments,
        *programme.answers,
        *programme.schedule,
    )
    for part in parts:
        limits = [part.valid] if part.valid is not None else []
        if isinstance(part, Segment | Answer):
            limits += (part.valid_in or {}).values()
        for valid in limits:
            yield from _validity(checked, valid, "warning")


def _hours(checked: Checked, slot: Slot | Hours) -> Iterator[Fault]:
    try:
        times.day_numbers(slot.days)
    except times.BadTime as error:
        yield Fault(
            checked.path(slot, "days"),
            f"“{error}”不是星期;可用 {' '.join(times.DAY_NAMES)},例如 mon-fri 或 sat,sun",
            f'"{error}" is no day; there are {" ".join(times.DAY_NAMES)}, as in mon-fri or sat,sun',
        )
    minutes: dict[str, int] = {}
    for name, text in (("from", slot.starts), ("until", slot.until)):
        try:
            minutes[name] = times.clock_minutes(text)
        except times.BadTime:
            yield Fault(
                checked.path(slot, name),
                f"“{text}”不是一天里的时间(00:00 到 24:00)",
                f'"{text}" is no time of day (00:00 to 24:00)',
            )
    past_midnight = len(minutes) == 2 and minutes["from"] >= minutes["until"]
    if past_midnight and minutes["until"] + MINUTES_A_DAY - minutes["from"] > NIGHT_MINUTES_MAX:
        yield Fault(
            checked.path(slot, "until"),
            f"结束时间 {slot.until} 不晚于开始时间 {slot.starts};跨过午夜的一段最长 "
            f"{NIGHT_MINUTES_MAX // 60} 小时,更长请分成两段",
            f"the end {slot.until} is not after the beginning {slot.starts}; past midnight it "
            f"may last {NIGHT_MINUTES_MAX // 60} hours, write two entries for more",
        )


def _validity(checked: Checked, valid: Valid, if_expired: Severity) -> Iterator[Fault]:
    zone = local_zone(checked.programme)
    known: dict[str, datetime] = {}
    for name, text in (("from", valid.starts), ("until", valid.until)):
        if text is None:
            continue
        try:
            known[name] = times.instant(text, zone)
        except times.BadTime:
            yield Fault(
                checked.path(valid, name),
                f"“{text}”不是日期时间,例如 2026-12-31T23:59+08:00",
                f'"{text}" is no date and time; an example is 2026-12-31T23:59+08:00',
            )
    if len(known) == 2 and known["from"] >= known["until"]:
        yield Fault(
            checked.path(valid, "until"),
            "有效期的结束不晚于开始",
            "the validity ends before it begins",
        )
    elif "until" in known and known["until"] <= checked.now:
        yield Fault(
            checked.path(valid, "until"),
            f"有效期 {valid.until} 已过,不会再播放",
            f"it expired at {valid.until} and will not be shown or said",
            if_expired,
        )


RULES: tuple[Callable[[Checked], Iterator[Fault]], ...] = (
    duplicate_ids,
    options,
    references,
    languages,
    questions,
    lengths,
    moments,
)
