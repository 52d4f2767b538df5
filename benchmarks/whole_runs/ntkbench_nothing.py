"""A plugin with trivial architectures and measurements, to measure the overhead of the framework."""

from __future__ import annotations

from ntkbench import Quantity, hookimpl

ARCHITECTURES = 20
MEASUREMENTS = 5
WIDTHS = (4, 8, 16, 32, 64)
SEEDS = 20


class Net:
    """A model with one weight, which multiplies the mean of an input."""

    def __init__(self):
        import tensorflow as tf

        self.weight = tf.Variable([[1.0]])
        self.trainable_variables = [self.weight]

    def __call__(self, x, training=False):
        import tensorflow as tf

        return tf.reduce_mean(tf.cast(x, self.weight.dtype), axis=1, keepdims=True) * self.weight


def build(width):
    """Return a model with one weight."""
    return Net()


def number(of):
    """Return the measurement with this index, whose value depends on the index and slightly on the seed."""

    def measure(ctx):
        return {f"nothing_{of}": 2.0 + 0.1 * of + 0.001 * ctx.seed}

    return measure


@hookimpl
def ntkbench_register_architectures(register):
    """Register trivial models."""
    for index in range(ARCHITECTURES):
        register(f"nothing-{index:02}", build, summary="one weight")


@hookimpl
def ntkbench_register_measurements(register):
    """Register trivial measurements."""
    for index in range(MEASUREMENTS):
        quantity = Quantity(f"nothing_{index}", f"n{index}", summary="a constant")
        register(f"nothing_{index}", number(index), quantities=[quantity], summary="a constant")
