"""Spectrum of the tangent kernel."""

import numpy as np


def measure(ctx):
    """Return ntk_decay_exponent and ntk_effective_rank of K(w0) at the probes.

    Eigenvalues below the rounding level of the kernel count as zero. The exponent needs at least three larger ones.
    """
    kernel = np.asarray(ctx.empirical_ntk(), np.float64)
    values = np.linalg.eigvalsh((kernel + kernel.T) / 2)[::-1]
    rounding = len(values) * np.finfo(ctx.precision).eps * values[0]
    values = values[values > rounding]
    return {"ntk_decay_exponent": decay_exponent(values), "ntk_effective_rank": effective_rank(values)}


def decay_exponent(values):
    """Return the exponent α of the least-squares line log λ_k = c − α log k.

    Power laws of kernel spectra: Bordelon, Canatar, Pehlevan 2020 (arXiv 2002.02561).

    Args:
        values: Positive eigenvalues [n], descending.

    Returns:
        α, or None with fewer than three eigenvalues.
    """
    if len(values) < 3:
        return None
    slope, _ = np.polyfit(np.log(np.arange(1, len(values) + 1)), np.log(values), 1)
    return max(-float(slope), 0.0)


def effective_rank(values):
    """Return exp(−Σ p log p) with p = λ / Σλ, a number between 1 and n.

    Source: Roy, Vetterli 2007, "The effective rank: a measure of effective dimensionality".

    Args:
        values: Positive eigenvalues [n].

    Returns:
        The effective rank, or None without eigenvalues.
    """
    if not len(values):
        return None
    p = values / values.sum()
    return max(float(np.exp(-np.sum(p * np.log(p)))), 1.0)
