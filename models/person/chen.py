"""Who Chen is: a man of about sixty, grey, in an apron of the coffee corner; nobody's likeness."""

from __future__ import annotations

from models.person.character import Character, Complexion, Dress, Face, Hair

CHEN = Character(
    id="chen",
    names={"zh-CN": "老陈", "en-US": "Chen"},
    mouth_box=(414, 672, 252, 252),
    patch_px=192,
    hands="male",
    eyes_box=(378, 486, 324, 180),
    head_box=(300, 300, 480, 640),
    complexion=Complexion(skin_srgb=(222, 176, 146), lip_srgb=(176, 110, 100),
                          body_linear=(0.66, 0.40, 0.27), lipstick=0.55, blush=0.35, age=1.0,
                          stubble=0.6, lashes=0.35),
    hair=Hair("short", melanin=0.88, redness=0.10, grey=0.68, brow_hairs=520,
              brow_thickness=1.25),
    dress=Dress(blouse=(0.30, 0.42, 0.56), apron=(0.085, 0.040, 0.020),
                piping=(0.20, 0.30, 0.42), knots=False, bust_cm=0.6, shoulders=1.13),
    face=Face(
        landmark_moves_cm={
            # A broad jaw and a long, square chin.
            **{i: (s * m, u, 0.0) for i, s, m, u in (
                (2, -1, 0.15, 0.0), (3, -1, 0.30, -0.05), (4, -1, 0.40, -0.15),
                (5, -1, 0.40, -0.25), (6, -1, 0.35, -0.35), (7, -1, 0.20, -0.40),
                (8, 0, 0.0, -0.40), (9, 1, 0.20, -0.40), (10, 1, 0.35, -0.35),
                (11, 1, 0.40, -0.25), (12, 1, 0.40, -0.15), (13, 1, 0.30, -0.05),
                (14, 1, 0.15, 0.0))},
            # A longer, broader nose.
            27: (0, 0, 0.10), 28: (0, 0, 0.15), 29: (0, -0.05, 0.20), 30: (0, -0.20, 0.25),
            31: (-0.22, -0.10, 0), 32: (-0.10, -0.12, 0), 33: (0, -0.15, 0.05),
            34: (0.10, -0.12, 0), 35: (0.22, -0.10, 0),
            # Narrower eyes under heavier lids, outer corners lower.
            36: (0.02, -0.10, 0), 37: (0, -0.12, 0), 38: (0, -0.10, 0), 40: (0, 0.04, 0),
            41: (0, 0.04, 0), 45: (-0.02, -0.10, 0), 44: (0, -0.12, 0), 43: (0, -0.10, 0),
            47: (0, 0.04, 0), 46: (0, 0.04, 0),
            # A wide mouth with thin lips.
            48: (-0.14, -0.10, 0), 54: (0.14, -0.10, 0), 50: (0, -0.10, -0.08),
            52: (0, -0.10, -0.08), 51: (0, -0.10, -0.08), 56: (0, 0.12, -0.08),
            57: (0, 0.14, -0.08), 58: (0, 0.12, -0.08), 60: (-0.12, -0.08, 0),
            64: (0.12, -0.08, 0),
            # Low, straight brows.
            17: (0, -0.10, 0), 18: (0, -0.16, 0), 19: (0, -0.20, 0), 20: (0, -0.16, 0),
            21: (0, -0.10, 0), 22: (0, -0.10, 0), 23: (0, -0.16, 0), 24: (0, -0.20, 0),
            25: (0, -0.16, 0), 26: (0, -0.10, 0),
        },
        rest_shapes={"mouthSmile": 0.20, "mouthDimple": 0.10, "cheekSquint": 0.16,
                     "eyeSquint": 0.15, "mouthClose": 0.03},
    ),
)
