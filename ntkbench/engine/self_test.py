"""The verdict on a whole model: its self-test, and the routes it takes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from attrs import frozen

from ..errors import NtkbenchError
from .checks import (
    KERNEL_TOLERANCE,
    NOISE,
    SAMPLES,
    Derivatives,
    FaultyLayer,
    diagnose,
    check_derivatives,
    in_float64,
    known_right,
    relative,
)
from .hessian import hessian_norm
from .model import Network, rounding_of
from .ntk import empirical_ntk
from .structure import structure_of


@frozen
class SelfTest:
    """The self-test of a model.

    precision: of the test; float64 wherever the model can be cast.   derivatives: against finite differences.
    kernel: the relative difference of the tangent kernel by two routes, None where derivatives failed before.
    rounding: spacing at 1 of the coarsest type that the model computes in.
    routes: their names.   faulty: the layers to blame for wrong derivatives.
    """

    precision: str
    derivatives: Derivatives
    kernel: float | None = None
    routes: tuple[str, ...] = ()
    faulty: tuple[FaultyLayer, ...] = ()
    rounding: float = 0.0

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """What is wrong, each a sentence with what to use instead."""
        found = [f"{faulty}. {faulty.instead}" for faulty in self.faulty]
        if self.kernel is not None and not self.kernel <= max(KERNEL_TOLERANCE[self.precision], NOISE * self.rounding):
            found.append(
                f"The tangent kernel differs by {self.kernel:.2g} between the routes {' and '.join(self.routes)}. "
                "A layer rule or ntkbench itself is wrong here; please report it."
            )
        return found


def self_test(net: Network, x: Any, *, seed: int = 0) -> SelfTest:
    """Check repetition, first and second derivatives, symmetry and the tangent kernel of a model at x: [N, ...].

    Everything is done in float64 where the model can be cast, otherwise in its own precision. The first two inputs
    are used. The network is left as it was.
    """
    x = net.inputs(x)[:SAMPLES]
    exact = in_float64(net, x) or net
    found = check_derivatives(exact, x, seed=seed)
    if not found.sure and exact is not net:
        # A layer may compute in float32 whatever the model's precision; then float32 is where differences mean most.
        found = check_derivatives(net, x, seed=seed)
    if found.precision == "float64":
        net = exact
    precision = found.precision
    if found.problem in ("stochastic", "coupled", "not finite", "gradient", "no second derivative"):
        # The kernel of such a gradient means nothing, or has no second route.
        return SelfTest(precision, found, faulty=diagnose(net, x, found))
    kernel, routes = check_kernel(net, net.inputs(x))
    return SelfTest(precision, found, kernel, routes, diagnose(net, x, found), rounding_of(net, net.inputs(x)))


def check_kernel(net: Network, x: Any) -> tuple[float, tuple[str, str]]:
    """Return the relative difference of the tangent kernel of the chosen output by two routes, and their names.

    x: [N, ...], few inputs. The routes are "jacobian" and what `method="auto"` does where some layer has a rule, and
    otherwise "jacobian" and "ntk_vector_products". They agree where the difference is at most `KERNEL_TOLERANCE`.
    """
    x = net.inputs(x)
    other: Literal["auto", "ntk_vector_products"] = "auto" if structure_of(net, x).rules else "ntk_vector_products"
    first = np.asarray(empirical_ntk(net, x, outputs=net.output, method="jacobian"))
    second = np.asarray(empirical_ntk(net, x, outputs=net.output, method=other))
    return relative(first, second), ("jacobian", other)


@frozen
class LayerKind:
    """The layers of one class that have trainable weights of their own, or are not known to be right.

    count: how many.   weights: numbers of their own.   ruled: how many have no weight without a rule.
    known: whether their derivatives are known to be right without a check.
    """

    kind: str
    count: int
    weights: int
    ruled: int
    known: bool


@frozen
class Routes:
    """What the engine does with a model when it is left to choose.

    kernel: the method of `empirical_ntk`, "structured and jacobian" where only some weights have a rule.
    hessian: the method of `hessian_norm`, "refused" where that raises.   layers: by class; the model itself where it
    has no Keras layers.
    """

    kernel: str
    hessian: str
    layers: tuple[LayerKind, ...]


def routes_of(net: Network, x: Any) -> Routes:
    """Return the routes that are taken for a model at inputs like x: [N, ...], and which layers have rules."""
    x = net.inputs(x)[:1]
    structure = structure_of(net, x)
    kernel = [name for name, used in (("structured", structure.rules), ("jacobian", structure.rest)) if used]
    try:
        hessian = hessian_norm(net, x, output=net.output, max_iterations=1).method
    except NtkbenchError:
        hessian = "refused"
    rest = {id(variable) for variable in structure.rest}
    kinds: dict[str, LayerKind] = {}
    for layer in getattr(net.model, "_flatten_layers", list)():
        inside = {id(v) for each in layer._flatten_layers(include_self=False) for v in each.trainable_variables}
        own = [v.value for v in layer.trainable_variables if id(v) not in inside]
        if own or not known_right(layer):
            kind = type(layer).__name__
            before = kinds.get(kind, LayerKind(kind, 0, 0, 0, True))
            kinds[kind] = LayerKind(
                kind,
                before.count + 1,
                before.weights + sum(int(v.shape.num_elements()) for v in own),
                before.ruled + (not any(id(v) in rest for v in own)),
                before.known and known_right(layer),
            )
    if not kinds:
        kinds[""] = LayerKind(type(net.model).__name__, 1, net.size, 0, False)
    return Routes(" and ".join(kernel), hessian, tuple(kinds.values()))
