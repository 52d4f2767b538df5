"""Handwritten digits of 8×8 pixels, as bundled with scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ..seeds import seed_for
from .probes import choose, in_form, on_sphere, standardised
from .task import Task

TRAIN, TEST = 1000, 400


def load(*, form: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `n` of the 1,797 digits: x float64 [n, 61], [n, 8, 8, 1] or [n, 8, 8], y float64 [n].

    Pixels are standardised over the whole dataset. Three pixels are constant: vectors drop them, and images and
    sequences (8 rows of 8 pixels) hold 0 there. Then every x is scaled to ‖x‖ = √d with d = 61 or 64. The target y is
    +1 for even and −1 for odd digits.

    Source: UCI "Optical Recognition of Handwritten Digits", test part (Alpaydin, Kaynak 1998).

    Args:
        form: "vector", "image" or "sequence".
        n: Number of digits.
        seed: Seed that draws the digits.

    Raises:
        NtkbenchError: For more inputs than the dataset has.
    """
    pixels, digit = load_digits(return_X_y=True)
    rows = choose("digits", len(digit), n, seed)
    x = _shaped(standardised(pixels)[rows], pixels, form)
    return x, np.where(digit[rows] % 2 == 0, 1.0, -1.0)


def load_task(*, form: str, seed: int, fold: int = 0) -> Task:
    """Return the task of telling the ten digits apart: 1,000 to train on and 400 to test on, drawn by class.

    Pixels are standardised by the train part; pixels that are constant there become 0. Forms and norms are those of
    `load`. The split is the same in every form.

    Args:
        form: "vector", "image" or "sequence".
        seed: Seed of the split.
        fold: Number of the split for one seed.
    """
    pixels, digit = load_digits(return_X_y=True)
    train, test = train_test_split(
        np.arange(len(digit)),
        train_size=TRAIN,
        test_size=TEST,
        stratify=digit,
        random_state=seed_for(seed, "digits", "split", fold) % 2**32,
    )
    x = _shaped(standardised(pixels, by=pixels[train]), pixels, form)
    return Task(
        (x[train], digit[train]),
        (x[test], digit[test]),
        "classification",
        classes=10,
        source="UCI Optical Recognition of Handwritten Digits, test part; stratified split drawn from the seed",
    )


def _shaped(x: np.ndarray, pixels: np.ndarray, form: str) -> np.ndarray:
    """Return rows in a form and scaled to norm √d; vectors leave out the three pixels that are blank in every digit."""
    return in_form("digits", on_sphere(x[:, pixels.any(axis=0)] if form == "vector" else x), form)
