"""Code shared by all families: inputs, layers with a seed each, and the blocks that several networks use."""

import itertools

import keras
import numpy as np
from keras import ops

from ntkbench import NtkbenchError, layers

HEAD = 8
"""Channels of a head, units of an expert or channels per unit of rank if their number grows with width."""


class Maker:
    """Factory for the layers of one network, each with a seed of its own.

    Args:
        seed: Seed of the network.
    """

    def __init__(self, seed):
        self._seeds = itertools.count(seed)

    def dense(self, units, activation=None, **options):
        """Return a dense layer."""
        return layers.Dense(units, activation, seed=next(self._seeds), **options)

    def blocks(self, units, blocks, activation=None, **options):
        """Return a block-diagonal dense layer."""
        return layers.BlockDense(units, blocks, activation, seed=next(self._seeds), **options)

    def weight_norm(self, units, activation=None, **options):
        """Return a dense layer with weight normalisation."""
        return layers.WeightNormDense(units, activation, seed=next(self._seeds), **options)

    def conv(self, filters, kernel_size=3, activation=None, **options):
        """Return a convolution."""
        return layers.Conv2D(filters, kernel_size, activation=activation, seed=next(self._seeds), **options)

    def depthwise(self, kernel_size, activation=None):
        """Return a depthwise convolution."""
        return layers.DepthwiseConv2D(kernel_size, activation, seed=next(self._seeds))

    def table(self, rows, like, units):
        """Return a trained table of N(0, 1) entries, the same for all samples: [N, rows, units]."""
        return self.dense(units, fan_in=1)(constant(np.eye(rows), like))

    def readout(self, h, outputs):
        """Return the linear readout of all features: [N, outputs]."""
        return self.dense(outputs)(keras.layers.Flatten()(h))


def precision():
    """Return the precision in which the network is built."""
    return keras.config.dtype_policy().compute_dtype


def array_input(shape):
    """Return the symbolic input of one array."""
    return keras.Input(tuple(shape), dtype=precision())


def numbers(values):
    """Return a NumPy array in the precision of the network."""
    return np.asarray(values, precision())


def constant(values, like):
    """Return an array that is the same for all samples, for a layer to multiply: [N, *shape]."""
    values = numbers(values)
    zero = ops.mean(ops.zeros_like(like), axis=tuple(range(1, len(like.shape))))
    return ops.reshape(zero, (-1,) + (1,) * values.ndim) + values[None]


def own(like, start):
    """Return trained numbers with given initial values, the same for all samples: [N, len(start)]."""
    start = np.asarray(start, np.float64)
    return layers.Gain(start=start)(constant(np.ones(start.shape), like))


def add(*terms):
    """Return the sum of features."""
    return keras.layers.Add()(list(terms))


def norm(h):
    """Return the features normalised over channels, without trained weights."""
    return layers.LayerNormalization(affine=False)(h)


def mlp(make, h, width, activation="gelu"):
    """Return h + D(φ(D(norm h))): the second half of a transformer block."""
    return add(h, make.dense(width)(make.dense(width, activation)(norm(h))))


def multiple(width, of, why):
    """Return width // of; raise NtkbenchError unless `of` divides the width."""
    if width % of:
        raise NtkbenchError(f"Width {width} does not fit: {why}; use a multiple of {of}.")
    return width // of


def count(width, given, what):
    """Return a number of heads, experts or the like: as given, or one per HEAD channels for "grow"."""
    return multiple(width, HEAD, f"{what}=grow takes {HEAD} channels each") if given == "grow" else given


def heads_of(width, given):
    """Return the number of heads; raise NtkbenchError unless it divides the width."""
    heads = count(width, given, "heads")
    multiple(width, heads, f"{heads} heads share the channels evenly")
    return heads


def split(h, heads):
    """Split channels into heads: [N, T, m] → [N, heads, T, m / heads]."""
    steps, width = h.shape[1:]
    return ops.transpose(ops.reshape(h, (-1, steps, heads, width // heads)), (0, 2, 1, 3))


def joined(h):
    """Join heads: [N, heads, T, d] → [N, T, heads · d]."""
    heads, steps, d = h.shape[1:]
    return ops.reshape(ops.transpose(h, (0, 2, 1, 3)), (-1, steps, heads * d))


def scores(query, key):
    """Return the scores q·k/√d of each head: [N, heads, T, S]."""
    return ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / query.shape[-1] ** 0.5


def attention(make, h, width, heads, allowed=None, of=None):
    """Return softmax attention with an output projection: [N, T, m].

    Args:
        make: The factory of the layers.
        h: Normalised features [N, T, m].
        width: Number of channels m.
        heads: Number of heads.
        allowed: Which steps s a step t may read: Booleans that broadcast to [N, heads, T, S].
        of: Normalised features [N, S, m] that are read; default: h itself.
    """
    of = h if of is None else of
    query, key, value = (split(make.dense(width)(each), heads) for each in (h, of, of))
    logits = scores(query, key)
    if allowed is not None:
        logits = ops.where(allowed, logits, numbers(-1e9))
    return make.dense(width)(joined(ops.matmul(ops.softmax(logits, axis=-1), value)))
