"""Draw samples of datasets by seed, and number their classes."""

import hashlib

import numpy as np

from ntkbench import NtkbenchError


def generator(*names):
    """Return a random generator that depends only on names and numbers."""
    digest = hashlib.sha256("\n".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def probes(name, total, n, seed):
    """Draw `n` of `total` rows without replacement; a shorter draw is a prefix of a longer one."""
    if not 1 <= n <= total:
        raise NtkbenchError(f"Dataset {name!r} has {total} inputs, but {n} were requested; request 1 to {total}.")
    return generator(name, "probes", seed).permutation(total)[:n]


def labels(words):
    """Return the classes [N] of labels, numbered from 0: numbers in ascending order, otherwise texts."""
    try:
        keys = [float(word) for word in words]
    except ValueError:
        keys = list(words)
    return np.unique(keys, return_inverse=True)[1]


def stratified(classes, parts, *names):
    """Return the part [N] of each sample, 0 to parts − 1, so that every class is spread evenly over the parts.

    Args:
        classes: Classes [N].
        parts: Number of parts.
        *names: What the draw depends on.
    """
    rng = generator(*names)
    order = np.concatenate([rng.permutation(np.flatnonzero(classes == each)) for each in np.unique(classes)])
    part = np.empty(len(classes), np.int64)
    part[order] = np.arange(len(classes)) % parts
    return part
