"""Initial rate of change of the kernel, and how much each variable contributes to it."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.hessian import bend
from ..engine.model import variable_names
from ..types import Value

MOST_VARIABLES = 12
"""Number of variables reported separately; the remaining ones are summed."""
OTHERS = "(others)"
"""Name under which the remaining variables are reported; variable names contain no parentheses."""
ROUNDING = 64
"""Error bound of an entry of H g in units of roundoff, relative to the norm of H g."""


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_slope, and bend_share, kernel_share and variable_size for each variable.

    With g = ∇f(w0; x) and H = ∇²f(w0; x) for one input, K(w0 + v) − K(w0) = 2⟨H g, v⟩ + O(‖v‖²). Therefore kernel_slope
    = 2‖H g‖/‖g‖² (mean over the probes), multiplied by R, is the largest relative change of that input's kernel within
    a small radius R. The shares are those of a variable in Σ_x ‖H g‖² and in Σ_x ‖g‖², the trace of K. If H g is 0
    everywhere, every bend_share is 0.

    The cost is one Hessian-vector product per input. The radius is not used.
    """
    found = bend(ctx.network, ctx.inputs)
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
    """Return each variable's share of the sum of squares: [N, V] → [V]; zeros if that sum is 0."""
    of_variable = squared.sum(0)
    total = of_variable.sum()
    return of_variable / total if total > 0 else np.zeros_like(of_variable)


def _groups(names: list[str], bend_share: np.ndarray) -> dict[str, list[int]]:
    """Return the indices of the variables by name, by falling bend_share, with the smallest ones in one group."""
    order = [int(place) for place in np.argsort(-bend_share, kind="stable")]
    groups = {names[place]: [place] for place in order[:MOST_VARIABLES]}
    return groups | ({OTHERS: order[MOST_VARIABLES:]} if len(order) > MOST_VARIABLES else {})


def _share(share: float, eps: float) -> Value:
    # Entries have errors of order eps relative to the whole vector, which may exceed a small share.
    return Value(min(float(share), 1.0), ROUNDING * eps * (float(np.sqrt(share)) + eps), "rounding")
