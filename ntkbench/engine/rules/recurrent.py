"""Rules of recurrent layers: the products of the cells, and wrappers that unroll the loop while tracing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from ..ops import reshape
from .dense import activated
from .rule import Apply, Product, Rule, Untappable, matrix, row

UNROLL_LIMIT = 256  # steps; tracing the graph of a longer sequence takes minutes


class Cell(Rule):
    """The products x·W + b and h·U; every step of the sequence uses both."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        bias = None if layer.bias is None else row(layer.bias)
        self.products = [Product(matrix(layer.kernel), bias), Product(matrix(layer.recurrent_kernel))]

    def projected(self, apply: Apply, *tensors: tf.Tensor) -> list[tf.Tensor]:
        """Apply the products to tensors [N, a] in turn: [N, b] each."""
        return [alone(apply, p, x) for p, x in zip(self.products, tensors, strict=True)]


def alone(apply: Apply, product: Product, x: tf.Tensor) -> tf.Tensor:
    """Apply one product to x: [N, a], at a single position: [N, b]."""
    z = apply(product, reshape(x, [-1, 1, x.shape[1]]))
    return reshape(z, [-1, z.shape[2]])


class SimpleRNNCell(Cell):
    """h' = φ(x·W + b + h·U)."""

    def call(self, apply: Apply, x: tf.Tensor, states: Any, *args: Any, **kwargs: Any) -> tuple[tf.Tensor, Any]:
        nested = isinstance(states, list | tuple)
        h = activated(self.layer, tf.add_n(self.projected(apply, x, states[0] if nested else states)))
        return h, [h] if nested else h


class LSTMCell(Cell):
    """Four gates from one product with the input and one product with the state."""

    def call(self, apply: Apply, x: tf.Tensor, states: Any, *args: Any, **kwargs: Any) -> tuple[tf.Tensor, Any]:
        h, c = states
        sigma, phi = self.layer.recurrent_activation, self.layer.activation
        i, f, g, o = tf.split(tf.add_n(self.projected(apply, x, h)), 4, axis=1)
        c = sigma(f) * c + sigma(i) * phi(g)
        h = sigma(o) * phi(c)
        return h, [h, c]


class GRUCell(Cell):
    """Three gates; the recurrent product of the third uses the state before its reset (with its own bias) or after."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        kernel, u, bias, units = layer.kernel, layer.recurrent_kernel, layer.bias, layer.units
        if layer.reset_after:
            biases = [None if bias is None else row(bias, part=(slice(i, i + 1),)) for i in range(2)]
            self.products = [Product(matrix(kernel), biases[0]), Product(matrix(u), biases[1])]
        else:
            gates, candidate = slice(0, 2 * units), slice(2 * units, 3 * units)
            self.products = [
                Product(matrix(kernel), None if bias is None else row(bias)),
                Product(matrix(u, (slice(None), gates))),
                Product(matrix(u, (slice(None), candidate))),
            ]

    def call(self, apply: Apply, x: tf.Tensor, states: Any, *args: Any, **kwargs: Any) -> tuple[tf.Tensor, Any]:
        nested = keras.tree.is_nested(states)
        h = states[0] if nested else states
        sigma, phi = self.layer.recurrent_activation, self.layer.activation
        xz, xr, xg = tf.split(alone(apply, self.products[0], x), 3, axis=1)
        inner = alone(apply, self.products[1], h)
        if self.layer.reset_after:
            hz, hr, hg = tf.split(inner, 3, axis=1)
            g = sigma(xr + hr) * hg
        else:
            hz, hr = tf.split(inner, 2, axis=1)
            g = alone(apply, self.products[2], sigma(xr + hr) * h)
        z = sigma(xz + hz)
        h = z * h + (1 - z) * phi(xg + g)
        return h, [h] if nested else h


class Recurrent(Rule):
    """A recurrent layer, unrolled while tracing so that its cell can be tapped. It has no products of its own."""

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return not layer.stateful and isinstance(layer.cell, keras.Layer)

    def call(
        self, apply: Apply, sequences: tf.Tensor, initial_state: Any = None, mask: Any = None, training: Any = False
    ) -> Any:
        layer, steps = self.layer, sequences.shape[1]
        if steps is None or steps > UNROLL_LIMIT:
            raise Untappable(self, f"its sequences have {'an unknown number of' if steps is None else steps} steps")
        given: dict[str, Any] = {"unroll": True, "use_cudnn": False}
        if layer.go_backwards and not layer.unroll:
            # Keras does not reverse the mask when it unrolls backwards.
            given["go_backwards"] = False
            sequences = tf.reverse(sequences, [1])
            mask = None if mask is None else keras.tree.map_structure(lambda each: tf.reverse(each, [1]), mask)
        with _settings(layer, given):
            return type(layer).call(layer, sequences, initial_state=initial_state, mask=mask)


class Bidirectional(Rule):
    """Two recurrent layers, without the fused operation that Keras may use for both. It has no products of its own."""

    def call(self, apply: Apply, *args: Any, **kwargs: Any) -> Any:
        layer, given = self.layer, {"use_cudnn": False}
        with _settings(layer.forward_layer, given), _settings(layer.backward_layer, given):
            return type(layer).call(layer, *args, **kwargs)


@contextlib.contextmanager
def _settings(layer: Any, given: dict[str, Any]) -> Iterator[None]:
    """Change settings of a layer within the scope; settings that it does not have are ignored."""
    before = {name: getattr(layer, name) for name in given if hasattr(layer, name)}
    try:
        for name in before:
            setattr(layer, name, given[name])
        yield
    finally:
        for name, value in before.items():
            setattr(layer, name, value)
