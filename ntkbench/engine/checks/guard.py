"""Check a model's derivatives before returning any result that depends on them, and raise if they are wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from attrs import evolve

from ...errors import NtkbenchError
from ..autodiff import forward_safe
from ..model import Graph, Network, graph_of, owner_of
from .derivatives import SAMPLES, check_derivatives, check_outputs, in_float64, unchanged
from .layers import FaultyLayer, diagnose, faulty_layers, faulty_layers_here, known_right, unknown_layers
from .pointwise import chains_of, meeting_kinks

ORDERS = {1: "derivatives", 2: "second derivatives"}
# Operations that can hide a derivative or replace it.
HIDES = frozenset({"EagerPyFunc", "IdentityN", "PreventGradient", "PyFunc", "PyFuncStateless", "StopGradient"})

HERE = 6  # number of inputs checked at the unperturbed weights


def require_right_derivatives(net: Network, x: Any, *, order: int, mode: str = "auto") -> None:
    """Raise NtkbenchError if a model's derivatives are wrong or undefined; the message names the faulty layer.

    Models composed only of layers known to be correct pass immediately. For all others, eager calls show whether the
    outputs are repeatable and independent of the other inputs, and the traced graph shows which operations act on the
    trained weights. If one of these operations is not known to be correct, derivatives are compared with finite
    differences: first for each custom layer alone and, if that is inconclusive, for the whole model, in float64 where
    float32 cannot decide.

    This runs once per network, order and mode; the result is kept in the network's cache. Some operations are correct
    almost everywhere but wrong at isolated points, where kinks meet or factors are 0. Models with such operations are
    also checked at their unperturbed weights, at the inputs with most zeros and repeated numbers, once per weights and
    inputs.

    Args:
        net: The model.
        x: Inputs: [N, ...]; only a few of them are used.
        order: 1 for kernels and linear models, 2 for Hessians.
        mode: Mode of the Hessian-vector products, as for `hvp`.

    Raises:
        NtkbenchError: If repeated calls differ, if an input's outputs depend on the other inputs, if gradients are not
            the derivatives of the outputs or do not exist, if (order 2) Hessian-vector products are not the derivatives
            of the gradients or do not exist, or if the model reads trainable variables that Keras does not track.
    """
    refusal = net.cached(("right derivatives", order, mode), lambda: _refusal(net, x, order, mode))
    x = net.inputs(x)
    special = not _trusted(net, mode) and bool(graph_of(net, x).doubtful)
    if not refusal and (special or chains_of(net, x)):
        few = _critical_inputs(x)
        digest = hashlib.sha256(net.theta().numpy().tobytes() + few.numpy().tobytes()).hexdigest()
        key = ("right derivatives here", order, mode, digest)
        refusal = net.cached(key, lambda: _refusal_here(net, few, order, mode, special))
    if refusal:
        raise NtkbenchError(refusal)


def _trusted(net: Network, mode: str) -> bool:
    """Return whether a model is composed only of layers known to be correct."""

    def trusted() -> bool:
        layers = list(net.model._flatten_layers()) if hasattr(net.model, "_flatten_layers") else []
        return bool(layers) and all(map(known_right, layers)) and all(map(_separates_samples, layers))

    return net.cached("trusted", trusted) and (mode != "forward_over_backward" or forward_safe(net))


def _refusal(net: Network, x: Any, order: int, mode: str) -> str:
    """Return why the model must not be differentiated, "" if there is no reason."""
    if _trusted(net, mode):
        return ""
    layers = list(net.model._flatten_layers()) if hasattr(net.model, "_flatten_layers") else []
    known = bool(layers) and all(map(known_right, layers))
    forced = mode == "forward_over_backward" and not forward_safe(net)
    if stateful := [each for each in layers if getattr(each, "stateful", False) and hasattr(each, "reset_state")]:
        return (
            f"{_label(stateful[0])} is stateful: its outputs depend on earlier calls, so the model is not a function "
            "of a single input. Build it with stateful=False."
        )
    x = net.inputs(x)
    x = x[:SAMPLES] if len(x) > 1 else net.varied(x, 2)
    with unchanged(net):
        try:
            found = check_outputs(net, x)
        except NtkbenchError as error:
            return f"{str(error).rstrip('.')}. The model must accept any batch size, including 1."
    if found.problem in ("stochastic", "coupled"):
        return _message(faulty_layers(net, x, found.problem), order)
    if found.problem or (known and not forced):
        return ""  # the measurements themselves report results that are not finite
    graph = graph_of(net, x)
    if graph.untracked:
        return _untracked(graph.untracked, layers)
    if graph.random and found.repeat > 0:
        return _message(faulty_layers(net, x, "stochastic"), order)
    if not graph.doubtful and not forced:
        return ""
    return _compared(net, x, order, mode, graph, layers)


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
    hidden = [name for kind, name in graph.doubtful if kind in HIDES]
    if not found.sure and graph.rounds and hidden:
        return (
            f"The {ORDERS[order]} of this model cannot be trusted: {_place(hidden[0], layers)} rounds values that "
            "depend on the trained weights and defines a gradient that is not the derivative of rounding. Remove "
            "rounding and quantisation from the trained part of the model."
        )
    return ""


def _refusal_here(net: Network, x: tf.Tensor, order: int, mode: str, special: bool) -> str:
    """Return why the model must not be differentiated at its current weights and inputs x: [N, ...], "" if no reason.

    Args:
        net: The model.
        x: Inputs: [N, ...].
        order: Order of the derivatives.
        mode: Mode of the Hessian-vector products.
        special: Whether operations other than elementwise ones may be wrong there.
    """
    for chain in chains_of(net, x):
        for one in tf.split(x, len(x)):
            if found := meeting_kinks(chain, one, order):
                return (
                    f"The {ORDERS[order]} of this model cannot be trusted: in {chain.where} kinks meet: "
                    f"{found}. Write it as a single function, for example tf.where(x > 0, x, a * x) instead of "
                    "relu(x) - a * relu(-x)."
                )
    if not special:
        return ""
    exact = net.cached("in float64", lambda: in_float64(net, x))
    if exact is not None and exact is not net:
        for ours, theirs in zip(net.model.variables, exact.model.variables, strict=True):
            theirs.assign(tf.cast(ours.value, theirs.dtype))
        net, x = exact, exact.inputs(x)
    for one in tf.split(x, len(x)):
        if faulty := faulty_layers_here(net, one, order, mode):
            return _message(faulty, order)
    return ""


def _critical_inputs(x: tf.Tensor) -> tf.Tensor:
    """Return up to `HERE` inputs: the first one and those with most zeros and repeated numbers."""
    rows = x.numpy().reshape(len(x), -1)
    alike = (rows == 0).sum(1) + (rows[:, 1:] == rows[:, :-1]).sum(1)
    alike[0] = rows.shape[1] * 2 + 1
    chosen = np.argsort(-alike, kind="stable")[:HERE]
    return tf.gather(x, chosen[alike[chosen] > 0])


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
    described = [f"{each.name} of shape {list(each.shape)}" for each in variables]
    owner = owner_of(variables[0], layers)
    return (
        f"{'The model' if owner is None else _label(owner)} reads variables that Keras does not track, so every "
        f"derivative would omit them: {', '.join(described)}. Create them with self.add_weight(...), or with "
        "trainable=False if they are constants."
    )


def _label(layer: Any) -> str:
    return f"{type(layer).__name__} {layer.name!r}"


def _place(name: str, layers: Sequence[Any]) -> str:
    """Return the innermost layer in the name of an operation, such as "model/dense_1/Round"."""
    by_name = {each.name: each for each in layers}
    inner = next((by_name[part] for part in reversed(name.split("/")) if part in by_name), None)
    return f"operation {name!r}" if inner is None else _label(inner)
