"""Embeddings: a token may occur several times in a sample, or not at all."""

from __future__ import annotations

import keras
import numpy as np
from checking import alone, check, check_rule, tokens

import ntkbench as nb

L = keras.layers


def test_embedding():
    model = alone(lambda: L.Embedding(5, 2), (4,), dtype="int32")
    check(model, tokens(3, 4), kernels=("full", "trace"), float32=True)


def test_tokens_counted_from_the_end():
    check_rule(lambda: L.Embedding(5, 2), np.array([[0, -1, 4], [-5, 2, 2]], "int32"))


def test_tokens_given_as_floats():
    check_rule(lambda: L.Embedding(5, 2), tokens(2, 3).astype("float64"))


def test_large_tables_go_by_gradients():
    """f = v·Σ_t table[token_t]: the kernel is ‖v‖² times the pairs of equal tokens, and the product of the sums."""
    keras.utils.set_random_seed(0)
    pooled = [L.Embedding(5000, 3), L.GlobalAveragePooling1D(), L.Dense(1, use_bias=False)]
    model = keras.Sequential([keras.Input((6,), dtype="int32"), *pooled])
    ids = np.random.default_rng(0).integers(0, 5000, (4, 6)).astype("int32")
    ids[1, :3], ids[2] = ids[0, :3], ids[3]
    table, v = model.get_weights()
    means = table[ids].mean(1)
    equal = (ids[:, None, :, None] == ids[None, :, None]).sum((2, 3)) / 36
    np.testing.assert_allclose(nb.empirical_ntk(model, ids), means @ means.T + (v**2).sum() * equal, rtol=1e-5)
