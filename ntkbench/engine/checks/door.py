"""The door of the public functions: a model and its inputs are checked here, and come in as the model is now."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from attrs import define, field

from ...errors import NtkbenchError, reason_of
from ..model import EPS, Network, network, network_in, renewed, trace_of
from ..ops import full_precision
from .finite import require_finite_weights
from .lookups import require_lookups
from .snapshot import Snapshot, is_known

ROUNDING = 64  # units of roundoff by which a plain call and a compiled one of the same model may differ


@define
class Watched:
    """What is remembered of a model to see whether it was changed.

    snapshot: of its objects.   known: whether that says all.   moving: where they change with every call of the model.
    tolerance: relative difference of a plain call and a compiled one.
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
    """Return the network of a model as it is now, and its inputs x: [N, ...] and x2: [M, ...] or None, checked.

    What was compiled for a model is used again as long as nothing about the model has changed: its variables, what its
    Python objects hold and, where somebody's own code may depend on anything else, the outputs of a plain call at the
    first input. A Network that is given is taken as it is, with its inputs checked.

    precision: what to compute in; the network is that of a copy where the model has another one.

    Raises:
        NtkbenchError: for inputs that are no finite real numbers of the model's shape and type, indices beyond the
            model's tables, weights that are not finite, and outputs that have no derivatives.
    """
    net = network(model, output, output_name, any_float=precision is not None)
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
    return net, first, second


def _inputs(net: Network, x: Any, x2: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    first = net.inputs(x, "x" if x2 is None else "x1")
    second = None if x2 is None else net.inputs(x2, "x2")
    if second is not None and second.shape[1:] != first.shape[1:]:
        raise NtkbenchError(f"x1 has shape {list(first.shape)} and x2 {list(second.shape)}; only N may differ.")
    return first, second


def _as_it_is_now(net: Network, x: tf.Tensor) -> Network:
    """Return the network, or another one when the model has changed since it was compiled."""
    now = Snapshot(net.model)
    watched = net.cached("watched", lambda: Watched(now, is_known(net.model)))
    if now.differences(watched.snapshot) - watched.moving:
        net = renewed(net)
        watched = net.cached("watched", lambda: Watched(now, is_known(net.model), watched.moving))
    if watched.known:
        return net
    watched.tolerance = max(watched.tolerance, ROUNDING * EPS[trace_of(net, x).coarsest])
    plain = _plain(net, x)
    if _difference(net, x, plain) > watched.tolerance:
        fresh = renewed(net)
        # Where the two differ still, it is by rounding or by chance, and says nothing about changes.
        tolerance = max(watched.tolerance, 4 * _difference(fresh, x, plain))
        net, watched = fresh, fresh.cached("watched", lambda: Watched(now, False, watched.moving, tolerance))
    after = Snapshot(net.model)
    watched.moving |= after.differences(now)
    watched.snapshot = after
    return net


def _plain(net: Network, x: tf.Tensor) -> np.ndarray:
    """Return the outputs of a call of the model itself at the first input: [1, O]."""
    try:
        with full_precision():
            return net.outputs(x[:1]).numpy()
    except NtkbenchError:
        raise
    except Exception as error:  # whatever a user's layer says to these inputs
        raise NtkbenchError(f"The model cannot be called on one input, x[:1]: {reason_of(error)}.") from error


def _difference(net: Network, x: tf.Tensor, plain: np.ndarray) -> float:
    """Return how far a compiled call is from a plain one, relative to its size; 0 where one is not finite."""
    compiled = trace_of(net, x).outputs(x[:1]).numpy()
    if not (np.isfinite(plain).all() and np.isfinite(compiled).all()) or plain.shape != compiled.shape:
        return 0.0 if plain.shape == compiled.shape else np.inf
    size = max(np.abs(plain).max(), np.abs(compiled).max())
    return float(np.abs(plain - compiled).max() / size) if size > 0 else 0.0
