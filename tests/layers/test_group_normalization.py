"""Group normalisation with right second derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench import layers
from ntkbench.errors import NtkbenchError


def test_groups_are_standardised_over_all_positions():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6)) * 3 + 1
    layer = layers.GroupNormalization(2, epsilon=0, dtype="float64")
    normal = np.asarray(layer(x))
    for group in (slice(0, 3), slice(3, 6)):
        part = x[..., group]
        mean, std = (f(part, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.std))
        np.testing.assert_allclose(normal[..., group], (part - mean) / std, rtol=1e-12)
    layer.gamma.assign(np.arange(6))
    layer.beta.assign(np.ones(6))
    np.testing.assert_allclose(layer(x), normal * np.arange(6) + 1, rtol=1e-12)


def test_one_group_per_channel_is_instance_normalisation():
    x = np.random.default_rng(0).standard_normal((2, 5, 3))
    normal = np.asarray(layers.GroupNormalization(3, affine=False, dtype="float64")(x))
    np.testing.assert_allclose(normal.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(normal.std(1), 1, rtol=1e-4)


def test_groups_that_do_not_fit():
    with pytest.raises(NtkbenchError, match="cannot split 6 channels evenly over 4 groups"):
        layers.GroupNormalization(4).build((None, 6))
