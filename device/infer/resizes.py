"""Upsampling as a GPU wants it: the Resize that `models.net.doubling` wrote as copies of bytes."""

from __future__ import annotations

import numpy as np

from device.infer import protowire as wire
from device.infer.onnx_graph import Graph, Node
from ota.errors import Refused

NODE_ATTRIBUTE = 5
NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric",
           "nearest_mode": "floor"}
ATTRIBUTE_NAME, ATTRIBUTE_STRING, ATTRIBUTE_TYPE, TYPE_STRING = 1, 4, 20, 3


def put_back(graph: Graph) -> None:
    """Every Transpose, Reshape, Expand, Reshape, Transpose of quantised pictures becomes
    DequantizeLinear, Resize, QuantizeLinear with the scale of its readers."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    readers = graph.consumers()
    for expand in [node for node in graph.nodes if node.op == "Expand"]:
        before = [makers[expand.inputs[0]]]
        before.append(makers[before[0].inputs[0]])
        behind = [readers[expand.outputs[0]][0]]
        behind.append(readers[behind[0].outputs[0]][0])
        chain = [before[1], before[0], expand, *behind]
        if [node.op for node in chain] != ["Transpose", "Reshape", "Expand", "Reshape",
                                           "Transpose"]:
            raise Refused("The model repeats values in a way that is not ours; quantise it with "
                          "`vitrine models quantize`.")
        reader = readers[chain[-1].outputs[0]][0]
        times = int(graph.array(expand.inputs[1])[2])
        at = graph.nodes.index(chain[0])
        graph.nodes[at:at] = _resize(graph, chain[0].inputs[0], chain[-1].outputs[0],
                                     reader.inputs[1:], times)
        graph.nodes = [node for node in graph.nodes if not any(node is old for old in chain)]


def _resize(graph: Graph, source: str, target: str, meaning: list[str], times: int) -> list[Node]:
    scales = f"{target}|scales"
    graph.put(scales, np.array([1, 1, times, times], np.float32))
    attributes: wire.Fields = [(NODE_ATTRIBUTE, _text(*each)) for each in NEAREST.items()]
    return [
        Node("DequantizeLinear", [source, *meaning], [f"{target}|small"], []),
        Node("Resize", [f"{target}|small", "", scales], [f"{target}|large"], attributes),
        Node("QuantizeLinear", [f"{target}|large", *meaning], [target], []),
    ]


def _text(name: str, value: str) -> bytes:
    return wire.encode([(ATTRIBUTE_NAME, name.encode()), (ATTRIBUTE_STRING, value.encode()),
                        (ATTRIBUTE_TYPE, TYPE_STRING)])
