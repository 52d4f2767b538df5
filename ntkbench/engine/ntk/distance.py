"""How far one kernel matrix is from another."""

from __future__ import annotations

import numpy as np


def relative_change(k, k0) -> float:
    """Return ‖K − K0‖_F / ‖K0‖_F (Liu, Zhu, Belkin 2020, arXiv 2010.01092).

    Args:
        k, k0: arrays of one shape, any number of axes.

    >>> relative_change([[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
    1.0
    """
    k, k0 = _pair(k, k0)
    change, size = float(np.linalg.norm(k - k0)), float(np.linalg.norm(k0))
    if change == 0.0:
        return 0.0
    return change / size if size else float("inf")


def kernel_distance(k1, k2) -> float:
    """Return 1 − ⟨K1, K2⟩_F / (‖K1‖_F ‖K2‖_F), the kernel distance of Fort et al. 2020 (arXiv 2010.15110).

    Computed from the difference of the normalised kernels, so that small distances keep their digits; in [0, 2].

    >>> kernel_distance([[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 3.0]])
    0.0
    """
    k1, k2 = _pair(k1, k2)
    norms = np.linalg.norm(k1), np.linalg.norm(k2)
    if not all(norms):
        return 0.0 if not any(norms) else 1.0
    return float(np.linalg.norm(k1 / norms[0] - k2 / norms[1]) ** 2 / 2)


def _pair(k1, k2):
    from ...errors import NtkbenchError

    k1, k2 = np.asarray(k1, np.float64), np.asarray(k2, np.float64)
    if k1.shape != k2.shape:
        raise NtkbenchError(f"The kernels have shapes {k1.shape} and {k2.shape}; they must be the same.")
    return k1, k2
