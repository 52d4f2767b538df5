"""The global alignment kernel: dynamic time warping as a positive definite kernel."""

import tensorflow as tf
import tensorflow_probability as tfp

from ntkbench import NtkbenchError, kernels

LARGEST = 1 / 4  # of the local kernel κ/(1 + κ); then κ ≤ 1/3, and the sum over alignments is at most 1


def dtw(*, bandwidth=1.0):
    """Return the global alignment kernel of time series, normalised to 1 on the diagonal.

    It is the sum over all alignments of two series of the products of κ(x_t, y_s) over the aligned steps, with
    κ/(1 + κ) = exp(−‖x_t − y_s‖²/(2 b² a)) / 4 for a channels. As b → 0, −2 b² a log k without normalisation tends to
    the squared distance of dynamic time warping, up to constants.

    Args:
        bandwidth: The bandwidth b.

    Source: Cuturi, Vert, Birkenes, Matsui 2007 (arXiv cs/0610033), with the local kernel scaled by 1/2.
    """
    return Alignment(bandwidth)


class Alignment(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """The kernel `dtw` as a kernel of TensorFlow Probability; see there.

    Inputs are {"values": [N, T, a], "mask": [N, T]}, or values alone, whose steps all exist.
    """

    def __init__(self, bandwidth):
        self.bandwidth = bandwidth
        super().__init__(kernels.RAGGED, dtype=None, name="Alignment", parameters={"bandwidth": bandwidth})

    def __repr__(self):
        return f"<Alignment bandwidth={self.bandwidth}>"  # the text of the base class fails without a dtype

    __str__ = __repr__

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}

    def _batch_shape(self):
        return tf.TensorShape([])

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32)

    def matrix(self, x1, x2=None, name="matrix"):
        """Return the kernel of all pairs of inputs: [N1, N2]; x2 is x1 by default."""
        (values1, mask1), (values2, mask2) = _parts(x1), _parts(x1 if x2 is None else x2)
        with tf.name_scope(name):
            first, second = (values1[:, None], mask1[:, None]), (values2[None], mask2[None])
            return self._normalised(first, second)

    def apply(self, x1, x2, example_ndims=0, name="apply"):
        """Return the kernel of paired inputs."""
        with tf.name_scope(name):
            return self._normalised(_parts(x1), _parts(x2))

    def _normalised(self, first, second):
        dtype = first[0].dtype
        first, second = ((tf.cast(values, tf.float64), mask) for values, mask in (first, second))
        own1, own2 = self._sum(first, first), self._sum(second, second)
        return tf.cast(self._sum(first, second) / tf.sqrt(own1 * own2), dtype)

    def _sum(self, first, second):
        """Return the sum over alignments, one step of the first series at a time."""
        (values1, mask1), (values2, mask2) = first, second
        last1, last2 = (tf.reduce_sum(tf.cast(mask, tf.int32), -1) - 1 for mask in (mask1, mask2))
        at_end2 = tf.one_hot(last2, mask2.shape[-1], dtype=tf.float64)
        size = 2 * self.bandwidth**2 * values1.shape[-1]
        shape = tf.broadcast_static_shape(values1.shape[:-2], values2.shape[:-2])

        def step(before, now):
            row, start, total = before
            t, x = now
            similar = LARGEST * tf.exp(-tf.reduce_sum((x[..., None, :] - values2) ** 2, -1) / size)
            local = similar / (1 - similar)
            diagonal = tf.concat([tf.broadcast_to(start, [*shape, 1]), row[..., :-1]], -1)
            row = tfp.math.scan_associative(_composed, (local, local * (diagonal + row)), axis=-1)[1]
            total = tf.where(last1 == t, tf.reduce_sum(row * at_end2, -1), total)
            return row, tf.zeros_like(start), total

        steps = mask1.shape[-1]
        zero = tf.zeros(shape, tf.float64)
        nothing = (tf.zeros([*shape, mask2.shape[-1]], tf.float64), tf.ones([], tf.float64), zero)
        x = tf.convert_to_tensor([values1[..., t, :] for t in range(steps)])
        return tf.scan(step, (tf.range(steps), x), nothing)[2][-1]


def _composed(earlier, later):
    """Return the composition of two maps m → k m + b."""
    return earlier[0] * later[0], later[0] * earlier[1] + later[1]


def _parts(x):
    """Return values [..., N, T, a] and mask [..., N, T] of ragged inputs, or of values alone."""
    if not isinstance(x, dict):
        values = tf.convert_to_tensor(x)
        return values, tf.ones(values.shape[:-1], tf.bool)
    if set(x) != set(kernels.RAGGED):
        raise NtkbenchError(f"Sequences have the parts {sorted(kernels.RAGGED)}, but got {sorted(map(str, x))}.")
    return tf.convert_to_tensor(x["values"]), tf.cast(x["mask"], tf.bool)
