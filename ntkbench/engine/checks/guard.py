"""Right derivatives or a refusal: the check of a model before any number is returned that rests on derivatives."""

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
from .layers import Guilty, blamed, guilty_here, guilty_layers, known_right, unknown_layers
from .pointwise import chains_of, meeting_kinks

ORDERS = {1: "derivatives", 2: "second derivatives"}
# Operations that can hide a derivative, or state another one.
HIDES = frozenset({"EagerPyFunc", "IdentityN", "PreventGradient", "PyFunc", "PyFuncStateless", "StopGradient"})

HERE = 6  # inputs at which a model is checked at its very weights


def require_right_derivatives(net: Network, x: Any, *, order: int, mode: str = "auto") -> None:
    """Raise NtkbenchError, which names the guilty layer, when a model's derivatives are wrong or have no meaning.

    Models made of layers that are known to be right return at once. Of others, plain calls tell whether outputs repeat
    and are those of single inputs, and the traced graph which operations the trained weights meet. Where one of them is
    not known to be right, derivatives are compared with finite differences: those of the layers with code of somebody
    else's alone, and where that is not enough those of the whole model, in float64 when float32 leaves it open.

    Once for each network, order and mode: the answer is kept in the network's cache. Operations that are right almost
    everywhere may be wrong at single points: where kinks meet, or factors are 0. So a model that has such operations is
    checked at its very weights too, at those inputs that hold most zeros and repeated numbers, once for each weights
    and inputs.

    Args:
        net: the model.   x: [N, ...], of which a few inputs are used.
        order: 1 for kernels and linear models, 2 for Hessians.   mode: of the Hessian-vector products, as for `hvp`.

    Raises:
        NtkbenchError: when repeated calls differ; when an input's outputs depend on the other inputs; when gradients
            (order 2: or Hessian-vector products) are not the derivatives of the outputs (of the gradients), or do not
            exist; when the model trains on variables that Keras does not track.
    """
    refusal = net.cached(("right derivatives", order, mode), lambda: _refusal(net, x, order, mode))
    x = net.inputs(x)
    special = not _trusted(net, mode) and bool(graph_of(net, x).doubtful)
    if not refusal and (special or chains_of(net, x)):
        few = _telling(x)
        digest = hashlib.sha256(net.theta().numpy().tobytes() + few.numpy().tobytes()).hexdigest()
        key = ("right derivatives here", order, mode, digest)
        refusal = net.cached(key, lambda: _refusal_here(net, few, order, mode, special))
    if refusal:
        raise NtkbenchError(refusal)


def _trusted(net: Network, mode: str) -> bool:
    """Return whether a model is made of layers that are known to be right, and nothing else."""

    def trusted() -> bool:
        layers = list(net.model._flatten_layers()) if hasattr(net.model, "_flatten_layers") else []
        return bool(layers) and all(map(known_right, layers)) and all(map(_apart, layers))

    return net.cached("trusted", trusted) and (mode != "forward_over_backward" or forward_safe(net))


def _refusal(net: Network, x: Any, order: int, mode: str) -> str:
    """Return why the model must not be differentiated, "" where nothing is known against it."""
    if _trusted(net, mode):
        return ""
    layers = list(net.model._flatten_layers()) if hasattr(net.model, "_flatten_layers") else []
    known = bool(layers) and all(map(known_right, layers))
    forced = mode == "forward_over_backward" and not forward_safe(net)
    if stateful := [each for each in layers if getattr(each, "stateful", False) and hasattr(each, "reset_state")]:
        return (
            f"{_named(stateful[0])} is stateful: its outputs depend on the calls and batches before, so the model is "
            "not a function of one input. Build it with stateful=False."
        )
    x = net.inputs(x)
    x = _two_of(x)
    with unchanged(net):
        try:
            found = check_outputs(net, x)
        except NtkbenchError as error:
            return f"{str(error).rstrip('.')}. The model must take any batch size, one input too."
    if found.problem in ("stochastic", "coupled"):
        return _sentence(guilty_layers(net, x, found.problem), order)
    if found.problem or (known and not forced):
        return ""  # numbers that are not finite show themselves
    graph = graph_of(net, x)
    if graph.untracked:
        return _untracked(graph.untracked, layers)
    if graph.random and found.repeat > 0:
        return _sentence(guilty_layers(net, x, "stochastic"), order)
    if not graph.doubtful and not forced:
        return ""
    return _compared(net, x, order, mode, graph, layers)


