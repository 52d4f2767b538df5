"""Gradient flow."""

import numpy as np

from ntkbench import Curve


def measure(ctx):
    """Return y'Ky/y'y, and L(t) = |exp(-Kt/n) y|² / |y|² at 50 times if the curve is requested."""
    kernel, y = np.asarray(ctx.kernel), np.asarray(ctx.y)
    found = {"flow_rate": y @ kernel @ y / (y @ y)}
    if "flow_loss" in ctx.quantities:
        values, vectors = np.linalg.eigh(kernel)
        share = (vectors.T @ y) ** 2 / (y @ y)
        times = np.geomspace(1e-3, 1e3, 50)  # in units of n/tr K, whatever the output's unit
        decay = np.exp(-2 * np.outer(times, np.maximum(values, 0) * len(y) / values.sum()))
        found["flow_loss"] = Curve(times, np.minimum(decay @ share, 1))
    return found
