"""Matrices of kernels that are computed once: by one kernel, or in this process by all kernels with equal layers."""

from __future__ import annotations

from collections import OrderedDict
from types import FunctionType
from typing import Any

import attrs
import numpy as np
import tensorflow as tf

from ..nests import arrays, data_hash
from .infinite import InfiniteWidth
from .pair import paired

FOR_MESSAGES = ("who", "name")  # fields of layers and nodes
_KEPT = 2**25  # bytes of matrices in this process: those of all architectures and seeds of a run
_matrices: OrderedDict[Any, np.ndarray] = OrderedDict()


def matrix_of(kernel: Any, x: Any) -> np.ndarray:
    """Return kernel.matrix(x, x): [N, N].

    Widths of an architecture have different models whose limits are the same. A matrix is computed once for all of them
    if their layers consist of numbers, names and the same functions.

    Args:
        kernel: An `InfiniteWidth` or any other kernel of TensorFlow Probability.
        x: Inputs [N, ...], or a nest of them.
    """
    try:
        layers = _described(kernel.graph.nodes) if isinstance(kernel, InfiniteWidth) else None
    except _MayChange:
        layers = None
    if layers is None:
        return kernel.matrix(x, x).numpy()
    key = kernel.kind, repr((kernel.dtype, kernel.feature_ndims)), layers, _content(x)
    if (known := _matrices.get(key)) is not None:
        return known
    found = _matrices[key] = kernel.matrix(x, x).numpy()
    while sum(each.nbytes for each in _matrices.values()) > _KEPT:
        _matrices.popitem(last=False)
    return found


class _MayChange(Exception):
    """A layer has arrays, variables or other objects, whose values may change."""


def _described(value: Any) -> Any:
    """Return a value that equals that of other layers if they compute the same. Raises _MayChange."""
    if attrs.has(type(value)):
        names = [field.name for field in attrs.fields(type(value)) if field.name not in FOR_MESSAGES]
        return type(value), *(_described(getattr(value, name)) for name in names)
    if isinstance(value, tuple):
        return tuple(map(_described, value))
    if value is None or isinstance(value, int | float | str | FunctionType):
        return type(value), value
    raise _MayChange


class Remembered:
    """The views of a kernel that an `Ensemble` uses; the matrices of the same inputs are computed once and kept.

    Args:
        kernel: An `InfiniteWidth` or any other kernel of TensorFlow Probability.
    """

    def __init__(self, kernel: Any):
        self._kernel = paired(kernel)
        self._known: dict[tuple[str, str], tuple[tf.Tensor, tf.Tensor]] = {}
        self.feature_ndims: Any = kernel.feature_ndims

    @property
    def ntk(self) -> Any:
        """The tangent kernel."""
        return self._kernel.ntk

    @property
    def nngp(self) -> Any:
        """The covariance of the outputs at initialisation."""
        return self._kernel.nngp

    def both(self, x1: Any, x2: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the NNGP and the NTK matrices: [N1, N2] each; x2 is x1 by default."""
        first = _content(x1)
        key = first, first if x2 is None else _content(x2)
        if key not in self._known:
            self._known[key] = self._kernel.both(x1) if key[0] == key[1] else self._kernel.both(x1, x2)
        return self._known[key]


def _content(x: Any) -> str:
    return data_hash(arrays(x), np.zeros(0))
