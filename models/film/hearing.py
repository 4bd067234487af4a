"""Voice to the person's own mouth codes: a new last layer on the shared voice network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ota.errors import Broken

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
# The new layer sees one more frame to each side than the shared network's last one.
SIDE_FRAMES = 1
FRAME_MS = 40
STEPS_PER_FRAME = 4
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
VARIANTS = 4
LAG_MAX_FRAMES = 8
# Below this the sound does not belong to the picture.
TOGETHER_MIN = 0.2
# A mean over what a sound may be moves less than a mouth does.
WIDEN_MAX = 1.3


@dataclass(frozen=True)
class Layer:
    """weight (K, F, 1 + 2 SIDE_FRAMES) and bias (K,) over trunk features (F,) of 25 a second."""

    weight: Doubles
    bias: Doubles


def best_lag(heard: Floats, seen: Floats) -> tuple[int, float]:
    """By how many frames the mouth `seen` (n,) comes after what the sound `heard` (n,) asks for,
    and their correlation there."""
    scores = {}
    for lag in range(-LAG_MAX_FRAMES, LAG_MAX_FRAMES + 1):
        a = heard[max(0, -lag) : len(heard) - max(0, lag)]
        b = seen[max(0, lag) : len(seen) - max(0, -lag)]
        spread = float(a.std() * b.std())
        scores[lag] = float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else 0.0
    lag = max(scores, key=lambda k: scores[k])
    return lag, scores[lag]


def moved_by(values: NDArray[Any], lag: int) -> NDArray[Any]:
    """Values (n, ...) taken `lag` frames later; the ends are repeated."""
    at = np.clip(np.arange(len(values)) + lag, 0, len(values) - 1)
    return np.asarray(values[at])


def windows(features: Floats) -> Doubles:
    """(n, F (1 + 2 side)) each frame's features with those of its neighbours."""
    padded = np.pad(features.astype(np.float64), ((SIDE_FRAMES, SIDE_FRAMES), (0, 0)))
    shifted = [padded[i : i + len(features)] for i in range(1 + 2 * SIDE_FRAMES)]
    return np.stack(shifted, -1).reshape(len(features), -1)


def fit(variants: list[Floats], codes: Floats, used: Flags) -> Layer:
    """Ridge regression from trunk features (n, F) to codes (n, K); `variants` are those of the
    same sound as heard in other rooms, the first one as it is.

    The penalty is the one that serves the last fifth of the used frames best. Axes with two sides
    are fitted as one signed number.
    """
    y = signed(codes)
    chosen = np.flatnonzero(used)
    cut = int(len(chosen) * 0.8)
    raw = [windows(v) for v in variants]
    mean, spread = raw[0][chosen].mean(0), raw[0][chosen].std(0) + 1e-6
    scaled = [np.concatenate([(x - mean) / spread, np.ones((len(x), 1))], 1) for x in raw]
    free = np.diag([1.0] * raw[0].shape[1] + [0.0])
    def solved(rows: NDArray[np.int64], penalty: float) -> Doubles:
        gram = sum(x[rows].T @ x[rows] for x in scaled)
        wanted = sum(x[rows].T @ y[rows] for x in scaled)
        amount = penalty * len(rows) * len(scaled)
        return np.asarray(np.linalg.solve(gram + amount * free, wanted))
    def error(penalty: float) -> float:
        left = scaled[0][chosen[cut:]] @ solved(chosen[:cut], penalty) - y[chosen[cut:]]
        return float((left**2).mean())
    found = solved(chosen, min(PENALTIES, key=error))
    made = scaled[0][chosen] @ found
    gain = np.clip(y[chosen].std(0) / (made.std(0) + 1e-9), 1.0, WIDEN_MAX)
    weight = found[:-1] / spread[:, None] * gain
    # The gain is about the rest, which is zero.
    bias = found[-1] * gain - mean @ weight
    shaped = weight.T.reshape(y.shape[1], variants[0].shape[1], 1 + 2 * SIDE_FRAMES)
    return two_sided(Layer(shaped, bias))


def signed(codes: Floats) -> Doubles:
    """(n, 1 + C): the opening, and each axis's positive side less its negative one."""
    sides = codes[:, 1:].reshape(len(codes), -1, 2).astype(np.float64)
    return np.concatenate([codes[:, :1], sides[..., 0] - sides[..., 1]], 1)


def two_sided(layer: Layer) -> Layer:
    """The same layer for codes with both sides apart; what is below zero is cut off after it."""
    rows = [layer.weight[:1], *(np.stack([w, -w]) for w in layer.weight[1:])]
    sides = np.stack([layer.bias[1:], -layer.bias[1:]], 1).ravel()
    return Layer(np.concatenate(rows), np.concatenate([layer.bias[:1], sides]))


def trunk(network: Path, out: Path) -> None:
    """Write the shared voice network without its last layer: (1, t, 80) -> features (1, F, t/4)."""
    import onnx

    model = onnx.load(str(network))
    last = _last_layer(model)
    keep = list(model.graph.node).index(last)
    del model.graph.node[keep:]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(
        last.input[0], onnx.TensorProto.FLOAT, None))
    onnx.save(model, str(out))


def with_layer(network: Path, layer: Layer, out: Path) -> None:
    """Write the shared voice network with `layer` as its last one: mel (1, t, 80) -> code
    (1, t/4, K), nothing below zero."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(network))
    last = _last_layer(model)
    at = list(model.graph.node).index(last)
    features = last.input[0]
    del model.graph.node[at:]
    for name, value in (("film.weight", layer.weight), ("film.bias", layer.bias)):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    model.graph.node.extend([
        helper.make_node("Conv", [features, "film.weight", "film.bias"], ["film.moved"],
                         kernel_shape=[1 + 2 * SIDE_FRAMES], pads=[SIDE_FRAMES, SIDE_FRAMES]),
        helper.make_node("Relu", ["film.moved"], ["film.code"]),
        helper.make_node("Transpose", ["film.code"], ["code"], perm=[0, 2, 1]),
    ])
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(layer.bias)
    used = {name for node in model.graph.node for name in node.input}
    kept = [i for i in model.graph.initializer if i.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    part = out.with_suffix(".part.onnx")
    onnx.save(model, str(part))
    part.replace(out)


def _last_layer(model: Any) -> Any:
    """The voice network's last convolution, which turns features into codes frame by frame."""
    found = [node for node in model.graph.node if node.op_type == "Conv"]
    sizes = {i.name: list(i.dims) for i in model.graph.initializer}
    if not found or sizes.get(found[-1].input[1], [])[2:] != [1]:
        raise Broken("The shared voice network does not end in a layer over single frames; "
                     "update this software together with its avatars.")
    return found[-1]


def features_of(network: Path, sounds: list[Floats], frames: int) -> list[Floats]:
    """Trunk features (frames, F) of each mel (t, 80)."""
    from device.infer.ort import open_session

    session = open_session(network)
    results = []
    for mel in sounds:
        need = frames * STEPS_PER_FRAME
        whole = np.pad(mel, ((0, max(0, need - len(mel))), (0, 0)), mode="edge")[:need]
        made = session.run({"mel": whole[None].astype(np.float32)})[session.outputs[0]][0]
        results.append(np.asarray(made.T, np.float32))
    return results
