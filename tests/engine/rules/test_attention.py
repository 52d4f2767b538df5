"""Keras's attention layers, whose projections are EinsumDense layers of their own."""

from __future__ import annotations

import keras
import pytest
from checking import check, check_factors, functional, normal

L = keras.layers


def attending(call):
    def model(x):
        return L.Dense(2, "tanh", use_bias=False, trainable=False)(L.Flatten()(call(x)))

    return functional((3, 2), model)


def test_multi_head_attention():
    check(attending(lambda x: L.MultiHeadAttention(2, 1, output_shape=1)(x, x)), normal(3, 3, 2))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: L.MultiHeadAttention(2, 2, value_dim=1, use_bias=False, dropout=0.2)(x, x, use_causal_mask=True),
        lambda x: L.MultiHeadAttention(1, 2)(query=x, key=L.Dense(2)(x), value=x),
        lambda x: L.GroupQueryAttention(2, 4, 2)(x, x),
        lambda x: L.GroupQueryAttention(2, 2, 1, use_bias=False)(x, x, use_causal_mask=True),
    ],
)
def test_forms(call):
    check_factors(attending(call), normal(3, 3, 2))
