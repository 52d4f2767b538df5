"""Distance of the tangent kernel at initialisation from its infinite-width limit."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.ntk import relative_change
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_convergence = ‖K(w0) − K∞‖_F/‖K∞‖_F on the probes.

    Source: Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572).

    Raises:
        Unsupported: If there is no limit or none is known; see `ntkbench.kernels.limit.limit_of`.
    """
    x = np.asarray(ctx.x, np.float64)
    limit = ctx.limit.matrix(x, x).numpy()
    return {"kernel_convergence": Value(relative_change(ctx.kernel, limit), precision=ctx.precision)}
