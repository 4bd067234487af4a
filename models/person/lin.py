"""Who Lin is: her face, skin, hair and clothes; nobody's likeness."""

from __future__ import annotations

from models.person.character import Character, Complexion, Dress, Face, Hair

LIN = Character(
    id="lin",
    names={"zh-CN": "小林", "en-US": "Lin"},
    mouth_box=(412, 668, 256, 256),
    patch_px=256,
    eyes_box=(384, 490, 312, 176),
    head_box=(322, 322, 436, 600),
    complexion=Complexion(skin_srgb=(240, 200, 176), lip_srgb=(198, 98, 98),
                          body_linear=(0.80, 0.52, 0.39)),
    hair=Hair("swept", melanin=0.93, redness=0.38),
    dress=Dress(blouse=(0.93, 0.905, 0.85), apron=(0.020, 0.070, 0.052),
                piping=(0.030, 0.095, 0.070)),
    face=Face(
        landmark_moves_cm={
            # A narrower jaw and a finer chin.
            **{i: (s * m, u, 0.0) for i, s, m, u in (
                (2, 1, 0.25, 0.0), (3, 1, 0.45, 0.1), (4, 1, 0.60, 0.25), (5, 1, 0.60, 0.35),
                (6, 1, 0.45, 0.35), (7, 1, 0.25, 0.35), (8, 0, 0.0, 0.35), (9, -1, 0.25, 0.35),
                (10, -1, 0.45, 0.35), (11, -1, 0.60, 0.35), (12, -1, 0.60, 0.25),
                (13, -1, 0.45, 0.1), (14, -1, 0.25, 0.0))},
            # A smaller, softer nose.
            27: (0, 0, -0.25), 28: (0, 0, -0.30), 29: (0, 0, -0.30), 30: (0, 0.05, -0.40),
            31: (0.18, 0.0, -0.05), 32: (0.07, 0, -0.05), 33: (0, 0.0, -0.1), 34: (-0.07, 0, -0.05),
            35: (-0.18, 0.0, -0.05),
            # Larger eyes, the outer corners a little raised.
            36: (-0.06, 0.12, 0), 37: (-0.02, 0.20, 0.02), 38: (0, 0.18, 0.02),
            39: (0.02, -0.03, 0), 40: (0, -0.08, 0), 41: (0, -0.05, 0),
            45: (0.06, 0.12, 0), 44: (0.02, 0.20, 0.02), 43: (0, 0.18, 0.02),
            42: (-0.02, -0.03, 0), 47: (0, -0.08, 0), 46: (0, -0.05, 0),
            # Lips: a bow above, fuller below, not as wide.
            48: (0.16, 0.06, 0), 54: (-0.16, 0.06, 0), 50: (0, 0.06, 0.05), 52: (0, 0.06, 0.05),
            51: (0, 0.04, 0.05), 56: (0, -0.08, 0.05), 57: (0, -0.10, 0.06), 58: (0, -0.08, 0.05),
            60: (0.14, 0.06, 0), 64: (-0.14, 0.06, 0),
            # Brows.
            17: (0, 0.05, 0), 26: (0, 0.05, 0), 19: (0, 0.12, 0), 24: (0, 0.12, 0),
        },
        rest_shapes={"mouthSmile": 0.24, "mouthDimple": 0.10, "cheekSquint": 0.08, "eyeWide": 0.10,
                     "mouthClose": 0.03},
    ),
)
