"""Measure the spectrum of the tangent kernel at initialisation."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.model import rounding_of
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return lambda_min and condition = λmax/λmin of K(w0) on the probes.

    The reported error is the norm of the matrix's rounding error, in the coarsest type that the model computes in: the
    eigenvalues of a symmetric matrix change by at most that much.
    """
    values = np.linalg.eigvalsh(ctx.kernel)
    low, high = float(values[0]), float(values[-1])
    rounding = rounding_of(ctx.network, ctx.inputs) * len(values) * max(high, -low)
    condition = high / low if low > 0 else None
    error = None if condition is None else condition * rounding / low
    return {"lambda_min": Value(low, rounding, "rounding"), "condition": Value(condition, error, "rounding")}
