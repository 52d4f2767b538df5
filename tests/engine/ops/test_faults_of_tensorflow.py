"""What TensorFlow and Keras get wrong, line by line of docs/derivatives.md; a line that they repair fails here.

Each derivative is theirs, in float64 on a CPU (second ones compiled), beside a difference of their own values.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

ops = keras.ops


def _first(f, at):
    h = tf.constant(at, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(h)
        y = f(h)
    return float(tape.gradient(y, h, unconnected_gradients="zero"))


@tf.function(autograph=False)
def _hessian(f, h):
    with tf.GradientTape() as outer:
        outer.watch(h)
        with tf.GradientTape() as tape:
            tape.watch(h)
            y = f(h)
        slope = tape.gradient(y, h, unconnected_gradients="zero")
    return outer.gradient(slope, h, unconnected_gradients="zero")


def _second(f, at):
    return float(_hessian(f, tf.constant(at, tf.float64)))


def _slopes(f, at, step=1e-6):
    low, middle, high = (float(f(tf.constant(at + s * step, tf.float64))) for s in (-1, 0, 1))
    return (middle - low) / step, (high - middle) / step


def _curvature(f, at, step=1e-3):
    low, middle, high = (float(f(tf.constant(at + s * step, tf.float64))) for s in (-1, 0, 1))
    return (low - 2 * middle + high) / step**2


def _prelu(h):
    layer = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), dtype="float64")
    return layer(h[None, None])[0, 0]


def _normalised(h):
    row = tf.stack([h, 2 * h * h, tf.sin(3 * h)])
    mean, variance = tf.nn.moments(row, [0])
    return (row[0] - mean) / tf.sqrt(variance)


def _cross_entropy(h):
    row = tf.stack([h, 0.5 - h, h * h])
    return tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(tf.sin(row)), row)


def _colour(h):
    return tf.image.hsv_to_rgb(tf.stack([h, 0.6, 0.8])[None])[0, 0]


def _turned(h):
    image = h * np.random.default_rng(0).standard_normal((1, 4, 4, 1))
    turned = ops.image.affine_transform(image, tf.constant([[0.9, 0.1, 0.2, -0.1, 1.1, 0.1, 0.0, 0.0]]))
    return tf.reduce_sum(tf.cast(turned, tf.float64) * np.random.default_rng(1).standard_normal((1, 4, 4, 1)))


def _sine_over_h(h):
    one = tf.ones_like(h)
    return tf.where(h == 0, one, tf.sin(h) / tf.where(h == 0, one, h))


# name: (function, at, TensorFlow's derivative)
FIRST = {
    "celu": (ops.celu, 0.0, 2.0),
    "PReLU": (_prelu, 0.0, 0.0),
    "fmod": (lambda h: ops.fmod(h, 0.3), 0.0, 0.0),
    "bessel_i1": (tf.math.bessel_i1, 0.0, 1.0),
    "cumprod": (lambda h: tf.math.cumprod(tf.stack([h, tf.ones_like(h)]))[1], 0.0, 0.0),
    "hypot": (lambda h: ops.hypot(h, tf.ones_like(h)), 1.0, 2**0.5),
    "ldexp": (lambda h: ops.ldexp(h, np.int32(2)), 0.0, 1.0),
    "hsv_to_rgb": (_colour, 0.2, 0.0),
    "relu(h) − relu(−h)": (lambda h: tf.nn.relu(h) - tf.nn.relu(-h), 0.0, 0.0),
    "relu(h) − 0.3·relu(−h)": (lambda h: tf.nn.relu(h) - 0.3 * tf.nn.relu(-h), 0.0, 0.0),
    "max(h, 0) + min(h, 0)": (lambda h: tf.maximum(h, 0) + tf.minimum(h, 0), 0.0, 2.0),
    "|h|·sign h": (lambda h: tf.abs(h) * tf.sign(h), 0.0, 0.0),
    "where(h == 0, 0, h)": (lambda h: tf.where(h == 0, tf.zeros_like(h), h), 0.0, 0.0),
    "Masking": (lambda h: keras.layers.Masking(dtype="float64")(h[None, None, None])[0, 0, 0], 0.0, 0.0),
}
SECOND = {
    "moments": (_normalised, 0.7),
    "softmax cross entropy": (_cross_entropy, 0.7),
    "reduce_prod": (lambda h: tf.reduce_prod(tf.stack([h, h, 1 + h])), 0.0),
    "bessel_i0": (tf.math.bessel_i0, 0.0),
    "|h|·|h|": (lambda h: tf.abs(h) * tf.abs(h), 0.0),
    "where(h == 0, 1, sin(h) / h)": (_sine_over_h, 0.0),
}


@pytest.mark.parametrize("name", FIRST)
def test_first_derivatives_that_are_wrong(name):
    f, at, given = FIRST[name]
    low, high = sorted(_slopes(f, at))
    assert _first(f, at) == pytest.approx(given)
    assert not low - 1e-3 <= given <= high + 1e-3, (low, high)


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_that_are_wrong(name):
    f, at = SECOND[name]
    assert _second(f, at) != pytest.approx(_curvature(f, at), rel=1e-2, abs=1e-2)


def test_sinc_is_not_finite_at_zero():
    assert np.isnan(_first(ops.sinc, 0.0)) and np.allclose(_slopes(ops.sinc, 0.0), 0, atol=1e-5)


def test_operations_without_a_second_derivative():
    with pytest.raises(LookupError):
        _second(tf.nn.softsign, 0.5)
    with pytest.raises(LookupError):
        _second(lambda h: tf.reduce_sum(tf.image.resize(h * tf.ones([1, 2, 2, 1], h.dtype), (3, 3), "bicubic")), 0.5)


def test_image_transformations_have_a_gradient_of_their_own():
    low, high = _slopes(_turned, 0.7, 1e-3)  # it computes in float32
    assert abs(_first(_turned, 0.7) - (low + high) / 2) > 0.05 * abs(low + high)


def test_padding_loses_its_constant_when_it_is_vectorised():
    pad = lambda row: tf.pad(row, [[0, 1]], constant_values=7.0)  # noqa: E731
    found = tf.function(lambda x: tf.vectorized_map(pad, x))(tf.ones([2, 1]))
    np.testing.assert_array_equal(found, [[1, 0], [1, 0]])
