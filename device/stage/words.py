"""When each word of a sentence is said, where the programme's index does not know it (pure).

Syllables are spread over the time in which somebody speaks; the clip's pauses are matched with
the text's marks, so that an error ends at the next comma. Against the synthesiser's own times
over the 78 clips of the tea shop (706 words): Chinese half of the words within 35 ms, 95 % within
110; English 45 and 180.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from device.programme.word_times import words
from device.tts.text import normalise

STEP_MS = 10
QUIET_DB = -32.0  # under the clip's loud parts (95th percentile): nobody speaks
PAUSE_MS_MIN = 90
HAN_WEIGHT, LETTER_WEIGHT, SYLLABLE_WEIGHT, MARK_WEIGHT = 1.0, 0.17, 0.3, 0.15
MARK_FAR = 0.25  # of the spoken time: a pause so far from a mark is another one's
PAUSES_MAX = 64
_MARKS = frozenset("，。、；：？！…—,.;:?!")
_VOWELS = re.compile(r"[aeiouyà-ÿ]+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]+")

Floats = npt.NDArray[np.float32]


def estimated_ms(text: str, language: str, samples: Floats, rate_hz: int) -> tuple[int, ...]:
    """The moment in ms at which each word of `text` begins in mono `samples`."""
    parts = [text[start:end] for start, end in words(text)]
    if not parts:
        return ()
    weights = np.array([_weight(part, language) for part in parts])
    ends = np.cumsum(weights) / weights.sum()
    speaks = _speaks(samples, rate_hz)
    spoken = np.concatenate([[0.0], np.cumsum(speaks)])
    total = max(1.0, spoken[-1])
    marks = [number for number, part in enumerate(parts[:-1]) if part.rstrip()[-1] in _MARKS]
    pauses = [float(spoken[begin] / total) for begin in _pauses(speaks)]
    pairs = _matched([float(ends[number]) for number in marks], pauses)
    in_text = [0.0, *(float(ends[marks[mark]]) for mark, _ in pairs), 1.0]
    in_sound = [0.0, *(pauses[pause] for _, pause in pairs), 1.0]
    begins = np.interp(np.concatenate([[0.0], ends[:-1]]), in_text, in_sound) * total
    # The step in which so much has been spoken and the next syllable sounds.
    steps = np.searchsorted(spoken, begins + 1e-9, side="right") - 1
    steps = np.minimum(steps, len(speaks) - 1)
    sounding = np.flatnonzero(speaks)
    if len(sounding):
        next_one = np.minimum(np.searchsorted(sounding, steps), len(sounding) - 1)
        steps = sounding[next_one]
    return tuple(int(step) * STEP_MS for step in steps)


def spread_ms(text: str, language: str, length_ms: int) -> tuple[int, ...]:
    """The same for a sentence that is only shown: by its syllables alone."""
    parts = [text[start:end] for start, end in words(text)]
    if not parts:
        return ()
    weights = np.array([_weight(part, language) for part in parts])
    begins = np.concatenate([[0.0], np.cumsum(weights)[:-1]]) / weights.sum()
    return tuple(int(share * length_ms) for share in begins)


def _weight(part: str, language: str) -> float:
    """How long a word takes to say, in Han characters."""
    read = normalise(part, language).lower() if any(c.isdigit() for c in part) else part.lower()
    weight = HAN_WEIGHT * len(_HAN.findall(read))
    for word in _LATIN_WORD.findall(read):
        syllables = max(1, len(_VOWELS.findall(word)) - (len(word) > 3 and word.endswith("e")))
        weight += SYLLABLE_WEIGHT * syllables + LETTER_WEIGHT * len(word)
    weight += MARK_WEIGHT * (part.rstrip()[-1:] in _MARKS)
    return max(0.25, weight)


def _speaks(samples: Floats, rate_hz: int) -> npt.NDArray[np.bool_]:
    """For each step of STEP_MS: is it loud enough for speech?"""
    step = max(1, rate_hz * STEP_MS // 1000)
    count = len(samples) // step
    if count == 0:
        return np.zeros(1, np.bool_)
    power = np.square(samples[: count * step].reshape(count, step)).mean(axis=1)
    level_db = 10.0 * np.log10(power + 1e-12)
    loud: npt.NDArray[np.bool_] = level_db > np.percentile(level_db, 95) + QUIET_DB
    return loud


def _pauses(speaks: npt.NDArray[np.bool_]) -> list[int]:
    """The first steps of the pauses between the first and the last sound."""
    sounding = np.flatnonzero(speaks)
    if len(sounding) < 2:
        return []
    gaps = np.diff(sounding) - 1
    long_enough = np.flatnonzero(gaps * STEP_MS >= PAUSE_MS_MIN)
    longest = sorted(sorted(long_enough, key=lambda at: -gaps[at])[:PAUSES_MAX])
    return [int(sounding[at]) + 1 for at in longest]


def _matched(marks: Sequence[float], pauses: Sequence[float]) -> list[tuple[int, int]]:
    """Pairs (mark, pause) in order: as many as fit, with the least distance in all."""
    rows, columns = len(marks), len(pauses)
    cost = np.zeros((rows + 1, columns + 1))
    cost[1:, 0] = MARK_FAR * np.arange(1, rows + 1)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            far = abs(marks[row - 1] - pauses[column - 1])
            cost[row, column] = min(
                cost[row - 1, column] + MARK_FAR, cost[row, column - 1],
                cost[row - 1, column - 1] + far)
    found: list[tuple[int, int]] = []
    row, column = rows, columns
    while row and column:
        if cost[row, column] == cost[row, column - 1]:
            column -= 1
        elif cost[row, column] == cost[row - 1, column] + MARK_FAR:
            row -= 1
        else:
            row, column = row - 1, column - 1
            found.append((row, column))
    return found[::-1]
