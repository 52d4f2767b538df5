"""How fast the kernel changes at initialisation, and which weights bend the network."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.hessian import bend
from ..engine.model import variable_names
from ..types import Value

MOST_VARIABLES = 12
"""Variables with a number of their own; those that bend less are added up."""
OTHERS = "(others)"
"""What stands for them in place of a name; no variable has a name in parentheses."""
ROUNDING = 64
"""Units of roundoff by which an entry of H g may be off, relative to the norm of H g."""


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_slope, and bend_share, kernel_share and variable_size of the variables.

    With g = ∇f(w0; x) and H = ∇²f(w0; x) of one input, K(w0 + v) − K(w0) = 2⟨H g, v⟩ + O(‖v‖²), so that
    kernel_slope = 2‖H g‖/‖g‖² (mean over the probes) times R is the largest relative change of that input's kernel
    within a small radius R. The shares are those of a variable in Σ_x ‖H g‖² and in Σ_x ‖g‖², the trace of K; where
    nothing bends, every bend_share is 0.

    Each input takes one Hessian-vector product, and no radius plays a part.
    """
    found = bend(ctx.network, ctx.x)
    squared, bent = found.gradient.sum(1), found.hessian_gradient.sum(1)
    slope = np.divide(2 * np.sqrt(bent), squared, out=np.zeros_like(squared), where=squared > 0)
    result = {"kernel_slope": Value(float(slope.mean()))}
    eps = float(np.finfo(ctx.network.dtype.as_numpy_dtype).eps)
    bend_share, kernel_share = _shares(found.hessian_gradient), _shares(found.gradient)
    for name, members in _groups(variable_names(ctx.network), bend_share).items():
        result[f"bend_share:{name}"] = _share(bend_share[members].sum(), eps)
        result[f"kernel_share:{name}"] = _share(kernel_share[members].sum(), eps)
        size = sum(ctx.network.sizes[place] for place in members)
        result[f"variable_size:{name}"] = Value(float(size), 0.0, "exact")
    return result


def _shares(squared: np.ndarray) -> np.ndarray:
    """Return each variable's share of the sum of squares: [N, V] → [V], zeros where that sum is 0."""
    of_variable = squared.sum(0)
    total = of_variable.sum()
    return of_variable / total if total > 0 else np.zeros_like(of_variable)


def _groups(names: list[str], bend_share: np.ndarray) -> dict[str, list[int]]:
    """Return the places of the variables by name, the largest share of the bend first, the smallest ones together."""
    order = [int(place) for place in np.argsort(-bend_share, kind="stable")]
    groups = {names[place]: [place] for place in order[:MOST_VARIABLES]}
    return groups | ({OTHERS: order[MOST_VARIABLES:]} if len(order) > MOST_VARIABLES else {})


def _share(share: float, eps: float) -> Value:
    # Entries are off by eps relative to the whole vector, which moves a small share by more than itself.
    return Value(min(float(share), 1.0), ROUNDING * eps * (float(np.sqrt(share)) + eps), "rounding")
