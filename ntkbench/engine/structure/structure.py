"""Determine which weights of a model enter through products, so that rows and cotangents describe them completely."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..autodiff import dense_gradient
from ..model import (
    KEEPS_SAMPLES,
    PLAIN,
    Network,
    every_unit,
    has,
    is_ours,
    is_stock,
    joined_by_layers,
    made_of,
    perturbed,
)
from ..ops import quiet_tensorflow
from ..rules import RULES
from ..rules.rule import Rule, Untappable, key_of, rule_for
from .factors import factors
from .taps import run_tapped

log = logging.getLogger("ntkbench")

SAMPLES = 8  # samples at which rules are compared with plain gradients
TRACED = 19  # samples of a trace, which no other axis of a model is likely to have
SHIFT = 0.1  # share of their size by which weights are shifted, because zeros make gradients zero that may be wrong


@frozen
class Structure:
    """The rules of a model's layers, and the trainable variables without a rule.

    Attributes:
        rules: Rules required to tap the trained weights.
        rest: Trainable variables that no rule accounts for.
    """

    rules: tuple[Rule, ...]
    rest: tuple[tf.Variable, ...]

    @property
    def complete(self) -> bool:
        """Whether the rules account for every trainable weight."""
        return not self.rest

    def described(self, net: Network) -> list[Any]:
        """Return the kind of each rule and the places of its variables in the network, as plain values."""
        places = {id(variable): i for i, variable in enumerate(net.variables)}
        return [
            [type(rule).__module__, type(rule).__qualname__, sorted(places.get(each, -1) for each in _variables(rule))]
            for rule in self.rules
        ]


def structure_of(net: Network, x: tf.Tensor) -> Structure:
    """Return the structure of the model for inputs like x: [N, ...]; logs the layers without a rule."""
    return net.cached(("structure", tuple(x.shape[1:]), x.dtype), lambda: _structure(net, x))


def _structure(net: Network, x: tf.Tensor) -> Structure:
    layers = _layers(net.model)
    rules = [rule for rule in map(rule_for, layers) if rule is not None and _needed(rule)]
    structure = _without(net, rules, _shared_variables(rules) | _inconsistently_trained(net, rules))
    if structure.rules and not _plain(layers):
        structure = _traced(net, x, layers, structure)
    if structure.rules and not _keeps_samples(layers, structure):
        structure = _verified(net, x, structure)
    if structure.rest:
        names = ", ".join(sorted({_owner(layers, variable) for variable in structure.rest}))
        log.info("ntkbench: no layer rule accounts for the weights of %s; using a generic exact route for them.", names)
    return structure


def _needed(rule: Rule) -> bool:
    """Return whether a rule taps trained weights, or wraps other layers so that their rules can."""
    return not rule.products or any(product.trained for product in rule.products)


def _without(net: Network, rules: Iterable[Rule], refused: set[int]) -> Structure:
    """Return the structure without the rules of the given variables (ids of `tf.Variable`s)."""
    kept = [rule for rule in rules if not refused & _variables(rule)]
    ruled = set().union(*map(_variables, kept)) if kept else set()
    rest = tuple(v for v in net.variables if id(v) not in ruled)
    return Structure(tuple(kept) if ruled else (), rest)


def _variables(rule: Rule) -> set[int]:
    return {id(variable.value) for product in rule.products for variable in product.variables}


def _shared_variables(rules: list[Rule]) -> set[int]:
    """Return the variables that two layers share; layer rules do not cover their cross terms."""
    seen: set[int] = set()
    twice: set[int] = set()
    for rule in rules:
        twice |= seen & _variables(rule)
        seen |= _variables(rule)
    return twice


def _inconsistently_trained(net: Network, rules: list[Rule]) -> set[int]:
    """Return the variables whose trainable flag differs from the model's list, because it was set on one layer only."""
    trained = {id(v) for v in net.variables}
    variables = [v for rule in rules for product in rule.products for v in product.variables]
    return {id(v.value) for v in variables if v.trainable != (id(v.value) in trained)}


