"""Children and linearised networks against closed forms, and ntkbench's checks of the suite."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import ntkbench as nb
import ntkbench_dynamics as dyn
from ntkbench.testing import SuiteChecks


class TestSuite(SuiteChecks):
    suite = "fort2020"


class TestTransient(SuiteChecks):
    suite = "transient"


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((24, 5))
    return x, np.argmax(x[:, :3], axis=1)


def network(width=12):
    options = {"dtype": "float64"}
    layers = [nb.layers.Dense(width, "tanh", seed=1, **options), nb.layers.Dense(3, seed=2, **options)]
    return keras.Sequential([keras.Input((5,), dtype="float64"), *layers])


def test_children_differ_by_their_minibatches_alone(data):
    x, y = data
    model = network()
    trainer = nb.training.Trainer(model, x, y, loss="cross_entropy", learning_rate=0.5, momentum=0.9, batch_size=4)
    parent = trainer.advance(trainer.start(), 9)
    one, same, other = dyn.children(trainer, parent, [1, 1, 2], 30)
    assert one == same and one.step == other.step == 30
    assert dyn.parameter_distance(one.weights, other.weights) > 0
    error = dyn.share_wrong(trainer, x, y)
    assert dyn.barriers(error, [one, same]) == [0]
    assert len(dyn.barriers(error, [one, same, other])) == 3
    trainer.assign(other)
    assert error(other.weights) == np.mean(np.asarray(model(x)).argmax(1) != y)
    full = nb.training.Trainer(model, x, y, loss="cross_entropy", learning_rate=0.5)
    with pytest.raises(nb.NtkbenchError, match="children are the same"):
        dyn.children(full, full.start(), [1, 2], 5)


def test_the_linearised_network_in_closed_form(data):
    """Full-batch descent on the square loss: f_T = f_0 + K_test K⁻¹ (1 − (1 − ηK/N)^T) (y − f_0), K at time t."""
    x, labels = data
    y, new, model = np.eye(3)[labels], data[0][:4] + 0.3, network()
    trainer = nb.training.Trainer(model, x, y, learning_rate=0.3, batch_size=6)
    state = trainer.advance(trainer.start(), 40)
    linear, end = dyn.linearized(model, x, y, state, 25, learning_rate=0.4)
    trainer.assign(state)
    f0, f0_new = np.asarray(model(x)).ravel(), np.asarray(model(new)).ravel()
    k = dyn.gram(model, np.concatenate([x, new]))
    n = y.size
    values, q = np.linalg.eigh(k[:n, :n])
    factor = (1 - (1 - 0.4 * values / len(x)) ** 25) / values
    right = f0_new + k[n:, :n] @ (q @ (factor * (q.T @ (y.ravel() - f0))))
    np.testing.assert_allclose(linear.outputs(end, new).ravel(), right, rtol=1e-8)
    np.testing.assert_allclose(linear.outputs(linear.start(), new).ravel(), f0_new, rtol=1e-12)


def test_the_linearised_network_is_the_tangent(data):
    x, labels = data
    model = network()
    trainer = nb.training.Trainer(model, x, labels, loss="cross_entropy", learning_rate=0.3, batch_size=6)
    state = trainer.advance(trainer.start(), 10)
    linear, end = dyn.linearized(
        model, x, labels, state, 5, loss="cross_entropy", learning_rate=0.1, momentum=0.9, batch_size=6
    )
    step, h = end.weights - state.weights, 1e-5
    ends = [trainer.outputs(trainer.start(state.weights + sign * h * step), x) for sign in (1, -1)]
    right = trainer.outputs(state, x) + (ends[0] - ends[1]) / (2 * h)
    np.testing.assert_allclose(linear.outputs(end, x), right, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
def test_the_suite_prints_all_its_claims(tmp_path):
    words = [sys.executable, "-m", "ntkbench", "run", "--suite", "fort2020", "--out", "suite", "--quiet"]
    done = subprocess.run(words, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
    for name in ("kernel-is-worse", "barrier-falls", "velocity-falls", "gap-closes", "advantage", "correlation"):
        assert name in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
