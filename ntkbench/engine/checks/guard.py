"""Check a model's derivatives before returning any result that depends on them, and raise if they are wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from attrs import evolve

from ...errors import NtkbenchError
from ..autodiff import forward_safe
from ..model import (
    POINTS,
    Graph,
    Network,
    every_unit,
    graph_of,
    layer_of,
    owner_of,
    perturbed,
    unchanged,
    with_unit,
)
from .derivatives import SAMPLES, Derivatives, check_derivatives, check_outputs, in_float64
from .layers import FaultyLayer, diagnose, faulty_layers, faulty_layers_here, known_right, unknown_layers
from .pointwise import chains_of, meeting_kinks

ORDERS = {1: "derivatives", 2: "second derivatives"}
# Operations that can hide a derivative or replace it.
HIDES = frozenset({"EagerPyFunc", "IdentityN", "PreventGradient", "PyFunc", "PyFuncStateless", "StopGradient"})

# Operations that round and have the gradient of the identity.
STRAIGHT_THROUGH = frozenset(
    {
        "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel",
        "QuantizeAndDequantize", "QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4",
    }
)  # fmt: skip

# Operations whose gradient is not that of their interpolation, except where they move whole pixels. They compute in
# float32 in every type, so that small steps decide nothing.
INTERPOLATES = frozenset({"ImageProjectiveTransformV2", "ImageProjectiveTransformV3"})

HERE = 6  # number of inputs checked at the unperturbed weights
MANY = 64  # number of inputs checked together
SHIFT = 0.1  # share of their size by which weights are shifted, because a zero hides what it multiplies


def require_right_derivatives(
    net: Network, *inputs: Any, order: int, mode: str = "auto", unit: int | Literal["every"] | None = None
) -> None:
    """Raise NtkbenchError if a model's derivatives are wrong or undefined; the message names the faulty layer.

    Models composed only of layers known to be correct pass immediately. For all others, eager calls show whether the
    outputs are repeatable and independent of the other inputs, and the traced graph shows which operations act on the
    trained weights. If one of these operations is not known to be correct, derivatives are compared with finite
    differences: first for each custom layer alone and, if that is inconclusive, for the whole model, in float64 where
    float32 cannot decide.

    This runs once per network, order, mode and unit; the result is kept in the network's cache. Outputs are checked
    again when a variable that is not trained has changed. Some operations are correct almost everywhere but wrong at
    isolated points, where kinks meet or factors are 0, and others run for some inputs only. Models with such operations
    are checked once more for all weights and inputs: at the unperturbed weights, at the inputs with most zeros and
    repeated numbers, and at `MANY` inputs together.

    Args:
        net: The model.
        *inputs: Inputs: [N, ...] each, the first and second inputs of a kernel for example.
        order: 1 for kernels and linear models, 2 for Hessians.
        mode: Mode of the Hessian-vector products, as for `hvp`.
        unit: Output unit that is differentiated, or "every"; None for the one that the network has chosen.

    Raises:
        NtkbenchError: If repeated calls differ, if an input's outputs depend on the other inputs, if gradients are not
            the derivatives of the outputs or do not exist, if (order 2) Hessian-vector products are not the derivatives
            of the gradients or do not exist, or if the model reads trainable variables that Keras does not track.
    """
    unit = None if unit == net.output else unit
    chosen = net if unit is None else every_unit(net) if unit == "every" else with_unit(net, unit)
    checked = [net.inputs(x) for x in inputs]
    first = checked[0]
    refusal = "" if _trusted(net, first, mode) else _of_outputs(net, first, order)[0]
    refusal = refusal or net.cached(
        ("right derivatives", order, mode, unit), lambda: _refusal(net, chosen, first, order, mode)
    )
    for x in checked:
        trusted = _trusted(net, x, mode)
        special = not refusal and not trusted and bool(graph_of(net, x).doubtful)
        if not refusal and (special or chains_of(net, x)):
            few, many = _critical_inputs(x), _spread(x) if special else x[:0]
            digest = _digest([net.theta(), *_untrained(net), few, many])
            check = partial(_refusal_here, chosen, few, many, order, mode)
            refusal = net.cached(("right derivatives here", order, mode, unit, digest), check)
    if refusal:
        raise NtkbenchError(refusal)


def _trusted(net: Network, x: tf.Tensor, mode: str) -> bool:
    """Return whether a model is composed only of layers known to be correct wherever they are applied.

    Masking is correct on inputs, but not where trained weights decide whether a step is exactly 0.
    """

    def trusted() -> bool:
        layers = _layers(net)
        if not layers or not all(map(known_right, layers)) or not all(map(_separates_samples, layers)):
            return False
        masks = any(isinstance(each, keras.layers.Masking) for each in layers)
        return not masks or not any(kind in POINTS for kind, _ in graph_of(net, x).doubtful)

    return net.cached("trusted", trusted) and (mode != "forward_over_backward" or forward_safe(net))


def _refusal(net: Network, chosen: Network, x: tf.Tensor, order: int, mode: str) -> str:
    """Return why the model must not be differentiated, "" if there is no reason.

    Args:
        net: The model.
        chosen: The model with the output units that are differentiated.
        x: Inputs [N, ...].
        order: Order of the derivatives.
        mode: Mode of the Hessian-vector products.
    """
    if _trusted(net, x, mode):
        return ""
    layers = _layers(net)
    known = bool(layers) and all(map(known_right, layers))
    forced = mode == "forward_over_backward" and not forward_safe(net)
    refusal, found = _of_outputs(net, x, order)
    if found is None or found.problem or (known and not forced):
        return refusal  # the measurements themselves report results that are not finite
    x = x[:SAMPLES] if len(x) > 1 else net.varied(x, 2)
    graph = graph_of(net, x)
    if graph.untracked:
        return _untracked(graph.untracked, layers)
    if graph.random and found.repeat > 0:
        return _message(faulty_layers(net, x, "stochastic"), order)
    if not graph.doubtful and not forced:
        return ""
    if straight := [name for kind, name in graph.doubtful if kind in STRAIGHT_THROUGH]:
        return _rounds(net, straight[0], order)
    return _compared(chosen, x, order, mode, graph, layers)


def _of_outputs(net: Network, x: tf.Tensor, order: int) -> tuple[str, Derivatives | None]:
    """Return why the outputs of a model are no functions of single inputs, "" if they are, and what was found.

    They are checked at the weights of the model and at shifted ones. The result is kept until another variable changes.
    """

    def check() -> tuple[Sequence[FaultyLayer], str, Derivatives | None]:
        many, found = _spread(x) if len(x) > 1 else net.varied(x, 2), None
        for weights in (unchanged(net), perturbed(net, SHIFT)):
            with weights:
                try:
                    here = check_outputs(net, many)
                except NtkbenchError as error:
                    return (), f"{str(error).rstrip('.')}. The model must accept any batch size, including 1.", None
                if here.problem in ("stochastic", "coupled"):
                    return faulty_layers(net, many, here.problem), "", here
            found = found or here
            if found.problem:
                break
        return (), "", found

    if stateful := [each for each in _layers(net) if getattr(each, "stateful", False) and hasattr(each, "reset_state")]:
        return (
            f"{_label(stateful[0])} is stateful: its outputs depend on earlier calls, so the model is not a function "
            "of a single input. Build it with stateful=False."
        ), None
    faulty, failed, found = net.cached(("outputs", _digest(_untrained(net))), check)
    return _message(faulty, order) if faulty else failed, found


def _layers(net: Network) -> list[Any]:
    return list(net.model._flatten_layers()) if hasattr(net.model, "_flatten_layers") else []


def _untrained(net: Network) -> list[tf.Variable]:
    """Return the variables of a model that are not trained."""
    trained = {id(variable) for variable in net.variables}
    return [variable for variable in net.all_variables if id(variable) not in trained]


def _digest(tensors: Sequence[Any]) -> str:
    return hashlib.sha256(b"".join(each.numpy().tobytes() for each in tensors)).hexdigest()


def _compared(net: Network, x: tf.Tensor, order: int, mode: str, graph: Graph, layers: Sequence[Any]) -> str:
    """Compare a model's derivatives with finite differences and return the error message, "" for none."""
    forced = mode == "forward_over_backward"
    alone = "open" if forced else unknown_layers(net, x, order)
    if alone == "right":
        return ""
    found = check_derivatives(net, x, order=order, mode=mode)
    if found.problem or not found.sure or alone == "wrong":
        exact = in_float64(net, x)
        if exact is not None and exact is not net:
            net, found, alone = exact, check_derivatives(exact, exact.inputs(x), order=order, mode=mode), "open"
    if found.problem == "not finite":
        return ""
    # The error of one wrong layer can be too small to show in the derivatives of the whole model.
    faulty = diagnose(net, x, evolve(found, sure=found.sure and alone != "wrong"), order, mode)
    if faulty:
        return _message(faulty, order)
    if found.sure:
        return ""
    if moved := [name for kind, name in graph.doubtful if kind in INTERPOLATES]:
        return (
            f"The {ORDERS[order]} of this model cannot be trusted: {layer_of(moved[0], net)} transforms images that "
            "depend on the trained weights, and TensorFlow's gradient of that is not the derivative of its "
            "interpolation. Transform the inputs instead."
        )
    hidden = [name for kind, name in graph.doubtful if kind in HIDES]
    return _rounds(net, hidden[0], order) if graph.rounds and hidden else ""


