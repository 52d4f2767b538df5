"""Detect kinks that meet: elementwise functions whose automatic derivative at a point equals none of their slopes.

relu(h) − 0.3·relu(−h) has the slopes 0.3 and 1 at h = 0, but automatic differentiation returns 0; so it does for
where(h == 0, 0, h), whose slope is 1. Such chains of operations are located in the model's graph and compared with
finite differences at their actual inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..model import POINTS, Network, layer_of, named_layers, trace_of
from ..ops import quiet_tensorflow

# Elementwise operations. Two operations of MEETING in one chain can cancel, and one of POINTS suffices.
MEETING = frozenset(
    {
        "Abs", "Ceil", "DivNoNan", "Elu", "Floor", "LeakyRelu", "Maximum", "Minimum", "MulNoNan", "Pow", "Relu",
        "Relu6", "Rint", "Round", "SelectV2", "Selu", "Sign", "Xlog1py", "Xlogy",
    }
)  # fmt: skip
ELEMENTWISE = MEETING | frozenset(
    {
        "Add", "AddV2", "Atan", "Cast", "Cos", "Equal", "Erf", "Exp", "Expm1", "Greater", "GreaterEqual", "Identity",
        "Less", "LessEqual", "Log", "Log1p", "LogicalAnd", "LogicalNot", "LogicalOr", "Mul", "Neg", "NotEqual",
        "RealDiv", "Reciprocal", "Rsqrt", "Sigmoid", "Sin", "Softplus", "Sqrt", "Square", "SquaredDifference", "Sub",
        "Tanh", "ZerosLike",
    }
)  # fmt: skip
STEP = {tf.float32: 2.0**-9, tf.float64: 2.0**-20}  # relative for numbers above 1, otherwise absolute
SETTLED = 0.01  # relative: slopes that change by more when the step is halved are inconclusive
OFF = 0.03  # relative: a derivative is wrong if it lies outside the slopes by more

ROUNDING = 64  # units of roundoff in values and derivatives


@frozen
class Chain:
    """An elementwise function in a model.

    Attributes:
        where: The layer of its last operation.
        met: The function's argument, as a function of one model input [1, ...].
        function: The elementwise function.
    """

    where: str
    met: Callable[[tf.Tensor], tf.Tensor]
    function: Callable[[tf.Tensor], tf.Tensor]


def chains_of(net: Network, x: tf.Tensor) -> tuple[Chain, ...]:
    """Return the chains of a model's graph, traced at inputs like x: [N, ...], in which kinks can meet."""
    return net.cached(("chains", tuple(x.shape[1:]), x.dtype), lambda: tuple(_chains(net, x)))


def _chains(net: Network, x: tf.Tensor) -> Iterator[Chain]:
    if not list(_ends(trace_of(net, x).graph)):
        return
    with quiet_tensorflow(), named_layers(net):
        wrapped = tf.compat.v1.wrap_function(net.outputs, [tf.TensorSpec([1, *x.shape[1:]], x.dtype)])
    for source, end in _ends(wrapped.graph):
        if source.op.type == "Placeholder" and source is wrapped.graph.inputs[0]:
            met: Callable[[tf.Tensor], tf.Tensor] = tf.identity
        else:
            met = wrapped.prune(wrapped.graph.inputs[0], source)
        yield Chain(layer_of(end.op.name, net), met, wrapped.prune(source, end))


