"""Routes to the blocks of a tangent kernel: contraction of layer shares, and NTK-vector products."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..autodiff import dense_gradient
from ..model import Network
from ..ops import traced_for_xla
from ..rules.rule import Rule
from .layer_shares import Shares

Layers = dict[str, frozenset[int]]


class ShareRoute:
    """Kernel from the rows and cotangents of products, and from the gradients of the remaining variables.

    Attributes:
        xla: Whether the functions are compiled with XLA.
    """

    def __init__(
        self,
        net: Network,
        rules: Sequence[Rule],
        variables: Sequence[tf.Variable],
        layers: Layers | None,
        trace: bool,
        xla: bool,
    ):
        self.net = net
        self.xla = xla
        names = None if layers is None else tuple(layers)
        self.key = ("shares", tuple(rules), tuple(map(id, variables)), names, trace)
        self.shares = net.cached(self.key, lambda: Shares(net, rules, variables, layers, trace))

    def whole(self, x1: tf.Tensor, x2: tf.Tensor | None, units: np.ndarray, allowance: float) -> list[tf.Tensor]:
        """Return the kernels of all samples and output units, from one compiled function."""

        def compute(x1: tf.Tensor, x2: tf.Tensor | None) -> list[tf.Tensor]:
            chosen = tf.constant(units)
            left = self.shares.represent(x1, chosen)
            right = left if x2 is None else self.shares.represent(x2, chosen)
            shape = self._shape(x1.shape[0], (x1 if x2 is None else x2).shape[0], len(units))
            return self.shares.contract(left, right, shape, allowance)

        return self._function(("whole", tuple(units)), allowance, compute)(x1, x2)

    def represent(self, x: tf.Tensor, units: np.ndarray) -> tuple[Any, ...]:
        """Return (N, O) and the tensors of the samples."""
        found = self._function("represent", 0.0, self.shares.represent)(x, units)
        return (len(x), len(units)), found

    def contract(self, left: Sequence[Any], right: Sequence[Any], allowance: float) -> list[tf.Tensor]:
        """Return the kernels of a block."""
        (n, o), (m, q) = left[0], right[0]
        same = left is right

        def compute(left: list[tf.Tensor], right: list[tf.Tensor] | None) -> list[tf.Tensor]:
            shape = [n, m] if self.shares.trace else [n, o, m, q]
            return self.shares.contract(left, left if right is None else right, shape, allowance)

        return self._function(("contract", n, m, o, q), allowance, compute)(left[1], None if same else right[1])

    def _function(self, name: Any, allowance: float, compute: Callable[..., Any]) -> Callable[..., Any]:
        def traced(*args: Any) -> Any:
            with traced_for_xla() if self.xla else contextlib.nullcontext():
                return compute(*args)

        return self.net.function((*self.key, name, allowance, self.xla), lambda: traced, jit_compile=self.xla)

    def _shape(self, n: int, m: int, o: int) -> list[int]:
        return [n, m] if self.shares.trace else [n, o, m, o]


class ProductRoute:
    """Kernel by products with unit vectors, K e = J(x1)·J(x2)ᵀe, which needs only a few vectors of length P."""

    def __init__(self, net: Network, layers: Layers | None, trace: bool):
        self.net, self.trace = net, trace
        self.layers = None if layers is None else list(layers.values())
        self.names = None if layers is None else tuple(layers)

    def whole(self, x1: tf.Tensor, x2: tf.Tensor | None, units: np.ndarray, allowance: float) -> list[np.ndarray]:
        """Return the kernels of all samples and output units."""
        return self.contract((x1, units), (x1 if x2 is None else x2, units), allowance)

    def represent(self, x: tf.Tensor, units: np.ndarray) -> tuple[tf.Tensor, np.ndarray]:
        """Return the samples and units themselves."""
        return x, units

    def contract(self, left: Sequence[Any], right: Sequence[Any], allowance: float) -> list[np.ndarray]:
        """Return the kernels of a block, computed column by column."""
        del allowance
        product = self.net.function(("kernel product", self.names), lambda: self._product)
        (x1, units), (x2, others) = left, right
        count = 1 if self.layers is None else len(self.layers)
        shape = [len(x1), len(x2)] if self.trace else [len(x1), len(units), len(x2), len(others)]
        kernel = np.zeros([count, *shape], self.net.dtype.as_numpy_dtype)
        for m in range(len(x2)):
            for q, unit in enumerate(others):
                column = np.asarray(product(x1, x2[m : m + 1], unit))
                if self.trace:
                    kernel[:, :, m] += column[:, :, int(unit)]
                else:
                    kernel[:, :, :, m, q] = column[:, :, units]
        return list(kernel)

    def _product(self, x1: tf.Tensor, x2: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
        """Return J_l(x1)·∂f_unit(x2)/∂w_l for every requested kernel l: [L, N, O].

        The product is the derivative in u of ⟨J(x1)ᵀu, v⟩, by double backward differentiation, which is correct for
        loops and gathers too.
        """
        net = self.net
        with tf.GradientTape() as tape:
            target = tf.gather(net.outputs(x2)[0], unit)
        v = dense_gradient(tape, target, net.variables)
        with tf.GradientTape(persistent=True) as outer:
            with tf.GradientTape() as inner:
                outputs = net.outputs(x1)
                u = tf.zeros_like(outputs)
                outer.watch(u)
            gradient = dense_gradient(inner, outputs, net.variables, u)
            along = [tf.reduce_sum(g * each) for g, each in zip(gradient, v, strict=True)]
            ids = [id(variable) for variable in net.variables]
            wanted = [frozenset(ids)] if self.layers is None else self.layers
            sums = [tf.add_n([a for a, i in zip(along, ids, strict=True) if i in mine]) for mine in wanted]
        zero = tf.UnconnectedGradients.ZERO
        return tf.stack([outer.gradient(each, u, unconnected_gradients=zero) for each in sums])
