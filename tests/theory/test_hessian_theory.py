"""Closed forms and bounds of Liu, Zhu, Belkin 2020 (arXiv 2010.01092) against the engine, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from ntkbench.engine.autodiff.gradient import gradients
from ntkbench.engine.autodiff.hvp import flat_hvp
from ntkbench.engine.hessian.norm import hessian_norm


def _tanh_derivatives(z):
    t = np.tanh(z)
    return 1 - t**2, -2 * t * (1 - t**2)


@pytest.mark.parametrize("width", [16, 64])
def test_one_hidden_layer_has_a_closed_form(context, width):
    """‖H‖ = max_i (|a_i| + √(a_i² + 4 b_i²))/(2√m), a = v φ''(z) s², b = φ'(z) s, s² = ‖x‖²/d (both layers trained)."""
    ctx = context("fc", width, depth=1)
    u, v = (w.numpy() for w in ctx.network.variables)
    x = ctx.x.numpy()
    d = x.shape[1]
    z = x @ u / np.sqrt(d)
    s = np.linalg.norm(x, axis=1, keepdims=True) / np.sqrt(d)
    first, second = _tanh_derivatives(z)
    a, b = v[:, 0] * second * s**2, first * s
    expected = ((np.abs(a) + np.sqrt(a**2 + 4 * b**2)) / 2).max(1) / np.sqrt(width)
    found = hessian_norm(ctx.network, ctx.x, tol=1e-8)
    np.testing.assert_allclose(found.value, expected, rtol=1e-5)
    assert found.converged.all()


def test_square_output_adds_the_gradient_s_outer_product(context):
    """φ(f) = f²/2: H v = f·H_f v + ∇f ⟨∇f, v⟩, so the Hessian stays of order one at any width."""
    inner, outer = context("fc", 12), context("fc-square-output", 12)
    outer.model.set_weights(inner.model.get_weights())
    x = inner.x[:1]
    v = tf.constant(np.random.default_rng(0).standard_normal(inner.network.size))
    f = inner.network.scalar(x).numpy()[0]
    gradient = gradients(inner.network, x, [0])[0, 0]
    expected = f * flat_hvp(inner.network)(x, v).numpy() + gradient * (gradient @ v.numpy())
    np.testing.assert_allclose(flat_hvp(outer.network)(x, v).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_rank_of_the_hessian(context):
    """rank ≤ 2 Σ hidden widths (Singh, Bachmann, Hofmann 2021, arXiv 2106.16225)."""
    ctx = context("fc", 4)
    product = flat_hvp(ctx.network)
    x = ctx.x[:1]
    h = np.stack([product(x, row).numpy() for row in tf.eye(ctx.network.size, dtype=tf.float64)])
    np.testing.assert_allclose(h, h.T, atol=1e-12)
    assert np.linalg.matrix_rank(h, tol=1e-10) <= 2 * (4 + 4)


@pytest.mark.parametrize("name", ["fc", "fc-softplus-output", "fc-bottleneck"])
def test_small_hessian_bounds_the_kernel_and_the_linear_model(context, name):
    """With ε = sup ‖H‖ on the segment: |f − f_lin| ≤ ½ ε R² and |ΔK_ij| ≤ ε R(‖∇f_i‖ + ‖∇f_j‖) + ε² R², each sample.

    The sup is taken over 21 points, and 2 % is added for what lies between them.
    """
    ctx = context(name, 16)
    model, radius = ctx.linear_model, 1.0
    rng = np.random.default_rng(1)
    k0, norms = ctx.kernel, np.sqrt(np.diag(ctx.kernel))
    _, growth = ctx.kernel_map.kernel_and_gradient(ctx.theta, np.zeros_like(k0))
    for direction in (growth, tf.constant(rng.standard_normal(ctx.network.size))):
        delta = radius * direction / tf.norm(direction)
        eps = np.zeros(len(k0))
        for t in np.linspace(0, 1, 21):
            ctx.network.assign(ctx.theta + t * delta)
            eps = np.maximum(eps, hessian_norm(ctx.network, ctx.x, tol=1e-6).value)
        eps *= 1.02
        error = np.abs(model.residual(delta))
        assert (error <= 0.5 * eps * radius**2 + 1e-12).all()
        change = np.abs(ctx.kernel_map.kernel(ctx.theta + delta) - k0)
        e_i, e_j = eps[:, None], eps[None, :]
        bound = radius * (e_j * norms[:, None] + e_i * norms[None, :]) + e_i * e_j * radius**2
        assert (change <= bound + 1e-12).all()
        assert error.max() > 0 and change.max() > 0


def test_linear_has_no_curvature_and_a_still_kernel(context):
    ctx = context("linear", 32)
    assert hessian_norm(ctx.network, ctx.x).value.max() == 0.0
    moved = ctx.kernel_map.kernel(ctx.theta + ctx.direction())
    np.testing.assert_array_equal(moved, ctx.kernel)


@pytest.mark.parametrize("name", ["fc", "cnn", "resnet"])
def test_two_copies_start_at_zero(context, name):
    ctx = context(name, 8, two_copy=True)
    f0, _, _ = ctx.linear_model.expansion(ctx.direction())
    assert np.abs(f0).max() == 0.0
    assert np.diag(ctx.kernel).min() > 0
