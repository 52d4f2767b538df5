"""Find the layer that makes a model's derivatives wrong, and suggest a replacement."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from ..model import EPS, OPAQUE, Network, is_stock, joined_by_layers, replaced_calls, unchanged
from ..ops import exact_operations
from .derivatives import (
    COUPLED_TOLERANCE,
    REPEAT_TOLERANCE,
    Derivatives,
    Problem,
    check_derivatives,
    relative,
)

WRONG = {
    "stochastic": "returns different outputs at every call, although it is called with training=False",
    "coupled": "returns outputs for one input that depend on the other inputs of the batch",
    "not finite": "has derivatives that are not finite at these inputs",
    "gradient": "has a gradient that is not the derivative of its output",
    "no second derivative": "has no second derivative in TensorFlow",
    "hessian": "has second derivatives that are not the derivatives of its gradient",
    "symmetry": "has a Hessian that is not symmetric",
}


Call = tuple[keras.Layer, tuple[Any, ...], dict[str, Any]]


@frozen
class FaultyLayer:
    """A layer that fails the check by itself, at the inputs it receives inside the model.

    Attributes:
        name: Name of the layer.
        kind: Name of its class.
        problem: The problem found.
        found: The layer's own check, or None if only its outputs were compared.
        mode: Mode of differentiation in which it fails.
        asked: Whether the user requested that mode.
        here: Whether it fails only at exactly these weights and inputs.
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
        here = " at exactly these weights and inputs, but not nearby" if self.here else ""
        wrong = WRONG[self.problem]
        if self.problem == "no second derivative" and self.mode == "forward_over_backward":
            wrong = "cannot be differentiated forward over backward"
        return f"{self.kind} {self.name!r} {wrong}{here}{by}{reason}"

    @property
    def instead(self) -> str:
        """The suggested fix, as a sentence."""
        kind = self.kind.lower()
        if self.here:
            return (
                "Look for kinks that cancel, for comparisons with ==, != or Masking, and for factors that are 0. Write "
                "kinks as a single function, for example tf.where(x > 0, x, a * x) instead of relu(x) - a * relu(-x)."
            )
        if self.mode == "forward_over_backward":
            return "Use mode='double_backward', which is correct" + (
                " here." if self.asked else " here, and report this as a bug: 'auto' should have chosen it."
            )
        if self.problem == "stochastic":
            return "Draw random numbers only if training=True, as keras.layers.Dropout does."
        if self.problem == "coupled":
            return "Call batch normalisation with training=False."
        if self.problem == "not finite":
            return "Look for a square root or norm of 0, or a division by 0."
        if self.problem == "no second derivative" and any(cell in kind for cell in ("rnn", "lstm", "gru")):
            return "Use unroll=True."
        if "norm" in kind:
            return "Use ntkbench.layers.LayerNormalization, or compute mean and variance without tf.nn.moments."
        if self.problem == "no second derivative":
            return "Rewrite it without tf.recompute_grad, tf.while_loop and tf.custom_gradient."
        return "Rewrite it without tf.stop_gradient, tf.nn.moments, tf.recompute_grad and tf.custom_gradient."


def faulty_layers(
    net: Network, x: Any, problem: Problem, mode: str = "double_backward", order: int = 2
) -> list[FaultyLayer]:
    """Return the innermost layers that fail the check by themselves, in the order in which the model calls them.

    Each layer is run at the inputs it receives inside the model at x. The derivatives of a random combination of its
    outputs, with respect to its weights and its inputs, are checked like those of a model. For a stochastic or coupled
    model only the outputs are compared. Layers known to be correct are checked only if no other layer fails. If the
    model has no Keras layers, or the fault lies between them, the model itself is returned.

    Args:
        net: The model.
        x: Inputs: [N, ...].
        problem: The model's problem; "" if undecided, so that only layers not known to be correct are checked.
        mode: Mode of differentiation, as for `hvp`.
        order: Highest order to check; 1 for gradients only.
    """
    with unchanged(net):
        calls = recorded_calls(net, net.inputs(x))
        if problem in ("stochastic", "coupled"):
            found = _differing(calls, problem, len(x))
        else:
            found = _failing(calls, net.model, mode, order, known=(False, True) if problem else (False,))
    if found:
        inside = {id(layer): {id(each) for each in layer._flatten_layers(include_self=False)} for layer, _, _ in calls}
        return [faulty for at, faulty in found.items() if inside[at].isdisjoint(found)]
    return [FaultyLayer(getattr(net.model, "name", None) or "model", type(net.model).__name__, problem, mode=mode)]


