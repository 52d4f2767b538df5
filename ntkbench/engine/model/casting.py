"""Copy a Keras model to another precision or another device."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src import dtype_policies

from ...errors import NtkbenchError, reason_of
from .layer_facts import is_known
from .network import Network, network
from .spread import spread
from .trace import require_precision, rounding_of, rounds_inputs

COPIED = 1e-2  # relative difference allowed in a copy's outputs, which in float32 may suffer cancellation
ROUNDING = 64  # units of roundoff allowed for coarser types
POLICIES = ("float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16")


@contextlib.contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Set Keras's global dtype policy to this precision inside the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_precision(model: Any, precision: str) -> Any:
    """Return the model if all its layers have this precision, otherwise a copy in it with the same weights.

    All layers of the copy store weights and compute in this precision, even if their code or configuration names
    another policy. Explicit casts in a layer's code remain; see `require_precision`.

    Raises:
        NtkbenchError: If the model cannot be rebuilt from its configuration.
    """
    if not isinstance(model, keras.Model):
        found = {getattr(v.dtype, "name", v.dtype) for v in model.trainable_variables}
        if found != {precision}:
            raise NtkbenchError(f"The model computes in {', '.join(sorted(found))}, and only Keras models can be cast.")
        return model
    if _precisions(model) <= {precision} and not rounds_inputs(model, precision):
        return model
    try:
        with dtype_policy(precision), _every_layer_in(precision):
            copy = _rebuilt(model, precision)
    except Exception as error:
        other = {"float32", "float64"} - {precision}
        advice = f", or run it in {min(other)}" if _precisions(model) == other else ""
        raise NtkbenchError(
            f"The model could not be rebuilt in {precision}: {reason_of(error)}. Build it in {precision}{advice}."
        ) from error
    for ours, theirs in zip(model.variables, copy.variables, strict=True):
        theirs.trainable = ours.trainable
    return copy


def network_in(net: Network, x: Any, precision: str) -> Network:
    """Return the network in a given precision: itself, or one around a copy with the model's current weights.

    The copy is made once; every call updates its weights. Its outputs are compared with the model's: once, or at every
    call if the model has custom code, whose configuration may omit a setting that only some inputs show.

    Args:
        net: The network.
        x: Inputs [N, ...]; only a few of them are used.
        precision: The precision to compute in.

    Raises:
        NtkbenchError: If the model cannot be rebuilt, if the copy's outputs differ from the model's, or if the model's
            code computes in a coarser type.
    """

    def copy() -> Any:
        return in_precision(net.model, precision)

    model = net.cached(("in precision", precision), copy)
    found = net
    if model is not net.model:
        take_weights(net.model, model)
        found = network(model, net.output, net.output_name, layout=net.layout)
        if is_known(model):
            net.cached(("checked in precision", precision), lambda: require_same_outputs(net, found, net.inputs(x)))
        else:
            require_same_outputs(net, found, net.inputs(x))
    require_precision(found, found.inputs(x), precision)
    return found


def take_weights(model: Any, copy: Any) -> None:
    """Copy all variables of a model to its copy, and recompute state derived from them (the mean of Normalization)."""
    for ours, theirs in zip(model.variables, copy.variables, strict=True):
        theirs.assign(tf.cast(ours.value, theirs.dtype))
    for layer in copy._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def require_same_outputs(net: Network, copy: Network, x: tf.Tensor) -> None:
    """Raise NtkbenchError if a copy's outputs differ from the model's at a few inputs, spread over x: [N, ...].

    Rounding is allowed. Larger differences mean that the model's configuration is incomplete.
    """
    few = spread(x)
    ours, theirs = net.outputs(few).numpy(), copy.outputs(copy.inputs(few)).numpy()
    finite = np.isfinite(ours) & np.isfinite(theirs)
    difference = np.where(finite, np.abs(ours - theirs), 0.0)
    size = max(np.abs(each).max(initial=0.0, where=finite) for each in (ours, theirs))
    allowed = max(COPIED, ROUNDING * rounding_of(net, x))
    if difference.max() > allowed * size:
        at = np.unravel_index(difference.argmax(), difference.shape)
        raise NtkbenchError(
            f"A copy of the model made from its configuration returns {theirs[at]:.4g}, but the model returns "
            f"{ours[at]:.4g}: get_config omits a setting that was changed later. Complete get_config, or build the "
            f"model in the required precision or on the required device."
        )


def copied(model: Any) -> Any:
    """Return a copy of the model with the same weights, on the current device.

    Raises:
        NtkbenchError: If the model cannot be rebuilt from its configuration.
    """
    if not isinstance(model, keras.Model):
        raise NtkbenchError(f"Only Keras models can be copied to several devices; got a {type(model).__name__}.")
    try:
        with dtype_policy(model.dtype_policy):
            copy = _rebuilt(model)
    except Exception as error:
        raise NtkbenchError(f"The model could not be copied to several devices: {reason_of(error)}.") from error
    for ours, theirs in zip(model.variables, copy.variables, strict=True):
        theirs.trainable = ours.trainable
    return copy


def _precisions(model: Any) -> set[str]:
    """Return the float types that the layers of a model store weights or compute in."""
    types = {v.dtype for v in model.variables}
    for layer in model._flatten_layers():
        if not isinstance(layer, keras.layers.InputLayer):
            types |= {layer.compute_dtype, layer.variable_dtype}
    return {each for each in types if "float" in (each or "")}


def _rebuilt(model: Any, precision: str | None = None) -> Any:
    """Rebuild a model from its configuration, with the same weights and, if given, another precision."""
    layers = list(model._flatten_layers())
    with keras.saving.custom_object_scope(_own_code(layers)):
        text = json.dumps(keras.saving.serialize_keras_object(model))
        if precision is not None:
            text = re.sub(f'"({"|".join(POLICIES)})"', f'"{precision}"', text)
        # safe_mode=False is safe: code in the configuration (Lambda layers) comes from this very model.
        copy = keras.saving.deserialize_keras_object(json.loads(text), safe_mode=False)
    for ours, theirs in zip(layers, copy._flatten_layers(), strict=False):
        if isinstance(ours, keras.layers.Lambda):
            theirs.function = ours.function  # deserialised bytecode would lose its globals
    take_weights(model, copy)
    return copy


def _own_code(layers: list[Any]) -> dict[str, Any]:
    """Return the user-defined classes and functions of a model, which Keras must be given to find them by name."""
    found: dict[str, Any] = {}
    for layer in layers:
        found |= {kind.__name__: kind for kind in [type(layer), *map(type, vars(layer).values())] if _is_own(kind)}
        found |= {each.__name__: each for each in vars(layer).values() if inspect.isfunction(each) and _is_own(each)}
    return found


def _is_own(thing: Any) -> bool:
    return not thing.__module__.startswith(("keras.", "tensorflow.", "builtins"))


@contextlib.contextmanager
def _every_layer_in(precision: str) -> Iterator[None]:
    """Force one precision on all layers and variables built in this block, whatever their code requests."""
    get, make = dtype_policies.get, keras.Variable.__init__  # Keras itself calls them by these names only

    def policy(identifier: Any = None) -> Any:
        requested = get(identifier)
        plain = getattr(requested, "quantization_mode", None) is None and "float" in requested.compute_dtype
        return keras.DTypePolicy(precision) if plain else requested

    def variable(self: Any, initializer: Any, shape: Any = None, dtype: Any = None, *args: Any, **kwargs: Any) -> None:
        given = getattr(initializer, "dtype", None) if dtype is None else dtype
        kind = keras.backend.standardize_dtype(given)  # Keras's floatx for None
        make(self, initializer, shape, precision if kind in POLICIES else dtype, *args, **kwargs)

    dtype_policies.get, keras.Variable.__init__ = policy, variable
    try:
        yield
    finally:
        dtype_policies.get, keras.Variable.__init__ = get, make
