"""Windows of arrays: their values by indexing, and both derivatives as the linear maps that they are."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from checking import normal

from ntkbench.engine.rules.unfold import windows


def indexed(x, kernel, strides, dilation, out):
    taps = []
    for place in itertools.product(*map(range, kernel)):
        axes = zip(place, dilation, strides, out, strict=True)
        index = np.ix_(range(len(x)), *(i * d + s * np.arange(count) for i, d, s, count in axes), range(x.shape[-1]))
        taps.append(x[index])
    return np.stack(taps, -2)


@pytest.mark.parametrize(
    ("space", "kernel", "strides", "dilation"),
    [
        ((5,), (3,), (1,), (2,)),
        ((5, 6), (2, 3), (1, 1), (1, 2)),
        ((5, 6), (1, 1), (1, 1), (1, 1)),
        ((5, 6), (1, 2), (1, 1), (1, 1)),
        ((5, 6), (1, 1), (2, 2), (1, 1)),
        ((5, 6), (3, 2), (2, 1), (1, 1)),
        ((4, 4, 3), (2, 3, 2), (1, 1, 1), (1, 1, 1)),
    ],
)
@pytest.mark.parametrize("fewer", [0, 1])
def test_windows_and_their_derivatives(space, kernel, strides, dilation, fewer):
    along = zip(space, kernel, strides, dilation, strict=True)
    out = [max((n - (k - 1) * d - 1) // s + 1 - fewer, 1) for n, k, s, d in along]

    def of(x):
        return windows(x, kernel, strides, dilation, out)

    x, other = normal(2, *space, 3, seed=1), normal(2, *space, 3, seed=2)
    expected = indexed(x, kernel, strides, dilation, out)
    c = normal(*expected.shape, seed=3)

    @tf.function(autograph=False)
    def derivatives(x, c):
        with tf.GradientTape() as outer:
            outer.watch(c)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = of(x)
            transposed = inner.gradient(y, x, c)
        return y, transposed, outer.gradient(transposed, c, other)

    y, transposed, back = derivatives(tf.constant(x), tf.constant(c))
    np.testing.assert_array_equal(y, expected)
    of_other = indexed(other, kernel, strides, dilation, out)
    np.testing.assert_allclose(np.vdot(transposed, other), np.vdot(c, of_other), rtol=1e-12)
    np.testing.assert_allclose(back, of_other, rtol=1e-14)
