"""Influence of single hidden neurons on the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ..model import Network, replaced_calls
from ..rules.rule import Rule, rule_for


def neuron_influence(net: Network, x: tf.Tensor) -> np.ndarray | None:
    """Return max over layers and neurons of |∂f/∂α_k|: [N] float64, or None for a model without product layers.

    A neuron is an entry of the input of a product layer, except for the input data: a hidden activation.

    Source: Q∞ of Liu, Zhu, Belkin 2020 (arXiv 2010.01092), section 3.
    """
    if not hasattr(net.model, "_flatten_layers"):
        return None
    rules = [rule for rule in map(rule_for, net.model._flatten_layers()) if rule is not None]
    largest = net.function("neurons", lambda: lambda x: _largest(net, rules, x))(x)
    return None if largest is None else np.asarray(largest, np.float64)


def _largest(net: Network, rules: list[Rule], x: tf.Tensor) -> tf.Tensor | None:
    hidden: list[tf.Tensor] = []
    variables = [v.value for rule in rules for product in rule.products for v in product.variables]
    with tf.GradientTape(persistent=True) as tape:
        for variable in variables:
            tape.watch(variable)

        def watched(layer: Any) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                args = tf.nest.map_structure(lambda h: tf.identity(h) if tf.is_tensor(h) else h, args)
                seen = [h for h in tf.nest.flatten(args) if tf.is_tensor(h) and h.dtype.is_floating]
                tape.watch(seen)
                hidden.extend(seen)
                return type(layer).call(layer, *args, **kwargs)

            return call

        with replaced_calls([(rule.layer, watched(rule.layer)) for rule in rules if rule.products]):
            target = tf.reduce_sum(net.scalar(x))
    # tensors that depend on a weight are neurons; the input data do not
    neurons = [h for h in hidden if any(g is not None for g in tape.gradient(h, variables))]
    gradients = [g for g in tape.gradient(target, neurons) if g is not None]
    if not gradients:
        return None
    of_layer = [tf.reduce_max(tf.abs(tf.reshape(g, [tf.shape(x)[0], -1])), 1) for g in gradients]
    return tf.reduce_max(tf.stack(of_layer), 0)
