"""The causal convolution of two sequences."""

from __future__ import annotations

import numpy as np

from ntkbench import layers


def test_every_step_sums_over_all_earlier_ones():
    kernel, u = np.random.default_rng(0).standard_normal((2, 3, 5, 2))
    expected = np.zeros_like(u)
    for t in range(5):
        for s in range(t + 1):
            expected[:, t] += kernel[:, t - s] * u[:, s]
    np.testing.assert_allclose(layers.LagConvolution(dtype="float64")(kernel, u), expected, rtol=1e-12)
