"""Test a whole model, and report which routes the engine uses for it."""

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
    check_derivatives,
    diagnose,
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
    """Result of the self-test of a model.

    Attributes:
        precision: Precision of the test: float64 if the model can be cast.
        derivatives: Comparison with finite differences.
        kernel: Relative difference between the tangent kernels of two routes; None if the derivatives are wrong.
        routes: Names of the two routes.
        faulty: The layers responsible for wrong derivatives.
        rounding: Machine epsilon of the coarsest type that the model computes in.
    """

    precision: str
    derivatives: Derivatives
    kernel: float | None = None
    routes: tuple[str, ...] = ()
    faulty: tuple[FaultyLayer, ...] = ()
    rounding: float = 0.0

    @property
    def right(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """The problems found, each as a sentence with the suggested fix."""
        found = [f"{faulty}. {faulty.instead}" for faulty in self.faulty]
        if self.kernel is not None and not self.kernel <= max(KERNEL_TOLERANCE[self.precision], NOISE * self.rounding):
            found.append(
                f"The tangent kernel differs by {self.kernel:.2g} between the routes {' and '.join(self.routes)}. "
                "This is a bug in a layer rule or in ntkbench itself; please report it."
            )
        return found


def self_test(net: Network, x: Any, *, seed: int = 0) -> SelfTest:
    """Check a model's repeatability, first and second derivatives, Hessian symmetry and tangent kernel.

    The test runs in float64 if the model can be cast, otherwise in the model's precision. It leaves the network
    unchanged.

    Args:
        net: The network.
        x: Inputs [N, ...]; the first two are used.
        seed: Seed of the random directions.
    """
    x = net.inputs(x)[:SAMPLES]
    exact = in_float64(net, x) or net
    found = check_derivatives(exact, x, seed=seed)
    if not found.sure and exact is not net:
        # A layer may compute in float32 whatever the model's precision; float32 steps are then the most informative.
        found = check_derivatives(net, x, seed=seed)
    if found.precision == "float64":
        net = exact
    precision = found.precision
    if found.problem in ("stochastic", "coupled", "not finite", "gradient", "no second derivative"):
        # The kernel of such a model is meaningless or has no second route.
        return SelfTest(precision, found, faulty=diagnose(net, x, found))
    kernel, routes = check_kernel(net, net.inputs(x))
    return SelfTest(precision, found, kernel, routes, diagnose(net, x, found), rounding_of(net, net.inputs(x)))


def check_kernel(net: Network, x: Any) -> tuple[float, tuple[str, str]]:
    """Compare the tangent kernels of the chosen output from two routes.

    The routes are "jacobian" and "auto" if at least one layer has a rule, otherwise "jacobian" and
    "ntk_vector_products". They agree if the difference is at most `KERNEL_TOLERANCE`.

    Args:
        net: The network.
        x: A few inputs: [N, ...].

    Returns:
        The relative difference, and the names of the routes.
    """
    x = net.inputs(x)
    other: Literal["auto", "ntk_vector_products"] = "auto" if structure_of(net, x).rules else "ntk_vector_products"
    first = np.asarray(empirical_ntk(net, x, outputs=net.output, method="jacobian"))
    second = np.asarray(empirical_ntk(net, x, outputs=net.output, method=other))
    return relative(first, second), ("jacobian", other)


@frozen
class LayerKind:
    """The layers of one class that have their own trainable weights or are not known to be correct.

    Attributes:
        kind: Name of the class.
        count: Number of layers.
        weights: Number of their own trainable weights.
        ruled: Number of layers whose weights are all covered by a rule.
        known: Whether their derivatives are known to be correct without a check.
    """

    kind: str
    count: int
    weights: int
    ruled: int
    known: bool


@frozen
class Routes:
    """Methods that the engine chooses for a model by default.

    Attributes:
        kernel: Method of `empirical_ntk`; "structured and jacobian" if only some weights have a rule.
        hessian: Method of `hessian_norm`; "refused" if it raises.
        layers: The model's layers by class; the model itself if it has no Keras layers.
    """

    kernel: str
    hessian: str
    layers: tuple[LayerKind, ...]


def routes_of(net: Network, x: Any) -> Routes:
    """Return the methods used for a model at inputs like x: [N, ...], and which of its layers have rules."""
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
