"""Handwritten digits of 8×8 pixels, as bundled with scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from .probes import choose, in_form, on_sphere, standardised


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
    x = standardised(pixels)[rows]
    if form == "vector":
        x = x[:, pixels.std(axis=0) > 0]
    return in_form("digits", on_sphere(x), form), np.where(digit[rows] % 2 == 0, 1.0, -1.0)
