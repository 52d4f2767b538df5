"""The suites: runs that compare methods over datasets by the protocols of the papers.

The orders of the papers are recalled; their tables could not be read. They decide nothing.
"""

NETWORKS = ["recurrent", "gru", "lstm"]
KERNELS = ["rntk", "fully-connected", "rbf", "polynomial"]
SHARED = {"widths": [64], "probes": 4, "compare": "test_accuracy"}


def rntk2020():
    """Return the run on short time series, by the protocol of arXiv 2006.10246 with a coarse grid."""
    return SHARED | {
        "name": "rntk2020",
        "arch": [*KERNELS, "dtw", *NETWORKS],
        "dataset": ["ucr-short"],
        "measure": ["rntk2020"],
        "seeds": 1,
        "order": ["rntk", "fully-connected", "rbf", "polynomial", "gru", "recurrent"],
        "source": "arXiv 2006.10246, recalled and not confirmed",
    }


def rntk2021():
    """Return the run on small tables, by the protocol of arXiv 2012.04859; each seed is a fold."""
    return SHARED | {
        "name": "rntk2021",
        "arch": [*KERNELS, *NETWORKS],
        "dataset": ["small-tables"],
        "measure": ["rntk2021"],
        "seeds": 4,
        "order": ["rntk", "fully-connected", "rbf", "polynomial"],
        "source": "arXiv 2012.04859, recalled and not confirmed",
    }
