"""The rules for a chain's own recordings: they say their line, and they can be heard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from device.programme.lines import spoken_pieces
from device.programme.load import ASSET_BYTES_MAX, inside, is_inside_path
from device.programme.positions import Path
from device.programme.problems import Fault
from device.programme.rules import SENTENCE_CHARS_MAX, SENTENCE_CHARS_MAX_HAN, Checked
from device.programme.schema import PLACEHOLDER, SPEECH_FOLDER
from device.tts.sentences import sayable
from ota.errors import Refused

SECONDS_MIN, SECONDS_MAX = 0.2, 60.0
# People say 3 to 6 Han characters or 10 to 20 letters a second; beyond these it is another text.
_HAN_S, _LETTER_S = (0.08, 0.9), (0.025, 0.35)
_PAUSES_S = 3.0
_RATE_HZ = 16_000


def named(checked: Checked) -> Iterator[tuple[Path, str, str]]:
    """(path, file, what it is to say) of every recording that the programme names."""
    for item in checked.programme.spoken():
        for language, files in (item.recording or {}).items():
            text = PLACEHOLDER.sub("", item.say.get(language, ""))
            pieces = spoken_pieces(text, language, files)
            for number, file in enumerate(files):
                said = pieces[number][0] if number < len(pieces) else text
                yield checked.path(item, "recording", language, number), file, said


def lines(checked: Checked) -> Iterator[Fault]:
    """A recording without its line, of a line that differs between stores, or too few files."""
    for item in checked.programme.spoken():
        for language, files in (item.recording or {}).items():
            path = checked.path(item, "recording", language)
            text = item.say.get(language)
            if text is None:
                yield Fault(path, f"没有 {language} 的台词,录音不会播放",
                            f"there is no line in {language} that this records", at_key=True)
                continue
            yield from _variables(checked, path, text)
            yield from _count(path, language, text, files)


def _variables(checked: Checked, path: Path, text: str) -> Iterator[Fault]:
    for name in (each.strip() for each in PLACEHOLDER.findall(text)):
        product_id, dot, what = name.partition(".")
        product = checked.programme.product(product_id) if dot else None
        price = product.price or "" if product is not None and what == "price" else ""
        if not dot or PLACEHOLDER.search(price):
            yield Fault(
                path,
                f"台词里的 {{{name}}} 各门店不同,录音不可能都对;请去掉变量或去掉录音",
                f"{{{name}}} differs between stores, so one recording cannot be right; "
                "take out the variable or the recording")  # fmt: skip
        else:
            yield Fault(
                path,
                f"{{{name}}} 改了以后,录音里说的还是原来的;改动时请重录",
                f"the recording goes on saying today's {{{name}}}; renew it when that changes",
                "warning")  # fmt: skip


def _count(path: Path, language: str, text: str, files: tuple[str, ...]) -> Iterator[Fault]:
    said = sayable(PLACEHOLDER.sub("x", text), language)
    if len(files) not in (1, len(said)):
        yield Fault(
            path, f"这句台词有 {len(said)} 句话,录音却有 {len(files)} 个;每句一个,或整段一个",
            f"the line has {len(said)} sentences and {len(files)} recordings; one each, or one "
            "for the whole line")
        return
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    limit = SENTENCE_CHARS_MAX_HAN if han > len(text) // 3 else SENTENCE_CHARS_MAX
    if len(files) == 1 and len(said) > 1 and len(text) > limit:
        yield Fault(
            path, f"整段录音太长(超过 {limit} 个字),请每句话录一个文件",
            f"one recording for so long a line (over {limit} characters) cannot be interrupted; "
            "record each sentence in a file of its own")


def files(checked: Checked) -> Iterator[Fault]:
    """A recording outside the folder, missing or too large."""
    for path, name, _ in named(checked):
        if not is_inside_path(name):
            yield Fault(path, f"“{name}”指向节目文件夹之外",
                        f'"{name}" leaves the programme\'s folder')
        elif name.startswith(f"{SPEECH_FOLDER}/"):
            yield Fault(path, f"“{SPEECH_FOLDER}/”里的文件是生成的;请把录音放到别的文件夹",
                        f'"{SPEECH_FOLDER}/" is for what is built; put the recording elsewhere')
        elif checked.folder is not None:
            yield from _file(checked.folder, path, name)


def _file(folder: FilePath, path: Path, name: str) -> Iterator[Fault]:
    try:
        where = inside(folder, name)
        size = where.stat().st_size if where.is_file() else None
    except Refused as error:
        yield Fault(path, f"“{name}”是符号链接,请放入文件本身", str(error))
        return
    except (OSError, ValueError):
        size = None
    if size is None:
        yield Fault(path, f"找不到录音“{name}”", f'the recording "{name}" is not there')
    elif size > ASSET_BYTES_MAX:
        limit = ASSET_BYTES_MAX >> 20
        yield Fault(path, f"录音“{name}”超过 {limit} MB",
                    f'the recording "{name}" is larger than {limit} MB')


def sound(checked: Checked) -> Iterator[Fault]:
    """A recording that cannot be heard, or whose length is not that of its line.

    Needs the sound library: not for the box, which plays the clip that was built.
    """
    from device.audio.soundfiles import length_s, read

    for path, name, said in named(checked):
        if checked.folder is None or not is_inside_path(name):
            continue
        try:
            where = inside(checked.folder, name)
            if not where.is_file() or where.stat().st_size > ASSET_BYTES_MAX:
                continue
            seconds = length_s(where)
            if SECONDS_MIN <= seconds <= SECONDS_MAX:
                read(where, _RATE_HZ, allow_silence=False)
        except (OSError, Refused) as error:
            yield Fault(path, f"录音“{name}”不能用:读不出声音", str(error))
            continue
        yield from _length(path, name, said, seconds)


def _length(path: Path, name: str, said: str, seconds: float) -> Iterator[Fault]:
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        yield Fault(
            path, f"录音“{name}”长 {seconds:.1f} 秒,应在 {SECONDS_MIN} 到 {SECONDS_MAX:.0f} 秒",
            f'the recording "{name}" lasts {seconds:.1f} s; it must last {SECONDS_MIN} to '
            f"{SECONDS_MAX:.0f} s")
        return
    han = sum("\u4e00" <= c <= "\u9fff" for c in said)
    letters = sum(c.isalnum() for c in said) - han
    shortest = han * _HAN_S[0] + letters * _LETTER_S[0]
    longest = han * _HAN_S[1] + letters * _LETTER_S[1] + _PAUSES_S
    if not shortest <= seconds <= longest:
        yield Fault(
            path, f"录音“{name}”长 {seconds:.1f} 秒,和台词的长短不符,是不是放错了?",
            f'the recording "{name}" lasts {seconds:.1f} s, which is not the length of its '
            "line; is it the right one?", "warning")
