"""Networks that become linear as they get wider, each with the argument as its docstring.

"Many units": each of a number of units that grows with m enters the output through a weight of order 1/√m and has
weights of its own, so that ‖∇²f‖ falls as 1/√m beside a gradient of order 1 (Zhu, Liu, Belkin 2022, arXiv 2205.11786,
theorem 3.6, where the in-degree grows; the others are derived in the same way).
"""

from __future__ import annotations

import math

import keras
from keras import ops
from known_networks import dense, inputs, stack
from staying_networks import Trained

from ntkbench import layers

FORMS = dict.fromkeys(("max_pooling", "global_maximum", "average_pooling"), "image")
FORMS |= dict.fromkeys(("recurrent", "lstm", "many_heads", "averaged_scores"), "sequence")
"""Of inputs, where they are no vectors."""


# -- kinks inside ----------------------------------------------------------------------------------------------------


def deep_relu(width, *, input_shape, seed):
    """A fixed depth changes constants; inside, m^⅔ of m kinks can be crossed, so that the change falls as m^(−⅓)."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,) * 6, seed, "relu") * 4)


def max_pooling(width, *, input_shape, seed):
    """Maxima of four neighbours in each of m channels: kinks inside many units."""
    x = inputs(input_shape)
    h = layers.Conv2D(width, 3, activation="tanh", seed=seed)(x)
    return keras.Model(x, dense(1, seed + 1)(keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(h))))


def global_maximum(width, *, input_shape, seed):
    """The maximum over all positions in each of m channels."""
    x = inputs(input_shape)
    h = layers.Conv2D(width, 3, activation="tanh", seed=seed)(x)
    return keras.Model(x, dense(1, seed + 1)(keras.layers.GlobalMaxPooling2D()(h)))


def maxout(width, *, input_shape, seed):
    """The maximum of four pieces in each of m units."""
    x = inputs(input_shape)
    pieces = ops.stack([dense(width, seed + i)(x) for i in range(4)], -1)
    return keras.Model(x, dense(1, seed + 9)(ops.max(pieces, -1)))


# -- routes that no weight moves, and many routes --------------------------------------------------------------------


def routed_by_input(width, *, input_shape, seed):
    """The input chooses one of two wide experts: no trained weight moves the choice."""
    x = inputs(input_shape)
    first = ops.cast(ops.sum(x[:, :32], -1, keepdims=True) > ops.sum(x[:, 32:], -1, keepdims=True), x.dtype)
    return keras.Model(x, first * stack(x, (width, width), seed) + (1 - first) * stack(x, (width, width), seed + 50))


def many_experts(width, *, input_shape, seed):
    """√E Σ p_e f_e with E = m/8 experts of eight units: each gate is one of many."""
    x = inputs(input_shape)
    count = width // 8
    p = ops.softmax(dense(count, seed)(dense(width, seed + 1, "tanh")(x)) / 2)
    units = ops.reshape(dense(width, seed + 2, "tanh")(x), (-1, count, 8))
    f = Trained(lambda h, s: ops.sum(h * s, -1) / math.sqrt(8), (count, 8), 1.0)(units)
    return keras.Model(x, math.sqrt(count) * ops.sum(p * f, -1, keepdims=True))


# -- narrow where it does not matter ---------------------------------------------------------------------------------


def half_neck(width, *, input_shape, seed):
    """A neck of m/2 units grows too."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, width // 2, width), seed))


def narrow_input(width, *, input_shape, seed):
    """Four fixed numbers go in: the theorem asks nothing of the input's width."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x[:, 20:24], (width, width), seed))


# -- tied weights and steps ------------------------------------------------------------------------------------------


def recurrent(width, *, input_shape, seed):
    """Eight steps with one matrix: sums over m units all the same (Yang, Littwin 2021, arXiv 2105.03703)."""
    x = inputs(input_shape)
    steps, again = ops.unstack(dense(width, seed)(x), axis=1), dense(width, seed + 1)
    h = ops.tanh(steps[0])
    for step in steps[1:]:
        h = ops.tanh(again(h) + step)
    return keras.Model(x, dense(1, seed + 2)(h))


def lstm(width, *, input_shape, seed):
    """Four gates, each of its own units; a gate multiplies one unit's state."""
    x = inputs(input_shape)
    steps, again = ops.unstack(dense(4 * width, seed)(x), axis=1), dense(4 * width, seed + 1)
    h = c = None
    for step in steps:
        z = step if h is None else step + again(h)
        i, f, o, g = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(i) * ops.tanh(g) + (0 if c is None else ops.sigmoid(f) * c)
        h = ops.sigmoid(o) * ops.tanh(c)
    return keras.Model(x, dense(1, seed + 2)(h))


def wide_state(width, *, input_shape, seed):
    """A neural ODE of m numbers, four Euler steps with one velocity."""
    x = inputs(input_shape)
    h, inner, outer = dense(width, seed)(x), dense(width, seed + 1, "tanh"), dense(width, seed + 2)
    for _ in range(4):
        h = h + outer(inner(h)) / 4
    return keras.Model(x, dense(1, seed + 3)(h))


