"""Random inputs, uniform on a sphere or Gaussian, labelled by a fixed random half-space."""

from __future__ import annotations

import numpy as np

from ..seeds import seed_for
from .probes import check_count, in_form, on_sphere


def load_gaussian(*, form: str, n: int, seed: int, d: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return x float64 with independent N(0, 1) entries, and labels y float64 [n] of ±1.

    y = sign⟨a, x⟩ with one Gaussian vector `a` per dimension d, the same for every seed.

    Args:
        form: "vector": x is [n, d]; "image": [n, √d, √d, 1]; "sequence": [n, √d, √d].
        n: Number of inputs.
        seed: Seed that draws the inputs.
        d: Number of entries of an input.

    Raises:
        NtkbenchError: If the form needs a square and d is not one.
    """
    x = _rows("gaussian", n, seed, d)
    return in_form("gaussian", x, form), _half_space(x)


def load_sphere(*, form: str, n: int, seed: int, d: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return x float64 uniform on the sphere of radius √d, and labels y float64 [n] of ±1.

    Arguments, labels and errors are those of `load_gaussian`.
    """
    x = on_sphere(_rows("sphere", n, seed, d))
    return in_form("sphere", x, form), _half_space(x)


def _rows(name: str, n: int, seed: int, d: int) -> np.ndarray:
    check_count(name, n)
    return np.random.default_rng(seed_for(seed, name, "probes", d)).standard_normal((n, d))


def _half_space(x: np.ndarray) -> np.ndarray:
    normal = np.random.default_rng(seed_for(0, "half-space", x.shape[1])).standard_normal(x.shape[1])
    return np.where(x @ normal >= 0, 1.0, -1.0)
