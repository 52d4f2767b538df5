"""Dense networks, vectors [N, d] → [N, outputs]. Hidden layers have tanh activations unless a docstring says otherwise.

D is a dense layer: weights N(0, 1), times 1/√fan-in, no biases.
"""

import math

import keras
import numpy as np
from keras import ops

from ntkbench import layers

from .common import HEAD, Maker, add, array_input, multiple, numbers, own


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


def build_maxout(width, *, input_shape, outputs=1, seed, pieces=4):
    """Build two layers h ← max over `pieces` dense layers, and a readout.

    Source: Goodfellow et al. 2013 (arXiv 1302.4389).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = x
    for _ in range(2):
        h = ops.max(ops.reshape(make.dense(pieces * width)(h), (-1, width, pieces)), axis=2)
    return keras.Model(x, make.readout(h, outputs))


def build_hyper(width, *, input_shape, outputs=1, seed, primary=8):
    """Build a hypernetwork: D φ D φ D of the first half of the input gives the weights of a network of the other half.

    That network is D φ D with `primary` hidden units, or with `width` for "grow", in the same scales.

    Source: Ha, Dai, Le 2016 (arXiv 1609.09106); Littwin et al. 2020 (arXiv 2003.12193).
    """
    make, x = Maker(seed), array_input(input_shape)
    units = width if primary == "grow" else primary
    given, (size,) = input_shape[0] // 2, input_shape
    c, u = x[:, :given], x[:, given:]
    h = make.dense(width, "tanh")(make.dense(width, "tanh")(c))
    first = ops.reshape(make.dense(units * (size - given))(h), (-1, units, size - given))
    hidden = ops.tanh(ops.einsum("nij,nj->ni", first, u) / math.sqrt(size - given))
    last = ops.reshape(make.dense(units * outputs)(h), (-1, units, outputs))
    return keras.Model(x, ops.einsum("nio,ni->no", last, hidden) / math.sqrt(units))


CENTRES = np.linspace(-2, 2, 6)


def build_kan(width, *, input_shape, outputs=1, seed):
    """Build three layers of sums of trained functions of one variable, with `width` nodes in both hidden ones.

    Each function is Σ_g c_g exp(−(x − t_g)²/0.8) with six centres t_g from −2 to 2; a layer divides by √(6 fan-in).

    Source: Liu et al. 2024 (arXiv 2404.19756), here with Gaussian basis functions.
    """
    make, x = Maker(seed), array_input(input_shape)
    h = x
    for units in (width, width, outputs):
        h = make.dense(units)(keras.layers.Flatten()(ops.exp(-ops.square(h[:, :, None] - numbers(CENTRES)) / 0.8)))
    return keras.Model(x, h)


def build_siren(width, *, input_shape, outputs=1, seed):
    """Build sin(30 D x), sin D h and a readout. Source: Sitzmann et al. 2020 (arXiv 2006.09661)."""
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "sin")(make.dense(width, "sin", weight_std=30)(x))
    return keras.Model(x, make.readout(h, outputs))


def build_equilibrium(width, *, input_shape, outputs=1, seed):
    """Build 12 iterations h ← φ(½ D h + D x) from h = 0, all with the same weights, and a readout.

    Source: Bai, Kolter, Koltun 2019 (arXiv 1909.01377).
    """
    make, x = Maker(seed), array_input(input_shape)
    given, recurrent = make.dense(width)(x), make.dense(width, weight_std=0.5)
    h = ops.tanh(given)
    for _ in range(11):
        h = ops.tanh(recurrent(h) + given)
    return keras.Model(x, make.readout(h, outputs))


def build_neural_ode(width, *, input_shape, outputs=1, seed, state="grow"):
    """Build D x, eight Euler steps h ← h + D φ(D h)/8, all with the same weights, and a readout.

    φ has `width` units. The state h has `state` entries, or `width` for "grow".

    Source: Chen et al. 2018 (arXiv 1806.07366).
    """
    make, x = Maker(seed), array_input(input_shape)
    size = width if state == "grow" else state
    h = make.dense(size)(x)
    up, down = make.dense(width, "tanh"), make.dense(size)
    for _ in range(8):
        h = h + down(up(h)) / 8
    return keras.Model(x, make.readout(h, outputs))


def build_weight_norm(width, *, input_shape, outputs=1, seed, output="plain"):
    """Build two hidden layers g_i v_i · h/‖v_i‖ and a readout, with output="normalised" one of the same kind.

    Source: Salimans, Kingma 2016 (arXiv 1602.07868).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.weight_norm(width, "tanh")(make.weight_norm(width, "tanh")(x))
    return keras.Model(x, (make.weight_norm if output == "normalised" else make.dense)(outputs)(h))


