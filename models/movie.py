"""Writes and reads video frame by frame; the only importer of PyAV among the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def write_loop(path: Path, frames: Iterable[Picture], fps: int, crf: int = 17) -> int:
    """Encode RGB frames (h, w, 3) as H.264 yuv420p without B frames; returns how many."""
    import av

    count = 0
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = None
        for picture in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"preset": "medium", "crf": str(crf), "bf": "0", "g": "50",
                                  "threads": "1"}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count


def read_frames(path: Path) -> Iterator[Picture]:
    """RGB frames of a video."""
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
