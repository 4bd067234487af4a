"""What makes one avatar a person: face, skin, hair, dress, and where they lie in the picture."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Face:
    """A change of iBUG landmarks in cm, and the ICT shapes the face rests in."""

    landmark_moves_cm: dict[int, tuple[float, float, float]]
    rest_shapes: dict[str, float]


@dataclass(frozen=True)
class Complexion:
    """Skin as painted: sRGB colours; blush, lipstick, age and stubble from 0 to about 1."""

    skin_srgb: tuple[int, int, int]
    lip_srgb: tuple[int, int, int]
    body_linear: Colour
    lipstick: float = 0.88
    blush: float = 0.85
    age: float = 0.0
    stubble: float = 0.0
    lashes: float = 1.0


@dataclass(frozen=True)
class Hair:
    """`style` is swept (long, parted) or short; melanin 0..1 (black 0.93), grey share 0..1."""

    style: str
    melanin: float
    redness: float
    grey: float = 0.0
    brow_hairs: int = 620
    brow_thickness: float = 1.0


@dataclass(frozen=True)
class Dress:
    """Colours (linear RGB) of blouse, apron and piping; the build under them."""

    blouse: Colour
    apron: Colour
    piping: Colour
    knots: bool = True
    bust_cm: float = 2.5
    shoulders: float = 1.0


@dataclass(frozen=True)
class Character:
    """One avatar. Boxes are (x, y, w, h) in the 1080 x 1920 picture; `mouth_box` is square and
    `patch_px` the side at which its renderer draws it; `hands` are female or male."""

    id: str
    names: dict[str, str]
    face: Face
    complexion: Complexion
    hair: Hair
    dress: Dress
    mouth_box: Box
    patch_px: int
    eyes_box: Box
    head_box: Box
    hands: str = "female"
    backdrop_seed: int = 5
