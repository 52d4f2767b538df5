"""Choose the route, the blocks and the output units of a tangent kernel, before it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from ...errors import NtkbenchError
from ..model import Network, layers_of, vectorises
from ..rules.rule import Rule
from ..structure import model_sizes, structure_of
from .blocks import Route
from .plan import Plan, Problem, flops, plan
from .routes import ProductRoute, ShareRoute

WORTH_XLA = 2e9  # operations: XLA adds about half a second of compilation and halves the time of large products


@frozen
class Prepared:
    """How a kernel is computed.

    Attributes:
        route: The way to compute a block.
        plan: Sizes of the blocks.
        units: Indices of the output units.
        shape: Shape of the kernel: (N, M), or (N, M, O, O) for all pairs of output units.
        layers: Names of the layers whose shares are computed; empty for the kernel itself.
    """

    route: Route
    plan: Plan
    units: np.ndarray
    shape: tuple[int, ...]
    layers: tuple[str, ...]


def prepared(
    net: Network,
    x1: tf.Tensor,
    x2: tf.Tensor | None,
    outputs: Any,
    method: str,
    per_layer: bool,
    stored: bool,
    allowed: int,
) -> Prepared:
    """Return how the kernel of a call is computed.

    Args:
        net: The network.
        x1: Inputs [N, ...].
        x2: Inputs [M, ...], or None for x1.
        outputs: As for `empirical_ntk`.
        method: As for `empirical_ntk`.
        per_layer: As for `empirical_ntk`.
        stored: Whether the result is kept in memory.
        allowed: Memory budget in bytes.

    Raises:
        NtkbenchError: The output units do not exist, the method does not apply, or no block fits into the budget.
    """
    rules, variables = weights_for(net, x1, method)
    sizes = model_sizes(net, rules, x1)
    units = chosen_units(outputs, sizes.outputs)
    layers = layers_of(net) if per_layer else None
    problem = Problem(
        n=len(x1),
        m=len(x1 if x2 is None else x2),
        same=x2 is None,
        units=len(units),
        trace=outputs != "full",
        kernels=len(layers) if layers else 1,
        gradients=sum(int(np.prod(v.shape)) for v in variables),
        weights=net.size,
        products=method == "ntk_vector_products",
        stored=stored,
        itemsize=net.dtype.size,
    )
    # XLA slows down grouped convolutions and loops, which are not vectorised.
    problem = evolve(problem, xla=flops(problem, sizes) >= WORTH_XLA and vectorises(net.model))
    try:
        chosen = plan(problem, sizes, allowed)
    except NtkbenchError:
        if method != "auto" or not variables:
            raise
        # Gradients of one sample do not fit; a product with the kernel needs one gradient at a time.
        problem = evolve(problem, products=True, xla=False)
        chosen = plan(problem, model_sizes(net, (), x1), allowed)
    route: Route
    if problem.products:
        route = ProductRoute(net, layers, problem.trace)
    else:
        route = ShareRoute(net, rules, variables, layers, problem.trace, problem.xla)
    shape = (problem.n, problem.m) if problem.trace else (problem.n, problem.m, len(units), len(units))
    return Prepared(route, chosen, units, shape, tuple(layers or ()))


def weights_for(net: Network, x: tf.Tensor, method: str) -> tuple[Sequence[Rule], Sequence[tf.Variable]]:
    """Return the rules that a method uses, and the variables that no rule covers."""
    if method in ("jacobian", "ntk_vector_products"):
        return (), net.variables
    structure = structure_of(net, x)
    if method == "structured" and structure.rest:
        rest = {id(v) for v in structure.rest}
        names = ", ".join(name for name, mine in layers_of(net).items() if rest & mine)
        raise NtkbenchError(
            f"No layer rule covers the weights of {names}. Use method='auto', which computes their part from "
            "gradients, or method='jacobian'."
        )
    return structure.rules, structure.rest


def chosen_units(outputs: Any, n_outputs: int) -> np.ndarray:
    """Return the indices of the requested output units."""
    if isinstance(outputs, str) and outputs in ("trace", "full"):
        return np.arange(n_outputs, dtype=np.int32)
    if isinstance(outputs, int | np.integer) and not isinstance(outputs, bool) and 0 <= outputs < n_outputs:
        return np.array([outputs], np.int32)
    raise NtkbenchError(
        f"outputs={outputs!r} is invalid; pass 'trace', 'full' or the index of one of the model's {n_outputs} output "
        f"{'unit' if n_outputs == 1 else 'units'}, counted from 0."
    )
