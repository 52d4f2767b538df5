"""Embeddings: a token may occur several times in a sample, or not at all."""

from __future__ import annotations

import keras
import numpy as np
from checking import alone, check, check_rule, tokens

L = keras.layers


def test_embedding():
    model = alone(lambda: L.Embedding(5, 2), (4,), dtype="int32")
    check(model, tokens(3, 4), kernels=("full", "trace"), float32=True)


def test_tokens_counted_from_the_end():
    check_rule(lambda: L.Embedding(5, 2), np.array([[0, -1, 4], [-5, 2, 2]], "int32"))


def test_tokens_given_as_floats():
    check_rule(lambda: L.Embedding(5, 2), tokens(2, 3).astype("float64"))
