"""Which layer is to blame when a model's derivatives are wrong, and what to use instead."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from ..model import OPAQUE, Network, is_stock, joined_by_layers, replaced_calls
from ..ops import exact_operations
from .derivatives import (
    COUPLED_TOLERANCE,
    REPEAT_TOLERANCE,
    Derivatives,
    Problem,
    check_derivatives,
    relative,
    unchanged,
)

WRONG = {
    "stochastic": "gives something else at every call, although it is called with training=False",
    "coupled": "gives outputs for one input that depend on the other inputs of the batch",
    "not finite": "gives derivatives that are not finite at these inputs",
    "gradient": "has a gradient that is not the derivative of its output",
    "no second derivative": "has no second derivative in TensorFlow",
    "hessian": "has second derivatives that are not the derivatives of its gradient",
    "symmetry": "has a Hessian that is not symmetric",
}


Call = tuple[keras.Layer, tuple[Any, ...], dict[str, Any]]


@frozen
class Guilty:
    """A layer that fails on its own, at the inputs that it gets inside the model.

    name, kind: of the layer and its class.   found: its own check; None where only its outputs were compared.
    mode: the order of differentiation it fails in.   asked: whether the user asked for that mode.
    here: whether it fails at the very weights and inputs only.
    """

    name: str
    kind: str
    problem: Problem
    found: Derivatives | None = None
    mode: str = "double_backward"
    asked: bool = False
    here: bool = False

    def __str__(self) -> str:
        error = None if self.found is None else self.found.error
        by = "" if error is None or self.problem in ("stochastic", "coupled") else f" (relative error {error:.2g})"
        reason = f": {self.found.reason}" if self.found is not None and self.found.reason else ""
        here = " at these weights and inputs, although beside them it is right" if self.here else ""
        return f"{self.kind} {self.name!r} {WRONG[self.problem]}{here}{by}{reason}"

    @property
    def instead(self) -> str:
        """What to use instead, as a sentence."""
        kind = self.kind.lower()
        if self.here:
            return (
                "Look for kinks that cancel or factors that are 0, and write them as one function: "
                "tf.where(x > 0, x, a * x), for example, in place of relu(x) - a * relu(-x)."
            )
        if self.mode == "forward_over_backward":
            return "Use mode='double_backward', which is right" + (
                "." if self.asked else "; that 'auto' took the other one is for us to mend."
            )
        if self.problem == "stochastic":
            return "Draw random numbers only when training is true, as keras.layers.Dropout does."
        if self.problem == "coupled":
            return "Call batch normalisation with training=False."
        if self.problem == "not finite":
            return "Look for a square root, a norm or a division at 0."
        if self.problem == "no second derivative" and any(cell in kind for cell in ("rnn", "lstm", "gru")):
            return "Use unroll=True."
        if "norm" in kind:
            return "Use ntkbench.layers.LayerNormalization, or write mean and variance out without tf.nn.moments."
        if self.problem == "no second derivative":
            return "Write it without tf.recompute_grad, tf.while_loop and tf.custom_gradient."
        return "Write it without tf.stop_gradient, tf.nn.moments, tf.recompute_grad and tf.custom_gradient."


def guilty_layers(
    net: Network, x: Any, problem: Problem, mode: str = "double_backward", order: int = 2
) -> list[Guilty]:
    """Return the innermost layers that fail alone, in the order in which the model is called.

    Each is run at the inputs that it gets inside the model at x: [N, ...]; its derivatives with respect to its own
    weights and to its inputs, of a random combination of its outputs, are checked as a model's are. For a stochastic
    or coupled model only the outputs are compared. Layers that are known to be right are tried when no other one
    fails. A model without Keras layers, or with a fault between them, is named itself.

    problem: the model's own; "" where that is not resolved, and then only layers not known to be right are tried.
    mode: the order of differentiation that layers are checked in, as for `hvp`.   order: 1 for gradients only.
    """
    with unchanged(net):
        calls = recorded_calls(net, net.inputs(x))
        if problem in ("stochastic", "coupled"):
            found = _differing(calls, problem, len(x))
        else:
            found = _failing(calls, net.model, mode, order, known=(False, True) if problem else (False,))
    if found:
        inside = {id(layer): {id(each) for each in layer._flatten_layers(include_self=False)} for layer, _, _ in calls}
        return [guilty for at, guilty in found.items() if inside[at].isdisjoint(found)]
    return [Guilty(getattr(net.model, "name", None) or "model", type(net.model).__name__, problem, mode=mode)]


def blamed(net: Network, x: Any, found: Derivatives, order: int = 2, mode: str = "auto") -> tuple[Guilty, ...]:
    """Return the layers to blame for what was found of a model.

    Where the whole model leaves it open, these are only layers that are surely wrong alone. order, mode: of the check.
    """
    if found.sure and not found.problem:
        return ()
    at_fault = "double_backward"
    if found.problem in ("hessian", "symmetry", "no second derivative"):
        other = check_derivatives(net, x, mode=at_fault)
        if other.sure and not other.problem:
            at_fault = "forward_over_backward"  # which `hvp` has chosen for this model, wrongly, or was asked for
    guilty = guilty_layers(net, x, found.problem, at_fault, order)
    if at_fault == mode:
        guilty = [evolve(each, asked=True) for each in guilty]
    if not found.problem:
        # The model has kinks closer than any step of its precision; its layers one by one may tell.
        guilty = [each for each in guilty if each.problem not in ("", "not finite")]
    return tuple(guilty)


def unknown_layers(net: Network, x: Any, order: int = 2) -> Literal["right", "wrong", "open"]:
    """Return whether the layers that are not known to be right are right alone, at the inputs x: [N, ...] of the model.

    "right" is the verdict on the whole model then: a composition of right layers is right. "wrong": one is surely
    wrong, however little of that is seen from outside. "open": one leaves it open, or the model itself is such a layer.
    Of layers of one class with the same settings and input shapes, one is checked.
    """
    layers = {id(layer): layer for layer in getattr(net.model, "_flatten_layers", list)()}
    unknown = {at for at, layer in layers.items() if not known_right(layer)}
    if not layers:
        return "open"
    with unchanged(net):
        calls = [call for call in recorded_calls(net, net.inputs(x)) if id(call[0]) in unknown]
        settled = len(calls) == len(unknown) and not _differing(calls, "coupled", len(x))
        for call in {_likeness(call): call for call in calls if call[0] is not net.model}.values():
            found = _alone(call, order)
            if found is not None and found.problem not in ("", "not finite"):
                return "wrong"
            settled = settled and found is not None and found.sure
    return "right" if settled and id(net.model) not in unknown else "open"


def guilty_here(net: Network, x: tf.Tensor, order: int, mode: str) -> list[Guilty]:
    """Return what has wrong derivatives at these very weights and inputs x: [1, ...], where nearby they are right.

    The whole model is checked, and where kinks of some layers leave that open, the layers that are not known to be
    right, one by one.
    """
    found = check_derivatives(net, x, order=order, mode=mode, aside=False)
    if found.problem == "not finite":
        return []
    if found.problem:
        return [
            Guilty(
                getattr(net.model, "name", None) or "model", type(net.model).__name__, found.problem, found, here=True
            )
        ]
    if found.sure:
        return []
    with unchanged(net):
        calls = [each for each in recorded_calls(net, x) if each[0] is not net.model and not known_right(each[0])]
        alone = [(layer, _alone((layer, args, kwargs), order, aside=False)) for layer, args, kwargs in calls]
    return [
        Guilty(layer.name, type(layer).__name__, each.problem, each, here=True)
        for layer, each in alone
        if each is not None and each.problem in ("gradient", "hessian", "symmetry")
    ]


def _likeness(call: Call) -> tuple[Any, ...]:
    """Return what two calls have in common when one check is enough for both."""
    layer, args, kwargs = call
    inputs = tuple((tuple(each.shape), each.dtype) for each in keras.tree.flatten((args, kwargs)) if tf.is_tensor(each))
    return inputs, tuple((type(each), _settings(each)) for each in layer._flatten_layers())


def _settings(layer: keras.Layer) -> tuple[tuple[str, Any], ...]:
    """Return what a layer holds beyond every layer's own: plain values as they are, anything else by identity.

    Weights differ from layer to layer and say nothing about the code; layers inside are looked at on their own.
    """
    own = {name: each for name, each in vars(layer).items() if name not in _of_every_layer()}
    return tuple(
        (name, each if isinstance(each, bool | int | float | str | None) else id(each))
        for name, each in sorted(own.items())
        if not isinstance(each, keras.Layer | keras.Variable | keras.Initializer | keras.Regularizer)
        and not name.startswith("_self_")  # TensorFlow's tracking of objects
    )


@cache
def _of_every_layer() -> frozenset[str]:
    """Return the names of the attributes that Keras gives to every layer that was called."""
    layer = keras.layers.Identity()
    layer(tf.zeros([1, 1]))
    return frozenset(vars(layer))


def _differing(calls: list[Call], problem: Problem, samples: int) -> dict[int, Guilty]:
    """Return the layers whose outputs differ in two calls: the same one twice, or of all inputs and of the first."""

    def first_of(structure: Any) -> Any:
        def one(each: Any) -> Any:
            batched = tf.is_tensor(each) and each.shape.rank and each.shape[0] == samples
            return each[:1] if batched else each

        return keras.tree.map_structure(one, structure)

    tolerance = REPEAT_TOLERANCE if problem == "stochastic" else COUPLED_TOLERANCE
    found = {}
    for layer, args, kwargs in calls:
        try:
            with exact_operations():
                outputs = _floats(layer(*args, **kwargs))
                if problem == "stochastic":
                    others = _floats(layer(*args, **kwargs))
                else:
                    outputs, others = first_of(outputs), _floats(layer(*first_of(args), **first_of(kwargs)))
        except Exception:  # a user's layer may do anything with other inputs
            continue
        eps = max((np.finfo(y.dtype.as_numpy_dtype).eps for y in outputs), default=0.0)
        if any(relative(a.numpy(), b.numpy()) > tolerance * eps for a, b in zip(outputs, others, strict=True)):
            found[id(layer)] = Guilty(layer.name, type(layer).__name__, problem)
    return found


def _failing(calls: list[Call], model: Any, mode: str, order: int, known: tuple[bool, ...]) -> dict[int, Guilty]:
    for right in known:
        found = {}
        for call in calls:
            layer = call[0]
            checked = None if layer is model or known_right(layer) != right else _alone(call, order, mode)
            if checked is not None and checked.problem:
                found[id(layer)] = Guilty(layer.name, type(layer).__name__, checked.problem, checked, mode)
        if found:
            return found
    return {}


def _alone(call: Call, order: int, mode: str = "double_backward", aside: bool = True) -> Derivatives | None:
    """Return the check of a layer on its own; None where it does not run on its own, so that nothing is known."""
    try:
        net = Network(LayerAlone(*call))
        net.require_one_type()
        return check_derivatives(net, tf.zeros([1]), order=order, mode=mode, aside=aside)
    except Exception:  # a user's layer may do anything outside its model
        return None


class LayerAlone:
    """A random combination of a layer's outputs, as a function of its weights and of the inputs of one call.

    args, kwargs: of the call. Their float tensors become variables; everything else stays as it is.
    """

    def __init__(self, layer: keras.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]):
        self.layer, self.given = layer, (args, kwargs)
        weights = [v.value for v in layer.trainable_variables]
        self.inputs = [tf.Variable(each) for each in _floats(self.given)]
        self.trainable_variables = [*weights, *self.inputs]
        rng = np.random.default_rng(0)
        outputs = self._outputs()
        self.combination = [tf.constant(rng.standard_normal(y.shape), y.dtype) for y in outputs]

    def __call__(self, _: tf.Tensor) -> tf.Tensor:
        """Return ⟨c, layer(inputs)⟩: [1, 1]."""
        products = [tf.reduce_sum(c * y) for c, y in zip(self.combination, self._outputs(), strict=True)]
        return tf.reshape(tf.add_n(products), [1, 1])

    def _outputs(self) -> list[tf.Tensor]:
        variables = iter(self.inputs)
        args, kwargs = keras.tree.map_structure(
            lambda each: tf.convert_to_tensor(next(variables)) if _is_float(each) else each, self.given
        )
        return _floats(self.layer(*args, **kwargs))


def recorded_calls(net: Network, x: tf.Tensor) -> list[Call]:
    """Return (layer, args, kwargs) of the first call of every Keras layer, containers too, as the model runs at x.

    Layers that run inside somebody's own tf.function are left out: their inputs have no values.
    """
    layers = net.model._flatten_layers() if hasattr(net.model, "_flatten_layers") else []
    calls: dict[int, Call] = {}

    def recording(layer: keras.Layer) -> Any:
        original = layer.call

        def call(*args: Any, **kwargs: Any) -> Any:
            tensors = [each for each in keras.tree.flatten((args, kwargs)) if tf.is_tensor(each)]
            if not any(map(tf.is_symbolic_tensor, tensors)):
                calls.setdefault(id(layer), (layer, args, kwargs))
            return original(*args, **kwargs)

        return call

    with exact_operations():  # before the layers' calls are looked up, for some of these are among them
        recorded = [(layer, recording(layer)) for layer in {id(each): each for each in layers}.values()]
        with replaced_calls(recorded):
            net.outputs(x)
    return list(calls.values())


def known_right(layer: Any) -> bool:
    """Return whether the derivatives of a layer's own code, not those of layers inside it, are known to be right.

    These are the layers of ntkbench and of Keras as they are called for inference, without code of somebody else, and
    functional models of them. Keras's LayerNormalization and GroupNormalization are among them, because the engine
    replaces their statistics. Operations between layers may be anything that keras.ops has.
    """
    if not is_stock(layer) or type(layer).__name__ in OPAQUE:
        return False
    return joined_by_layers([layer])


def _floats(structure: Any) -> list[tf.Tensor]:
    return [each for each in keras.tree.flatten(structure) if _is_float(each)]


def _is_float(each: Any) -> bool:
    return tf.is_tensor(each) and each.dtype.is_floating
