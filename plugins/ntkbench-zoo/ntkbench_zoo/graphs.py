"""Graph networks, {"nodes": [N, V, F], "adjacency": [N, V, V]} → [N, outputs], with a readout of all nodes.

D is a dense layer of all nodes: weights N(0, 1), times 1/√fan-in, no biases. Activations are tanh. A is the adjacency
matrix with loops, divided by the roots of both degrees (Kipf, Welling 2016, arXiv 1609.02907).
"""

import keras
import numpy as np
from keras import ops

from ntkbench import layers

from .common import Maker, add, array_input, heads_of, joined, numbers, precision, split


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


def build_gat(width, *, input_shape, outputs=1, seed, heads=2):
    """Build two layers h ← φ(Σ_j p_ij v_j) with v = D h, where p_i is a softmax over a node and its neighbours j.

    Logits are ψ(s_i + t_j). Each head has scores s = D v and t = D v of its own channels, and ψ is a smooth leaky ReLU,
    ψ(z) = 0.2 z + 0.8 log(1 + e^z).

    Source: Veličković et al. 2017 (arXiv 1710.10903).
    """
    make, heads = Maker(seed), heads_of(width, heads)
    inputs, h, neighbours = _graph(input_shape)
    for _ in range(2):
        value = make.dense(width)(h)
        source, target = (ops.transpose(make.blocks(heads, heads)(value), (0, 2, 1)) for _ in range(2))
        logits = source[:, :, :, None] + target[:, :, None]  # [N, heads, i, j]
        logits = 0.2 * logits + 0.8 * ops.softplus(logits)
        shares = ops.softmax(ops.where(neighbours[:, None] > 0, logits, numbers(-1e9)), axis=-1)
        h = ops.tanh(joined(ops.matmul(shares, split(value, heads))))
    return keras.Model(inputs, make.readout(h, outputs))


def build_deepsets(width, *, input_shape, outputs=1, seed):
    """Build D φ D mean φ D x over the elements x of a set [N, M, F].

    Source: Zaheer et al. 2017 (arXiv 1703.06114).
    """
    make, x = Maker(seed), array_input(input_shape)
    mean = ops.mean(make.dense(width, "tanh")(x), axis=1)
    return keras.Model(x, make.readout(make.dense(width, "tanh")(mean), outputs))
