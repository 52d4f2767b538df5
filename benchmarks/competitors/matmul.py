"""The matmul limit: the time that a case's flops would take at the highest rate of a large matrix product."""

import time

import numpy as np
import tensorflow as tf
from serve import Prepared, serve


def prepare(case):
    """Time square and batch-shaped products, eager and compiled with XLA, and use the highest rate."""
    rng = np.random.default_rng(0)
    compiled = tf.function(tf.matmul, jit_compile=True, autograph=False)
    tasks = []
    for m, k, n in case.options["matmul_shapes"]:
        a, b = (tf.constant(rng.standard_normal(shape, np.float32)) for shape in ((m, k), (k, n)))
        for name, product in (("eager", tf.matmul), ("xla", compiled)):
            product(a, b).numpy()
            tasks.append((f"{m}x{k}x{n} {name}", 2.0 * m * k * n, product, a, b))

    def run():
        rates = {}
        for name, flops, product, a, b in tasks:
            start = time.perf_counter()
            product(a, b).numpy()
            rates[name] = flops / (time.perf_counter() - start)
        best = max(rates, key=rates.get)
        detail = {"flops": case.options["flops"], "gflops_per_second": rates[best] / 1e9, "by": best}
        return {"seconds": case.options["flops"] / rates[best], "detail": detail}

    return Prepared(run)


if __name__ == "__main__":
    serve({"limit": prepare}, ["tensorflow", "numpy"])
