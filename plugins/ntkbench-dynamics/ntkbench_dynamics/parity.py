"""The dataset `parity`: random signs, labelled by the product of the first two."""

import numpy as np

import ntkbench as nb


def load(*, form, n, seed, d=40):
    """Return n inputs [n, d] of random signs ±1, and the product of their first two entries: [n], float64."""
    del form
    x = _signs(n, seed, d)
    return x, x[:, 0] * x[:, 1]


def load_task(*, form, seed, d=40, samples=500):
    """Return the classification of such inputs by that product, with `samples` inputs in each part.

    A kernel that treats all entries alike, such as the initial tangent kernel of any fully connected network, has to
    learn all d (d − 1)/2 products of two entries alike, so that it needs about as many samples. A network that learns
    features finds the two entries with fewer.

    Source: Wei, Lee, Liu, Ma 2019 (arXiv 1810.05369), for the gap between kernel and network.
    """
    del form
    x = _signs(2 * samples, seed, d)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    return nb.Task(
        train=(x[:samples], y[:samples]),
        test=(x[samples:], y[samples:]),
        kind="classification",
        classes=2,
        source="random signs, labelled by the product of the first two",
    )


def _signs(n, seed, d):
    return np.random.default_rng([seed, d]).choice([-1.0, 1.0], (n, d))