def _rounds(net: Network, name: str, order: int) -> str:
    return (
        f"The {ORDERS[order]} of this model cannot be trusted: {layer_of(name, net)} rounds values that depend on the "
        "trained weights and defines a gradient that is not the derivative of rounding. Remove rounding and "
        "quantisation from the trained part of the model."
    )


def _refusal_here(net: Network, x: tf.Tensor, many: tf.Tensor, order: int, mode: str) -> str:
    """Return why the model must not be differentiated at its current weights and inputs, "" if there is no reason.

    Args:
        net: The model.
        x: Inputs that are checked one by one: [N, ...].
        many: Inputs that are checked together: [M, ...]; none if only elementwise operations may be wrong.
        order: Order of the derivatives.
        mode: Mode of the Hessian-vector products.
    """
    if found := _kinks_here(net, x, order):
        return found
    exact = net.cached("in float64", lambda: in_float64(net, x))
    if exact is not None and exact is not net:
        for ours, theirs in zip(net.model.variables, exact.model.variables, strict=True):
            theirs.assign(tf.cast(ours.value, theirs.dtype))
        net, x, many = exact, exact.inputs(x), exact.inputs(many) if len(many) else many
        if found := _kinks_here(net, x, order):  # such as where(h == 0, 1, sin(h) / h), which float32 does not resolve
            return found
    if not len(many):
        return ""
    for one in tf.split(x, len(x)):
        if faulty := faulty_layers_here(net, one, order, mode):
            return _message(faulty, order)
    together = check_derivatives(net, many, order=order, mode=mode)
    if together.problem in ("gradient", "hessian", "symmetry"):
        return _message(faulty_layers(net, many, together.problem, order=order), order)
    return ""


