"""Distance of the tangent kernel at initialisation from its infinite-width limit."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.ntk import relative_change
from ..errors import Unsupported
from ..kernels.keras_model import infinite_width
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_convergence = ‖K(w0) − K∞‖_F/‖K∞‖_F on the probes.

    Source: Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572).

    Raises:
        Unsupported: If there is no limit or none is known: non-linear outputs, bottlenecks, architectures whose "width"
            is another parameter, the standard parameterisation (its tangent kernel grows with width), and models that
            `infinite_width` rejects.
    """
    spec = ctx.architecture
    if not spec.grows:
        raise Unsupported(f"The tangent kernel of {spec.name!r} has no limit as its width grows ({spec.width_means}).")
    if spec.bottleneck or not spec.linear_output:
        what = "a bottleneck" if spec.bottleneck else "a non-linear output"
        raise Unsupported(f"{spec.name!r} has {what}, so its tangent kernel stays random at every width.")
    # Cached for all seeds of a width: the limit depends on the layers, not on their weights.
    kernel = ctx.network.cached("limit", lambda: infinite_width(ctx.model))
    if kernel.standard:
        raise Unsupported(
            f"The tangent kernel grows with width in the standard parameterisation ({', '.join(kernel.standard)}); use "
            "parameterization=ntk, or layers of ntkbench.layers."
        )
    limit = kernel.matrix(np.asarray(ctx.x, np.float64)).numpy()
    return {"kernel_convergence": Value(relative_change(ctx.kernel, limit), precision=ctx.precision)}
