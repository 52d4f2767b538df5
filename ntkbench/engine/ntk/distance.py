"""Compare two kernel matrices: relative change and kernel distance."""

from __future__ import annotations

import math

import numpy as np


def relative_change(k, k0) -> float:
    """Return the relative change ‖K − K0‖_F / ‖K0‖_F of a kernel.

    Args:
        k: The kernel K, an array of any shape.
        k0: The reference kernel K0, of the same shape.

    Returns:
        A non-negative number; 0 for equal kernels, infinity if only K0 is zero.

    Raises:
        NtkbenchError: The shapes differ.

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092).

    Examples:
        >>> relative_change([[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
        1.0
    """
    k, k0 = _pair(k, k0)
    exponent = max(_exponent(k), _exponent(k0))
    k, k0 = np.ldexp(k, -exponent), np.ldexp(k0, -exponent)
    change, size = _norm(k - k0), _norm(k0)
    if change == 0.0:
        return 0.0
    return change / size if size else float("inf")


def kernel_distance(k1, k2) -> float:
    """Return the kernel distance 1 − ⟨K1, K2⟩_F / (‖K1‖_F ‖K2‖_F), that is, one minus the cosine similarity.

    It is computed from the difference of the normalised kernels, so that small distances are accurate.

    Args:
        k1: A kernel, an array of any shape.
        k2: Another kernel of the same shape.

    Returns:
        A number in [0, 2], 0 for kernels that are proportional.

    Raises:
        NtkbenchError: The shapes differ.

    Source: Fort et al. 2020 (arXiv 2010.15110).

    Examples:
        >>> round(kernel_distance([[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 3.0]]), 12)
        0.0
    """
    k1, k2 = (np.ldexp(k, -_exponent(k)) for k in _pair(k1, k2))
    norms = np.linalg.norm(k1), np.linalg.norm(k2)
    if not all(norms):
        return 0.0 if not any(norms) else 1.0
    return float(np.linalg.norm(k1 / norms[0] - k2 / norms[1]) ** 2 / 2)


def _exponent(k: np.ndarray) -> int:
    """Return e with the largest |entry| of a kernel between 2^(e−1) and 2^e; 0 if it is 0 or not finite.

    Squares of a kernel divided by 2^e, which is exact, neither overflow nor are all rounded to 0.
    """
    largest = float(np.abs(k).max(initial=0.0))
    return math.frexp(largest)[1] if math.isfinite(largest) else 0


def _norm(k: np.ndarray) -> float:
    exponent = _exponent(k)
    return float(np.ldexp(np.linalg.norm(np.ldexp(k, -exponent)), exponent))


def _pair(k1, k2):
    from ...errors import NtkbenchError

    try:
        pair = [np.asarray(each) for each in (k1, k2)]
        if any(each.dtype.kind not in "fiub" for each in pair):
            pair = [each.astype(np.float64, casting="safe") for each in pair]
        k1, k2 = (each.astype(np.float64) for each in pair)
    except (TypeError, ValueError):
        kinds = f"a {type(k1).__name__} and a {type(k2).__name__}"
        raise NtkbenchError(f"Got {kinds}; kernels must be arrays of real numbers.") from None
    if k1.shape != k2.shape:
        raise NtkbenchError(f"The kernels have shapes {k1.shape} and {k2.shape}; the shapes must be equal.")
    return k1, k2
