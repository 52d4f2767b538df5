"""Entry point of the public functions: check a model and its inputs, and discard stale compiled functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from attrs import define, field

from ...errors import NtkbenchError, reason_of
from ..model import EPS, Network, is_known, network, network_in, renewed, spread, trace_of
from ..ops import full_precision
from .bfloat16 import require_no_crash
from .finite import require_finite_weights
from .lookups import require_lookups
from .snapshot import Snapshot

ROUNDING = 64  # units of roundoff: allowed difference between an eager and a compiled call of the same model


@define
class CachedState:
    """State of a model at its last call, kept to detect changes.

    Attributes:
        snapshot: Snapshot of the model's objects.
        known: Whether the snapshot captures everything that the outputs depend on.
        moving: Paths of the snapshot that change with every call of the model.
        tolerance: Relative difference allowed between an eager and a compiled call.
    """

    snapshot: Snapshot
    known: bool
    moving: set[Any] = field(factory=set)
    tolerance: float = 0.0


def enter(
    model: Any,
    x: Any,
    x2: Any = None,
    *,
    output: int = 0,
    output_name: str | int | None = None,
    precision: str | None = None,
) -> tuple[Network, tf.Tensor, tf.Tensor | None]:
    """Return the network of a model in its current state, with checked inputs.

    Compiled functions are reused while the model is unchanged, that is, while its variables and the contents of its
    Python objects are the same. If the model contains custom code, which may depend on anything else, the outputs of an
    eager call at a few inputs must also be the same. A Network is returned as it is; only its inputs are checked.

    Args:
        model: A model or a Network.
        x: Inputs: an array [N, ...] or a nest of arrays.
        x2: Second inputs: [M, ...], or None.
        output: Index of the output unit.
        output_name: Name or index of the output, for models with several outputs.
        precision: Precision to compute in. If the model has another one, the network wraps a cast copy.

    Returns:
        The network, and x and x2 as tensors, into which nests are packed.

    Raises:
        NtkbenchError: If inputs are not finite real numbers of the model's shape and type, if indices exceed the
            model's embedding tables, if weights are not finite, or if outputs have no derivatives.
    """
    net = network(model, output, output_name, any_float=precision is not None)
    if net is not model and (layout := net.layout_of(x, "x" if x2 is None else "x1")) is not None:
        net = network(model, output, output_name, layout=layout, any_float=precision is not None)
    first, second = _inputs(net, x, x2)
    if net is model:
        return net, first, second
    net = _as_it_is_now(net, first)
    require_finite_weights(net)
    if trace_of(net, first).looks_up:
        require_lookups(net, first, "x" if second is None else "x1")
        if second is not None:
            require_lookups(net, second, "x2")
    if precision is not None:
        net = network_in(net, first, precision)
        first, second = _inputs(net, x, x2)
    require_no_crash(net, first)
    return net, first, second


def _inputs(net: Network, x: Any, x2: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    first = net.inputs(x, "x" if x2 is None else "x1")
    second = None if x2 is None else net.inputs(x2, "x2")
    if second is not None and second.shape[1:] != first.shape[1:]:
        raise NtkbenchError(f"x1 has shape {list(first.shape)} and x2 {list(second.shape)}; only N may differ.")
    return first, second


def _as_it_is_now(net: Network, x: tf.Tensor) -> Network:
    """Return the network, or a new one if the model has changed since it was compiled."""
    cached = net.cached("state", lambda: CachedState(Snapshot(net.model), is_known(net.model)))
    if cached.known and cached.snapshot.unchanged():
        return net
    now = Snapshot(net.model)
    if now.differences(cached.snapshot) - cached.moving:
        net = renewed(net)
        cached = net.cached("state", lambda: CachedState(now, is_known(net.model), cached.moving))
    if cached.known:
        cached.snapshot = now
        return net
    cached.tolerance = max(cached.tolerance, ROUNDING * EPS[trace_of(net, x).coarsest])
    plain = _plain(net, x)
    if _difference(net, x, plain) > cached.tolerance:
        fresh = renewed(net)
        # If eager and compiled calls still differ, rounding or randomness is the cause, not a change of the model.
        tolerance = max(cached.tolerance, 4 * _difference(fresh, x, plain))
        net, cached = fresh, fresh.cached("state", lambda: CachedState(now, False, cached.moving, tolerance))
    after = Snapshot(net.model)
    cached.moving |= after.differences(now)
    cached.snapshot = after
    return net


def _plain(net: Network, x: tf.Tensor) -> np.ndarray:
    """Return the outputs of an eager call of the model at inputs spread over x, or at the first if it raises: [n, O].

    Later checks name the inputs that the model cannot be called on.
    """
    with full_precision():
        try:
            return net.outputs(spread(x)).numpy()
        except Exception:  # a user's layer may raise anything
            pass
        try:
            return net.outputs(x[:1]).numpy()
        except NtkbenchError:
            raise
        except Exception as error:
            raise NtkbenchError(f"The model cannot be called on a single input, x[:1]: {reason_of(error)}.") from error


def _difference(net: Network, x: tf.Tensor, plain: np.ndarray) -> float:
    """Return the relative difference between compiled and eager calls at inputs spread over x, where both are finite.

    Args:
        net: The network.
        x: Inputs [N, ...].
        plain: Outputs of the eager call, as of `_plain`.
    """
    of_one = trace_of(net, x).outputs
    compiled = np.concatenate([of_one(each[None]).numpy() for each in spread(x)[: len(plain)]])
    if plain.shape != compiled.shape:
        return np.inf
    finite = np.isfinite(plain).all(1) & np.isfinite(compiled).all(1)
    plain, compiled = plain[finite], compiled[finite]
    size = max(np.abs(plain).max(initial=0.0), np.abs(compiled).max(initial=0.0))
    return float(np.abs(plain - compiled).max() / size) if size > 0 else 0.0
