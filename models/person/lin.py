"""Who Lin is: her face, hair and clothes, the light she stands in and how the camera frames her."""

from __future__ import annotations

from models.person.face import Person

SIZE_PX = (1080, 1920)
PX_PER_CM = 24.5
CAMERA_CM = 140.0
# ICT coordinates (cm) of the point that the camera puts at FACE_PX.
FACE_CM = (0.0, 2.0, 9.0)
FACE_PX = (540.0, 640.0)
PATCH_PX = 256
# The mouth patch in the picture: x, y of its top left corner.
PATCH_AT = (412, 668)
# Eyes and brows: x, y, w, h.
EYES_BOX = (384, 490, 312, 176)

LIN = Person(
    id="lin",
    landmark_moves_cm={
        # A narrower jaw and a finer chin.
        **{i: (s * m, u, 0.0) for i, s, m, u in (
            (2, 1, 0.25, 0.0), (3, 1, 0.45, 0.1), (4, 1, 0.60, 0.25), (5, 1, 0.60, 0.35),
            (6, 1, 0.45, 0.35), (7, 1, 0.25, 0.35), (8, 0, 0.0, 0.35), (9, -1, 0.25, 0.35),
            (10, -1, 0.45, 0.35), (11, -1, 0.60, 0.35), (12, -1, 0.60, 0.25), (13, -1, 0.45, 0.1),
            (14, -1, 0.25, 0.0))},
        # A smaller, softer nose.
        27: (0, 0, -0.25), 28: (0, 0, -0.30), 29: (0, 0, -0.30), 30: (0, 0.05, -0.40),
        31: (0.18, 0.0, -0.05), 32: (0.07, 0, -0.05), 33: (0, 0.0, -0.1), 34: (-0.07, 0, -0.05),
        35: (-0.18, 0.0, -0.05),
        # Larger eyes, the outer corners a little raised.
        36: (-0.06, 0.12, 0), 37: (-0.02, 0.20, 0.02), 38: (0, 0.18, 0.02), 39: (0.02, -0.03, 0),
        40: (0, -0.08, 0), 41: (0, -0.05, 0), 45: (0.06, 0.12, 0), 44: (0.02, 0.20, 0.02),
        43: (0, 0.18, 0.02), 42: (-0.02, -0.03, 0), 47: (0, -0.08, 0), 46: (0, -0.05, 0),
        # Lips: a bow above, fuller below, not as wide.
        48: (0.16, 0.06, 0), 54: (-0.16, 0.06, 0), 50: (0, 0.06, 0.05), 52: (0, 0.06, 0.05),
        51: (0, 0.04, 0.05), 56: (0, -0.08, 0.05), 57: (0, -0.10, 0.06), 58: (0, -0.08, 0.05),
        60: (0.14, 0.06, 0), 64: (-0.14, 0.06, 0),
        # Brows.
        17: (0, 0.05, 0), 26: (0, 0.05, 0), 19: (0, 0.12, 0), 24: (0, 0.12, 0),
    },
    rest_shapes={"mouthSmile": 0.24, "mouthDimple": 0.10, "cheekSquint": 0.08, "eyeWide": 0.10,
                 "mouthClose": 0.03},
)
