"""The measurement `catapult`, and the one-sample recursion that descent on a quadratic model obeys exactly."""

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench.testing import MeasurementChecks
from ntkbench_dynamics.catapult import descend


class TestCatapult(MeasurementChecks):
    measurement = "catapult"
    curved = "fc"


def network(width, d, seed):
    options = {"dtype": "float64"}
    layers = [nb.layers.Dense(width, None, seed=seed, **options), nb.layers.Dense(1, seed=seed + 1, **options)]
    return keras.Sequential([keras.Input((d,), dtype="float64"), *layers])


def recursion(f, kernel, rate, scale, y, steps):
    """The losses and kernels of f = m^(-1/2) Σ v_i u_i·x/√d, from u, w and v = η λ (arXiv 2205.11787, appendix).

    scale: ‖x‖²/(m d).
    """
    u, w, v = scale * rate**2 * (f - y) ** 2, scale * rate**2 * (f - y) * y, rate * kernel
    found = []
    for _ in range(steps):
        found.append((u / (scale * rate**2) / 2, v / rate))
        factor = 1 - v + u + w
        u, w, v = factor**2 * u, factor * w, v - u * (4 - v) - 4 * w
    return np.array(found)


@pytest.mark.parametrize("factor", [0.8, 1.5, 1.9])  # of the critical step 2/λ
def test_one_sample_obeys_the_recursion(factor):
    width, d, y = 400, 6, 0.7
    model, x = network(width, d, seed=3), np.random.default_rng(1).standard_normal((1, d))
    rate = factor * nb.training.critical_step(model, x)
    trainer = nb.training.Trainer(model, x, [y], learning_rate=rate)
    state, found = trainer.start(), []
    f, kernel = trainer.outputs(state)[0, 0], nb.empirical_ntk(model, x)[0, 0]
    np.testing.assert_allclose(rate * kernel / 2, factor, rtol=1e-3)
    for _ in range(30):
        trainer.assign(state)
        found.append((trainer.loss(state), nb.empirical_ntk(model, x)[0, 0]))
        state = trainer.advance(state, 1)
    right = recursion(f, kernel, rate, np.sum(x**2) / (width * d), y, 30)
    np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-12)
    losses = right[:, 0]
    assert (losses.max() > losses[0]) == (factor > 1)


@pytest.mark.parametrize(("factor", "survives"), [(0.8, True), (1.5, True), (2.3, False)])
def test_one_sample_survives_below_twice_the_critical_step(factor, survives):
    model, x = network(1000, 6, seed=3), np.random.default_rng(1).standard_normal((1, 6))
    trainer = nb.training.Trainer(model, x, [0.0], learning_rate=factor * nb.training.critical_step(model, x))
    losses, last = descend(trainer, trainer.start(), 200)
    assert (last is not None) == survives
    if survives:
        trainer.assign(last)
        assert losses[-1] < 0.11 * losses[0] and (max(losses) > 2 * losses[0]) == (factor > 1)
        assert factor < 1 or nb.empirical_ntk(model, x)[0, 0] < 2 / trainer.learning_rate(0)