# -- attention whose scores average ----------------------------------------------------------------------------------


class Scores(keras.layers.Layer):
    """softmax(q·kᵀ·scale)·v over steps, for queries, keys and values [N, T, heads·d]."""

    def __init__(self, heads, scale):
        super().__init__()
        self.heads, self.scale = heads, scale

    def call(self, q, k, v):
        steps, width = v.shape[1:]
        q, k, v = (ops.reshape(each, (-1, steps, self.heads, width // self.heads)) for each in (q, k, v))
        p = ops.softmax(ops.einsum("nthd,nshd->nhts", q, k) * self.scale(width // self.heads))
        return ops.reshape(ops.einsum("nhts,nshd->nthd", p, v), (-1, steps, width))


def _attention(width, input_shape, seed, heads, scale):
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    q, k, v = (dense(width, seed + i)(h) for i in (1, 2, 3))
    h = h + dense(width, seed + 4)(Scores(heads, scale)(q, k, v))
    return keras.Model(x, dense(1, seed + 5)(keras.layers.Flatten()(h)))


def many_heads(width, *, input_shape, seed):
    """m/8 heads of eight channels: each score is one of many (Hron et al. 2020, arXiv 2006.10540)."""
    return _attention(width, input_shape, seed, width // 8, lambda d: 1 / math.sqrt(d))


def averaged_scores(width, *, input_shape, seed):
    """Four heads with q·k/d: a score averages d products, and its gradient falls as 1/√d."""
    return _attention(width, input_shape, seed, 4, lambda d: 1 / d)


# -- normalisation and scales of each unit's own ---------------------------------------------------------------------


def layer_norm(width, *, input_shape, seed):
    """Mean and variance over m units are averages: their gradients fall as 1/√m."""
    x = inputs(input_shape)
    h = x
    for number in (0, 1):
        h = layers.LayerNormalization(affine=False)(dense(width, seed + number, "tanh")(h))
    return keras.Model(x, dense(1, seed + 2)(h))


def batch_norm(width, *, input_shape, seed):
    """In inference an affine map with a scale and a shift of each unit's own."""
    x = inputs(input_shape)
    h = keras.layers.BatchNormalization()(dense(width, seed)(x))
    h = keras.layers.BatchNormalization()(dense(width, seed + 1)(ops.tanh(h)))
    return keras.Model(x, dense(1, seed + 2)(ops.tanh(h)))


def layer_scale(width, *, input_shape, seed):
    """h + γ∘φ(Wh) with a trained γ of each channel's own."""
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    for number in (1, 2):
        h = h + Trained(lambda b, s: s * b, (width,), 1.0)(dense(width, seed + number, "tanh")(h))
    return keras.Model(x, dense(1, seed + 9)(h))


def own_slopes(width, *, input_shape, seed):
    """A trained slope for each unit (PReLU, in a smooth form)."""
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    h = Trained(lambda h, s: ops.softplus(h) - s * ops.softplus(-h), (width,), 0.25)(h)
    return keras.Model(x, dense(1, seed + 1)(h))


# -- products inside -------------------------------------------------------------------------------------------------


def gated_units(width, *, input_shape, seed):
    """(Wh)∘σ(Uh): each gate multiplies one of m units."""
    x = inputs(input_shape)
    h = dense(width, seed, "tanh")(x)
    return keras.Model(x, dense(1, seed + 3)(dense(width, seed + 1)(h) * ops.sigmoid(dense(width, seed + 2)(h))))


def multiplied_units(width, *, input_shape, seed):
    """(Wx)∘(Ux): a polynomial network, a product inside each of m units."""
    x = inputs(input_shape)
    return keras.Model(x, dense(1, seed + 3)(dense(width, seed)(x) * dense(width, seed + 1)(x)))


def film_of_all(width, *, input_shape, seed):
    """Scales of all m units, from a condition of m units."""
    x = inputs(input_shape)
    scale = dense(width, seed + 2)(dense(width, seed + 1, "tanh")(x))
    return keras.Model(x, dense(1, seed + 4)(ops.tanh(dense(width, seed + 3)(x) * (1 + scale))))


# -- joined ----------------------------------------------------------------------------------------------------------


def all_before(width, *, input_shape, seed):
    """Each layer reads all before (DenseNet): an acyclic graph of growing in-degree."""
    x = inputs(input_shape)
    h = x
    for number in range(3):
        h = ops.concatenate([h, dense(width, seed + number, "tanh")(h)], -1)
    return keras.Model(x, dense(1, seed + 9)(h))


def average_pooling(width, *, input_shape, seed):
    """The mean over positions in each of m channels."""
    x = inputs(input_shape)
    h = layers.Conv2D(width, 3, activation="tanh", seed=seed)(x)
    return keras.Model(x, 4 * dense(1, seed + 1)(keras.layers.GlobalAveragePooling2D()(h)))


def random_features(width, *, input_shape, seed):
    """Only the readout is trained: linear exactly."""
    x = inputs(input_shape)
    return keras.Model(x, dense(1, seed + 1)(layers.Dense(width, "tanh", seed=seed, trainable=False)(x)))
