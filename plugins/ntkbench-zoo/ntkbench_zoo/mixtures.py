"""Mixtures of experts, vectors [N, d] → [N, outputs]."""

import math

import keras
import numpy as np
from keras import ops

from .common import HEAD, Maker, array_input, numbers, precision


def build_mixture(width, *, input_shape, outputs=1, seed, experts=4, route="soft"):
    """Build a mixture of experts f_e = D tanh(D x), each with weights of its own, and the logits l = ½ D x of a router.

    A fixed number E of experts have `width` hidden units each. With experts="grow" there are `width` experts of 8. The
    output is

    - soft: E^(-1/2) Σ_e E p_e f_e with p = softmax(l);
    - top: p_e f_e for the expert e of the largest logit, where e counts as a constant;
    - hash: f_e for the expert e of the largest of fixed random projections of x; there is no router.

    Source: Jacobs, Jordan, Nowlan, Hinton 1991, "Adaptive mixtures of local experts"; Fedus, Zoph, Shazeer 2021
    (arXiv 2101.03961) for top; Roller et al. 2021 (arXiv 2106.04426) for hash.
    """
    make, x = Maker(seed), array_input(input_shape)
    number, hidden = (width, HEAD) if experts == "grow" else (experts, width)
    if route == "hash":
        fixed = numbers(np.random.default_rng(seed).standard_normal((input_shape[0], number)))
        shares = _largest(ops.matmul(x, fixed))
    else:
        shares = ops.softmax(make.dense(number)(x) / 2, axis=-1)
        shares = shares * math.sqrt(number) if route == "soft" else shares * _largest(shares)
    features = make.dense(number * hidden, "tanh")(x)
    predictions = ops.reshape(make.blocks(number * outputs, number)(features), (-1, number, outputs))
    return keras.Model(x, ops.sum(shares[:, :, None] * predictions, axis=1))


def _largest(z):
    """Return 1 for the largest entry of each sample and 0 for the others, as a constant: [N, E]."""
    return ops.one_hot(ops.argmax(ops.stop_gradient(z), axis=-1), z.shape[-1], dtype=precision())
