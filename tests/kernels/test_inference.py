"""Predictions of infinitely wide ensembles: identities, and against trained finite networks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import ntkbench as nb
from ntkbench import kernels as k

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)), RNG.normal(size=10)
NEW = RNG.normal(size=(4, 3))
NET = [k.Dense(), k.Activation("tanh"), k.Dense()]
KERNEL = k.InfiniteWidth(NET)


def test_the_start_is_the_prior_and_the_end_is_for_ever():
    ensemble = k.Ensemble(KERNEL, X, Y)
    start, end = ensemble.predict(NEW, 0.0), ensemble.predict(NEW, 1e9)
    np.testing.assert_allclose(start.mean, 0, atol=1e-15)
    np.testing.assert_allclose(start.covariance, KERNEL.nngp.matrix(NEW), rtol=1e-10)
    limit = ensemble.predict(NEW)
    np.testing.assert_allclose(end.mean, limit.mean, rtol=1e-6)
    np.testing.assert_allclose(end.covariance, limit.covariance, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("train", ["ntk", "nngp", "nngp_gradient"])
def test_the_targets_are_learned(train):
    found = k.Ensemble(KERNEL, X, Y, train=train).predict(X)
    np.testing.assert_allclose(found.mean[:, 0], Y, atol=1e-6)
    assert np.abs(found.covariance).max() <= 1e-6
    assert found.std.shape == (10,)


def test_bayesian_networks_are_the_gaussian_process_regression():
    process = tfp.distributions.GaussianProcessRegressionModel(
        KERNEL.nngp, NEW, X, Y, observation_noise_variance=np.float64(0.1), predictive_noise_variance=np.float64(0.0),
        jitter=0.0,
    )  # fmt: skip
    found = k.Ensemble(KERNEL, X, Y, train="nngp", noise=0.1).predict(NEW)
    np.testing.assert_allclose(found.mean[:, 0], process.mean(), rtol=1e-8)
    np.testing.assert_allclose(found.covariance, process.covariance(), rtol=1e-6, atol=1e-10)


def test_last_layer_training_ends_in_the_posterior():
    both = [k.Ensemble(KERNEL, X, Y, train=train).predict(NEW) for train in ("nngp", "nngp_gradient")]
    np.testing.assert_allclose(both[0].mean, both[1].mean, rtol=1e-10)
    np.testing.assert_allclose(both[0].covariance, both[1].covariance, rtol=1e-6, atol=1e-10)


def test_blocks_change_nothing_and_tell_how_far_they_are():
    shares = []
    cut = k.Ensemble(KERNEL, X, Y, block=3, progress=shares.append).predict(NEW, 2.0)
    whole = k.Ensemble(KERNEL, X, Y).predict(NEW, 2.0)
    np.testing.assert_allclose(cut.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(cut.covariance, whole.covariance, rtol=1e-10, atol=1e-14)
    assert shares == [0.5, 1.0]


def test_a_jitter_is_what_is_added():
    base = KERNEL.matrix(X).numpy()
    found = k.Ensemble(KERNEL, X, Y, jitter=1e-2)
    assert found.jitter == pytest.approx(1e-2 * np.diagonal(base).mean())
    expected = KERNEL.matrix(NEW, X) @ np.linalg.solve(base + found.jitter * np.eye(10), Y[:, None])
    np.testing.assert_allclose(found.predict(NEW).mean, expected, rtol=1e-9)
    plain = k.Ensemble(KERNEL, X, Y)
    assert (plain.jitter, plain.rank) == (0, 10)
    assert plain.condition == pytest.approx(np.linalg.cond(base, 1), rel=0.5)


KERNELS = {
    "relu": k.named("fully-connected", depth=2, activation="relu", weight_std=1.5, bias_std=0.05),
    "erf": k.named("fully-connected", depth=3, activation="erf", weight_std=1.5, bias_std=0.1),
    "tanh": KERNEL,
}


@pytest.mark.parametrize("train", ["ntk", "nngp", "nngp_gradient"])
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("times", [2, 3])
def test_an_input_with_several_targets_gets_their_mean(name, train, times, caplog):
    x, y = X, np.sin(X[:, 0])
    targets = [y + shift for shift in np.arange(times) - 5.0]
    ensemble = k.Ensemble(KERNELS[name], np.tile(x, (times, 1)), np.concatenate(targets), train=train)
    assert ensemble.rank == len(x) and ensemble.condition > 1e12
    assert "miss their targets by up to" in caplog.text
    found = ensemble.predict(x)
    np.testing.assert_allclose(found.mean[:, 0], np.mean(targets, 0), atol=1e-4)
    assert found.std.max() < 1e-3
    np.testing.assert_allclose(ensemble.predict(x[:3]).mean, found.mean[:3], atol=1e-4)
    once = k.Ensemble(KERNELS[name], x, np.mean(targets, 0), train=train).predict(x[:, ::-1] + 0.3)
    np.testing.assert_allclose(ensemble.predict(x[:, ::-1] + 0.3).mean, once.mean, atol=1e-3)
    if train != "nngp":
        np.testing.assert_allclose(ensemble.predict(x, 1e17).mean, found.mean, atol=1e-4)


@pytest.mark.parametrize("distance", [1e-15, 1e-14, 1e-12, 1e-8, 1e-2])
def test_nearly_equal_inputs_stay_finite_and_fit_what_they_can(distance):
    x, y = np.concatenate([X, X * (1 + distance)]), np.concatenate([Y, Y])
    found = k.Ensemble(KERNEL, x, y).predict(X)
    np.testing.assert_allclose(found.mean[:, 0], Y, atol=1e-4)


def test_more_inputs_than_features_is_least_squares(caplog):
    linear = k.InfiniteWidth([k.Dense()])
    y = RNG.normal(size=(10, 2))
    ensemble = k.Ensemble(linear, X, y)
    assert ensemble.rank == 3 and "rank 3" in caplog.text
    weights = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(ensemble.predict(NEW).mean, NEW @ weights, atol=1e-10)
    # with noise: ridge regression, no warning
    caplog.clear()
    ridge = np.linalg.solve(X.T @ X + 0.3 * np.eye(3), X.T @ y)
    np.testing.assert_allclose(k.Ensemble(linear, X, y, noise=0.1).predict(NEW).mean, NEW @ ridge, atol=1e-10)
    assert not caplog.text


def test_inputs_of_zero_cannot_be_fitted_without_a_bias(caplog):
    x, y = np.concatenate([X, np.zeros((2, 3))]), np.concatenate([Y, [1.0, 3.0]])
    found = k.Ensemble(KERNEL, x, y).predict(x)
    np.testing.assert_allclose(found.mean[:, 0], np.concatenate([Y, [0.0, 0.0]]), atol=1e-6)
    assert "up to 3" in caplog.text
    everything = k.Ensemble(KERNEL, 0 * X, Y)
    assert everything.rank == 0
    np.testing.assert_array_equal(everything.predict(NEW).mean, np.zeros((4, 1)))


def test_targets_without_conflict_warn_of_nothing(caplog):
    twice = k.Ensemble(KERNEL, np.concatenate([X, X]), np.concatenate([Y, Y]))
    np.testing.assert_allclose(twice.predict(X).mean[:, 0], Y, atol=1e-6)
    assert twice.rank == 10 and not caplog.text


def test_mistakes_are_sentences():
    with pytest.raises(nb.NtkbenchError, match="Did you mean 'ntk'"):
        k.Ensemble(KERNEL, X, Y, train="ntkk")
    with pytest.raises(nb.NtkbenchError, match="10 inputs and 3 targets"):
        k.Ensemble(KERNEL, X, Y[:3])
    with pytest.raises(nb.NtkbenchError, match="time=-1.0 is invalid"):
        k.Ensemble(KERNEL, X, Y).predict(NEW, -1.0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: k.Ensemble(KERNEL, X * np.nan, Y), "inputs contain NaN or infinity"),
        (lambda: k.Ensemble(KERNEL, X, Y * np.inf), "targets contain NaN or infinity"),
        (lambda: k.Ensemble(KERNEL, X, list("abcdefghij")), "targets are a list, not an array of real numbers"),
        (lambda: k.Ensemble(KERNEL, X + 1j, Y), "inputs are a ndarray, not an array of real numbers"),
        (lambda: k.Ensemble(KERNEL, X, [[1.0], [1.0, 2.0]] * 5), "targets are a list, not an array"),
        (lambda: k.Ensemble(KERNEL, X[0, 0], Y), "inputs have shape"),
        (lambda: k.Ensemble(KERNEL, X[:, 0], Y), "inputs have shape"),
        (lambda: k.Ensemble(KERNEL, X, 1.0), "targets"),
        (lambda: k.Ensemble(KERNEL, X * 1e200, Y), "training kernel is not finite"),
        (lambda: k.Ensemble(KERNEL, X, Y, noise=-1.0), "noise=-1.0 is invalid"),
        (lambda: k.Ensemble(KERNEL, X, Y, jitter=np.nan), "jitter=nan is invalid"),
        (lambda: k.Ensemble(KERNEL, X, Y).predict(NEW[:, :2]), r"shape \[4, 2\]; the training inputs have \[10, 3\]"),
        (lambda: k.Ensemble(KERNEL, X, Y).predict(NEW[0]), r"shape \[3\]"),
        (lambda: k.Ensemble(KERNEL, X, Y).predict(NEW * np.nan), "NaN"),
    ],
)
def test_data_that_are_no_numbers_are_refused(call, said):
    with pytest.raises(nb.NtkbenchError, match=said):
        call()


def test_trained_finite_networks_are_the_ensemble():
    """200 networks of width 512, trained by small steps up to t = 3: mean and spread over them are those of the limit.

    Their mean errs by spread / √200, their spread by 1/√400 = 5 % and by the finite width.
    """
    time, steps, count, width = 3.0, 100, 200, 512
    x, y = X[:5], Y[:5]
    points = np.concatenate([x, NEW])
    w1 = tf.Variable(RNG.normal(size=(count, 3, width)), dtype=tf.float32)
    w2 = tf.Variable(RNG.normal(size=(count, width)), dtype=tf.float32)

    def outputs(x):
        hidden = tf.tanh(tf.einsum("na,sam->snm", tf.constant(x, tf.float32), w1) / 3**0.5)
        return tf.einsum("snm,sm->sn", hidden, w2) / width**0.5

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((outputs(x) - tf.constant(y, tf.float32)) ** 2) / 2
        for variable, gradient in zip((w1, w2), tape.gradient(loss, [w1, w2]), strict=True):
            variable.assign_sub(time / steps * gradient)

    for _ in range(steps):
        step()
    found = outputs(points).numpy()
    limit = k.Ensemble(k.InfiniteWidth(NET), x, y).predict(points, time)
    start = KERNEL.nngp.matrix(points).numpy()
    mean, spread = found.mean(0), found.std(0, ddof=1)
    assert (np.abs(mean - limit.mean[:, 0]) <= 4 * limit.std / np.sqrt(count) + 0.03).all()
    np.testing.assert_allclose(spread, limit.std, rtol=0.25)
    assert limit.std[:5].max() < 0.5 * np.sqrt(np.diagonal(start))[:5].min()  # training has done something
