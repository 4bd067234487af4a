"""The input layouts of the networks that can be imported, told from an ONNX file's own inputs.

Two families: Wav2Lip (mel window, masked + reference face) and Ultralight-Digital-Human
(features of an audio encoder, reference + masked face). All pictures are BGR 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from device.render import melspec
from ota.errors import Refused

Shape = tuple[int | str | None, ...]
FLOAT = "tensor(float)"
WAV2LIP_AUDIO = (1, melspec.BANDS, melspec.WINDOW_STEPS)
WAV2LIP_SIDES_PX = (96, 256)
ULTRALIGHT_SIDE_PX, ULTRALIGHT_BORDER_PX = 160, 4
# What is black in Ultralight's masked picture: rows and columns, ends excluded.
ULTRALIGHT_BLACK = (slice(5, 150), slice(5, 155))


@dataclass(frozen=True)
class Window:
    """The features a frame hears: `frames` rows (the frame itself is row frames / 2) of `width`
    numbers each, at `rate_hz` rows a second."""

    what: str
    frames: int
    width: int
    rate_hz: int


ULTRALIGHT_WINDOWS = {
    (16, 32, 32): Window("HuBERT, 2 x 1024 a frame", 8, 2048, 25),
    (32, 32, 32): Window("HuBERT, 2 x 1024 a frame", 16, 2048, 25),
    (32, 16, 16): Window("mel encoder, 512 a frame", 16, 512, 25),
    (128, 16, 32): Window("wenet, 16 x 512 a frame", 8, 8192, 20),
    (256, 16, 32): Window("wenet, 16 x 512 a frame", 16, 8192, 20),
}


@dataclass(frozen=True)
class Layout:
    """How one network wants its inputs. `audio_shape` is without the batch."""

    kind: str
    face: str
    audio: str
    side_px: int
    audio_shape: tuple[int, int, int]

    @property
    def numbers(self) -> int:
        """How many numbers the audio input takes."""
        one, two, three = self.audio_shape
        return one * two * three

    @property
    def window(self) -> Window:
        """The features a frame hears (Ultralight only)."""
        return ULTRALIGHT_WINDOWS[self.audio_shape]


def read_layout(
    name: str, inputs: Mapping[str, Shape], types: Mapping[str, str]
) -> Layout:
    """The layout of a network with these inputs (shapes with the batch); `name` is for sentences.

    Raises Refused, naming what was expected and what was found.
    """
    found = ", ".join(f"{key} {_text(shape)}" for key, shape in inputs.items()) or "none"
    wanted = (
        f"{name} has the inputs {found}; expected a face (N,6,96,96) or (N,6,256,256) with a mel "
        "(N,1,80,16) for Wav2Lip, or a face (N,6,160,160) with audio features for "
        f"Ultralight: {', '.join(_text(('N', *each)) for each in ULTRALIGHT_WINDOWS)}")
    wrong = [f"{key} is {kind.removeprefix('tensor(').rstrip(')')}"
             for key, kind in types.items() if kind != FLOAT]
    if wrong:
        raise Refused(f"{name} wants another number format ({', '.join(wrong)}); export it with "
                      "float32 inputs.")
    faces = [key for key, shape in inputs.items() if len(shape) == 4 and shape[1] == 6]
    if len(inputs) != 2 or len(faces) != 1:
        raise Refused(f"{wanted}; export the network again.")
    face, = faces
    audio, = (key for key in inputs if key != face)
    sides, sounds = inputs[face][2:], inputs[audio][1:]
    batches = [shape[0] for shape in (inputs[face], inputs[audio]) if isinstance(shape[0], int)]
    if any(batch != 1 for batch in batches):
        raise Refused(f"{name} takes {batches[0]} frames at once; export it with a batch of 1 or "
                      "a free batch.")
    for kind, allowed, shapes in (
        ("wav2lip", WAV2LIP_SIDES_PX, (WAV2LIP_AUDIO,)),
        ("ultralight", (ULTRALIGHT_SIDE_PX,), tuple(ULTRALIGHT_WINDOWS)),
    ):
        for side in allowed:
            if sides == (side, side) and sounds in shapes:
                one, two, three = (int(n or 0) for n in sounds)
                return Layout(kind, face, audio, side, (one, two, three))
    raise Refused(f"{wanted}; export the network again.")


def _text(shape: Shape) -> str:
    return "(" + ",".join("N" if n is None else str(n) for n in shape) + ")"
