"""Processor time and memory of kernel methods: with the exact kernel, and with features."""

import functools
import math
import threading
import time

import numpy as np
import psutil
import scipy.linalg

import ntkbench as nb

from .random_features import NTKRandomFeatures


def processor_seconds(function, *args):
    """Return the least processor time of three calls, over all threads of this process, in seconds.

    A call before them may compile.
    """
    function(*args)
    found = []
    for _ in range(3):
        start = time.process_time()
        function(*args)
        found.append(time.process_time() - start)
    return min(found)


def peak_memory(function, every=0.005):
    """Return how much the resident memory of this process rises during a call at most, in bytes.

    Memory that earlier calls have freed is used again and does not count: measure in a fresh process.

    Args:
        function: What is called.
        every: Seconds between two looks at the memory.
    """
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch():
        nonlocal highest
        while not done.wait(every):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return max(highest, process.memory_info().rss) - before


def exact_ridge(x, y, depth=1, alpha=1.0):
    """Return the dual weights of ridge regression with the exact kernel: [N, d], [N] → [N]."""
    kernel = nb.kernels.named("fully-connected", depth=depth, weight_std=math.sqrt(2)).matrix(x, x).numpy()
    kernel[np.diag_indices(len(x))] += alpha
    return solved(kernel, y)


def feature_ridge(x, y, depth=1, alpha=1.0, features=1024):
    """Return the weights of ridge regression on random features: [N, d], [N] → [m]."""
    z = NTKRandomFeatures(features, depth=depth, random_state=0).fit_transform(x)
    gram = z.T @ z
    gram[np.diag_indices(len(gram))] += alpha
    return solved(gram, z.T @ y)


def solved(matrix, y):
    """Return the solution of a positive definite system, which is overwritten."""
    return scipy.linalg.solve(matrix, y, assume_a="pos", overwrite_a=True, check_finite=False)


def ridge_seconds(sizes, d=64, features=1024, seed=0):
    """Return the processor time of ridge regression by the number of samples, on Gaussian inputs in float64.

    Args:
        sizes: Numbers of samples.
        d: Size of one input.
        features: Number of features m.
        seed: Seed of the inputs.

    Returns:
        Two dictionaries {n: seconds}: with the exact kernel, and with features.
    """
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((max(sizes), d)), rng.standard_normal(max(sizes))
    methods = exact_ridge, functools.partial(feature_ridge, features=features)
    exact, approximate = ({n: processor_seconds(method, x[:n], y[:n]) for n in sizes} for method in methods)
    return exact, approximate


def crossing(exact, features):
    """Return the number of samples from which features are faster: where the two lines cross on logarithmic axes.

    Args:
        exact: Seconds by the number of samples, with the exact kernel.
        features: Seconds by the same numbers, with features.

    Returns:
        A number of samples, interpolated; the smallest number if features are faster from there on, and inf if they
        are slower at the largest.
    """
    sizes = sorted(exact)
    gains = [math.log(exact[n] / features[n]) for n in sizes]
    if gains[-1] <= 0:
        return math.inf
    last = max((k for k, gain in enumerate(gains) if gain <= 0), default=None)
    if last is None:
        return float(sizes[0])
    share = -gains[last] / (gains[last + 1] - gains[last])
    return float(sizes[last] ** (1 - share) * sizes[last + 1] ** share)
