"""Run as a program: one kernel or Hessian in a fresh process, its predicted and its measured peak of memory as JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import psutil

import ntkbench as nb
from ntkbench import layers
from ntkbench.engine.hessian import norm as hessian
from ntkbench.engine.ntk import prepared as ntk


def dense(width, activation, outputs):
    hidden = [layers.Dense(width, activation=activation, seed=i) for i in range(3)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(outputs, seed=9)])


def conv(channels, outputs, side=16, blocks=2):
    x = inputs = keras.Input((side, side, 3))
    x = layers.Conv2D(channels, 3, activation="relu", seed=0)(x)
    for i in range(blocks):
        h = layers.Conv2D(channels, 3, activation="relu", seed=2 * i + 1)(x)
        x = keras.layers.Add()([x, layers.Conv2D(channels, 3, seed=2 * i + 2)(h)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(outputs, seed=99)(x))


def embedded(width):
    """A model whose loop has no layer rule in a while loop: the Hessian goes over vectors of all weights."""
    return keras.Sequential([keras.Input((4,)), OwnDense(width), OwnDense(width), OwnDense(1)])


class OwnDense(keras.layers.Layer):
    """A layer without a rule."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_normal")

    def call(self, x):
        return keras.ops.tanh(x @ self.kernel)


CASES = {
    "kernel dense": lambda: (dense(2048, "relu", 1), (64,), 256, kernel),
    "kernel outputs": lambda: (dense(1024, "relu", 10), (64,), 128, kernel),
    "kernel conv": lambda: (conv(64, 10), (16, 16, 3), 32, kernel),
    "hessian dense": lambda: (dense(1024, "tanh", 1), (64,), 64, nb.hessian_norm),
    "hessian wide": lambda: (dense(4096, "tanh", 1), (64,), 64, nb.hessian_norm),
    "hessian conv": lambda: (conv(32, 1, side=8, blocks=1), (8, 8, 3), 8, nb.hessian_norm),
    "hessian without rules": lambda: (embedded(2048), (4,), 2, nb.hessian_norm),
}


def kernel(model, x):
    return nb.empirical_ntk(model, x, outputs="full")


def main(name):
    model, shape, n, function = CASES[name]()
    x = np.random.default_rng(0).standard_normal((n, *shape)).astype("float32")
    model(x[:1])
    predicted = []
    for module in (ntk, hessian):
        original = module.plan

        def recording(*args, original=original):
            found = original(*args)
            predicted.append(found.predicted_bytes)
            return found

        module.plan = recording
    process, peak, stop = psutil.Process(), [0], threading.Event()

    def watch():
        while not stop.is_set():
            peak[0] = max(peak[0], process.memory_info().rss)
            time.sleep(0.005)

    before = process.memory_info().rss
    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    function(model, x)
    seconds = time.perf_counter() - started
    stop.set()
    thread.join()
    print(json.dumps({"predicted": max(predicted), "measured": peak[0] - before, "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1])
