"""The tangent kernel by three routes against rows of the Jacobian that a single tape gives, in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from checking import functional, normal
from nets import Oracle, build, probes

import ntkbench as nb
from ntkbench.engine.model.network import network
from ntkbench.engine.ntk.kernel_map import KernelMap

L = keras.layers
# First derivatives in float64: what differs is the order of sums of some hundred terms.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-10}


class Doubled(L.Dense):
    """A layer without a rule."""

    def call(self, inputs, training=None):
        return super().call(super().call(inputs))


def with_and_without_rules(x):
    return L.Dense(2)(Doubled(3, "tanh")(L.Dense(3, "tanh")(x)))


def check(model, x1, x2, methods):
    units = range(int(np.prod(model(x1[:1]).shape[1:])))
    oracle = Oracle(model)
    j1, j2 = oracle.jacobian(x1, units), oracle.jacobian(x2, units)
    full, itself = np.einsum("nop,mqp->nmoq", j1, j2), np.einsum("nop,mqp->nmoq", j1, j1)
    for method in methods:
        options = {"method": method}
        np.testing.assert_allclose(nb.empirical_ntk(model, x1, x2, outputs="full", **options), full, **TOLERANCE)
        trace = np.einsum("nmoo->nm", full)
        np.testing.assert_allclose(nb.empirical_ntk(model, x1, x2, **options), trace, **TOLERANCE)
        last = units[-1]
        one = nb.empirical_ntk(model, x1, x2, outputs=last, **options)
        np.testing.assert_allclose(one, full[:, :, last, last], **TOLERANCE)
        k = nb.empirical_ntk(model, x1, **options)
        np.testing.assert_allclose(k, np.einsum("nmoo->nm", itself), **TOLERANCE)
        assert np.linalg.eigvalsh(k)[0] >= -1e-12 * np.trace(k)


@pytest.mark.parametrize("name", ["fc-softmax-output", "cnn"])
def test_our_architectures(name):
    model, x1, x2 = build(name, 4), probes(name), probes(name, 2, seed=1)
    check(model, x1, x2, ("structured", "jacobian", "ntk_vector_products"))


def test_some_layers_without_rules():
    model = functional((3,), with_and_without_rules)
    check(model, normal(3, 3), normal(2, 3, seed=1), ("auto", "jacobian", "ntk_vector_products"))


@pytest.mark.parametrize("structured", [True, False])
def test_gradient_of_the_distance_of_kernels(structured):
    """∂/∂w ½‖K − K_ref‖² by the structured route and the generic one, against differences of K."""
    call = (lambda x: L.Dense(2, "tanh")(x)) if structured else with_and_without_rules
    model, x = functional((3,), call), normal(3, 3)
    oracle = Oracle(model)
    kernels = KernelMap(network(model), network(model).inputs(x))
    assert kernels.structure.complete is structured
    reference = np.eye(len(x))
    v = normal(len(oracle.theta), seed=3)
    v /= np.linalg.norm(v)

    def distance(t):
        oracle.assign(oracle.theta + t * 1e-4 * v)
        j = oracle.jacobian(x)[:, 0]
        return np.sum((j @ j.T - reference) ** 2) / 2

    expected = (8 * (distance(1) - distance(-1)) - (distance(2) - distance(-2))) / 12e-4
    k, gradient = kernels.kernel_and_gradient(network(model).flatten(oracle.split(oracle.theta)), reference)
    np.testing.assert_allclose(k, oracle.jacobian(x)[:, 0] @ oracle.jacobian(x)[:, 0].T, **TOLERANCE)
    # differences of a sum of squares of order 10: 1e-15/1e-4 of it
    np.testing.assert_allclose(gradient.numpy() @ v, expected, rtol=1e-7, atol=1e-8)
