"""The linear probe against ridge regression by hand, and the linearised network in closed form against training."""

import keras
import numpy as np
import pytest

import ntkbench as nb
import ntkbench_dynamics as dyn
from ntkbench_dynamics.probing import RIDGES


def network(outputs=3, output=None, width=4):
    layers = [nb.layers.Dense(width, "tanh", seed=1, dtype="float64")]
    layers.append(nb.layers.Dense(outputs, output, seed=2, use_bias=True, dtype="float64"))
    return keras.Sequential([keras.Input((5,), dtype="float64"), *layers])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((14, 5)), rng.standard_normal((14, 3)), rng.standard_normal((6, 5))


def ridge(features, y, ridge, new):
    """Ridge regression with an intercept that is not penalised, by normal equations."""
    mean, centre = y.mean(0), features.mean(0)
    a = features - centre
    return mean + (new - centre) @ np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T @ (y - mean))


def test_the_probe_is_ridge_regression_with_the_ridge_of_leave_one_out(data):
    x, y, new = data
    model = network()
    scale = 1 / np.sqrt(4)  # of the readout, whose features are h/√m
    h, h_new = (scale * np.tanh(each @ np.asarray(model.layers[0].kernel) / np.sqrt(5)) for each in (x, new))
    top = np.linalg.eigvalsh((h - h.mean(0)).T @ (h - h.mean(0)))[-1]
    rows = np.arange(len(x))
    errors = [
        sum(np.sum((ridge(h[rows != i], y[rows != i], r * top, h[i : i + 1]) - y[i]) ** 2) for i in rows)
        for r in RIDGES
    ]
    right = ridge(h, y, RIDGES[np.argmin(errors)] * top, h_new)
    np.testing.assert_allclose(dyn.linear_probe(model, x, y, new), right, rtol=1e-8)
    np.testing.assert_array_equal(dyn.linear_probe(model, x, y[:, 0], new), dyn.linear_probe(model, x, y[:, :1], new))


def test_the_probe_does_not_depend_on_the_readout_and_leaves_it_alone(data):
    x, y, new = data
    model, before = network(), dyn.linear_probe(network(), x, y, new)
    readout = model.layers[-1].kernel
    readout.assign(2 * readout)
    weights = model.get_weights()
    np.testing.assert_allclose(dyn.linear_probe(model, x, y, new), before, rtol=1e-10)
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_networks_without_features_have_no_probe(data):
    x, y, new = data
    assert dyn.linear_probe(network(output="tanh"), x, y, new) is None
    shared = keras.layers.Dense(4, "tanh", dtype="float64")
    inputs = keras.Input((5,), dtype="float64")
    h = keras.layers.Dense(6, dtype="float64")(inputs)
    one = keras.layers.Dense(1, dtype="float64")
    both = keras.layers.Concatenate(dtype="float64")([one(shared(h[:, :3])), one(shared(h[:, 3:]))])
    assert dyn.linear_probe(keras.Model(inputs, both), x, y, new) is None


def test_dead_features_predict_the_mean(data):
    x, y, new = data
    model = network()
    model.layers[0].kernel.assign(np.zeros((5, 4)))
    model.layers[-1].use_bias = False
    np.testing.assert_allclose(dyn.linear_probe(model, x, y, new), np.tile(y.mean(0), (6, 1)), atol=1e-12)


def test_the_probe_takes_nested_inputs(data):
    x, y, new = data
    parts = {"a": keras.Input((2,), dtype="float64", name="a"), "b": keras.Input((3,), dtype="float64", name="b")}
    h = nb.layers.Dense(4, "tanh", seed=1, dtype="float64")(
        keras.layers.Concatenate(dtype="float64")([parts["a"], parts["b"]])
    )
    model = keras.Model(parts, nb.layers.Dense(3, seed=2, use_bias=True, dtype="float64")(h))
    nested = [{"a": each[:, :2], "b": each[:, 2:]} for each in (x, new)]
    np.testing.assert_allclose(
        dyn.linear_probe(model, nested[0], y, nested[1]), dyn.linear_probe(network(), x, y, new), rtol=1e-10
    )


def test_the_closed_form_is_the_end_of_linear_training(data):
    x, y, new = data
    model = network(width=40)
    trainer = nb.training.Trainer(model, x, y, learning_rate=0.3)
    state = trainer.advance(trainer.start(), 20)
    rate = 0.9 * nb.training.critical_step(model, x)
    linear, end = dyn.linearized(model, x, y, state, 60_000, learning_rate=rate)
    assert linear.loss(end) < 1e-12
    trainer.assign(state)
    np.testing.assert_allclose(dyn.tangent_regression(model, x, y, new), linear.outputs(end, new), rtol=1e-4, atol=1e-4)


def test_the_closed_form_with_a_ridge(data):
    x, y, new = data
    model = network()
    j, j_new = (nb.jacobian(model, each).reshape(len(each) * 3, -1) for each in (x, new))
    f, f_new = np.asarray(model(x)).ravel(), np.asarray(model(new)).ravel()
    step = np.linalg.solve(j.T @ j + 0.1 * np.eye(j.shape[1]), j.T @ (y.ravel() - f))
    found = dyn.tangent_regression(model, x, y, new, ridge=0.1)
    np.testing.assert_allclose(found.ravel(), f_new + j_new @ step, rtol=1e-8)
    with pytest.raises(nb.NtkbenchError, match="at least 0"):
        dyn.tangent_regression(model, x, y, new, ridge=-1)
    with pytest.raises(nb.NtkbenchError, match="shapes must be equal"):
        dyn.tangent_regression(model, x, y[:, :2], new)
