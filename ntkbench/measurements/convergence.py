"""Distance of the tangent kernel at initialisation from its infinite-width limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.context import Context
from ..engine.ntk import relative_change
from ..nests import map_leaves
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_convergence = ‖K(w0) − K∞‖_F/‖K∞‖_F on the probes.

    Source: Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572).

    Raises:
        Unsupported: If there is no limit or none is known; see `ntkbench.kernels.limit.limit_of`.
    """
    from ..kernels.remembered import matrix_of  # TensorFlow Probability is slow to import

    limit = matrix_of(ctx.limit, map_leaves(_in_float64, ctx.x))
    return {"kernel_convergence": Value(relative_change(ctx.kernel, limit), precision=ctx.precision)}


def _in_float64(part: Any) -> np.ndarray:
    return part.numpy().astype(np.float64) if part.dtype.is_floating else part.numpy()
