"""Tiny real networks in sherpa's formats: they hear whether it is loud, and say one word.

They know nothing of speech, but they take the very way of a published model through the engine:
its metadata, features, states, decoding and tokens.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

_BANDS = 80
_SENSE_TOKENS = (
    "<blk>", "<|zh|>", "<|en|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>", "茶", "▁tea",
)  # fmt: skip
_ZH, _EN = 3, 4  # SenseVoice's ids of the languages


def sense_voice(folder: Path, loud: float = 5.0) -> Path:
    """A folder with model.onnx and tokens.txt: 茶 (asked for English: tea) for each loud piece."""
    count = len(_SENSE_TOKENS)
    heads = np.zeros((5, 4, count), np.float32)
    words = np.zeros((5, 1, count), np.float32)
    for language in range(5):
        for place, token in enumerate((2 if language == _EN else 1, 3, 4, 5)):
            heads[language, place, token] = 9.0
        words[language, 0, 7 if language == _EN else 6] = 9.0
    blank = np.zeros((1, 1, count), np.float32)
    blank[..., 0] = 4.0
    nodes = [
        h.make_node("Gather", ["heads", "language"], ["head"], axis=0),
        h.make_node("Gather", ["words", "language"], ["word"], axis=0),
        h.make_node("ReduceMean", ["x"], ["energy"], axes=[2], keepdims=1),
        h.make_node("Greater", ["energy", "loud"], ["is_loud"]),
        h.make_node("Cast", ["is_loud"], ["gate"], to=T.FLOAT),
        h.make_node("Mul", ["gate", "word"], ["said"]),
        h.make_node("Add", ["said", "blank"], ["frames"]),
        h.make_node("Concat", ["head", "frames"], ["logits"], axis=1),
    ]
    inputs = [
        h.make_tensor_value_info("x", T.FLOAT, [1, "T", 7 * _BANDS]),
        *(h.make_tensor_value_info(n, T.INT32, [1]) for n in ("x_length", "language", "text_norm")),
    ]
    outputs = [h.make_tensor_value_info("logits", T.FLOAT, [1, "U", count])]
    constants = {"heads": heads, "words": words, "blank": blank, "loud": np.float32([loud])}
    metadata = {
        "model_type": "sense_voice_ctc", "vocab_size": count, "lfr_window_size": 7,
        "lfr_window_shift": 6, "normalize_samples": 0, "with_itn": 14, "without_itn": 15,
        "lang_auto": 0, "lang_zh": _ZH, "lang_en": _EN, "lang_ja": 0, "lang_ko": 0, "lang_yue": 0,
        "neg_mean": ",".join(["0"] * 7 * _BANDS), "inv_stddev": ",".join(["1"] * 7 * _BANDS),
    }  # fmt: skip
    folder.mkdir(parents=True)
    _save(folder / "model.onnx", nodes, inputs, outputs, constants, metadata)
    _write_tokens(folder, _SENSE_TOKENS)
    return folder


def transducer(folder: Path, streaming: bool, loud: float = -4.0) -> Path:
    """A folder with encoder, decoder, joiner and tokens: says TEA once when it gets loud."""
    folder.mkdir(parents=True)
    (_streaming_encoder if streaming else _encoder)(folder / "encoder-tiny.onnx")
    _save(
        folder / "decoder-tiny.onnx",
        [h.make_node("Cast", ["y"], ["decoder_out"], to=T.FLOAT)],
        [h.make_tensor_value_info("y", T.INT64, ["N", 2])],
        [h.make_tensor_value_info("decoder_out", T.FLOAT, ["N", 2])],
        {}, {"vocab_size": 3, "context_size": 2},
    )  # fmt: skip
    blank, word = np.float32([[2.0, 0.0, 0.0]]), np.float32([[0.0, 0.0, 9.0]])
    _save(
        folder / "joiner-tiny.onnx",
        [
            h.make_node("ReduceMean", ["encoder_out"], ["energy"], axes=[1], keepdims=1),
            h.make_node("Greater", ["energy", "loud"], ["is_loud"]),
            h.make_node("ReduceMax", ["decoder_out"], ["last"], axes=[1], keepdims=1),
            h.make_node("Less", ["last", "one"], ["is_new"]),
            h.make_node("And", ["is_loud", "is_new"], ["says"]),
            h.make_node("Cast", ["says"], ["gate"], to=T.FLOAT),
            h.make_node("Mul", ["gate", "word"], ["said"]),
            h.make_node("Add", ["said", "blank"], ["logit"]),
        ],
        [h.make_tensor_value_info("encoder_out", T.FLOAT, ["N", _BANDS]),
         h.make_tensor_value_info("decoder_out", T.FLOAT, ["N", 2])],
        [h.make_tensor_value_info("logit", T.FLOAT, ["N", 3])],
        {"blank": blank, "word": word, "loud": np.float32([loud]), "one": np.float32([1.0])},
        {"joiner_dim": _BANDS},
    )  # fmt: skip
    _write_tokens(folder, ("<blk>", "<unk>", "▁TEA"))
    return folder


def _encoder(path: Path) -> None:
    """Every fourth frame, as it is."""
    _save(
        path,
        [h.make_node("Slice", ["x", "from", "to", "axis", "step"], ["encoder_out"]),
         h.make_node("Div", ["x_lens", "step"], ["encoder_out_lens"])],
        [h.make_tensor_value_info("x", T.FLOAT, ["N", "T", _BANDS]),
         h.make_tensor_value_info("x_lens", T.INT64, ["N"])],
        [h.make_tensor_value_info("encoder_out", T.FLOAT, ["N", "U", _BANDS]),
         h.make_tensor_value_info("encoder_out_lens", T.INT64, ["N"])],
        _every_fourth(1 << 30), {"model_type": "zipformer2", "comment": "non-streaming zipformer2"},
    )  # fmt: skip


def _streaming_encoder(path: Path) -> None:
    """Chunks of 32 frames; the states of one layer are handed on as they came."""
    states = {
        "cached_key_0": [4, 1, 4], "cached_nonlin_attn_0": [1, 1, 4, 6], "cached_val1_0": [4, 1, 4],
        "cached_val2_0": [4, 1, 4], "cached_conv1_0": [1, 8, 1], "cached_conv2_0": [1, 8, 1],
        "embed_states": [1, 128, 3, 19], "processed_lens": [1],
    }  # fmt: skip
    kinds = {n: T.INT64 if n == "processed_lens" else T.FLOAT for n in states}
    _save(
        path,
        [h.make_node("Slice", ["x", "from", "to", "axis", "step"], ["encoder_out"]),
         *(h.make_node("Identity", [n], [f"new_{n}"]) for n in states)],
        [h.make_tensor_value_info("x", T.FLOAT, [1, 45, _BANDS]),
         *(h.make_tensor_value_info(n, kinds[n], shape) for n, shape in states.items())],
        [h.make_tensor_value_info("encoder_out", T.FLOAT, [1, 8, _BANDS]),
         *(h.make_tensor_value_info(f"new_{n}", kinds[n], s) for n, s in states.items())],
        _every_fourth(32),
        {"model_type": "zipformer2", "version": 1, "T": 45, "decode_chunk_len": 32,
         "encoder_dims": 8, "query_head_dims": 4, "value_head_dims": 4, "num_heads": 1,
         "num_encoder_layers": 1, "cnn_module_kernels": 3, "left_context_len": 4},
    )  # fmt: skip


def _every_fourth(until: int) -> dict[str, np.ndarray]:
    numbers = {"from": 0, "to": until, "axis": 1, "step": 4}
    return {name: np.array([value], np.int64) for name, value in numbers.items()}


def _save(
    path: Path, nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto], constants: dict[str, np.ndarray],
    metadata: dict[str, object],
) -> None:  # fmt: skip
    known = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = h.make_graph(nodes, path.stem, inputs, outputs, known)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _write_tokens(folder: Path, tokens: tuple[str, ...]) -> None:
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(tokens))
    (folder / "tokens.txt").write_text(lines, encoding="utf-8")