def diagnose(net: Network, x: Any, found: Derivatives, order: int = 2, mode: str = "auto") -> tuple[FaultyLayer, ...]:
    """Return the layers responsible for the problem that a check of a model found.

    If the check of the whole model was inconclusive, only layers that are certainly wrong by themselves are returned.

    Args:
        net: The model.
        x: Inputs: [N, ...].
        found: Result of `check_derivatives` for the model.
        order: Order of that check.
        mode: Mode of that check.
    """
    if found.sure and not found.problem:
        return ()
    at_fault = "double_backward"
    if found.problem in ("hessian", "symmetry", "no second derivative"):
        other = check_derivatives(net, x, mode=at_fault)
        if other.sure and not other.problem:
            at_fault = "forward_over_backward"  # `hvp` wrongly chose it for this model, or the user requested it
    faulty = faulty_layers(net, x, found.problem, at_fault, order)
    if at_fault == mode:
        faulty = [evolve(each, asked=True) for each in faulty]
    faulty = [each if each.found else evolve(each, found=found) for each in faulty]  # the model itself
    if not found.problem:
        # The model has kinks closer than any step of its precision; checking single layers may still be conclusive.
        faulty = [each for each in faulty if each.problem not in ("", "not finite")]
    return tuple(faulty)


def unknown_layers(net: Network, x: Any, order: int = 2) -> Literal["right", "wrong", "open"]:
    """Check each layer not known to be correct by itself, at the model's inputs x: [N, ...].

    Of several layers with the same class, settings and input shapes, only one is checked.

    Returns:
        "right" if all are correct, and therefore the model, as a composition of correct layers.
        "wrong" if one is certainly wrong, however little of the error is visible in the whole model.
        "open" if one is inconclusive, or the model itself is such a layer.
    """
    layers = {id(layer): layer for layer in getattr(net.model, "_flatten_layers", list)()}
    unknown = {at for at, layer in layers.items() if not known_right(layer)}
    if not layers:
        return "open"
    with unchanged(net):
        calls = [call for call in recorded_calls(net, net.inputs(x)) if id(call[0]) in unknown]
        settled = len(calls) == len(unknown) and not _differing(calls, "coupled", len(x))
        for call in {_check_key(call): call for call in calls if call[0] is not net.model}.values():
            found = _check_alone(call, order)
            if found is not None and found.problem not in ("", "not finite"):
                return "wrong"
            settled = settled and found is not None and found.sure
    return "right" if settled and id(net.model) not in unknown else "open"


def faulty_layers_here(net: Network, x: tf.Tensor, order: int, mode: str) -> list[FaultyLayer]:
    """Return the layers whose derivatives are wrong at exactly these weights and this input x: [1, ...].

    The whole model is checked first. If it is wrong, or kinks make that inconclusive, each layer not known to be
    correct is checked; if the model is wrong and none of them is, the model itself is returned.
    """
    found = check_derivatives(net, x, order=order, mode=mode, perturb=False)
    if found.problem == "not finite" or (found.sure and not found.problem):
        return []
    with unchanged(net):
        calls = [each for each in recorded_calls(net, x) if each[0] is not net.model and not _right_here(each[0])]
        alone = [(layer, _check_alone((layer, args, kwargs), order, perturb=False)) for layer, args, kwargs in calls]
    faulty = [
        FaultyLayer(layer.name, type(layer).__name__, each.problem, each, here=True)
        for layer, each in alone
        if each is not None and each.problem in ("gradient", "hessian", "symmetry")
    ]
    if faulty or not found.problem:
        return faulty
    name = getattr(net.model, "name", None) or "model"
    return [FaultyLayer(name, type(net.model).__name__, found.problem, found, here=True)]


def _right_here(layer: Any) -> bool:
    """Return whether a layer's derivatives are known to be correct at every point, steps of exactly 0 included."""
    return known_right(layer) and not isinstance(layer, keras.layers.Masking)


