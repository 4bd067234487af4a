"""How large a picture is drawn for a screen: pure arithmetic."""

from __future__ import annotations

PORTRAIT = (1080, 1920)


def canvas_for(desktop: tuple[int, int] | None, avatar: tuple[int, int]) -> tuple[int, int]:
    """Width and height to compose for a desktop of that size, None where it is not known.

    The shape is the screen's, so that nothing of it stays black; the short side is the avatar's:
    a larger one costs four times the work and shows nothing more, the screen itself scales.
    """
    if desktop is None or min(desktop) < 1:
        return PORTRAIT
    short = min(min(avatar), min(desktop))
    long = round(short * max(desktop) / min(desktop) / 2) * 2
    return (long, short) if desktop[0] > desktop[1] else (short, long)
