"""Condition number of the input-output Jacobian in depth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...seeds import seed_for

SW2, SB2 = 1.05, 2.01e-5
"""σ_w² and σ_b² of a tanh network whose pre-activations converge to small values, where tanh is nearly linear ..."""
SETTLED = 0.02592
"""... at this variance q, the fixed point of q = σ_w² E[tanh²(√q z)] + σ_b²."""


def condition_linear(seed: int) -> list[float]:
    """Return the condition number of the input-output Jacobian of 32 linear layers of 32 units, orthogonal weights."""
    return [math.exp(log_conditions("orthogonal", seed, (32,), linear=True)[32])]


def condition_growth_linear(seed: int) -> list[float]:
    """Return the growth per layer of the log condition number, for Gaussian weights, between 4 and 10 layers."""
    return [_growth("gaussian", seed, (4, 10), linear=True)]


def condition_growth_gaussian(seed: int) -> list[float]:
    """Return the same growth for nearly linear tanh layers."""
    return [_growth("gaussian", seed, (4, 10))]


def condition_growth_orthogonal(seed: int) -> list[float]:
    """Return the same growth for nearly linear tanh layers and orthogonal weights, between 4 and 32 layers."""
    return [_growth("orthogonal", seed, (4, 32))]


def condition_orthogonal(seed: int) -> list[float]:
    """Return the condition number of 32 nearly linear tanh layers with orthogonal weights."""
    return [math.exp(log_conditions("orthogonal", seed, (32,))[32])]


def _growth(init: str, seed: int, depths: tuple[int, int], linear: bool = False) -> float:
    found = log_conditions(init, seed, depths, linear)
    return (found[depths[1]] - found[depths[0]]) / (depths[1] - depths[0])


def log_conditions(init: str, seed: int, depths: Sequence[int], linear: bool = False, n: int = 32) -> dict[int, float]:
    """Return {depth: log condition number of ∂h_depth/∂x [n, n]} at an input with the fixed-point variance."""
    import numpy as np

    from ...layers import draws

    rng = np.random.default_rng(seed_for("condition", seed))
    h = rng.standard_normal(n)
    h *= math.sqrt(n * SETTLED) / np.linalg.norm(h)
    jacobian, found = np.eye(n), {}
    sw2 = 1.0 if linear else SW2
    for layer in range(1, max(depths) + 1):
        kernel = math.sqrt(sw2 / n) * draws.draw(init, (n, n), seed_for("condition", seed, layer))
        z = h @ kernel
        slope = np.ones(n)
        if not linear:
            z += math.sqrt(SB2) * rng.standard_normal(n)
            slope = 1 - np.tanh(z) ** 2
        h = z if linear else np.tanh(z)
        jacobian = jacobian @ kernel * slope
        if layer in depths:
            found[layer] = float(np.log(np.linalg.cond(jacobian)))
    return found
