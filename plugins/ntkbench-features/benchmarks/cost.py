"""Measure error and processor time of ridge regression against n and d: exact kernel and random features.

python benchmarks/cost.py           measure -> benchmarks/cost.json, then draw
python benchmarks/cost.py --draw    draw benchmarks/cost.json -> docs/features.png of the repository
"""

import json
import os
import platform
import sys
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import make_friedman1

from ntkbench_features import NTKRandomFeatures, StreamingRidge, cross_validated_ridge, relu_ntk
from ntkbench_features.costs import crossing, exact_ridge, feature_ridge, processor_seconds

HERE = Path(__file__).parent
RESULTS, PICTURE = HERE / "cost.json", HERE.parents[2] / "docs/features.png"
SIZES, LARGER = (500, 1000, 2000, 4000, 8000), (16_000, 32_000)  # samples
DIMENSIONS = (16, 64, 256)
FEATURES, TEST = 1024, 2000


def kernel(x, y):
    """Return |x||x'| Θ_1: [N, d], [M, d] → [N, M]."""
    sizes = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
    return sizes * relu_ntk(x @ y.T / sizes, 1)


def errors():
    """Return test errors by n: squared error over the variance, on make_friedman1 with noise of variance 1.

    The ridge is chosen by leave-one-out cross-validation of the exact kernel on the first 1,000 samples.
    """
    x, y = make_friedman1(LARGER[-1] + TEST, 10, noise=1.0, random_state=0)
    x = (x - 0.5) * np.sqrt(12)
    x_test, y_test = x[-TEST:], y[-TEST:]
    ridge = cross_validated_ridge(kernel(x[:1000], x[:1000]), y[:1000, None] - y[:1000].mean())
    map_ = NTKRandomFeatures(FEATURES, random_state=0).fit(x)
    z, z_test = map_.transform(x[:-TEST]), map_.transform(x_test)
    found = {"exact": {}, "features": {}}
    for n in (*SIZES, *LARGER):
        middle = y[:n].mean()
        predictions = {"features": StreamingRidge(ridge).fit(z[:n], y[:n] - middle).predict(z_test)}
        if n in SIZES:
            system = kernel(x[:n], x[:n]) + ridge * np.eye(n)
            predictions["exact"] = kernel(x_test, x[:n]) @ np.linalg.solve(system, y[:n] - middle)
        for name, prediction in predictions.items():
            found[name][n] = float(np.mean((prediction + middle - y_test) ** 2) / np.var(y_test))
    return found


def measure():
    """Return all figures as a dictionary for JSON."""
    rng = np.random.default_rng(0)
    methods = {"exact": exact_ridge, "features": partial(feature_ridge, features=FEATURES)}
    seconds, by_dimension = {name: {} for name in methods}, {name: {} for name in methods}
    for name, method in methods.items():
        for n in SIZES if name == "exact" else (*SIZES, *LARGER):
            x, y = rng.standard_normal((n, 64)), rng.standard_normal(n)
            seconds[name][n] = processor_seconds(method, x, y)
        for d in DIMENSIONS:
            x, y = rng.standard_normal((2000, d)), rng.standard_normal(2000)
            by_dimension[name][d] = processor_seconds(method, x, y)
    return {
        "hardware": f"{processor()}, {os.cpu_count()} cores, other programs running",
        "settings": f"one hidden ReLU layer, {FEATURES} features, float64; times for d = 64, errors for make_friedman1",
        "processor_seconds": seconds,
        "processor_seconds_by_d_at_n_2000": by_dimension,
        "crossing_n": crossing(seconds["exact"], {n: seconds["features"][n] for n in SIZES}),
        "test_error": errors(),
    }


def processor():
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def draw(found):
    """Draw error and time against n."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    panels = (
        (left, "test_error", "test error / variance"),
        (right, "processor_seconds", "processor time [s]"),
    )
    labels = {"exact": "exact kernel", "features": f"{FEATURES:,} random features"}
    for axes, key, label in panels:
        for name, style in (("exact", "o-"), ("features", "s-")):
            points = found[key][name]
            axes.plot([int(n) for n in points], list(points.values()), style, label=labels[name], markersize=4)
        axes.set(xlabel="number of samples n", ylabel=label, xscale="log")
        axes.grid(alpha=0.3)
    right.set_yscale("log")
    at = found["crossing_n"]
    right.axvline(at, color="grey", linestyle=":", label=f"equal at n = {at:,.0f}")
    right.legend(frameon=False)
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    if "--draw" not in sys.argv[1:]:
        RESULTS.write_text(json.dumps(measure(), indent=2) + "\n", encoding="utf-8")
    draw(json.loads(RESULTS.read_text(encoding="utf-8")))
