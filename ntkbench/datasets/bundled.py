"""Data files that scikit-learn ships, read without importing it: the import takes longer than a small measurement."""

from __future__ import annotations

import functools
import gzip
import importlib.util
from pathlib import Path

import numpy as np


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits: pixels float64 [1797, 64] from 0 to 16, and classes int64 [1797]; read-only."""
    found = importlib.util.find_spec("sklearn")
    path = Path(next(iter(found.submodule_search_locations or ()), "") if found else "") / "datasets/data/digits.csv.gz"
    if path.is_file():
        with gzip.open(path, "rt") as file:
            table = np.loadtxt(file, delimiter=",")
        pixels, classes = table[:, :-1], table[:, -1].astype(np.int64)
    else:  # a version that keeps its files elsewhere
        from sklearn.datasets import load_digits

        pixels, classes = load_digits(return_X_y=True)
    pixels.setflags(write=False)
    classes.setflags(write=False)
    return pixels, classes
