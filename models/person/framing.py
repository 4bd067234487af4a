"""How every person is framed: the portrait camera, in pixels of the 1080 x 1920 picture and cm."""

from __future__ import annotations

SIZE_PX = (1080, 1920)
PX_PER_CM = 24.5
CAMERA_CM = 140.0
# ICT coordinates (cm) of the point that the camera puts at FACE_PX.
FACE_CM = (0.0, 2.0, 9.0)
FACE_PX = (540.0, 640.0)
