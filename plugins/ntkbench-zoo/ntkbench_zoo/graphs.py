"""Graph networks, {"nodes": [N, V, F], "adjacency": [N, V, V]} → [N, outputs], with a readout of all nodes.

D is a dense layer of all nodes: weights N(0, 1), times 1/√fan-in, no biases. Activations are tanh. A is the adjacency
matrix with loops, divided by the roots of both degrees (Kipf, Welling 2016, arXiv 1609.02907).
"""

import keras
import numpy as np
from keras import ops

from ntkbench import layers

from .common import Maker, add, numbers, precision


def build_gcn(width, *, input_shape, outputs=1, seed):
    """Build two layers h ← φ(D A h). Source: Kipf, Welling 2016 (arXiv 1609.02907)."""
    make = Maker(seed)
    inputs, h, neighbours = _graph(input_shape)
    for _ in range(2):
        h = make.dense(width, "tanh")(ops.matmul(neighbours, h))
    return keras.Model(inputs, make.readout(h, outputs))


def build_gin(width, *, input_shape, outputs=1, seed):
    """Build two layers h ← φ D φ D ((1 + ε) h + A h), each with one trained number ε, which starts at 0.

    Source: Xu et al. 2018 (arXiv 1810.00826), which sums over neighbours.
    """
    make = Maker(seed)
    inputs, h, neighbours = _graph(input_shape)
    for _ in range(2):
        h = add(h, layers.Gain(shared=True, start=0.0)(h), ops.matmul(neighbours, h))
        h = make.dense(width, "tanh")(make.dense(width, "tanh")(h))
    return keras.Model(inputs, make.readout(h, outputs))


def _graph(shapes):
    """Return the inputs, the nodes and the normalised adjacency matrix."""
    inputs = {name: keras.Input(tuple(shape), dtype=precision(), name=name) for name, shape in shapes.items()}
    with_loops = inputs["adjacency"] + numbers(np.eye(shapes["adjacency"][0]))
    degree = ops.rsqrt(ops.sum(with_loops, axis=2))
    return inputs, inputs["nodes"], with_loops * degree[:, :, None] * degree[:, None, :]