def _kinks_here(net: Network, x: tf.Tensor, order: int) -> str:
    """Return why derivatives of elementwise operations are wrong at an input among x: [N, ...], "" if none is."""
    for chain in chains_of(net, x):
        for one in tf.split(x, len(x)):
            if found := meeting_kinks(chain, one, order):
                return (
                    f"The {ORDERS[order]} of this model cannot be trusted: in {chain.where} kinks meet: "
                    f"{found}. Write it as a single function, for example tf.where(x > 0, x, a * x) instead of "
                    "relu(x) - a * relu(-x)."
                )
    return ""


def _critical_inputs(x: tf.Tensor) -> tf.Tensor:
    """Return up to `HERE` inputs: the first one and those with most zeros and repeated numbers."""
    rows = x.numpy().reshape(len(x), -1)
    alike = (rows == 0).sum(1) + (rows[:, 1:] == rows[:, :-1]).sum(1)
    alike[0] = rows.shape[1] * 2 + 1
    chosen = np.argsort(-alike, kind="stable")[:HERE]
    return tf.gather(x, chosen[alike[chosen] > 0])


def _spread(x: tf.Tensor) -> tf.Tensor:
    """Return up to `MANY` inputs, evenly spread."""
    return x[:: -(-len(x) // MANY)]


def _separates_samples(layer: Any) -> bool:
    """Return whether a stock layer is stateless and never operates along the batch axis."""
    axes = keras.tree.flatten([getattr(layer, name, None) for name in ("axis", "axes", "_attention_axes")])
    numbers = [axis for axis in axes if axis is not None]
    return all(axis == -1 or axis > 0 for axis in numbers) and not getattr(layer, "stateful", False)


def _message(faulty: Sequence[FaultyLayer], order: int) -> str:
    reasons = "; ".join(map(str, faulty))
    instead = " ".join(dict.fromkeys(each.instead for each in faulty))
    return f"The {ORDERS[order]} of this model cannot be trusted: {reasons}. {instead}"


def _untracked(variables: Sequence[tf.Variable], layers: Sequence[Any]) -> str:
    described = ", ".join(f"{each.name} of shape {list(each.shape)}" for each in variables)
    if not layers:
        return (
            "The model reads variables that tf.Module does not track, so every derivative would omit them: "
            f"{described}. Put Keras layers into a keras.Model, or define trainable_variables."
        )
    owner = owner_of(variables[0], layers)
    return (
        f"{'The model' if owner is None else _label(owner)} reads variables that Keras does not track, so every "
        f"derivative would omit them: {described}. Create them with self.add_weight(...), or with "
        "trainable=False if they are constants."
    )


def _label(layer: Any) -> str:
    return f"{type(layer).__name__} {layer.name!r}"