def build_block_diagonal(width, *, input_shape, outputs=1, seed, block=8):
    """Build D φ B φ B φ D with block-diagonal layers B, of `block` units in each block.

    Source: Zhu, Pandit, Belkin 2022 (arXiv 2203.05104), on assemblies of weak models.
    """
    make, x = Maker(seed), array_input(input_shape)
    blocks = multiple(width, block, f"blocks have {block} units")
    h = make.dense(width, "tanh")(x)
    for _ in range(2):
        h = make.blocks(width, blocks, "tanh")(h)
    return keras.Model(x, make.readout(h, outputs))


def build_prelu(width, *, input_shape, outputs=1, seed, slope="shared"):
    """Build two hidden layers ψ(D h) − a ψ(−D h) with ψ(z) = log(1 + e^z), and a readout.

    The slopes a are trained and start at ¼: one for each layer, or with slope="own" one for each unit.

    Source: He et al. 2015 (arXiv 1502.01852), here with a smooth ψ.
    """
    make, x = Maker(seed), array_input(input_shape)
    h = x
    for _ in range(2):
        z = make.dense(width)(h)
        h = ops.softplus(z) - layers.Gain(slope == "shared", 0.25)(ops.softplus(-z))
    return keras.Model(x, make.readout(h, outputs))


def build_film(width, *, input_shape, outputs=1, seed, k="grow"):
    """Build two hidden layers φ(D h ⊙ (1 + D s) + D s) of the second half of the input, with s = φ D of the first half.

    s has `k` units, or `width` for "grow". Source: Perez et al. 2017 (arXiv 1709.07871).
    """
    make, x = Maker(seed), array_input(input_shape)
    given = input_shape[0] // 2
    s, h = make.dense(width if k == "grow" else k, "tanh")(x[:, :given]), x[:, given:]
    for _ in range(2):
        h = ops.tanh(make.dense(width)(h) * (1 + make.dense(width)(s)) + make.dense(width)(s))
    return keras.Model(x, make.readout(h, outputs))


def build_ensemble(width, *, input_shape, outputs=1, seed):
    """Build `width` networks D φ D φ D with two hidden layers of four units, and return their sum over √width.

    Source: Zhu, Pandit, Belkin 2022 (arXiv 2203.05104), on assemblies of weak models.
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.blocks(4 * width, width, "tanh")(make.dense(4 * width, "tanh")(x))
    return keras.Model(x, make.readout(h, outputs))


def build_albert(width, *, input_shape, outputs=1, seed):
    """Build φ D followed by three layers h ← φ(D h) with the same weights, and a readout.

    Source: Lan et al. 2019 (arXiv 1909.11942), on sharing weights across layers.
    """
    make, x = Maker(seed), array_input(input_shape)
    h, shared = make.dense(width, "tanh")(x), make.dense(width, "tanh")
    for _ in range(3):
        h = shared(h)
    return keras.Model(x, make.readout(h, outputs))


def build_icnn(width, *, input_shape, outputs=1, seed):
    """Build h = ψ(D x), h ← ψ(P h + D x) and P h, with ψ(z) = log(1 + e^z): convex functions of x.

    Each P is ψ(W) divided by the number of its columns, with trained W of N(0, 1) entries. Thus P is an average with
    positive weights.

    Source: Amos, Xu, Kolter 2016 (arXiv 1609.07152), equation 2, without a direct path from x to the output.
    """
    make, x = Maker(seed), array_input(input_shape)
    rng = np.random.default_rng(seed)

    def average(h, units):
        weights = ops.softplus(ops.reshape(own(x, rng.standard_normal(units * width)), (-1, units, width)))
        return ops.einsum("nij,nj->ni", weights, h) / width

    h = make.dense(width, "softplus")(x)
    h = ops.softplus(average(h, width) + make.dense(width)(x))
    return keras.Model(x, average(h, outputs))
