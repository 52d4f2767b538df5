"""A program for tests: kernels and Hessian norms with a strategy and without, in a process of its own.

    python replicas.py mirrored|multiworker NAME...

NAME: of KERNELS and METHODS below. "mirrored" makes two logical CPU devices; "multiworker" reads TF_CONFIG.

Prints one JSON object: name -> [distance relative to the largest entry, whether forms are equal], and "replicas".
"""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import tensorflow as tf

import ntkbench as nb
from ntkbench.engine.model.network import network
from ntkbench.engine.replicas import Replicas, strategy_of
from ntkbench.errors import NtkbenchError

KERNELS = {
    "trace": {},
    "full": {"outputs": "full"},
    "one unit": {"outputs": 1},
    "jacobian": {"method": "jacobian"},
    "per_layer": {"per_layer": True},
    "float64": {"precision": "float64"},
    "in blocks": {"memory_gib": 0.06},
}


METHODS = ("factored", "hvp", "dense")


def model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(3, 3, activation="gelu"),
        keras.layers.LayerNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(4, "tanh"),
        keras.layers.Dense(2),
    ]
    return keras.Sequential([keras.Input((5, 5, 1)), *layers])


def recurrent():
    """Return a model of tokens and a mask."""
    keras.utils.set_random_seed(1)
    tokens, mask = keras.Input((4,), dtype="int32", name="tokens"), keras.Input((4,), dtype="bool", name="mask")
    h = keras.layers.SimpleRNN(3)(keras.layers.Embedding(9, 3)(tokens), mask=mask)
    return keras.Model({"tokens": tokens, "mask": mask}, keras.layers.Dense(2)(h))


def compare(alone, split):
    """Return the largest distance relative to the largest entry, and whether forms and types are equal."""
    if isinstance(alone, dict):
        each = [compare(alone[name], split[name]) for name in alone]
        return [max(distance for distance, _ in each), list(alone) == list(split) and all(same for _, same in each)]
    same = alone.shape == split.shape and alone.dtype == split.dtype
    return [float(np.abs(alone - split).max() / np.abs(alone).max()), same]


def main(name, *wanted):
    if name == "mirrored":
        one = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one] * 2)
    strategy = strategy_of(name)  # workers agree before anything is computed
    net, found = model(), {"replicas": strategy.num_replicas_in_sync}
    x = np.random.default_rng(0).standard_normal((7, 5, 5, 1)).astype("float32")
    for what in (each for each in wanted if each in KERNELS):
        for other in (None, x[:3] + 1):
            alone = nb.empirical_ntk(net, x, other, **KERNELS[what])
            split = nb.empirical_ntk(net, x, other, strategy=name, **KERNELS[what])
            found[f"{what} {'x1' if other is None else 'x1, x2'}"] = compare(alone, split)
    found["one input"] = compare(nb.empirical_ntk(net, x[:1]), nb.empirical_ntk(net, x[:1], strategy=strategy))
    net.set_weights([w + 0.1 for w in net.get_weights()])  # copies follow
    found["later weights"] = compare(nb.empirical_ntk(net, x), nb.empirical_ntk(net, x, strategy=strategy))
    for method in (each for each in wanted if each in METHODS):
        alone = nb.hessian_norm(net, x[:5], output=1, method=method, tol=1e-4)
        split = nb.hessian_norm(net, x[:5], output=1, method=method, tol=1e-4, strategy=strategy)
        found[method] = compare(alone.value, split.value)
        assert (np.abs(alone.value - split.value) <= alone.error + split.error).all(), method
        assert split.converged.all() and split.method == method and split.error.shape == (5,)

    words = {"tokens": np.arange(20).reshape(5, 4) % 9, "mask": np.arange(4) < np.array([[4], [1], [3], [2], [4]])}
    nested, other = recurrent(), {name: part[::2] for name, part in words.items()}
    for x1, x2 in ((words, None), (words, other)):
        kernels = [nb.empirical_ntk(nested, x1, x2, strategy=each) for each in (None, name)]
        found[f"nested x1, {'x1' if x2 is None else 'x2'}"] = compare(*kernels)
    norms = [nb.hessian_norm(nested, words, tol=1e-4, strategy=each).value for each in (None, name)]
    found["nested norms"] = compare(*norms)

    def fails(of, number):
        if number == 1:
            raise ValueError("no memory")
        return np.zeros(3)

    try:
        Replicas(network(net), strategy, None).compute(fails)
    except (ValueError, NtkbenchError) as error:
        found["failure"] = str(error)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
