"""Duals of activations for inputs of any size: no overflow, no underflow, no cancellation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from ntkbench.kernels.duals.piecewise import Piecewise
from ntkbench.kernels.duals.smooth import Erf, Gaussian, Gelu, Sinusoid

SIZES = (1e-10, 1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e6, 1e10)
CORRELATIONS = (-1.0, -0.9, -0.3, 0.0, 0.5, 0.99, 1.0)
HOMOGENEOUS = {"relu": Piecewise(), "leaky relu": Piecewise(0.2, 1.0), "abs": Piecewise(-1.0, 1.0)}
SMOOTH = {"erf": Erf(), "sin": Sinusoid(), "cos": Sinusoid(phase=math.pi / 2), "gelu": Gelu(), "gaussian": Gaussian()}


def moments(dual, size, rho, dtype):
    """Return E[φ(u)φ(v)] and E[φ'(u)φ'(v)] for standard deviations of `size`."""
    variance = np.dtype(dtype).type(size) ** 2
    given = (tf.constant(value, dtype) for value in (variance, variance, rho * variance))
    return [float(each) for each in dual.moments(*given)]


@pytest.mark.parametrize("name", HOMOGENEOUS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kinked_activations_are_homogeneous(name, size, dtype):
    for rho in CORRELATIONS:
        value, slope = moments(HOMOGENEOUS[name], size, rho, dtype)
        unit, unit_slope = moments(HOMOGENEOUS[name], 1.0, rho, "float64")
        scale = moments(HOMOGENEOUS[name], 1.0, 1.0, "float64")[0]
        eps = float(np.finfo(dtype).eps)
        assert value / size**2 == pytest.approx(unit, rel=100 * eps, abs=100 * eps * scale)
        assert slope == pytest.approx(unit_slope, abs=2e3 * math.sqrt(eps) if abs(rho) > 0.98 else 100 * eps)


def test_relu_is_the_arc_cosine_kernel():
    for rho in CORRELATIONS:
        angle = math.acos(rho)
        value, slope = moments(Piecewise(), 1.0, rho, "float64")
        assert value == pytest.approx((math.sin(angle) + (math.pi - angle) * rho) / (2 * math.pi), abs=1e-12)
        assert slope == pytest.approx((math.pi - angle) / (2 * math.pi), abs=1e-7)


@pytest.mark.parametrize("size", [1e-10, 1e-7, 1e-4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_inputs_see_the_first_derivative(size, dtype):
    """E[φ(u)φ(v)] = φ'(0)²·ρσ² + O(σ⁴) where φ(0) = 0."""
    for dual, slope in ((Sinusoid(), 1.0), (Erf(), 2 / math.sqrt(math.pi)), (Gelu(), 0.5)):
        for rho in (-0.9, 0.3, 1.0):
            value, derivative = moments(dual, size, rho, dtype)
            assert value / size**2 == pytest.approx(slope**2 * rho, rel=1e-4, abs=1e-6)
            assert derivative == pytest.approx(slope**2, rel=1e-4)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("size", SIZES)
def test_float32_agrees_with_float64(name, size):
    for rho in CORRELATIONS:
        single, double = (moments(SMOOTH[name], size, rho, dtype) for dtype in ("float32", "float64"))
        largest = moments(SMOOTH[name], size, 1.0, "float64")
        assert np.isfinite(single).all()
        for one, other, scale in zip(single, double, largest, strict=True):
            assert one == pytest.approx(other, rel=1e-4, abs=1e-5 * scale)
