"""Layer rules: a layer whose weights are matrices, each applied to T positions of g groups.

A weight matrix W: [g, a, b] maps rows A: [N, T, g, a] to pre-activations z = A·W: [N, T, g, b], separately for each
group. Therefore ∂f/∂W = Σ_t A_t ⊗ G_t with G = ∂f/∂z, which is all that the structured kernel (Novak et al. 2022, arXiv
2206.08720) and the factored Hessian need to know about a layer. Dense layers have one group and one position per entry
of their middle axes; convolutions have one position per output pixel; the scale of a normalisation layer consists of
one group per entry, each with a 1 × 1 matrix.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf
from attrs import field, frozen

from ...registry.current import registry
from ..ops import reshape, times


@frozen(eq=False)
class View:
    """A Keras variable, or a part of it, viewed as a stack of matrices [g, a, b].

    Attributes:
        variable: The Keras variable.
        shape: (g, a, b).
        part: Slices of its leading axes; by default the whole variable.
        factors: Sizes of the axes into which the part is split.
        order: Order of these axes as (groups…, rows…, columns…).
    """

    variable: Any
    shape: tuple[int, int, int]
    part: tuple[slice, ...] = ()
    factors: tuple[int, ...] | None = None
    order: tuple[int, ...] | None = None

    def read(self, tensor: tf.Tensor, shape: Sequence[int] | None = None) -> tf.Tensor:
        """Return tensors of the variable's shape, batched or not, as matrices: [..., *shape] -> [..., g, a, b].

        Args:
            tensor: The tensors.
            shape: Shape of the result in place of (g, a, b), with as many entries.
        """
        batch = len(tensor.shape) - len(self.variable.shape)
        leading = [tf.shape(tensor)[i] for i in range(batch)]
        if self.part:
            tensor = tensor[(slice(None),) * batch + self.part]
        if (moved := self._moved) is not None:
            factors, order = moved
            tensor = reshape(tensor, [*leading, *factors])
            tensor = tf.transpose(tensor, [*range(batch), *(batch + i for i in order)])
        return reshape(tensor, [*leading, *(shape or self.shape)])

    def write(self, matrices: tf.Tensor) -> tf.Tensor:
        """Return matrices as a tensor of the variable's shape, zero outside the part. Transpose of `read`."""
        batch = len(matrices.shape) - 3
        leading = [tf.shape(matrices)[i] for i in range(batch)]
        ranges = [range(n)[s] for n, s in zip(self.variable.shape, self._slices, strict=True)]
        if (moved := self._moved) is not None:
            factors, order = moved
            back = [order.index(i) for i in range(len(order))]
            matrices = reshape(matrices, [*leading, *(factors[i] for i in order)])
            matrices = tf.transpose(matrices, [*range(batch), *(batch + i for i in back)])
        tensor = reshape(matrices, [*leading, *(len(r) for r in ranges)])
        if self.part:
            around = [[r.start, n - r.stop] for n, r in zip(self.variable.shape, ranges, strict=True)]
            tensor = tf.pad(tensor, [[0, 0]] * batch + around)
        return tensor

    @property
    def _moved(self) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The factors and their order, or None if a reshape without transposition is enough."""
        if self.factors is None or self.order is None:
            return None
        long = [i for i in self.order if self.factors[i] > 1]
        return None if long == sorted(long) else (self.factors, self.order)

    @property
    def _slices(self) -> tuple[slice, ...]:
        return self.part + (slice(None),) * (len(self.variable.shape) - len(self.part))


def matrix(variable: Any, part: tuple[slice, ...] = ()) -> View:
    """View a kernel [..., b] as one matrix [1, a, b]."""
    sizes = _sizes(variable, part)
    return View(variable, (1, math.prod(sizes[:-1]), sizes[-1]), part)


def row(variable: Any, groups: int = 1, part: tuple[slice, ...] = ()) -> View:
    """View a bias [...] as one row per group: [g, 1, b]."""
    return View(variable, (groups, 1, math.prod(_sizes(variable, part)) // groups), part)


def entries(variable: Any) -> View:
    """View a variable as 1 × 1 matrices, one group per entry: [g, 1, 1]."""
    return View(variable, (math.prod(variable.shape), 1, 1))


def _sizes(variable: Any, part: tuple[slice, ...]) -> list[int]:
    slices = part + (slice(None),) * (len(variable.shape) - len(part))
    return [len(range(n)[s]) for n, s in zip(variable.shape, slices, strict=True)]


@frozen(eq=False)
class Product:
    """z = scale·(rows·kernel) + bias_scale·bias, separately for each group.

    Attributes:
        kernel: Matrices [g, a, b], or None for a bias alone.
        bias: Rows [g, 1, b], or None.
        scale: Factor of the kernel.
        bias_scale: Factor of the bias.
        groups: Number g of groups.
        columns: Number b of columns.
    """

    kernel: View | None
    bias: View | None = None
    scale: float = 1.0
    bias_scale: float = 1.0
    groups: int = field(init=False)
    columns: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        view = self.kernel or self.bias
        if view is None:
            raise ValueError("a product needs a kernel or a bias")
        object.__setattr__(self, "groups", view.shape[0])
        object.__setattr__(self, "columns", view.shape[2])

    @property
    def variables(self) -> list[Any]:
        """Keras variables of the product."""
        return [view.variable for view in (self.kernel, self.bias) if view is not None]

    @property
    def trained(self) -> list[View]:
        """Views of the trainable variables."""
        return [view for view in (self.kernel, self.bias) if view is not None and view.variable.trainable]

    def apply(self, a: tf.Tensor, value: Callable[[Any], tf.Tensor] = lambda v: tf.convert_to_tensor(v.value)):
        """Return z: [N, T, g, b] for scaled rows A: [N, T, g, a]; `value` maps a Keras variable to its tensor."""
        z = None
        if self.kernel is not None:
            _, rows, columns = self.kernel.shape
            w = value(self.kernel.variable)
            if self.groups == 1:
                z = times(reshape(a, [-1, rows]), self.kernel.read(w, [rows, columns]))
            elif rows == columns == 1:
                z = a * self.kernel.read(w, [self.groups, 1])
            else:
                z = tf.einsum("ntga,gab->ntgb", a, self.kernel.read(w))
        if self.bias is not None:
            b = self.bias.read(value(self.bias.variable), [self.groups, self.columns])
            b = self.bias_scale * b if self.bias_scale != 1.0 else b
            if z is None:
                z = tf.broadcast_to(b, [tf.shape(a)[0], a.shape[1], self.groups, self.columns])
            else:
                z += b  # [1, b] for rows [N·T, b] of a single group
        return reshape(z, [-1, a.shape[1], self.groups, self.columns])

    def rows(self, a: tf.Tensor, unit_of: Callable[[Any], tf.Tensor | float] = lambda variable: 1.0) -> tf.Tensor:
        """Return the rows for trainable weights: scaled A: [N, T, g, a], with a constant last column for a bias.

        Args:
            a: Scaled rows A: [N, T, g, a].
            unit_of: Maps a Keras variable to the factor by which the model multiplies it.
        """
        kernel, bias = (1.0 if view is None else unit_of(view.variable) for view in (self.kernel, self.bias))
        parts = [a if isinstance(kernel, float) else kernel * a] if self.kernel in self.trained else []
        if self.bias in self.trained:
            scale = tf.convert_to_tensor(self.bias_scale * bias, a.dtype)
            sizes = [*a.shape[:-1], 1]
            parts.append(tf.fill(sizes if None not in sizes else tf.concat([tf.shape(a)[:-1], [1]], 0), scale))
            parts[-1].set_shape(sizes)
        return parts[0] if len(parts) == 1 else tf.concat(parts, -1)

    def read(self, of: Callable[[Any], tf.Tensor]) -> tf.Tensor:
        """Return tangents of the trainable weights as matrices [..., g, a, b], given of(variable): [..., *shape]."""
        parts = [view.read(of(view.variable)) for view in self.trained]
        return parts[0] if len(parts) == 1 else tf.concat(parts, -2)

    def write(self, matrices: tf.Tensor) -> list[tuple[Any, tf.Tensor]]:
        """Return matrices [..., g, a, b] as (variable, tangent [..., *shape]) pairs."""
        views = self.trained
        if len(views) == 1:
            return [(views[0].variable, views[0].write(matrices))]
        kernel, bias = views
        return [
            (kernel.variable, kernel.write(matrices[..., :-1, :])),
            (bias.variable, bias.write(matrices[..., -1:, :])),
        ]


def summed(written: Iterable[tuple[Any, tf.Tensor]]) -> dict[int, tf.Tensor]:
    """Return the sum of each variable's tangents in what products write, by the id of its value."""
    found: dict[int, tf.Tensor] = {}
    for variable, tangent in written:
        key = id(variable.value)
        found[key] = found[key] + tangent if key in found else tangent
    return found


