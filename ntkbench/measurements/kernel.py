"""Measure the spectrum of the tangent kernel at initialisation."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.infinite_context import InfiniteContext
from ..engine.model import rounding_of
from ..types import Value

ROUNDING = 64  # units in the last place of the largest eigenvalue that the operations of the model may add up to


def measure(ctx: Context | InfiniteContext) -> dict[str, Value]:
    """Return lambda_min and condition = λmax/λmin of the tangent kernel on the probes: K(w0), or the limit.

    The reported error is the norm of the matrix's error: the eigenvalues of a symmetric matrix change by at most that
    much. For K(w0) it is the rounding error in the coarsest type that the model computes in: `ROUNDING` units for the
    model, and one for each sample; the limit is computed in float64, and the quadrature of its activations counts too.
    """
    values = np.linalg.eigvalsh(ctx.kernel)
    low, high = float(values[0]), float(values[-1])
    if isinstance(ctx, InfiniteContext):
        error, precision = ctx.kernel_error, "float64"
    else:
        units = ROUNDING + len(values)
        error, precision = units * rounding_of(ctx.network, ctx.inputs) * max(high, -low), ctx.precision
    condition = high / low if low > 0 else None
    relative = None if condition is None else condition * error / low
    return {
        "lambda_min": Value(low, error, "rounding", precision),
        "condition": Value(condition, relative, "rounding", precision),
    }
