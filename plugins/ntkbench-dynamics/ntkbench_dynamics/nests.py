"""Inputs that are arrays, or dicts, tuples and lists of arrays."""

import numpy as np


def map_arrays(function, x):
    """Apply a function to an array, or to every array of a nest, whose structure the result has."""
    if isinstance(x, dict):
        return {name: map_arrays(function, part) for name, part in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(map_arrays(function, part) for part in x)
    return function(np.asarray(x))


def samples(x):
    """Return the number of samples: the length of an array, or of the first array of a nest."""
    while isinstance(x, dict | list | tuple):
        x = next(iter(x.values() if isinstance(x, dict) else x))
    return len(x)


def rows(x, chosen):
    """Return some samples of every array: chosen is a slice or indices [n]."""
    return map_arrays(lambda part: part[chosen], x)