def _compared(net: Network, x: tf.Tensor, order: int, mode: str, graph: Graph, layers: Sequence[Any]) -> str:
    """Return what finite differences say against a model, "" for nothing."""
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
    # What a wrong layer does can be too little, among all others, for the whole model to tell.
    guilty = blamed(net, x, evolve(found, sure=found.sure and alone != "wrong"), order, mode)
    if guilty:
        return _sentence(guilty, order)
    hidden = [name for kind, name in graph.doubtful if kind in HIDES]
    if not found.sure and graph.rounds and hidden:
        return (
            f"The {ORDERS[order]} of this model cannot be trusted: {_place(hidden[0], layers)} rounds what depends on "
            "the trained weights, and states a gradient that is not the derivative of rounding. Leave rounding and "
            "quantisation out of the trained part of the model."
        )
    return ""


def _refusal_here(net: Network, x: tf.Tensor, order: int, mode: str, special: bool) -> str:
    """Return why the model must not be differentiated at its weights of now and the inputs x: [N, ...], or "".

    special: whether more than elementwise operations may be wrong there.
    """
    for chain in chains_of(net, x):
        for one in tf.split(x, len(x)):
            if found := meeting_kinks(chain, one, order):
                return (
                    f"The {ORDERS[order]} of this model cannot be trusted: in {chain.where} kinks meet, so that "
                    f"{found}. Write it as one function: tf.where(x > 0, x, a * x), for example, in place of "
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
        if guilty := guilty_here(net, one, order, mode):
            return _sentence(guilty, order)
    return ""


def _telling(x: tf.Tensor) -> tf.Tensor:
    """Return the first input and those that hold most zeros and repeated numbers, `HERE` in all."""
    rows = x.numpy().reshape(len(x), -1)
    alike = (rows == 0).sum(1) + (rows[:, 1:] == rows[:, :-1]).sum(1)
    alike[0] = rows.shape[1] * 2 + 1
    chosen = np.argsort(-alike, kind="stable")[:HERE]
    return tf.gather(x, chosen[alike[chosen] > 0])


def _two_of(x: tf.Tensor) -> tf.Tensor:
    """Return the first inputs, and where there is one only, another one beside it."""
    if len(x) > 1:
        return x[:SAMPLES]
    return tf.concat([x, x * 7 / 8 + 1 / 8 if x.dtype.is_floating else tf.roll(x, 1, -1)], 0)


def _apart(layer: Any) -> bool:
    """Return whether a stock layer works along other axes than that of the samples, and keeps no state."""
    axes = keras.tree.flatten([getattr(layer, name, None) for name in ("axis", "axes", "_attention_axes")])
    numbers = [axis for axis in axes if axis is not None]
    return all(axis == -1 or axis > 0 for axis in numbers) and not getattr(layer, "stateful", False)


def _sentence(guilty: Sequence[Guilty], order: int) -> str:
    reasons = "; ".join(map(str, guilty))
    instead = " ".join(dict.fromkeys(each.instead for each in guilty))
    return f"The {ORDERS[order]} of this model cannot be trusted: {reasons}. {instead}"


def _untracked(variables: Sequence[tf.Variable], layers: Sequence[Any]) -> str:
    told = [f"{each.name} of shape {list(each.shape)}" for each in variables]
    owner = owner_of(variables[0], layers)
    return (
        f"{'The model' if owner is None else _named(owner)} reads variables that Keras does not track, so they would "
        f"be left out of every derivative: {', '.join(told)}. Create them with self.add_weight(...), or with "
        "trainable=False if they are constants."
    )


def _named(layer: Any) -> str:
    return f"{type(layer).__name__} {layer.name!r}"


def _place(name: str, layers: Sequence[Any]) -> str:
    """Return the innermost layer that an operation's name, such as "model/dense_1/Round", tells of."""
    by_name = {each.name: each for each in layers}
    inner = next((by_name[part] for part in reversed(name.split("/")) if part in by_name), None)
    return f"operation {name!r}" if inner is None else _named(inner)
