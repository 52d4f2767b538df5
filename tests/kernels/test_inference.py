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


def test_jitter_is_chosen_and_reported():
    assert k.Ensemble(KERNEL, X, Y).jitter == 0
    twice = k.Ensemble(KERNEL, np.concatenate([X, X]), np.concatenate([Y, Y]))
    assert 0 < twice.jitter <= 1e-8
    np.testing.assert_allclose(twice.predict(X).mean[:, 0], Y, atol=1e-4)
    with pytest.raises(nb.NtkbenchError, match="singular, also with a jitter of 0 of its diagonal"):
        k.Ensemble(k.InfiniteWidth([k.Dense()]), np.zeros((2, 3)), [1.0, 2.0], jitter=0.0)


def test_mistakes_are_sentences():
    with pytest.raises(nb.NtkbenchError, match="Did you mean 'ntk'"):
        k.Ensemble(KERNEL, X, Y, train="ntkk")
    with pytest.raises(nb.NtkbenchError, match="10 inputs and 3 targets"):
        k.Ensemble(KERNEL, X, Y[:3])
    with pytest.raises(nb.NtkbenchError, match="time=-1.0 makes no sense"):
        k.Ensemble(KERNEL, X, Y).predict(NEW, -1.0)


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
