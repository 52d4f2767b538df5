"""Shared by the tests: networks in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def float64():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def x():
    """The function that draws three inputs of a shape."""
    return lambda *shape: np.random.default_rng(0).standard_normal((3, *shape))