def _traced(net: Network, x: tf.Tensor, layers: list[Any], structure: Structure) -> Structure:
    """Return the structure without rules that do not hold in the model's graph.

    A rule does not hold if its layer runs in a loop, or if its weights are also used outside its products. The latter
    is detected by replacing the weights in the products by constants: a gradient then still reaches them.
    """
    elsewhere: set[int] = set()

    def trace(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs, _ = run_tapped(net, structure.rules, x, lambda tap: None, _constant)
            target = tf.reduce_sum(outputs)
        found = tape.gradient(target, net.variables)
        elsewhere.update(id(v) for v, g in zip(net.variables, found, strict=True) if g is not None)
        return target

    while structure.rules:
        elsewhere.clear()
        try:
            tf.function(trace, autograph=False).get_concrete_function(tf.TensorSpec([TRACED, *x.shape[1:]], x.dtype))
        except Exception as error:  # a custom layer may raise anything when it is called in parts
            structure = _after(error, net, structure)
        else:
            if elsewhere.isdisjoint(set().union(*map(_variables, structure.rules))):
                break
            structure = _without(net, structure.rules, elsewhere)
        finally:
            _reset_dropout_masks(layers)
    return structure


def _after(error: BaseException, net: Network, structure: Structure) -> Structure:
    """Return the structure without the rule that an error names, or without all rules if it names none."""
    untappable: BaseException | None = error
    while untappable is not None and not isinstance(untappable, Untappable):
        untappable = untappable.__cause__ or untappable.__context__  # Keras raises another error in its place
    if not isinstance(untappable, Untappable):
        log.info("ntkbench: the model cannot be run layer by layer (%s: %s).", type(error).__name__, error)
        return _without(net, (), set())
    log.info("ntkbench: the rule of layer %s does not apply: %s.", untappable.rule.layer.name, untappable)
    rules = [rule for rule in structure.rules if rule is not untappable.rule]
    return _without(net, rules, _variables(untappable.rule))


def _constant(variable: Any) -> tf.Tensor:
    return tf.stop_gradient(tf.convert_to_tensor(variable.value))


def _reset_dropout_masks(layers: list[Any]) -> None:
    """Reset the dropout masks of recurrent cells, which they keep after an aborted trace."""
    for layer in layers:
        if hasattr(layer, "reset_dropout_mask"):
            layer.reset_dropout_mask()
            layer.reset_recurrent_dropout_mask()


def _verified(net: Network, x: tf.Tensor, structure: Structure) -> Structure:
    """Return the structure without variables whose gradients differ from plain gradients at a few samples.

    The gradients are those of a combination of all output units, at slightly shifted weights. The samples are shuffled,
    because a model that reorders them leaves sorted ones as they are.
    """
    few = x[:SAMPLES] if len(x) >= SAMPLES else net.varied(x, SAMPLES)
    few = tf.gather(few, np.random.default_rng(0).permutation(SAMPLES))
    of_all = every_unit(net)
    with perturbed(net, SHIFT), quiet_tensorflow():
        while structure.rules:
            rules = structure.rules
            try:
                found = tf.function(lambda few, rules=rules: _gradients(of_all, rules, few), autograph=False)(few)
            except Exception as error:  # as above, but when the function is run
                structure = _after(error, net, structure)
            else:
                return _without(net, rules, _wrong(net, found, _plain_gradients(of_all, few)))
    return structure


def _wrong(net: Network, found: dict[int, tf.Tensor], expected: Sequence[np.ndarray]) -> set[int]:
    """Return the variables (ids) whose gradients [n, ...] differ from the expected ones: [n, size] of each variable."""
    eps = np.finfo(net.dtype.as_numpy_dtype).eps
    total = np.linalg.norm(np.concatenate(expected, 1))
    wrong = set()
    for variable, reference in zip(net.variables, expected, strict=True):
        if id(variable) not in found:
            continue
        gradient = np.asarray(found[id(variable)])
        # sums over positions may cancel, and the two routes add in different orders
        allowed = 1e4 * eps * np.linalg.norm(reference) + 1e2 * eps * total
        if (
            gradient.size != reference.size
            or not np.linalg.norm(gradient.reshape(reference.shape) - reference) <= allowed
        ):
            wrong.add(id(variable))
    return wrong


def _plain_gradients(net: Network, x: tf.Tensor) -> list[np.ndarray]:
    """Return the gradients of the chosen output at x: [n, ...], one sample at a time: [n, size] of each variable."""

    def gradient(one: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            f = net.scalar(one)
        return net.flatten(dense_gradient(tape, f, net.variables))

    of_one = tf.function(gradient, autograph=False)
    rows = np.stack([of_one(one).numpy() for one in tf.split(x, len(x))])
    return np.split(rows, np.cumsum(net.sizes)[:-1], axis=1)


def _gradients(net: Network, rules: Sequence[Rule], x: tf.Tensor) -> dict[int, tf.Tensor]:
    """Return the per-sample gradient of each variable with a rule, from rows and cotangents."""
    found: dict[int, tf.Tensor] = {}
    for factor in factors(net, rules, x):
        matrices = tf.matmul(factor.a, factor.g, transpose_a=True)
        for variable, tensor in factor.product.write(matrices):
            key = id(variable.value)
            found[key] = found[key] + tensor if key in found else tensor
    ruled = set().union(*map(_variables, rules)) & {id(v) for v in net.variables}
    for variable in net.variables:
        if id(variable) in ruled and id(variable) not in found:  # unused by the model
            found[id(variable)] = tf.zeros([x.shape[0], *variable.shape], variable.dtype)
    return found


def _layers(model: Any) -> list[Any]:
    if not hasattr(model, "_flatten_layers"):
        return []
    return list({id(layer): layer for layer in model._flatten_layers()}.values())


def _keeps_samples(layers: list[Any], structure: Structure) -> bool:
    """Return whether a model consists only of known layers that do not mix samples, joined by known operations."""
    held = {id(rule.layer) for rule in structure.rules}
    return joined_by_layers(layers) and all(is_stock(layer) and _known(layer, held) for layer in layers)


def _plain(layers: list[Any]) -> bool:
    """Return whether Keras calls every layer of the model once, outside loops, so that all rules hold."""
    return made_of(layers, PLAIN)


def _known(layer: Any, held: set[int]) -> bool:
    """Return whether a stock layer keeps samples apart; `held`: ids of layers whose rules hold in the graph."""
    if is_ours(layer):
        return True
    if key_of(layer) in RULES:
        rule = rule_for(layer)
        return rule is not None and (id(layer) in held or not _needed(rule))
    axes = np.atleast_1d(getattr(layer, "axis", -1) or 0)
    apart = all(axis == -1 or axis > 0 for axis in axes)
    apart = apart and 0 not in (getattr(layer, "_attention_axes", None) or ())
    return has(layer, KEEPS_SAMPLES) and apart and getattr(layer, "target_shape", None) != ()


def _owner(layers: list[Any], variable: tf.Variable) -> str:
    for layer in layers:
        if any(v.value is variable for v in getattr(layer, "_trainable_variables", [])):
            return f"{layer.name} ({type(layer).__name__})"
    return variable.name
