"""Classical kernels on vectors, made of the kernels of TensorFlow Probability.

Inputs are divided by √d, so that the probes of the built-in datasets, whose norm is √d, get norm 1 in any dimension d,
and different probes a distance of about √2.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

psd_kernels = tfp.math.psd_kernels


def rbf(*, bandwidth: float = 1.0) -> Any:
    """Return the Gaussian kernel exp(−‖x − x'‖² / (2 b² d)) on vectors [d].

    Args:
        bandwidth: The bandwidth b.
    """
    return _of_scaled(psd_kernels.ExponentiatedQuadratic(), bandwidth)


def laplace(*, bandwidth: float = 1.0) -> Any:
    """Return the Laplace kernel exp(−‖x − x'‖ / (b √d)) on vectors [d].

    On the sphere it has the same functions as the tangent kernel of fully connected ReLU networks (Geifman et al. 2020,
    arXiv 2007.01580).

    Args:
        bandwidth: The bandwidth b.
    """
    return _of_scaled(psd_kernels.MaternOneHalf(), bandwidth)


def polynomial(*, degree: int = 3, offset: float = 1.0) -> Any:
    """Return the polynomial kernel (⟨x, x'⟩ / d + c)^p on vectors [d].

    Args:
        degree: The degree p.
        offset: The offset c.
    """
    # The Polynomial of TensorFlow Probability adds the offset after the power, and needs the dtype of the inputs.
    linear = _of_scaled(psd_kernels.Linear(), constant=math.sqrt(offset))
    return functools.reduce(operator.mul, [linear] * degree)


def _of_scaled(kernel: Any, bandwidth: float = 1.0, constant: float = 0.0) -> Any:
    """Return the kernel of x / (bandwidth √d), with a constant feature appended unless it is 0."""

    def prepared(x: tf.Tensor, feature_ndims: int, param_expansion_ndims: Any) -> tf.Tensor:
        x = x / (bandwidth * math.sqrt(x.shape[-1]))
        return tf.concat([x, constant * tf.ones_like(x[..., :1])], -1) if constant else x

    return psd_kernels.FeatureTransformed(kernel, prepared)
