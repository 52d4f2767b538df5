"""Run a model with its products tapped: rows A and cotangents G = ∂f/∂(A·W) of every layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from attrs import define, field

from ..model import Network, replaced_calls
from ..ops import reshape, scaled, source_of
from ..rules.rule import Product, Rule, Untappable


@define(eq=False)
class Tapped:
    """One product during a run of the model: rows A and a tap on z for each use of the layer.

    A layer that is used several times (in an unrolled recurrence, for example) has one entry per use. Uses are
    additional positions of the same weights, so downstream code concatenates them along T.

    A tap is z itself, to differentiate with respect to. It has the entries of [N, T, g, b] in the shape in which the
    product is computed, such as [N·T, b]; otherwise every derivative would reshape it there and back. See `joined`.
    """

    product: Product
    inputs: list[tf.Tensor] = field(factory=list)
    taps: list[tf.Tensor] = field(factory=list)

    @property
    def has_one_position(self) -> bool:
        """Whether every use of the layer has a single position."""
        return all(rows.shape[1] == 1 for rows in self.inputs)

    def rows(self) -> tf.Tensor:
        """Return A of the trainable weights, all uses concatenated: [N, g, T, a]."""
        return self._joined(self.inputs, self.inputs[0].shape[3])

    def joined(self, of_taps: Sequence[tf.Tensor]) -> tf.Tensor:
        """Concatenate one tensor per tap, in the tap's shape, over all uses: [N, g, T, b]."""
        return self._joined(of_taps, self.product.columns)

    def _joined(self, of_uses: Sequence[tf.Tensor], columns: int) -> tf.Tensor:
        """Concatenate the entries of [N, T, g, c] of all uses to one [N, g, T, c]."""
        groups, parts = self.product.groups, []
        for each, rows in zip(of_uses, self.inputs, strict=True):
            t = rows.shape[1]
            if 1 in (groups, t):
                parts.append(reshape(each, [-1, groups, t, columns]))
            else:
                parts.append(tf.transpose(reshape(each, [-1, t, groups, columns]), [0, 2, 1, 3]))
        return parts[0] if len(parts) == 1 else tf.concat(parts, 2)


def run_tapped(
    net: Network,
    rules: Sequence[Rule],
    x: tf.Tensor,
    watch: Callable[[tf.Tensor], None],
    value: Callable[[Any], tf.Tensor] = lambda variable: tf.convert_to_tensor(variable.value),
) -> tuple[tf.Tensor, list[Tapped]]:
    """Return the outputs [N, O] and the tapped products that the model used.

    Args:
        net: The network.
        rules: Rules of the layers to tap.
        x: Inputs [N, ...].
        watch: Called with every tap before it is used, so that tapes can watch it.
        value: Maps a Keras variable to the tensor that products use for it.

    Raises:
        Untappable: If a rule does not hold where the model uses its layer.
    """
    found: dict[int, Tapped] = {}
    graph = tf.compat.v1.get_default_graph()

    def by_rule(rule: Rule) -> Callable[..., Any]:
        def apply(product: Product, a: tf.Tensor) -> tf.Tensor:
            if not a.shape[1:].is_fully_defined():
                raise Untappable(rule, "its number of positions is unknown")
            flat = len(a.shape) == 3
            if flat:
                a = reshape(a, [-1, a.shape[1], 1, a.shape[2]])
            a = scaled(product.scale, a) if product.scale != 1.0 else a
            z = product.apply(a, value)
            if product.trained:
                if tf.compat.v1.get_default_graph() is not graph:
                    raise Untappable(rule, "it runs inside a loop")
                if x.shape[0] is not None and a.shape[0] != x.shape[0]:
                    rows = "an unknown number of" if a.shape[0] is None else a.shape[0]
                    raise Untappable(rule, f"it receives {rows} rows for {x.shape[0]} samples")
                tap = source_of(z)
                watch(tap)
                tapped = found.setdefault(id(product), Tapped(product))
                tapped.inputs.append(product.rows(a, net.unit_of))
                tapped.taps.append(tap)
            return reshape(z, [-1, z.shape[1], z.shape[3]]) if flat else z

        signature = inspect.signature(rule.layer.call)

        def call(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)  # inputs may be keyword arguments
            if given.arguments.get("training"):
                raise Untappable(rule, "it is called with training=True")
            return rule.call(apply, *given.args, **given.kwargs)

        return call

    with replaced_calls([(rule.layer, by_rule(rule)) for rule in rules]):
        outputs = net.outputs(x)
    return outputs, list(found.values())


def cotangents(tape: tf.GradientTape, target: tf.Tensor, layers: Sequence[Tapped]) -> list[tf.Tensor]:
    """Return G = ∂target/∂z of every product, summed over the target, all uses concatenated: [N, g, T, b]."""
    zero = tf.UnconnectedGradients.ZERO
    found = iter(tape.gradient(target, [tap for t in layers for tap in t.taps], unconnected_gradients=zero))
    return [tapped.joined([next(found) for _ in tapped.taps]) for tapped in layers]
