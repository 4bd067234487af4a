"""What is true about an avatar: held-out pictures and sentences of a work folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.measure.landmarks import Lips
from models.measure.pictures import Bytes
from models.measure.sentences import Sentence
from ota.errors import Refused

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Truth:
    """images (n, 3, p, p) of codes (n, K), which of them were never trained on (n,), the rest
    (3, p, p) 0..1 and mask (p, p); `sentences` with the true video (f, 3, p, p) of each; `lips`
    says where lips are for a code. `missing`: what is not there and what to run for it."""

    rest: Floats
    mask: Bytes
    images: Bytes
    codes: Floats
    held_out: NDArray[np.bool_]
    sentences: list[Sentence] = field(default_factory=list)
    videos: list[Bytes] = field(default_factory=list)
    lips: Lips | None = None
    missing: list[str] = field(default_factory=list)


def home_of(work: Path) -> Path:
    """The work folder of the person; 4K variants lie inside it, in `large`."""
    return work.parent if work.name == "large" else work


def load(work: Path) -> Truth:
    """Everything measurable in a work folder that `models make` filled, or in its `large` folder.
    Raises Refused when even the pictures are missing, or this Python lacks what reads them."""
    from models.measure import landmarks, sentences

    if find_spec("scipy") is None:
        raise Refused("Measuring renders needs the build environment: make it as docs/avatar.md "
                      "says and run `.avatar-venv/bin/python -m cli models compare`.")
    from models.stages import LARGE_PX, LARGE_SCALE, read_pictures

    home = home_of(work)
    if not (home / "mouths" / "0000.png").is_file():
        raise Refused(f"{home} has no rendered mouths; run `vitrine models make` first.")
    size = (None, 1) if home == work else (LARGE_PX, LARGE_SCALE)
    data = read_pictures(home, *size)
    missing = []
    found = sentences.read(home / "sentences")
    videos: list[Bytes] = []
    if not found:
        missing.append(f"held-out sentences: run `python -m models.measure.sentences --work {home}`"
                       " and `vitrine models make` to render them")
    rendered = [s for s in found if (home / "sentences" / str(s.number)
                                     / f"{len(s.codes) - 1:04d}.png").exists()]
    if len(rendered) < len(found):
        missing.append(f"renders of {len(found) - len(rendered)} of {len(found)} held-out "
                       "sentences: run `vitrine models make` again")
    if rendered:
        videos = _videos(home, data.rest, rendered)
    lips = landmarks.read(home / "lips.npz")
    if lips is None:
        missing.append("where the lips are: give the face assets once with `--assets`")
    return Truth(data.rest, data.mask, data.images, data.codes, data.held_out, rendered, videos,
                 lips, missing)


def _videos(home: Path, rest: Floats, rendered: list[Sentence]) -> list[Bytes]:
    """The renders of each sentence, matched to the plate as the training pictures are."""
    from models.net import dataset

    result = []
    for sentence in rendered:
        folder = home / "sentences" / str(sentence.number)
        frames = len(sentence.codes)
        absent = [i for i in range(frames) if not (folder / f"{i:04d}.png").exists()]
        if absent:
            raise Refused(f"{folder} lacks {len(absent)} renders (first {absent[0]:04d}.png); run "
                          "`vitrine models make` again.")
        result.append(dataset.video(folder, frames, rest.transpose(1, 2, 0),
                                    home / "mouths" / "0000.png"))
    return result
