"""Degrade with grace: which frame rate heat and load allow. Pure; `device/stage/warden.py` looks.

Down at once and as far as needed, up one step at a time and only after a calm minute; each
step up that did not hold doubles the wait for the next. Sound has no band: it is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

STILL = 0
CALM_S = 60.0
CALM_S_MAX = 3600.0
# A step up that lasts this long has proven itself.
PROVEN_S = 900.0
# A sensor that falls silent keeps its last word for so long: silence is not coolness.
HEAT_KEPT_S = 600.0
COOLING_C = 8.0
# No silicon runs beyond these: such a sensor is broken, and broken is unknown.
PLAUSIBLE_C = (-40.0, 125.0)
CALM_LATE = 0.02
# Share of a frame's time that its work may take: to stay, and to try a faster band.
WORK_STAYS, WORK_FITS = 0.9, 0.7


@dataclass(frozen=True)
class Band:
    """`fps` pictures a second (STILL: captions over one picture), entered from this heat or this
    share of late frames on."""

    fps: int
    enter_c: float
    enter_late: float

    @property
    def name(self) -> str:
        """As events and the report call it."""
        return "still" if self.fps == STILL else f"{self.fps} fps"


BANDS = (
    Band(30, -300.0, -1.0), Band(25, 85.0, 0.06), Band(15, 90.0, 0.12), Band(STILL, 97.0, 0.6))


@dataclass(frozen=True)
class Reading:
    """One look. None is unknown: no reason for a step, in either direction.

    hottest_c: the machine's hottest sensor. late: share of frames that were due and not shown.
    picture_ms: what composing and presenting one frame takes; mouth_ms: rendering one mouth.
    """

    at_s: float
    hottest_c: float | None = None
    late: float | None = None
    picture_ms: float | None = None
    mouth_ms: float | None = None


@dataclass(frozen=True)
class Standing:
    """Where we stand in `bands`; make it by `Standing(ladder(fps))`."""

    bands: tuple[Band, ...]
    number: int = 0
    calm_since_s: float | None = None
    calm_needed_s: float = CALM_S
    up_at_s: float | None = None
    heat_c: float | None = None
    heat_at_s: float = 0.0
    why: str = ""

    @property
    def band(self) -> Band:
        """The band that holds."""
        return self.bands[self.number]


def ladder(fps: int) -> tuple[Band, ...]:
    """The bands of an avatar of `fps` pictures a second: its own rate, and all slower ones."""
    slower = tuple(band for band in BANDS if band.fps < fps)
    return (Band(fps, -300.0, -1.0), *slower)


def judge(standing: Standing, reading: Reading) -> Standing:
    """The band after this look; `why` says what asked for the last step down."""
    standing = _with_heat(standing, reading)
    target, why = _target(standing, reading)
    if target > standing.number:
        return _down(standing, reading.at_s, target, why)
    if target == standing.number:
        return replace(standing, calm_since_s=None)
    if standing.calm_since_s is None:
        return replace(standing, calm_since_s=reading.at_s)
    if reading.at_s - standing.calm_since_s < standing.calm_needed_s:
        return standing
    return replace(standing, number=standing.number - 1, calm_since_s=None,
                   up_at_s=reading.at_s, why="calm")


def _down(standing: Standing, at_s: float, target: int, why: str) -> Standing:
    calm_s = CALM_S
    if standing.up_at_s is not None and at_s - standing.up_at_s < PROVEN_S:
        calm_s = min(CALM_S_MAX, 2 * standing.calm_needed_s)
    return replace(standing, number=target, calm_since_s=None, calm_needed_s=calm_s, why=why)


def _with_heat(standing: Standing, reading: Reading) -> Standing:
    low_c, high_c = PLAUSIBLE_C
    if reading.hottest_c is not None and low_c <= reading.hottest_c <= high_c:
        return replace(standing, heat_c=reading.hottest_c, heat_at_s=reading.at_s)
    if reading.at_s - standing.heat_at_s > HEAT_KEPT_S:
        return replace(standing, heat_c=None)
    return standing


def _target(standing: Standing, reading: Reading) -> tuple[int, str]:
    """The slowest band that something asks for, and what asks. Those we are in ask longer."""
    found, why = 0, ""
    for number, band in enumerate(standing.bands[1:], start=1):
        inside = number <= standing.number
        asks = _asks(band, standing.bands[number - 1], inside, standing.heat_c, reading)
        if asks:
            found, why = number, asks
    return found, why


def _asks(band: Band, faster: Band, inside: bool, heat_c: float | None, reading: Reading) -> str:
    if heat_c is not None and heat_c >= band.enter_c - (COOLING_C if inside else 0.0):
        return "heat"
    if reading.late is not None and reading.late >= (CALM_LATE if inside else band.enter_late):
        return "late frames"
    frame_ms = 1000.0 / faster.fps * (WORK_FITS if inside else WORK_STAYS)
    if reading.picture_ms is not None and reading.picture_ms > frame_ms:
        return "picture work"
    # A mouth that lags is better than none: it asks for fewer pictures, never for a still.
    if band.fps != STILL and reading.mouth_ms is not None and reading.mouth_ms > frame_ms:
        return "mouth work"
    return ""


def is_shown(n: int, base_fps: int, fps: int) -> bool:
    """Is frame `n` of the timeline's grid of `base_fps` one of the `fps` a second to be shown?

    The grid stays, and with it each frame's moment and mouth: some are just not shown.
    """
    return fps >= base_fps or n * fps // base_fps != (n - 1) * fps // base_fps


def next_shown(n: int, base_fps: int, fps: int) -> int:
    """The first frame from `n` on that is shown."""
    while not is_shown(n, base_fps, fps):
        n += 1
    return n


def shown_between(first: int, end: int, base_fps: int, fps: int) -> int:
    """How many of the frames `first` .. `end` - 1 are to be shown."""
    if fps >= base_fps:
        return max(0, end - first)
    return max(0, (end - 1) * fps // base_fps - (first - 1) * fps // base_fps)

