"""Measure the cost of splitting inputs over two logical devices of one CPU; print one JSON object.

python benchmarks/distribute.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 5


def median(act: Callable[[], Any]) -> float:
    """Return the median time of ROUNDS calls in seconds, after one call that compiles."""
    act()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Time kernels and Hessian norms of a three-layer tanh network on one device and on two."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import tensorflow as tf

    one = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one] * 2)
    import keras
    import numpy as np

    import ntkbench as nb

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    found = {}
    for width, kernel_inputs, hessian_inputs in ((256, 64, 16), (1024, 128, 16)):
        layers = [keras.layers.Dense(width, "tanh") for _ in range(3)]
        model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
        x = rng.standard_normal((kernel_inputs, 64)).astype("float32")
        few = x[:hessian_inputs]
        cases = {
            f"kernel, width {width}, {kernel_inputs} inputs, 10 outputs": lambda x=x, model=model, **options: (
                nb.empirical_ntk(model, x, outputs="full", **options)
            ),
            f"Hessian norms, width {width}, {hessian_inputs} inputs": lambda few=few, model=model, **options: (
                nb.hessian_norm(model, few, **options)
            ),
        }
        for name, act in cases.items():
            alone, split = median(act), median(lambda act=act: act(strategy="mirrored"))
            found[name] = {"one_seconds": alone, "two_seconds": split, "ratio": split / alone}
    print(json.dumps({"cores": os.cpu_count(), "cases": found}, indent=1))


if __name__ == "__main__":
    main()
