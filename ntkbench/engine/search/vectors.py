"""Vectors of weights [P] in the form in which searches compute with them.

On CPUs they are NumPy arrays, because an eager TensorFlow operation on a small vector takes ten times as long. On other
devices they are tensors, which need not be copied for the next evaluation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

Vector = Any  # np.ndarray | tf.Tensor: both have +, − and multiplication by numbers


def vector(v: Vector) -> Vector:
    """Return v as a NumPy array if it is one or lies in the memory of a CPU (without a copy), otherwise as a tensor."""
    return v if isinstance(v, tf.Tensor) and "CPU:" not in v.device else np.asarray(v)


def inner(u: Vector, v: Vector) -> float:
    """Return the inner product."""
    return float(np.dot(u, v) if isinstance(u, np.ndarray) else tf.tensordot(u, v, 1))


def length(v: Vector) -> float:
    """Return the Euclidean norm."""
    return float(np.linalg.norm(v) if isinstance(v, np.ndarray) else tf.norm(v))


def unit(v: Vector) -> Vector | None:
    """Return v normalised to length one, or None if it is zero or not finite."""
    v = vector(v)
    norm = length(v)
    return v / norm if 0 < norm < float("inf") else None
