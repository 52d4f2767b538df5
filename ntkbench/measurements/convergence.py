"""How far the tangent kernel at initialisation is from the one of infinite width."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.ntk import relative_change
from ..errors import Unsupported
from ..kernels.keras_model import infinite_width
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_convergence = ‖K(w0) − K∞‖_F/‖K∞‖_F on the probes (Jacot, Gabriel, Hongler 2018, arXiv 1806.07572).

    Raises Unsupported where there is no limit, or none is known: bent outputs, bottlenecks, widths that are other
    numbers, the standard parameterisation, whose tangent kernel grows with width, and what `infinite_width` refuses.
    """
    spec = ctx.architecture
    if not spec.grows:
        raise Unsupported(
            f"The width of {spec.name!r} is {spec.width_means}, in which its tangent kernel has no limit."
        )
    if spec.bottleneck or not spec.linear_output:
        what = "a bottleneck" if spec.bottleneck else "a bent output"
        raise Unsupported(f"{spec.name!r} has {what}, so that its tangent kernel stays random at every width.")
    # One for all seeds of a width: it is read from the layers, not from their weights.
    kernel = ctx.network.cached("limit", lambda: infinite_width(ctx.model))
    if kernel.standard:
        raise Unsupported(
            f"The tangent kernel grows with width in the standard parameterisation ({', '.join(kernel.standard)}); use "
            "parameterization=ntk, or layers of ntkbench.layers."
        )
    limit = kernel.matrix(np.asarray(ctx.x, np.float64)).numpy()
    return {"kernel_convergence": Value(relative_change(ctx.kernel, limit), precision=ctx.precision)}