def _check_key(call: Call) -> tuple[Any, ...]:
    """Return a key that is equal for calls that need only one check."""
    layer, args, kwargs = call
    inputs = tuple((tuple(each.shape), each.dtype) for each in keras.tree.flatten((args, kwargs)) if tf.is_tensor(each))
    return inputs, tuple((type(each), _settings(each)) for each in layer._flatten_layers())


def _settings(layer: keras.Layer) -> tuple[tuple[str, Any], ...]:
    """Return the attributes of a layer that not every layer has: plain values as they are, all others by identity.

    Weights are left out because they do not affect the code, and sublayers because they are compared separately.
    """
    own = {name: each for name, each in vars(layer).items() if name not in _keras_attributes()}
    return tuple(
        (name, each if isinstance(each, bool | int | float | str | None) else id(each))
        for name, each in sorted(own.items())
        if not isinstance(each, keras.Layer | keras.Variable | keras.Initializer | keras.Regularizer)
        and not name.startswith("_self_")  # TensorFlow's tracking of objects
    )


@cache
def _keras_attributes() -> frozenset[str]:
    """Return the names of the attributes that Keras sets on every layer that has been called."""
    layer = keras.layers.Identity()
    layer(tf.zeros([1, 1]))
    return frozenset(vars(layer))


def _differing(calls: list[Call], problem: Problem, samples: int) -> dict[int, FaultyLayer]:
    """Return the layers whose outputs differ between two equal calls, or between all inputs and the first one alone."""

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
        eps = max((EPS[y.dtype] for y in outputs), default=0.0)
        if any(relative(a.numpy(), b.numpy()) > tolerance * eps for a, b in zip(outputs, others, strict=True)):
            found[id(layer)] = FaultyLayer(layer.name, type(layer).__name__, problem)
    return found


def _failing(calls: list[Call], model: Any, mode: str, order: int, known: tuple[bool, ...]) -> dict[int, FaultyLayer]:
    for right in known:
        found = {}
        for call in calls:
            layer = call[0]
            checked = None if layer is model or known_right(layer) != right else _check_alone(call, order, mode)
            if checked is not None and checked.problem:
                found[id(layer)] = FaultyLayer(layer.name, type(layer).__name__, checked.problem, checked, mode)
        if found:
            return found
    return {}


def _check_alone(call: Call, order: int, mode: str = "double_backward", perturb: bool = True) -> Derivatives | None:
    """Check a single layer; return None if it does not run outside its model, so that nothing is known."""
    try:
        net = Network(LayerAlone(*call))
        net.require_one_type()
        return check_derivatives(net, tf.zeros([1]), order=order, mode=mode, perturb=perturb)
    except Exception:  # a user's layer may do anything outside its model
        return None


class LayerAlone:
    """A random combination of a layer's outputs, as a function of its weights and of the inputs of one call.

    The float tensors in the call's arguments become variables; all other arguments stay as they are.

    Args:
        layer: The layer.
        args: Positional arguments of the call.
        kwargs: Keyword arguments of the call.
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
    """Run the model at x and return (layer, args, kwargs) of the first call of every Keras layer and container.

    Layers that run inside a user's tf.function are left out, because their inputs are symbolic.
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

    with exact_operations():  # first, because it replaces some of the calls that are recorded here
        recorded = [(layer, recording(layer)) for layer in {id(each): each for each in layers}.values()]
        with replaced_calls(recorded):
            net.outputs(x)
    return list(calls.values())


def known_right(layer: Any) -> bool:
    """Return whether the derivatives of a layer's own code, without its sublayers, are known to be correct.

    This holds for the layers of ntkbench and Keras in inference mode, unless they run custom code, and for functional
    models of these layers. It includes Keras's LayerNormalization and GroupNormalization, because the engine replaces
    their statistics. Any operation of keras.ops may stand between layers.
    """
    if not is_stock(layer) or type(layer).__name__ in OPAQUE:
        return False
    return joined_by_layers([layer])


def _floats(structure: Any) -> list[tf.Tensor]:
    return [each for each in keras.tree.flatten(structure) if _is_float(each)]


def _is_float(each: Any) -> bool:
    return tf.is_tensor(each) and each.dtype.is_floating
