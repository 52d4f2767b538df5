"""Dense networks, vectors [N, d] → [N, outputs]. Hidden layers have tanh activations unless a docstring says otherwise.

D is a dense layer: weights N(0, 1), times 1/√fan-in, no biases.
"""

import math

import keras
import numpy as np
from keras import ops

from ntkbench import layers

from .common import HEAD, Maker, add, array_input, multiple


def build_sparse(width, *, input_shape, outputs=1, seed, degree=8):
    """Build D φ S φ S φ D, where every unit of a sparse layer S reads `degree` random units of the layer below.

    Source: Zhu, Liu, Belkin 2022 (arXiv 2205.11786), whose theorem 3.6 needs in-degrees that grow.
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "tanh")(x)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        read = rng.integers(width, size=width * degree)
        h = make.blocks(width, width, "tanh")(ops.take(h, read, axis=1))
    return keras.Model(x, make.readout(h, outputs))


def build_deep(width, *, input_shape, outputs=1, seed, ratio=8):
    """Build a ReLU network of width/ratio hidden layers, with weights multiplied by √2.

    Source: Hanin, Nica 2020 (arXiv 1909.05989): the tangent kernel is random if depth grows in proportion to width.
    """
    make, x = Maker(seed), array_input(input_shape)
    h = x
    for _ in range(multiple(width, ratio, f"depth is width/{ratio}")):
        h = make.dense(width, "relu", weight_std=math.sqrt(2))(h)
    return keras.Model(x, make.readout(h, outputs))


def build_deep_residual(width, *, input_shape, outputs=1, seed, ratio=8):
    """Build φ D followed by width/ratio blocks h ← h + φ(D h)/√depth.

    Source: Hayou, Yang 2023 (arXiv 2302.00453): with this scale, limits in width and depth commute.
    """
    make, x = Maker(seed), array_input(input_shape)
    depth = multiple(width, ratio, f"depth is width/{ratio}")
    h = make.dense(width, "tanh")(x)
    for _ in range(depth):
        h = add(h, layers.Scale(1 / math.sqrt(depth))(make.dense(width, "tanh")(h)))
    return keras.Model(x, make.readout(h, outputs))


def build_rezero(width, *, input_shape, outputs=1, seed):
    """Build φ D followed by two blocks h ← h + α φ(D h), each with one trained number α, which starts at 1.

    Source: Bachlechner et al. 2020 (arXiv 2003.04887), where α starts at 0.
    """
    return _gained(width, input_shape, outputs, seed, shared=True)


def build_layerscale(width, *, input_shape, outputs=1, seed):
    """Build φ D followed by two blocks h ← h + γ ⊙ φ(D h) with trained γ, one for each unit, which start at 1.

    Source: Touvron et al. 2021 (arXiv 2103.17239).
    """
    return _gained(width, input_shape, outputs, seed, shared=False)


def _gained(width, input_shape, outputs, seed, shared):
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "tanh")(x)
    for _ in range(2):
        h = add(h, layers.Gain(shared)(make.dense(width, "tanh")(h)))
    return keras.Model(x, make.readout(h, outputs))


def build_lora(width, *, input_shape, outputs=1, seed, rank=4):
    """Build D φ W φ W with frozen weights and trained adapters: W h + B A h/√rank in both hidden layers, B = 0.

    The rank "grow" is width/8. The readout is frozen. Source: Hu et al. 2021 (arXiv 2106.09685).
    """
    make, x = Maker(seed), array_input(input_shape)
    rank = multiple(width, HEAD, f"rank=grow is width/{HEAD}") if rank == "grow" else rank
    h = x
    for _ in range(2):
        up = make.dense(width)
        low = up(make.dense(rank)(h))
        up.kernel.assign(np.zeros(up.kernel.shape))
        h = layers.Activation("tanh")(add(make.dense(width, trainable=False)(h), low))
    return keras.Model(x, make.dense(outputs, trainable=False)(h))


def build_soft_trees(width, *, input_shape, outputs=1, seed):
    """Build width^(-1/2) Σ of soft decision trees of depth 2.

    Each of the three nodes of a tree sends an input to the left with probability σ(D x), and each of the four leaves
    holds a trained number. Source: Kanoh, Sugiyama 2022 (arXiv 2109.04983), here with the logistic function.
    """
    make, x = Maker(seed), array_input(input_shape)
    left = ops.reshape(make.dense(3 * width, "sigmoid")(x), (-1, width, 3))
    root, first, second = ops.unstack(left, axis=2)
    leaves = [root * first, root * (1 - first), (1 - root) * second, (1 - root) * (1 - second)]
    return keras.Model(x, make.dense(outputs, fan_in=width)(keras.layers.Flatten()(ops.stack(leaves, axis=2))))
