"""Identities that hold exactly at any width: output functions, output scale, copies, and the loss's gradient.

Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092); Chizat, Oyallon, Bach 2019 (arXiv 1812.07956) for the scale.
"""

from __future__ import annotations

import numpy as np
import pytest
from nets import Oracle, build, probes

import ntkbench as nb
from ntkbench.engine.model.network import Network
from ntkbench.engine.ntk.distance import relative_change
from ntkbench.engine.search.descent import gradient_descent

X = probes("fc", 4)


def sigmoid(f):
    return 1 / (1 + np.exp(-f))


OUTPUTS = {  # name -> φ', φ''
    "fc-square-output": (lambda f: f, lambda f: np.ones_like(f)),
    "fc-softplus-output": (sigmoid, lambda f: sigmoid(f) * (1 - sigmoid(f))),
    "fc-sigmoid-output": (
        lambda f: sigmoid(f) * (1 - sigmoid(f)),
        lambda f: sigmoid(f) * (1 - sigmoid(f)) * (1 - 2 * sigmoid(f)),
    ),
}


@pytest.fixture(scope="module")
def inner():
    return build("fc", 6)


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_functions(inner, name):
    """H̃ = φ'(f) H + φ''(f) ∇f ∇fᵀ, so ‖H̃‖ ≥ |φ''| ‖∇f‖² − |φ'| ‖H‖, and K̃_ij = φ'(f_i) φ'(f_j) K_ij."""
    outer = build(name, 6)
    outer.set_weights(inner.get_weights())
    oracle = Oracle(inner)
    f, j = oracle.f(X), oracle.jacobian(X)[:, 0]
    slope, bend = (derivative(f) for derivative in OUTPUTS[name])
    np.testing.assert_allclose(nb.empirical_ntk(outer, X), np.outer(slope, slope) * (j @ j.T), rtol=1e-9)
    norms = nb.hessian_norm(outer, X, tol=1e-7)
    for n in range(2):
        h = slope[n] * oracle.hessian(X[n : n + 1]) + bend[n] * np.outer(j[n], j[n])
        expected = np.abs(np.linalg.eigvalsh(h)).max()
        assert abs(norms.value[n] - expected) <= norms.error[n] + 1e-8 * expected
    floor = np.abs(bend) * np.sum(j**2, 1) - np.abs(slope) * nb.hessian_norm(inner, X).value * (1 + 1e-3)
    assert (norms.value + norms.error >= floor).all()


@pytest.mark.parametrize("width", [8, 32])
def test_two_linear_layers(width):
    """f = v·U x/√(m d): the only second derivatives are ∂²f/∂v∂U, and ‖H‖ = ‖x‖/√(m d)."""
    found = nb.hessian_norm(build("deep-linear", width, depth=1), X, tol=1e-8)
    np.testing.assert_allclose(found.value, np.linalg.norm(X, axis=1) / np.sqrt(width * X.shape[1]), rtol=1e-8)


def test_output_scale():
    """α f has α² K and α H, so a relative kernel change is blind to α and only ‖H‖/‖∇f‖² falls."""
    one, ten = build("fc", 8), build("fc", 8, alpha=10.0)
    ten.set_weights(one.get_weights())
    np.testing.assert_allclose(nb.empirical_ntk(ten, X), 100 * nb.empirical_ntk(one, X), rtol=1e-10)
    norms = [nb.hessian_norm(model, X, tol=1e-8).value for model in (one, ten)]
    np.testing.assert_allclose(norms[1], 10 * norms[0], rtol=1e-8)


@pytest.mark.parametrize("name", ["fc", "cnn", "attention"])
def test_two_copies_have_the_kernel_of_one(name):
    x = probes(name, 3)
    one, two = build(name), build(name, two_copy=True)
    assert (two(x).numpy() == 0).all()
    np.testing.assert_allclose(nb.empirical_ntk(two, x), nb.empirical_ntk(one, x), rtol=1e-9, atol=1e-12)


def test_loss_gradient_obeys_the_kernel():
    """‖∇L‖² = rᵀ K r ≥ 2 λmin(K) L at every recorded step: the PL* inequality with μ = λmin(K(w_t))."""
    net = Network(build("fc", 16))
    path = gradient_descent(net, net.inputs(X), np.array([1.0, -1.0, 1.0, -1.0]), net.theta())
    for step, kernel in path.kernels.items():
        spectrum = np.linalg.eigvalsh(kernel)
        ratio = path.gradients[step] / (2 * path.losses[step])
        assert spectrum[0] * (1 - 1e-9) <= ratio <= spectrum[-1] * (1 + 1e-9), step


def test_one_copy_is_lazy_like_one_over_alpha():
    """From f(w0) = y − target, gradient descent changes the kernel by 1/α; two copies cancel this order."""
    alphas, changes = (4.0, 16.0, 64.0), []
    for alpha in alphas:
        net = Network(build("fc", 16, alpha=alpha))
        x, theta = net.inputs(X), net.theta()
        y = net.scalar(x).numpy() + np.array([1.0, -1.0, 1.0, -1.0])
        path = gradient_descent(net, x, y, theta)
        assert path.reached
        changes.append(max(relative_change(k, path.kernels[0]) for k in path.kernels.values()))
    slope = np.polyfit(np.log(alphas), np.log(changes), 1)[0]
    assert -1.15 <= slope <= -0.85
