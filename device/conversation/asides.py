"""Words to the kiosk about the conversation itself: say it again, louder, stop, another language.

They stand in no programme and mean the same in every shop. A text is such an aside only when
nothing else of weight is said in it: "how loud is the louder one?" is a question.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from device.conversation.reading import Family, Part, alike, family_of, parts_of, read

AsideKind = Literal["repeat", "louder", "quieter", "stop", "language", "thanks"]

_CHINESE: dict[str, str] = {
    "repeat": "再说一遍 再说一次 再讲一遍 再讲一次 再来一遍 重复一遍 重复一下 重说一遍 没听清 "
    "没听清楚 听不清 没听见 没听懂 没听明白 刚才说什么 刚刚说什么 你说什么 说什么 "
    "说慢一点 慢点说 说慢点 慢一点 讲慢一点 太快了 再说说 再讲讲",
    "louder": "大声一点 大声点 大点声 大一点声 响一点 声音大一点 声音能大一点 声音可以大一点 "
    "声音再大一点 声音大点 声音太小 太小声了 听不见 听不到 音量大一点 调大一点 "
    "音量调大 大声些 声音高一点",
    "quieter": "小声一点 小声点 小点声 轻一点 声音小一点 声音小点 声音太大 太大声了 太吵了 "
    "太响了 音量小一点 调小一点 音量调小 别那么大声 小声些 声音低一点",
    "stop": "别说了 不要说了 不用说了 别讲了 不要讲了 不用讲了 停 停下 停一下 停下来 停止 "
    "停停 闭嘴 安静 安静点 安静一下 够了 别说话 不要说话 住口 别吵 不听了 不想听了 "
    "可以了 行了",
    "thanks": "谢谢 谢谢你 多谢 感谢 谢了 再见 拜拜 拜了 下次见 回头见",
    "zh": "说中文 讲中文 用中文 说汉语 讲汉语 说普通话 讲普通话 用普通话 中文 换中文 "
    "切换中文 会说中文 国语 讲国语",
    "en": "说英文 说英语 讲英文 讲英语 用英文 用英语 英文 英语 换英文 换英语 切换英文 会说英语",
}

_ENGLISH: dict[str, str] = {
    "repeat": "say that again|say it again|say again|repeat|repeat that|repeat it|come again|"
    "pardon|pardon me|beg your pardon|what did you say|what was that|"
    "did not catch that|did not catch it|did not get that|did not hear that|"
    "did not hear you|did not understand|one more time|once more|tell me again|"
    "slower|more slowly|slow down|speak slowly|too fast",
    "louder": "louder|speak up|can not hear you|can not hear|turn it up|volume up|"
    "turn up the volume|turn the volume up|too quiet|raise your voice|speak loudly",
    "quieter": "quieter|too loud|so loud|turn it down|volume down|turn down the volume|"
    "turn the volume down|lower your voice|more quietly|softer|keep it down",
    "stop": "stop|stop it|stop talking|stop that|stop speaking|be quiet|shut up|silence|"
    "enough|that be enough|do not talk|hush|quiet",
    "thanks": "thank you|thank you very much|thank you so much|thanks|thanks a lot|thank|"
    "cheers|bye|goodbye|bye bye|see you|see you later|have a nice day|good night",
    "zh": "speak chinese|in chinese|chinese|speak mandarin|in mandarin|mandarin|"
    "talk chinese",
    "en": "speak english|in english|english|talk english",
}  # fmt: skip

_FLOOR = {1: 1.0, 2: 0.9, 3: 0.88}  # by length; longer ones 0.85
_UNITS_MAX = 14
# With these it is a question, whatever else is said ("when does the bus stop?").
_QUESTION = {
    "zh": frozenset("怎几哪谁"),
    "en": frozenset(("when", "where", "which", "why", "who", "how", "much", "many")),
}


@dataclass(frozen=True)
class Aside:
    """What is wanted; `family` is the wanted language, "zh" or "en", of a change of language."""

    kind: AsideKind
    family: str | None = None


def aside(text: str) -> Aside | None:
    """The aside that `text` is, or None when it is something else."""
    family = family_of(text)
    parts = parts_of(text, family)[:-1]
    return _aside(parts, family) if len(parts) <= _UNITS_MAX else None


def _aside(parts: list[Part], family: Family) -> Aside | None:
    for phrase, name in _phrases(family):
        for start in range(len(parts) - len(phrase) + 1):
            if alike(parts, start, phrase, family) >= _FLOOR.get(len(phrase), 0.85):
                before, after = parts[:start], parts[start + len(phrase) :]
                if all(_is_nothing(rest, family) for rest in (before, after)):
                    return _named(name)
    return None


def _is_nothing(rest: list[Part], family: Family) -> bool:
    """Polite and general words, or one more aside ("thank you, bye")."""
    if not rest:
        return True
    words = [part.written for part in rest]
    if _QUESTION[family] & set(words):
        return False
    said = read(("" if family == "zh" else " ").join(words), {}, {})
    return said.is_bare or _aside(rest, family) is not None


def _named(name: str) -> Aside:
    return Aside("language", name) if name in ("zh", "en") else Aside(cast(AsideKind, name))


@lru_cache(maxsize=2)
def _phrases(family: Family) -> tuple[tuple[tuple[str, ...], str], ...]:
    """(units, name) of every phrase, longest first."""
    table = _CHINESE if family == "zh" else _ENGLISH
    found = [
        (tuple(part.sound for part in parts_of(phrase, family)[:-1]), name)
        for name, phrases in table.items()
        for phrase in (phrases.split() if family == "zh" else phrases.split("|"))
    ]
    return tuple(sorted(found, key=lambda pair: -len(pair[0])))
