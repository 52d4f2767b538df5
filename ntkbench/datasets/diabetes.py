"""The diabetes regression dataset bundled with scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes

from ..errors import NtkbenchError
from .probes import choose, on_sphere, standardised


def load(*, form: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `n` of the 442 patients: x float64 [n, 10], y float64 [n].

    The ten features are standardised over the whole dataset, then every x is scaled to ‖x‖ = √10. The target y is the
    progression of the disease after one year, centred and divided by its largest deviation from the mean, so it lies in
    [−1, 1].

    Source: Efron, Hastie, Johnstone, Tibshirani 2004, "Least angle regression".

    Args:
        form: Only "vector".
        n: Number of patients.
        seed: Seed that draws the patients.

    Raises:
        NtkbenchError: For another form, or for more inputs than the dataset has.
    """
    if form != "vector":
        raise NtkbenchError(
            f"Dataset 'diabetes' provides vectors only, but got form={form!r}; use 'digits' or 'sphere'."
        )
    features, progression = load_diabetes(return_X_y=True)
    rows = choose("diabetes", len(features), n, seed)
    centred = progression - progression.mean()
    return on_sphere(standardised(features)[rows]), (centred / np.abs(centred).max())[rows]
