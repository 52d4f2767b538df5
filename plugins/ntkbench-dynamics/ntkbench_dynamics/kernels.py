"""Measures of tangent kernels as matrices: distance, velocity, alignment and effective rank."""

import numbers

import numpy as np

import ntkbench as nb

from .norms import unit


def gram(model, x, x2=None):
    """Return the tangent kernel of all outputs at some inputs, computed in the model's precision.

    Args:
        model: A Keras model or another model that `ntkbench.empirical_ntk` takes, with O outputs.
        x: Inputs [m, ...].
        x2: Second inputs [l, ...]; default: x.

    Returns:
        The Gram matrix [m·O, l·O] float64; row n·O + o belongs to output o at input n.

    Source: Fort et al. 2020 (arXiv 2010.15110), equation 4.
    """
    full = np.asarray(nb.empirical_ntk(model, x, x2, outputs="full"), np.float64)
    m, other, outputs, _ = full.shape
    return full.transpose(0, 2, 1, 3).reshape(m * outputs, other * outputs)


def trace_kernel(k, outputs):
    """Return the sum over output units of a Gram matrix [m·O, m·O]: [m, m]."""
    k = _square(k)
    if not isinstance(outputs, numbers.Integral) or outputs < 1:
        raise nb.NtkbenchError(f"outputs={outputs!r} is invalid; pass an integer of at least 1.")
    if len(k) % outputs:
        raise nb.NtkbenchError(f"A kernel of {len(k)} rows does not belong to {outputs} outputs; pass the Gram matrix.")
    m = len(k) // outputs
    return np.einsum("nomo->nm", k.reshape(m, outputs, m, outputs))


def all_distances(kernels):
    """Return the kernel distances S of all pairs of kernels.

    Args:
        kernels: T kernels of one shape.

    Returns:
        A symmetric array [T, T] of numbers in [0, 1], with zeros on the diagonal; see `ntkbench.kernel_distance`.
    """
    found = np.zeros((len(kernels), len(kernels)))
    for i, k in enumerate(kernels):
        for j in range(i):
            found[i, j] = found[j, i] = nb.kernel_distance(k, kernels[j])
    return found


def velocity(k, later, dt):
    """Return the kernel velocity S(K_t, K_{t+dt}) / dt.

    S is quadratic in a small change of the kernel, so the velocity of a smooth path is proportional to dt. Compare
    velocities with the same dt only.

    Args:
        k: The kernel at time t.
        later: The kernel at time t + dt.
        dt: The time between them, such as 0.4 epochs in the paper.

    Raises:
        NtkbenchError: dt is not positive, or the shapes differ.

    Source: Fort et al. 2020 (arXiv 2010.15110), section 2.
    """
    if not dt > 0:
        raise nb.NtkbenchError(f"dt={dt!r} is invalid; pass a positive time.")
    return nb.kernel_distance(k, later) / dt


def alignment(k, other):
    """Return the kernel alignment ⟨K, L⟩_F / (‖K‖_F ‖L‖_F), without centring.

    Args:
        k: A kernel [m, m].
        other: Another kernel [m, m], such as Y·Yᵀ of the targets Y [m, O].

    Returns:
        A number in [−1, 1], not negative for kernels; None if one of them is zero.

    Source: Cristianini et al. 2001, "On kernel-target alignment".
    """
    k, other = _square(k), _square(other)
    if k.shape != other.shape:
        raise nb.NtkbenchError(f"The kernels have shapes {k.shape} and {other.shape}; the shapes must be equal.")
    k, other = unit(k), unit(other)
    norms = float(np.linalg.norm(k)), float(np.linalg.norm(other))
    if not all(norms):
        return None
    return float(np.clip(np.sum((k / norms[0]) * (other / norms[1])), -1.0, 1.0))


def centred_alignment(k, other):
    """Return the alignment of two kernels after centring in feature space: CKA.

    Args:
        k: A kernel [m, m].
        other: Another kernel [m, m].

    Returns:
        A number in [−1, 1], not negative for kernels; None if a kernel is the same for all inputs up to rounding, and
        thus zero after centring.

    Source: Cortes, Mohri, Rostamizadeh 2012 (arXiv 1203.0550); Kornblith et al. 2019 (arXiv 1905.00414).
    """
    return alignment(_centred(k), _centred(other))


def _centred(k):
    """Return H K H with H = I − 1·1ᵀ/m up to a factor, with zero for what is rounding."""
    k = unit(_square(k))
    centred = k - k.mean(0) - k.mean(1)[:, None] + k.mean()
    rounding = 8 * len(k) * np.finfo(np.float64).eps * np.abs(k).max(initial=0.0)
    return centred if np.abs(centred).max(initial=0.0) > rounding else np.zeros_like(k)


def effective_rank(k):
    """Return exp(−Σ p log p) with p = λ / Σλ for the eigenvalues λ of a kernel.

    Negative eigenvalues, which rounding causes, count as zero.

    Args:
        k: A kernel [m, m].

    Returns:
        A number from 1 to m; None for a zero kernel.

    Source: Roy, Vetterli 2007, "The effective rank: a measure of effective dimensionality".
    """
    k = unit(_square(k))
    values = np.maximum(np.linalg.eigvalsh((k + k.T) / 2), 0.0)
    if not values.any():
        return None
    p = values[values > 0] / values.sum()
    return max(float(np.exp(-np.sum(p * np.log(p)))), 1.0)


def _square(k):
    k = np.asarray(k, np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1]:
        raise nb.NtkbenchError(f"The kernel has shape {k.shape}; pass a square matrix.")
    if not np.isfinite(k).all():
        raise nb.NtkbenchError("The kernel contains NaN or infinity, so nothing can be measured of it.")
    return k
