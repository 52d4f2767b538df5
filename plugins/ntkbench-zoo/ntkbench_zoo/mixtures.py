"""Mixtures of experts, vectors [N, d] → [N, outputs]."""

import math

import keras
from keras import ops

from .common import HEAD, Maker, array_input


def build_mixture(width, *, input_shape, outputs=1, seed, experts=4):
    """Build E^(-1/2) Σ_e E p_e f_e with p = softmax(½ D x) and experts f_e = D tanh(D x), each with weights of its own.

    A fixed number E of experts have `width` hidden units each. With experts="grow" there are `width` experts of 8.

    Source: Jacobs, Jordan, Nowlan, Hinton 1991, "Adaptive mixtures of local experts".
    """
    make, x = Maker(seed), array_input(input_shape)
    number, hidden = (width, HEAD) if experts == "grow" else (experts, width)
    shares = ops.softmax(make.dense(number)(x) / 2, axis=-1)
    features = make.dense(number * hidden, "tanh")(x)
    predictions = ops.reshape(make.blocks(number * outputs, number)(features), (-1, number, outputs))
    return keras.Model(x, ops.sum(shares[:, :, None] * predictions, axis=1) * math.sqrt(number))
