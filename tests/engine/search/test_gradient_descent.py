"""Full-batch gradient descent: its step sizes, its path and its end."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from nets import build, probes

from ntkbench.engine.model.network import Network
from ntkbench.engine.search.descent import gradient_descent
from ntkbench.errors import Diverged


@pytest.fixture(scope="module")
def net():
    return Network(build("fc", 16))


@pytest.fixture(scope="module")
def origin(net):
    return net.theta()


X = probes("fc", 4)
Y = np.array([1.0, -1.0, 1.0, -1.0])


def test_reaches_its_target(net, origin):
    path = gradient_descent(net, tf.constant(X), Y, origin)
    assert path.reached and path.losses[-1] <= 1e-3 * path.losses[0] < path.losses[-2]
    assert (np.diff(path.losses) <= 0).all()
    assert len(path.losses) == len(path.gradients) == path.steps + 1
    assert {0, 1, 2, 5, 10, path.steps} <= set(path.kernels)
    assert max(np.diff(sorted(path.kernels))) <= 20
    np.testing.assert_array_equal(path.origin, origin)
    net.assign(path.end)
    f = net.scalar(tf.constant(X)).numpy()
    np.testing.assert_allclose(np.sum((f - Y) ** 2) / 2, path.losses[-1], rtol=1e-10)


def test_first_step_is_the_gradient_of_the_sum_at_half_the_critical_size(net, origin):
    path = gradient_descent(net, tf.constant(X), Y, origin, max_steps=1)
    assert path.steps == 1 and not path.reached
    largest = np.linalg.eigvalsh(path.kernels[0])[-1]
    moved = np.linalg.norm(path.end - path.origin)
    np.testing.assert_allclose(moved, 1 / largest * np.sqrt(path.gradients[0]), rtol=1e-10)


def test_a_step_that_raises_the_loss_is_rolled_back(net, origin):
    wild = gradient_descent(net, tf.constant(X), Y, origin, safety=40.0, max_steps=30)
    assert (np.diff(wild.losses) <= 0).all()
    assert wild.step_size < 80 / np.linalg.eigvalsh(wild.kernels[0])[-1]


def test_nothing_to_do(net, origin):
    net.assign(origin)
    path = gradient_descent(net, tf.constant(X), net.scalar(tf.constant(X)).numpy(), origin)
    assert path.steps == 0 and path.reached and list(path.kernels) == [0]


def test_outputs_that_are_not_finite(net, origin):
    with pytest.raises(Diverged, match="not finite at initialisation"):
        gradient_descent(net, tf.constant(X), Y * np.nan, origin)


class Cliff(tf.Module):
    """f = w·x at the w it began with, and not a number everywhere else."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.ones([2], tf.float64))

    def __call__(self, x):
        w = tf.where(tf.equal(self.w, 1.0), self.w, tf.constant(np.nan, tf.float64))
        return tf.linalg.matvec(x, w)[:, None]


def test_no_step_size_is_small_enough():
    net = Network(Cliff())
    with pytest.raises(Diverged, match="every step size"):
        gradient_descent(net, tf.constant([[1.0, 2.0]], tf.float64), np.array([0.0]), net.theta())
