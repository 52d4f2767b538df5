"""The network of infinite width."""

import tensorflow as tf
import tensorflow_probability as tfp

from ntkbench.kernels import Activation, Dense, InfiniteWidth


class Symmetric(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """k(x, x') = ½ Σ K(σx, τx') over the orders σ, τ of two pairs, for a kernel K of concatenated pairs."""

    def __init__(self, base, nngp=None):
        self._base, self.nngp = base, nngp
        super().__init__(feature_ndims={"first": 1, "second": 1}, dtype=base.dtype, name="Symmetric")

    def _batch_shape(self):
        return self._base.batch_shape

    def _batch_shape_tensor(self):
        return self._base.batch_shape_tensor()

    def _orders(self, x):
        return [tf.concat([x[a], x[b]], -1) for a, b in (("first", "second"), ("second", "first"))]

    def _apply(self, x1, x2, example_ndims=0):
        left, right = self._orders(x1), self._orders(x2)
        return sum(self._base.apply(a, b, example_ndims) for a in left for b in right) / 2

    def _matrix(self, x1, x2):
        left, right = self._orders(x1), self._orders(x2)
        return sum(self._base.matrix(a, b) for a in left for b in right) / 2


def kernel(*, depth=2):
    """Return the tangent kernel of `depth` hidden layers, with its covariance at initialisation as `nngp`."""
    stack = [*[Dense(2**0.5), Activation("relu")] * depth, Dense()]
    return Symmetric(InfiniteWidth(stack), nngp=Symmetric(InfiniteWidth(stack, "nngp")))


def limit(*, input_shape, depth=2):
    """Return the limit of the architecture."""
    return kernel(depth=depth)
