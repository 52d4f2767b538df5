"""Measure the spectrum of the tangent kernel at initialisation."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.infinite_context import InfiniteContext
from ..engine.model import rounding_of
from ..types import Value


def measure(ctx: Context | InfiniteContext) -> dict[str, Value]:
    """Return lambda_min and condition = λmax/λmin of the tangent kernel on the probes: K(w0), or the limit.

    The reported error is the norm of the matrix's rounding error, in the coarsest type that the model computes in: the
    eigenvalues of a symmetric matrix change by at most that much. The limit is computed in float64.
    """
    values = np.linalg.eigvalsh(ctx.kernel)
    low, high = float(values[0]), float(values[-1])
    rounding = rounding_of(ctx.network, ctx.inputs) if isinstance(ctx, Context) else float(np.finfo(np.float64).eps)
    precision = None if isinstance(ctx, Context) else "float64"
    error = rounding * len(values) * max(high, -low)
    condition = high / low if low > 0 else None
    relative = None if condition is None else condition * error / low
    return {
        "lambda_min": Value(low, error, "rounding", precision),
        "condition": Value(condition, relative, "rounding", precision),
    }
