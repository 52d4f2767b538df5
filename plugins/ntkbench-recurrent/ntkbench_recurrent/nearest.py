"""Classify time series by the nearest neighbour under dynamic time warping."""

import numpy as np

from ntkbench import NtkbenchError


def accuracy(task):
    """Return the share of test series whose nearest train series has their class; of equal distances, the first."""
    (x, y), (x_test, y_test) = task.train, task.test
    return float(np.mean(y[distances(x_test, x).argmin(1)] == y_test))


def distances(x1, x2):
    """Return the distances by dynamic time warping, without a window: [N1, N2].

    Args:
        x1: Series [N1, T, a], or {"values": [N1, T, a], "mask": [N1, T]}.
        x2: Other series.

    Raises:
        NtkbenchError: tslearn is not installed.
    """
    try:
        from tslearn.metrics import cdist_dtw
    except ImportError:
        raise NtkbenchError(
            "Dynamic time warping needs tslearn. Install it with `pip install 'ntkbench-recurrent[dtw]'`."
        ) from None
    return cdist_dtw(_series(x1), _series(x2))


def _series(x):
    """Return series [N, T, a] with NaN behind their ends, as tslearn expects them."""
    return np.where(x["mask"][..., None], x["values"], np.nan) if isinstance(x, dict) else np.asarray(x)
