"""When the kiosk listens: a wake phrase that can be told from other talk, and no idle wishes."""

from __future__ import annotations

from collections.abc import Iterator

from device.asr.wake import WakePhrases, too_short
from device.programme.problems import Fault, near
from device.programme.rules import Checked


def listening(checked: Checked) -> Iterator[Fault]:
    """A mode without what it needs, a phrase too short, one that is part of a question."""
    programme = checked.programme
    listen = programme.listen
    wake = _phrases(checked)
    if listen.mode == "wake" and not any(wake.values()):
        yield Fault(
            ("listen",),
            "listen.mode 是 wake,但没有写唤醒词 listen.wake",
            'listen.mode is "wake", but there is no phrase in listen.wake',
        )
    if listen.mode in ("always", "push", "presence") and wake:
        yield Fault(
            ("listen", "wake"),
            f"listen.mode 是 {listen.mode},唤醒词不会用到",
            f'the wake phrases are not used while listen.mode is "{listen.mode}"',
            "warning",
        )
    for language, phrases in wake.items():
        if language not in programme.languages:
            zh, en = near(language, list(programme.languages))
            yield Fault(
                ("listen", "wake", language),
                f"节目的 languages 里没有“{language}”{zh}",
                f'"{language}" is not among the programme\'s languages{en}',
                at_key=True,
            )
        for number, phrase in enumerate(phrases):
            if too_short(phrase):
                yield Fault(
                    ("listen", "wake", language, number),
                    f"唤醒词“{phrase}”太短,会被误唤醒;至少三个音节",
                    f'the wake phrase "{phrase}" is too short and would be heard by accident; '
                    "use at least two words and seven letters, in Chinese three syllables",
                )
    yield from _within_questions(checked)


def _phrases(checked: Checked) -> dict[str, tuple[str, ...]]:
    """What can be read of them: what is written wrong is told by the types."""
    wake = checked.programme.listen.wake or {}
    return {language: tuple(p for p in each or () if p) for language, each in wake.items()}


def _within_questions(checked: Checked) -> Iterator[Fault]:
    """A question that begins with the phrase can only be asked by saying it twice."""
    phrases = WakePhrases.of(_phrases(checked))
    if not phrases.phrases:
        return
    for answer in checked.programme.answers:
        for language, asked in answer.ask.items():
            for number, question in enumerate(asked):
                if phrases.rest(question) is not None:
                    yield Fault(
                        checked.path(answer, "ask", language, number),
                        f"问法“{question}”里有唤醒词",
                        f'the question "{question}" has the wake phrase in it',
                        "warning",
                    )
