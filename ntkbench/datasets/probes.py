"""How rows become probes: which rows a seed draws, their norm and their form."""

from __future__ import annotations

import math

import numpy as np

from ..errors import NtkbenchError
from ..seeds import seed_for


def choose(name: str, total: int, n: int, seed: int) -> np.ndarray:
    """Return the `n` rows of `total` that a seed draws without replacement: int [n].

    The first rows of a longer draw are the rows of a shorter one, and the form plays no part, so that all
    architectures see the same inputs. Raises NtkbenchError when there are fewer than `n` rows.
    """
    check_count(name, n)
    if n > total:
        raise NtkbenchError(f"The data set {name!r} has {total} inputs, {n} were asked for; ask for at most {total}.")
    return np.random.default_rng(seed_for(seed, name, "probes")).permutation(total)[:n]


def check_count(name: str, n: int) -> None:
    """Raise NtkbenchError when `n` inputs cannot be asked for."""
    if n < 1:
        raise NtkbenchError(f"{n} inputs of the data set {name!r} were asked for; ask for at least 1.")


def standardised(rows: np.ndarray) -> np.ndarray:
    """Return the columns of [n, d] with mean 0 and variance 1; constant columns become 0."""
    deviation = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)


def on_sphere(rows: np.ndarray) -> np.ndarray:
    """Return each row of [n, d] at norm √d, so that its mean squared entry is 1."""
    return rows * (math.sqrt(rows.shape[1]) / np.linalg.norm(rows, axis=1, keepdims=True))


def in_form(name: str, rows: np.ndarray, form: str) -> np.ndarray:
    """Return rows [n, d] as vectors [n, d], images [n, s, s, 1] or sequences [n, s, s], s = √d.

    Raises NtkbenchError when d is not a square.
    """
    n, d = rows.shape
    if form == "vector":
        return rows
    side = math.isqrt(d)
    if side * side != d:
        raise NtkbenchError(
            f"The data set {name!r} has {d} entries an input, which do not fill a square {form}; use a square "
            f"number of entries or a vector architecture."
        )
    return rows.reshape((n, side, side, 1) if form == "image" else (n, side, side))
