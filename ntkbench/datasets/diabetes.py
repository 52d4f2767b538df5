"""The diabetes regression that scikit-learn bundles."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes

from ..errors import NtkbenchError
from .probes import choose, on_sphere, standardised


def load(*, form: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `n` of 442 patients: x float64 [n, 10], y float64 [n].

    The ten features are standardised over the whole set, then each ‖x‖ = √10. y is the progression of the disease
    after a year minus its mean, divided by its largest deviation: within [−1, 1]. Raises NtkbenchError for a form
    other than "vector" and for more inputs than there are.

    Source: Efron, Hastie, Johnstone, Tibshirani 2004, "Least angle regression".
    """
    if form != "vector":
        raise NtkbenchError(
            f"The data set 'diabetes' has vectors only, a {form} was asked for; use 'digits' or 'sphere'."
        )
    features, progression = load_diabetes(return_X_y=True)
    rows = choose("diabetes", len(features), n, seed)
    centred = progression - progression.mean()
    return on_sphere(standardised(features)[rows]), (centred / np.abs(centred).max())[rows]
