"""Gradient of the output at initialisation: its norm, and the influence of single neurons."""

from __future__ import annotations

import numpy as np

from ..engine.context import Context
from ..engine.infinite_context import InfiniteContext
from ..engine.structure import neuron_influence
from ..types import Value


def measure(ctx: Context | InfiniteContext) -> dict[str, Value]:
    """Return gradient_norm, the rms of ‖∇f(w0; x)‖ over the probes, and q_infinity.

    q_infinity has no value for a model without hidden neurons, and at infinite width. Source: Q∞ of Liu, Zhu, Belkin
    2020 (arXiv 2010.01092).
    """
    result = {"gradient_norm": Value(ctx.gradient_norm)}
    if "q_infinity" in ctx.quantities:
        influence = neuron_influence(ctx.network, ctx.inputs) if isinstance(ctx, Context) else None
        result["q_infinity"] = Value(None if influence is None else float(np.mean(influence)))
    return result
