"""Norms of arrays of any scale, whose squares neither overflow nor are all rounded to 0."""

import numpy as np


def unit(a):
    """Return a finite array divided by the power of two that brings its largest |entry| between 1/2 and 1."""
    return np.ldexp(a, -_exponent(a))


def norm(a):
    """Return the Euclidean norm of all entries of a finite array."""
    return float(np.ldexp(np.linalg.norm(unit(a)), _exponent(a)))


def _exponent(a):
    return np.frexp(np.abs(a).max(initial=0.0))[1]