def _ends(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (source, end) of the chains of elementwise operations with one of POINTS or at least two of MEETING."""
    given = {graph.inputs[0].name} if graph.inputs else set()
    depends = set(given)  # tensors that depend on the model's input; all others, weights included, are constants here
    source: dict[str, Any] = {}
    meeting: dict[str, frozenset[tuple[str, str]]] = {}
    inside: dict[str, int] = {}  # number of uses of a tensor that continue its chain
    uses: dict[str, int] = {}
    for op in graph.get_operations():
        for each in op.inputs:
            uses[each.name] = uses.get(each.name, 0) + 1
        for out in op.outputs:
            if any(each.name in depends for each in op.inputs):
                depends.add(out.name)
            source[out.name], meeting[out.name] = out, frozenset()
        if op.type not in ELEMENTWISE:
            continue
        out = op.outputs[0]
        on = [each for each in op.inputs if each.name in depends]
        sources = {source[each.name].name: source[each.name] for each in on}
        if len(sources) != 1:
            continue
        (root,) = sources.values()
        if root.dtype not in STEP or root.shape.rank is None or root.shape != out.shape:
            continue
        source[out.name] = root
        meeting[out.name] = frozenset().union(*(meeting[each.name] for each in on))
        if op.type in MEETING | POINTS:
            meeting[out.name] |= {(op.type, op.name)}
        for each in on:
            inside[each.name] = inside.get(each.name, 0) + 1
    final = {each.name for each in graph.outputs}
    for name, root in source.items():
        ends = name in final or uses.get(name, 0) > inside.get(name, 0)
        critical = len(meeting[name]) > 1 or any(kind in POINTS for kind, _ in meeting[name])
        if ends and critical and root.name != name:
            end = graph.get_tensor_by_name(name)
            if end.dtype == root.dtype:
                yield root, end


def meeting_kinks(chain: Chain, x: tf.Tensor, order: int) -> str:
    """Compare a chain's derivatives with finite differences at one input x: [1, ...].

    Args:
        chain: The elementwise function.
        x: One input: [1, ...].
        order: Highest order to compare; second derivatives are compared only where the first one has no kink.

    Returns:
        A description of the first wrong derivative, "" if all are correct.
    """
    with quiet_tensorflow():
        h = chain.met(x)
        size = tf.maximum(tf.abs(h), 1) * STEP[h.dtype]
        value, first, second = (each.numpy().astype(np.float64) for each in _derivatives(chain, h))
        sides = [[_derivatives(chain, h + sign * size * part) for part in (1.0, 0.5, 0.25)] for sign in (-1, 1)]
    steps = [[sign * size.numpy().astype(np.float64) * part for part in (1.0, 0.5, 0.25)] for sign in (-1, 1)]
    near = np.where(h.numpy() == 0, 1, np.minimum(1, np.abs(h.numpy().astype(np.float64))))
    eps = float(np.finfo(h.dtype.as_numpy_dtype).eps)
    for name, at, derivative, number in (("derivative", 0, first, value), ("second derivative", 1, second, first))[
        :order
    ]:
        slopes = np.array(
            [
                [(f[at].numpy() - number) / step for f, step in zip(*each, strict=True)]
                for each in zip(sides, steps, strict=True)
            ]
        )  # [side, step, ...]
        noise = ROUNDING * eps * (np.abs(number) + np.abs(first * h.numpy())) / np.abs(steps[0][-1])
        noise = noise + ROUNDING * eps * (np.abs(value) + np.abs(first)) / near**2
        largest = np.abs(slopes).max((0, 1))
        settled = np.isfinite(slopes).all((0, 1)) & (np.ptp(slopes, axis=1).max(0) <= SETTLED * largest + noise)
        low, high = slopes[:, -1].min(0), slopes[:, -1].max(0)
        if at:
            settled &= high - low <= OFF * largest + noise
        margin = OFF * np.maximum(largest, np.abs(derivative)) + noise
        wrong = settled & ((derivative < low - margin) | (derivative > high + margin))
        if wrong.any():
            i = tuple(each[0] for each in np.nonzero(wrong))
            between = (
                f"is {low[i]:.3g}" if high[i] - low[i] <= margin[i] else f"lies between {low[i]:.3g} and {high[i]:.3g}"
            )
            return f"its {name} at {h.numpy()[i]:.3g} {between}, but TensorFlow's is {derivative[i]:.3g}"
    return ""


def _derivatives(chain: Chain, h: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the values of a chain at h and their first and second derivatives, all with the shape of h."""
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        outer.watch(h)
        with tf.GradientTape() as inner:
            inner.watch(h)
            value = chain.function(h)
        first = inner.gradient(value, h, unconnected_gradients=zero)
    return value, first, outer.gradient(first, h, unconnected_gradients=zero)
