"""The global alignment kernel: dynamic time warping as a positive definite kernel."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ntkbench import NtkbenchError, kernels

LARGEST = 1 / 4  # of the local kernel κ/(1 + κ); then κ ≤ 1/3, and the sum over alignments is at most 1
NONE = -1e30  # logarithm of the sum over no alignment: finite, so that gradients are


def dtw(*, bandwidth=1.0):
    """Return the global alignment kernel of time series, normalised to 1 on the diagonal.

    It is the sum over all alignments of two series of the products of κ(x_t, y_s) over the aligned steps, with
    κ/(1 + κ) = exp(−‖x_t − y_s‖²/(2 b² a)) / 4 for a channels. As b → 0, −2 b² a log k without normalisation tends to
    the squared distance of dynamic time warping, up to constants.

    Args:
        bandwidth: The bandwidth b.

    Raises:
        NtkbenchError: The bandwidth is not a positive number.

    Source: Cuturi, Vert, Birkenes, Matsui 2007 (arXiv cs/0610033), with the local kernel scaled by 1/2.
    """
    if isinstance(bandwidth, bool) or not isinstance(bandwidth, (int, float, np.number)) or not 0 < bandwidth < np.inf:
        raise NtkbenchError(f"bandwidth={bandwidth!r} is invalid; pass a positive number.")
    return Alignment(bandwidth)


class Alignment(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """The kernel `dtw` as a kernel of TensorFlow Probability; see there.

    Inputs are {"values": [N, T, a], "mask": [N, T]}, where the mask is true for the steps that exist, or values alone,
    whose steps all exist. Sums are computed as logarithms in float64, because they fall exponentially with the length
    of the series; the result has the precision of the values, and float32 for lists and integers.
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
        (values1, length1), (values2, length2) = _parts(x1, 3), _parts(x1 if x2 is None else x2, 3)
        with tf.name_scope(name):
            return self._normalised((values1[:, None], length1[:, None]), (values2[None], length2[None]))

    def apply(self, x1, x2, example_ndims=0, name="apply"):
        """Return the kernel of paired inputs."""
        with tf.name_scope(name):
            return self._normalised(_parts(x1, 2), _parts(x2, 2))

    def _normalised(self, first, second):
        dtype, channels = first[0].dtype, [values.shape[-1] for values, _ in (first, second)]
        if channels[0] != channels[1]:
            raise NtkbenchError(f"Series of {channels[0]} and of {channels[1]} channels cannot be aligned.")
        first, second = ((tf.cast(values, tf.float64), length) for values, length in (first, second))
        size = tf.constant(2 * self.bandwidth**2 * channels[0], tf.float64)
        own1, own2, shared = (_log_sum(*x, *y, size) for x, y in ((first, first), (second, second), (first, second)))
        return tf.cast(tf.exp(shared - (own1 + own2) / 2), dtype)


@tf.function(reduce_retracing=True)
def _log_sum(x, length1, y, length2, size):
    """Return the logarithm of the sum over alignments, one diagonal t + s = k of pairs of steps at a time.

    Args:
        x: Values [..., T, a], the existing steps first.
        length1: Their lengths [...].
        y: Other values [..., T', a].
        length2: Their lengths [...].
        size: The scale 2 b² a of squared distances.
    """
    steps1, steps2 = tf.shape(x)[-2], tf.shape(y)[-2]
    shape = tf.broadcast_dynamic_shape(tf.shape(x)[:-2], tf.shape(y)[:-2])
    t, last = tf.range(steps1), length1 + length2 - 2
    at_end = tf.one_hot(length1 - 1, steps1, dtype=tf.float64)
    nothing = tf.fill(tf.concat([shape, [steps1]], 0), tf.constant(NONE, tf.float64))

    def step(before, k):
        one, two, total = before  # the diagonals k − 1 and k − 2
        partner = tf.gather(y, tf.clip_by_value(k - t, 0, steps2 - 1), axis=-2)
        similar = np.log(LARGEST) - tf.reduce_sum((x - partner) ** 2, -1) / size
        local = similar - tf.math.log1p(-tf.exp(similar))
        earlier = tfp.math.log_add_exp(tfp.math.log_add_exp(one, _later(one)), _later(two))
        now = local + tf.where((k == 0) & (t == 0), tf.zeros_like(earlier), earlier)
        now = tf.where((t <= k) & (t > k - steps2), now, nothing)
        return now, one, tf.where(last == k, tf.reduce_sum(now * at_end, -1), total)

    return tf.foldl(step, tf.range(steps1 + steps2 - 1), (nothing, nothing, nothing[..., 0]))[2]


def _later(diagonal):
    """Move the entries of [..., T] by one step; nothing comes before the first one."""
    return tf.concat([tf.fill(tf.shape(diagonal[..., :1]), tf.constant(NONE, diagonal.dtype)), diagonal[..., :-1]], -1)


def _parts(x, rank):
    """Return values [..., T, a] of at least a rank with the existing steps first, and lengths [...]."""
    if isinstance(x, dict) and set(x) != set(kernels.RAGGED):
        raise NtkbenchError(f"Sequences have the parts {sorted(kernels.RAGGED)}, but got {sorted(map(str, x))}.")
    values = tf.convert_to_tensor(x["values"] if isinstance(x, dict) else x)
    values = values if values.dtype.is_floating else tf.cast(values, tf.float32)
    mask = tf.cast(x["mask"], tf.bool) if isinstance(x, dict) else tf.ones(values.shape[:-1], tf.bool)
    if values.shape.rank < rank or values.shape[:-1] != mask.shape:
        raise NtkbenchError(
            f"Series have the shape {list(values.shape)} and their mask {list(mask.shape)}; expected [N, T, a] and "
            "[N, T]."
        )
    length = tf.reduce_sum(tf.cast(mask, tf.int32), -1)
    if not tf.is_symbolic_tensor(length) and not tf.reduce_all(length > 0):
        raise NtkbenchError("A series has no steps, so that it cannot be aligned; every series needs one step.")
    order = tf.argsort(tf.cast(~mask, tf.int32), stable=True)
    return tf.gather(values, order, axis=-2, batch_dims=mask.shape.rank - 1), length
