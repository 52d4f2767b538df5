"""A plugin whose architectures and measurements cost nothing: what is left is the framework's own time."""

from __future__ import annotations

from ntkbench import Quantity, hookimpl

ARCHITECTURES = 20
MEASUREMENTS = 5
WIDTHS = (4, 8, 16, 32, 64)
SEEDS = 20


class Net:
    """One weight, and the mean of an input times it."""

    def __init__(self):
        import tensorflow as tf

        self.weight = tf.Variable([[1.0]])
        self.trainable_variables = [self.weight]

    def __call__(self, x, training=False):
        import tensorflow as tf

        return tf.reduce_mean(tf.cast(x, self.weight.dtype), axis=1, keepdims=True) * self.weight


def build(width):
    """Return a model of one weight."""
    return Net()


def number(of):
    """Return the measurement with this number: a power law of the width, with a little of the seed."""

    def measure(ctx):
        return {f"nothing_{of}": 2.0 + 0.1 * of + 0.001 * ctx.seed}

    return measure


@hookimpl
def ntkbench_register_architectures(register):
    """Register models that cost nothing."""
    for index in range(ARCHITECTURES):
        register(f"nothing-{index:02}", build, summary="one weight")


@hookimpl
def ntkbench_register_measurements(register):
    """Register measurements that cost nothing."""
    for index in range(MEASUREMENTS):
        quantity = Quantity(f"nothing_{index}", f"n{index}", summary="a constant")
        register(f"nothing_{index}", number(index), quantities=[quantity], summary="a constant")
