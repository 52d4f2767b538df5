"""Fingerprint of a model's graph, which tells apart models of the same code that drew other constants."""

from __future__ import annotations

import hashlib
from typing import Any

import tensorflow as tf

from .network import Network
from .trace import called, trace_of


def fingerprint(net: Network, x: tf.Tensor) -> str | None:
    """Return a hash of all operations and constants of the model at inputs like those of x: [N, ...].

    Names do not count, because Keras numbers the layers of a process. None if the model reads tensors that are neither
    constants of its graph nor variables.
    """
    graph = trace_of(net, x).graph
    if any(outer.dtype != tf.resource for outer, _ in graph.captures):
        return None
    return _of_graph(graph)


def _of_graph(graph: Any) -> str:
    places = {operation.name: i for i, operation in enumerate(graph.get_operations())}
    found = hashlib.sha256()
    for operation in graph.get_operations():
        attributes = [
            (name, value.SerializeToString(deterministic=True))
            for name, value in sorted(operation.node_def.attr.items())
            if not value.func.name and not value.list.func and name != "_user_specified_name"
        ]
        inputs = [(places[tensor.op.name], tensor.value_index) for tensor in operation.inputs]
        inside = [_of_graph(each) for each in called(operation)]
        found.update(repr((operation.type, inputs, attributes, inside)).encode())
    found.update(repr([(places[tensor.op.name], tensor.value_index) for tensor in graph.outputs]).encode())
    return found.hexdigest()
