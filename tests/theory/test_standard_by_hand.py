"""Why networks in the standard parameterisation stay non-linear in a ball of fixed radius, in closed form.

f(x) = w₃ᵀφ(W₂φ(W₁x)) with weights of variance 1/fan-in, as Keras draws them. The gradient grows as √m, but so does what
moves it: the readout has ‖w₃‖ ≈ 1 at every width, so that a step of length R = 1 along w₃ doubles it. The hidden
weights' part of K, about half, is quadratic in w₃ and becomes four times as large: ΔK/K ≈ 3/2, whatever the width. The
Hessian's block of w₃ and row i of W₂ is φ'_i·h₁, of norm √m, beside a gradient of norm √m. Along gradient descent the
weights move by 1/√m, and the kernel's relative change falls as 1/m: linear in training, not in the ball.

With one hidden layer nothing but the input's weights is quadratic in w₂, and their part of K is O(1/m): it falls.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from known_networks import plain_keras, plain_keras_shallow
from measuring import Extended, cells

from ntkbench.registry.specs import Architecture
from ntkbench.runner.worker import GroupWorker

WIDTHS = (64, 256, 1024, 4096)


def draw(width, seed, hidden=2, d=61):
    """Return x [d] with ‖x‖² = d, and the weights, rows being units."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(d)
    sizes = [d, *[width] * hidden, 1]
    weights = [random.standard_normal((n, m)) / np.sqrt(m) for m, n in itertools.pairwise(sizes)]
    return x * np.sqrt(d) / np.linalg.norm(x), weights


def shares(x, weights):
    """Return each layer's part of K(x, x), the first layer's first."""
    inputs, slopes = [x], []
    for w in weights[:-1]:
        inputs.append(np.tanh(w @ inputs[-1]))
        slopes.append(1 - inputs[-1] ** 2)
    back, found = np.ones(1), []
    for w, h, slope in zip(weights[::-1], inputs[::-1], [*slopes[::-1], None], strict=True):
        found.append((h @ h) * (back @ back))
        back = back if slope is None else (w.T @ back) * slope
    return np.array(found[::-1])


def doubled(weights):
    return [*weights[:-1], weights[-1] * (1 + 1 / np.linalg.norm(weights[-1]))]


def change(x, weights, moved):
    before = shares(x, weights).sum()
    return abs(shares(x, moved).sum() - before) / before


def mean_change(width, hidden):
    drawn = [draw(width, seed, hidden) for seed in range(4)]
    return np.mean([change(x, weights, doubled(weights)) for x, weights in drawn])


def test_the_parts_of_the_kernel_are_those_of_finite_differences():
    x, weights = draw(6, 0)

    def f(flat):
        h, at = x, 0
        for w in weights:
            h = flat[at : at + w.size].reshape(w.shape) @ (h if at == 0 else np.tanh(h))
            at += w.size
        return h[0]

    flat, step = np.concatenate([w.ravel() for w in weights]), 1e-5
    eye = np.eye(len(flat)) * step
    gradient = np.array([(f(flat + e) - f(flat - e)) / (2 * step) for e in eye])
    ends = np.cumsum([w.size for w in weights])[:-1]
    np.testing.assert_allclose(shares(x, weights), [g @ g for g in np.split(gradient, ends)], rtol=1e-7)


def test_doubling_the_readout_changes_the_kernel_by_as_much_at_every_width():
    changes = [mean_change(width, 2) for width in WIDTHS]
    assert min(changes) > 1.4 and changes[-1] / changes[-2] > 0.95, changes


def test_the_curvature_stays():
    for width in WIDTHS:
        x, (first, second, readout) = draw(width, 0)
        h = np.tanh(first @ x)
        block = np.max(1 - np.tanh(second @ h) ** 2) * np.linalg.norm(h)
        assert block / np.sqrt(shares(x, [first, second, readout]).sum()) > 0.5, width


def test_with_one_hidden_layer_it_falls():
    changes = [mean_change(width, 1) for width in WIDTHS]
    assert np.all(np.diff(np.log(changes)) < np.log(4) * -0.6), changes


@pytest.mark.parametrize(("build", "hidden"), [(plain_keras, 2), (plain_keras_shallow, 1)])
def test_the_search_finds_no_less(build, hidden):
    known = Extended(Architecture(name="own", target=build))
    worker = GroupWorker(cells("own", 64, measure=["ball"], known=known), known)
    context = worker.context(worker.cells[0])
    values = worker.measure(worker.cells[0], context, 0.0).values
    drawn = [v.numpy().astype(np.float64) for v in context.network.unflatten(context.theta)]
    weights = [w.T for w in drawn if w.ndim == 2]  # the others are biases, which are 0
    assert len(weights) == hidden + 1
    by_hand = min(change(x, weights, doubled(weights)) for x in context.x.numpy().astype(np.float64))
    assert values["kernel_change_worst"].value >= by_hand