Apply = Callable[[Product, tf.Tensor], tf.Tensor]


def with_positions(x: tf.Tensor, *last: int) -> tf.Tensor:
    """Merge all axes of x: [N, ..., *last] between the first and `last` into one: [N, T, *last]."""
    sizes = x.shape[1:]
    if sizes.is_fully_defined():
        return reshape(x, [-1, sizes.num_elements() // math.prod(last), *last])
    return reshape(x, [tf.shape(x)[0], -1, *last])


class Rule(ABC):
    """The computation of a layer type, in which weights enter through products only.

    Attributes:
        layer: The Keras layer.
        products: Products of the layer, set by the subclass's `__init__`; every weight that the rule accounts for
            belongs to exactly one of them.
    """

    products: Sequence[Product] = ()

    def __init__(self, layer: Any):
        self.layer = layer

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        """Return whether this rule represents the layer exactly."""
        return True

    @abstractmethod
    def call(self, apply: Apply, *args: Any, **kwargs: Any) -> Any:
        """Return what the layer's own `call` returns for the same arguments (in inference).

        Args:
            apply: (product, rows [N, T, a] or [N, T, g, a], not scaled) -> z: [N, T, b] or [N, T, g, b].
            *args: Arguments of the layer's `call`.
            **kwargs: Keyword arguments of the layer's `call`.
        """


class Untappable(Exception):
    """The rule of a layer does not hold where the model uses the layer."""

    def __init__(self, rule: Rule, reason: str):
        super().__init__(reason)
        self.rule = rule


def key_of(layer: Any) -> str:
    """Return the name under which a layer type is registered: "module:Class"."""
    return f"{type(layer).__module__}:{type(layer).__qualname__}"


def rule_for(layer: Any) -> Rule | None:
    """Return the rule of exactly this layer type, or None. Subclasses have none: they may compute something else."""
    entry = registry().layer_rules.get(key_of(layer))
    if entry is None or not _computes_as_its_type(layer):
        return None
    rule: Any = entry.load()
    return rule(layer) if rule.accepts(layer) else None


def _computes_as_its_type(layer: Any) -> bool:
    """Return whether a layer is built and runs its type's own `call` on its unmodified weights.

    A layer may be quantised, have LoRA matrices, be recomputed in the backward pass, cast its weights, or have a
    replaced `call`.
    """
    return (
        layer.built
        and not getattr(layer, "lora_enabled", False)
        and getattr(layer, "quantization_mode", None) is None
        and getattr(layer, "_remat_mode", None) is None
        and layer.compute_dtype == layer.variable_dtype
        and "call" not in vars(layer)
    )
