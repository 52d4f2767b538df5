"""The Jacobian is that of finite differences, its Gram matrix the tangent kernel."""

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench import layers

X = np.random.default_rng(0).standard_normal((3, 4))


def network(outputs):
    hidden = layers.Dense(5, "tanh", use_bias=True, seed=1, dtype="float64")
    return keras.Sequential(
        [keras.Input((4,), dtype="float64"), hidden, layers.Dense(outputs, seed=2, dtype="float64")]
    )


@pytest.mark.parametrize("outputs", [1, 3, 20])
def test_it_is_the_jacobian_of_finite_differences(outputs):
    model = network(outputs)
    found = nb.jacobian(model, X)
    weights = model.get_weights()
    assert found.shape == (3, outputs, sum(w.size for w in weights)) and found.dtype == np.float64
    column = 0
    for index, weight in enumerate(weights):
        for entry in np.ndindex(weight.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [w.copy() for w in weights]
                moved[index][entry] += step
                model.set_weights(moved)
                ends.append(model(X).numpy())
            np.testing.assert_allclose(found[:, :, column], (ends[0] - ends[1]) / 2e-5, atol=1e-8)
            column += 1


def test_its_gram_matrix_is_the_kernel():
    model = network(3)
    found = nb.jacobian(model, X)
    np.testing.assert_allclose(np.einsum("nop,mop->nm", found, found), nb.empirical_ntk(model, X), rtol=1e-12)
    full = nb.empirical_ntk(model, X, outputs="full")
    np.testing.assert_allclose(np.einsum("nop,mqp->nmoq", found, found), full, rtol=1e-12, atol=1e-14)


def test_inputs_that_are_not_finite_are_a_sentence():
    with pytest.raises(nb.NtkbenchError, match="NaN"):
        nb.jacobian(network(1), np.full((2, 4), np.nan))
