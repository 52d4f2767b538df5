"""The diabetes regression dataset bundled with scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from ..errors import NtkbenchError
from ..seeds import seed_for
from .probes import choose, on_sphere, standardised
from .task import Task

TRAIN, TEST = 342, 100


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
    _require_vectors(form)
    features, progression = load_diabetes(return_X_y=True)
    rows = choose("diabetes", len(features), n, seed)
    centred = progression - progression.mean()
    return on_sphere(standardised(features)[rows]), (centred / np.abs(centred).max())[rows]


def load_task(*, form: str, seed: int, fold: int = 0) -> Task:
    """Return the task of predicting the progression of the disease: 342 patients to train on and 100 to test on.

    The features are standardised by the train part, then every x is scaled to ‖x‖ = √10.

    Args:
        form: Only "vector".
        seed: Seed of the split.
        fold: Number of the split for one seed.

    Raises:
        NtkbenchError: For another form.
    """
    _require_vectors(form)
    features, progression = load_diabetes(return_X_y=True)
    train, test = train_test_split(
        np.arange(len(features)),
        train_size=TRAIN,
        test_size=TEST,
        random_state=seed_for(seed, "diabetes", "split", fold) % 2**32,
    )
    x = on_sphere(standardised(features, by=features[train]))
    return Task(
        (x[train], progression[train]),
        (x[test], progression[test]),
        "regression",
        source="Efron, Hastie, Johnstone, Tibshirani 2004; split drawn from the seed",
    )


def _require_vectors(form: str) -> None:
    if form != "vector":
        raise NtkbenchError(
            f"Dataset 'diabetes' provides vectors only, but got form={form!r}; use 'digits' or 'sphere'."
        )
