"""Rule of EinsumDense, of which the projections of Keras's attention layers consist."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from attrs import frozen

from ..ops import reshape
from .dense import activated
from .rule import Apply, Product, Rule, Untappable, View


@frozen
class Equation:
    """An equation x,w->z with its ellipsis expanded, whose first axis is the batch.

    Attributes:
        positions: Axes of x that w does not have.
        groups: Axes that x, w and z have in common.
        rows: Axes over which x and w are contracted.
        columns: Axes of w that x does not have.
        dropped: Axes of x that are summed without w.
    """

    x: str
    w: str
    z: str

    @property
    def positions(self) -> str:
        return "".join(c for c in self.z[1:] if c not in self.w)

    @property
    def groups(self) -> str:
        return "".join(c for c in self.w if c in self.x and c in self.z)

    @property
    def rows(self) -> str:
        return "".join(c for c in self.w if c not in self.z)

    @property
    def columns(self) -> str:
        return "".join(c for c in self.w if c not in self.x)

    @property
    def dropped(self) -> str:
        return "".join(c for c in self.x if c not in self.w and c not in self.z)

    @property
    def sound(self) -> bool:
        """Whether the equation keeps the batch axis first and is a product of matrices."""
        once = all(len(set(part)) == len(part) for part in (self.x, self.w, self.z))
        batch = self.x[0] == self.z[0] and self.x[0] not in self.w
        return once and batch and set(self.z) <= set(self.x + self.w) and set(self.w) <= set(self.x + self.z)


def equation_of(layer: Any) -> Equation:
    """Return the equation of a built EinsumDense."""
    written = layer.equation.replace(" ", "")
    x, w, z = (part for side in written.split("->") for part in side.split(","))
    spare = [c for c in string.ascii_letters if c not in written]
    left_out = "".join(spare[: layer.input_spec.ndim - len(x.replace("...", ""))])
    return Equation(*(part.replace("...", left_out) for part in (x, w, z)))


class EinsumDense(Rule):
    """z = x·W over the contracted axes, plus a bias; the product includes it if it has the axes of W's columns."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        self.equation = e = equation_of(layer)
        sizes = dict(zip(e.w, layer.kernel.shape, strict=True))
        shape = tuple(math.prod(sizes[c] for c in axes) for axes in (e.groups, e.rows, e.columns))
        kernel = View(layer.kernel, shape, (), layer.kernel.shape, _order(e.w, e.groups + e.rows + e.columns))
        self.bias_axes, self.bias_product = "", None
        if layer.bias is None:
            self.products = [Product(kernel)]
            return
        under = e.z[-len(layer.bias.shape) :]  # axes of z that the bias is aligned with; missing axes have size 1
        own = "".join(c for c in under if c in layer.bias_axes)
        ones = "".join(c for c in under if c not in own)
        if set(own) == set(e.groups + e.columns):
            order = _order(under, ones + e.groups + e.columns)
            bias = View(layer.bias, (shape[0], 1, shape[2]), (), layer.bias.shape, order)
            self.products = [Product(kernel, bias)]
            return
        self.bias_axes = own
        bias = View(layer.bias, (1, 1, math.prod(layer.bias.shape)))
        self.bias_product = Product(None, bias)
        self.products = [Product(kernel), self.bias_product]

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        e = equation_of(layer)
        return e.sound and e.z[0] not in (layer.bias_axes or "")

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        e, product = self.equation, self.products[0]
        sizes = dict(zip(e.w, self.layer.kernel.shape, strict=True)) | dict(zip(e.x[1:], x.shape[1:], strict=True))
        if self.layer.bias is not None and not _aligned_as_in_keras(self.layer.bias.shape, [sizes[c] for c in e.z[1:]]):
            raise Untappable(self, "Keras adds its bias along a different axis than bias_axes names")
        if e.dropped:
            x = tf.reduce_sum(x, [e.x.index(c) for c in e.dropped])
        left = "".join(c for c in e.x if c not in e.dropped)
        rows = tf.transpose(x, _order(left, e.x[0] + e.positions + e.groups + e.rows))
        count = math.prod(sizes[c] for c in e.positions)
        z = apply(product, reshape(rows, [-1, count, product.groups, rows_of(product)]))
        z = _arranged(z, e.z, e.positions + e.groups + e.columns, sizes)
        if self.bias_product is not None:
            others = "".join(c for c in e.z[1:] if c not in self.bias_axes)
            count = math.prod(sizes[c] for c in others)
            b = apply(self.bias_product, tf.zeros([tf.shape(x)[0], count, 1], x.dtype))
            z += _arranged(b, e.z, others + self.bias_axes, sizes)
        return activated(self.layer, z)


def rows_of(product: Product) -> int:
    """Return a, the number of rows of each matrix of a product that has a kernel."""
    assert product.kernel is not None
    return product.kernel.shape[1]


def _aligned_as_in_keras(bias: Sequence[int], z: Sequence[int]) -> bool:
    """Return whether keras.ops.add aligns a bias with the last axes of z, given without its batch axis.

    Keras adds a bias with a single axis longer than 1 along the last axis of z, or else along the first, if the lengths
    match.
    """
    long = [axis for axis, size in enumerate(bias, len(z) - len(bias)) if size > 1]
    if len(long) != 1:
        return True
    length = z[long[0]]
    return long[0] == (len(z) - 1 if z[-1] == length else 0 if z[0] == length else long[0])


def _order(axes: str, wanted: str) -> tuple[int, ...]:
    return tuple(axes.index(c) for c in wanted)


def _arranged(z: tf.Tensor, axes: str, found: str, sizes: dict[str, int]) -> tf.Tensor:
    """Reorder the axes of z after the batch axis from `found` to the order of the equation."""
    apart = reshape(z, [-1, *(sizes[c] for c in found)])
    return tf.transpose(apart, _order(axes[0] + found, axes))
