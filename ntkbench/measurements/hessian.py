"""Hessian of the output at initialisation."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..types import ErrorKind, Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return hessian_norm (mean and maximum over the probes) and curvature_ratio, the mean of ‖H‖/‖∇f‖²."""
    norms = ctx.hessian_norms
    squared = np.diag(ctx.kernel)
    ratio = np.divide(norms.value, squared, out=np.zeros_like(norms.value), where=squared > 0)
    ratio_error = np.divide(norms.error, squared, out=np.zeros_like(norms.value), where=squared > 0)
    top = int(norms.value.argmax())
    kind: ErrorKind = "rounding" if norms.method == "dense" else "bound"
    return {
        "hessian_norm": Value(float(norms.value.mean()), float(norms.error.mean()), kind),
        "hessian_norm:max": Value(float(norms.value[top]), float(norms.error[top]), kind),
        "curvature_ratio": Value(float(ratio.mean()), float(ratio_error.mean()), kind),
    }
