"""Turn the rows of a dataset into probes: draw them by seed, scale them and give them a form."""

from __future__ import annotations

import math

import numpy as np

from ..errors import NtkbenchError
from ..seeds import seed_for


def choose(name: str, total: int, n: int, seed: int) -> np.ndarray:
    """Draw `n` of `total` rows without replacement: int [n].

    A shorter draw is a prefix of a longer one, and the form does not enter, so all architectures see the same inputs.

    Raises:
        NtkbenchError: If there are fewer than `n` rows.
    """
    check_count(name, n)
    if n > total:
        raise NtkbenchError(f"Dataset {name!r} has {total} inputs, but {n} were requested; request at most {total}.")
    return np.random.default_rng(seed_for(seed, name, "probes")).permutation(total)[:n]


def check_count(name: str, n: int) -> None:
    """Raise NtkbenchError if `n` is not at least 1."""
    if n < 1:
        raise NtkbenchError(f"Dataset {name!r} cannot provide {n} inputs; request at least 1.")


def varying(columns: np.ndarray) -> np.ndarray:
    """Return which columns [n, K] are not constant; the deviation of a constant column may be rounding and not 0."""
    return np.ptp(columns, axis=0) > 0


def standardised(rows: np.ndarray, by: np.ndarray | None = None) -> np.ndarray:
    """Shift and scale the columns of [n, d] so that those of `by` have mean 0 and variance 1.

    Args:
        rows: The rows.
        by: Rows [m, d] from which means and scales are estimated; default: `rows`. Columns that are constant there
            become 0.
    """
    by = rows if by is None else by
    return (rows - by.mean(axis=0)) / np.where(varying(by), by.std(axis=0), np.inf)


def on_sphere(rows: np.ndarray) -> np.ndarray:
    """Scale each row of [n, d] to norm √d, so that its mean squared entry is 1."""
    return rows * (math.sqrt(rows.shape[1]) / np.linalg.norm(rows, axis=1, keepdims=True))


def in_form(name: str, rows: np.ndarray, form: str) -> np.ndarray:
    """Return rows [n, d] as vectors [n, d], images [n, s, s, 1] or sequences [n, s, s], where s = √d.

    Raises:
        NtkbenchError: If an image or a sequence is requested and d is not a square.
    """
    n, d = rows.shape
    if form == "vector":
        return rows
    side = math.isqrt(d)
    if side * side != d:
        raise NtkbenchError(
            f"Dataset {name!r} has {d} entries per input, which do not fill a square {form}; use a square number of "
            f"entries or an architecture for vectors."
        )
    return rows.reshape((n, side, side, 1) if form == "image" else (n, side, side))
