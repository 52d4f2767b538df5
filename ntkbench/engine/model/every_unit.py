"""Other views of a model's output units, for checks that concern more than the chosen one."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ..ops import reshape
from .network import Network


class EveryUnit(Network):
    """A network whose scalar functions use a fixed random combination of all output units instead of one.

    Where the derivatives of any unit are wrong, those of the combination are.
    """

    def chosen(self, outputs: tf.Tensor) -> tf.Tensor:
        """Combine all output units: [N, O] -> [N]."""
        if outputs.shape[1] == 1:
            return reshape(outputs, [-1])
        combination = np.random.default_rng(0).standard_normal(outputs.shape[1])
        return tf.linalg.matvec(outputs, tf.constant(combination, outputs.dtype))


def every_unit(net: Network) -> Network:
    """Return the network with all output units in place of the chosen one."""
    return net.cached("every unit", lambda: EveryUnit(net.model, net.output, net.output_name, net.layout))


def with_unit(net: Network, unit: int) -> Network:
    """Return the network with another chosen output unit."""
    return net.cached(("unit", int(unit)), lambda: Network(net.model, int(unit), net.output_name, net.layout))
