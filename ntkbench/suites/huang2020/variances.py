"""Variance of the squared norm of the pre-activations in depth."""

from __future__ import annotations

import math

from ...seeds import seed_for

DEPTHS_OF_VARIANCE = (4, 8, 16, 32)


def variance_gaussian(seed: int) -> dict[int, float]:
    """Return {depth: n · Var(q)/(mean q)²} with q = ‖g‖²/n, g the pre-activations: critical tanh, Gaussian weights."""
    return variances("gaussian", seed)


def variance_orthogonal(seed: int) -> dict[int, float]:
    """Return the same variances for orthogonal weights."""
    return variances("orthogonal", seed)


def variances(init: str, seed: int, n: int = 64, nets: int = 60) -> dict[int, float]:
    """Return {depth: n · Var(q)/(mean q)²} over `nets` networks of n units per layer."""
    import numpy as np

    from ...layers import draws

    h = np.random.default_rng(seed_for("variance", seed)).standard_normal((1, n))
    states = np.repeat(h * math.sqrt(n) / np.linalg.norm(h), nets, axis=0)[:, None, :]
    found = {}
    for layer in range(1, max(DEPTHS_OF_VARIANCE) + 1):
        kernels = [draws.draw(init, (n, n), seed_for("variance", seed, net, layer)) for net in range(nets)]
        z = states @ np.array(kernels) / math.sqrt(n)
        states = np.tanh(z)
        if layer in DEPTHS_OF_VARIANCE:
            q = np.mean(np.square(z), axis=(1, 2))
            found[layer] = float(n * np.var(q, ddof=1) / np.mean(q) ** 2)
    return found
