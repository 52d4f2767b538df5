"""Operations that replace TensorFlow's: their values, and derivatives against finite differences in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from ntkbench import NtkbenchError, hvp
from ntkbench.engine.ops.exact_ops import exact_operations

ops = keras.ops

POINTS = {
    "random": np.random.default_rng(0).standard_normal(16),
    "zeros": np.zeros(16),
    "ones": np.ones(16),
    "some zeros": np.where(np.arange(16) % 3, np.random.default_rng(1).standard_normal(16), 0.0),
    "one zero": np.where(np.arange(16) == 5, 0.0, np.random.default_rng(2).standard_normal(16)),
}

# Smooth at every point above: f(h), h: [16].
SMOOTH = {
    "prod": lambda h: ops.prod(ops.reshape(h, (4, 4)), axis=-1),
    "prod of all": lambda h: ops.prod(ops.reshape(h, (2, 8)), axis=(0, 1)),
    "prod with axes kept": lambda h: ops.prod(ops.reshape(h, (2, 2, 4)), axis=(-1, 0), keepdims=True),
    "prod of three": lambda h: ops.prod(ops.reshape(h[:15], (5, 3)), axis=1),
    "tf.math.reduce_prod": lambda h: tf.math.reduce_prod(tf.reshape(h, [4, 4]), 0),
    "nanprod": lambda h: ops.nanprod(ops.reshape(h, (4, 4)), axis=-1),
    "cumprod": lambda h: ops.cumprod(ops.reshape(h, (4, 4)), axis=1),
    "cumprod of five": lambda h: ops.cumprod(ops.reshape(h[:15], (5, 3)), axis=0),
    "cumprod exclusive": lambda h: tf.math.cumprod(tf.reshape(h, [4, 4]), 1, exclusive=True),
    "cumprod reverse": lambda h: tf.math.cumprod(tf.reshape(h, [4, 4]), -1, exclusive=True, reverse=True),
    "nancumprod": lambda h: ops.nancumprod(ops.reshape(h, (4, 4)), axis=-1),
    "segment_prod": lambda h: ops.segment_prod(ops.reshape(h, (8, 2)), np.array([0, 0, 1, 1, 1, 2, 0, 2]), 3),
    "hypot with one": lambda h: ops.hypot(h, ops.ones_like(h)),
    "hypot with something small": lambda h: ops.hypot(h, 0.3 * ops.cos(h)),
    "cross entropy, logits": lambda h: ops.categorical_crossentropy(
        ops.softmax(ops.reshape(h[:8], (2, 4))), ops.reshape(h[8:], (2, 4)), from_logits=True
    ),
    "cross entropy, along another axis": lambda h: ops.categorical_crossentropy(
        ops.softmax(ops.reshape(h[:8], (2, 4)), 0), ops.reshape(h[8:], (2, 4)), from_logits=True, axis=0
    ),
    "cross entropy, probabilities": lambda h: ops.categorical_crossentropy(
        ops.softmax(ops.reshape(h[:8], (2, 4))), ops.softmax(ops.reshape(h[8:], (2, 4)))
    ),
    "sinc": ops.sinc,
    "ldexp": lambda h: ops.ldexp(h, np.arange(16, dtype="int32") % 3),
    "hypot with a number": lambda h: ops.hypot(h, 1.0),
    "i0": ops.i0,
    "i1": lambda h: tf.math.bessel_i1(h),
    "fmod": lambda h: ops.fmod(h, 0.7 + 0.05 * ops.cos(h)),
    "fmod by a number": lambda h: ops.fmod(0.4 * ops.tanh(h), 0.7),
    "hsv_to_rgb": lambda h: ops.image.hsv_to_rgb(ops.reshape(0.45 + 0.04 * ops.tanh(h[:12]), (1, 2, 2, 3))),
    "resize lanczos": lambda h: ops.image.resize(ops.reshape(h * h, (1, 4, 4, 1)), (5, 3), interpolation="lanczos3"),
    "resize of unknown size": lambda h: tf.image.resize(_unknown(ops.reshape(h * h, (1, 4, 4, 1))), (5, 3)),
    "softsign times h": lambda h: ops.softsign(h * h + 0.1),
}


def _unknown(images):
    return tf.pad(images, tf.cast(tf.fill([4, 2], tf.reduce_sum(0 * images)), tf.int32))


def _value(function, c):
    def value(h):
        with exact_operations():
            y = tf.cast(function(h), tf.float64)
        return tf.reduce_sum(tf.sin(tf.reshape(y, [-1]) + 0.3) * c)

    return value


def _derivatives(value):
    """Return the function (h, v) -> the gradient and the Hessian times v in both orders of differentiation."""

    def gradient(h):
        with tf.GradientTape() as tape:
            tape.watch(h)
            y = value(h)
        return tape.gradient(y, h, unconnected_gradients="zero")

    @tf.function(autograph=False)
    def all_three(h, v):
        with tf.GradientTape() as tape:
            tape.watch(h)
            along = tf.reduce_sum(gradient(h) * v)
        double = tape.gradient(along, h, unconnected_gradients="zero")
        with tf.autodiff.ForwardAccumulator(h, v) as accumulator:
            first = gradient(h)
        return first, double, accumulator.jvp(first, unconnected_gradients="zero")

    return lambda h, v: [each.numpy() for each in all_three(tf.constant(h), tf.constant(v))]


def _differences(value, h, v, step=2e-4):
    f = lambda shift: float(value(tf.constant(h + shift)))  # noqa: E731
    unit = np.eye(h.size)
    first = [(f(1e-5 * e) - f(-1e-5 * e)) / 2e-5 for e in unit]
    plus, minus = ([f(step * (e + s * v)) - f(step * (s * v - e)) for e in unit] for s in (1, -1))
    return np.array(first), (np.array(plus) - np.array(minus)) / (4 * step**2)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_equal_differences_of_values(name):
    rng = np.random.default_rng(3)
    with exact_operations():
        size = int(np.prod(SMOOTH[name](tf.constant(POINTS["zeros"])).shape))
    value = _value(SMOOTH[name], tf.constant(rng.standard_normal(size)))
    compiled, derivatives, v = tf.function(value, autograph=False), _derivatives(value), rng.standard_normal(16)
    for point, h in POINTS.items():
        first, double, forward = derivatives(h, v)
        first_differences, second_differences = _differences(compiled, h, v)
        np.testing.assert_allclose(first, first_differences, rtol=1e-6, atol=1e-7, err_msg=point)
        np.testing.assert_allclose(double, second_differences, rtol=1e-4, atol=1e-5, err_msg=point)
        np.testing.assert_allclose(forward, second_differences, rtol=1e-4, atol=1e-5, err_msg=point)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", SMOOTH)
def test_values_are_those_of_the_original(name, point):
    h = tf.constant(POINTS[point])
    with exact_operations():
        ours = SMOOTH[name](h)
    original = np.sinc(h) if name == "sinc" else SMOOTH[name](h)  # Keras rounds π to float32
    single = name.startswith("resize")  # TensorFlow computes it in float32
    np.testing.assert_allclose(ours, original, rtol=1e-5 if single else 1e-12, atol=1e-6 if single else 1e-14)


@pytest.mark.parametrize("alpha", [1.0, 0.5, 2.0])
def test_celu_has_slope_one_at_zero(alpha):
    h = tf.Variable([-1.0, 0.0, 2.0], dtype=tf.float64)
    with tf.GradientTape() as tape, exact_operations():
        y = ops.celu(h, alpha)
    np.testing.assert_allclose(tape.gradient(y, h), [np.exp(-1 / alpha), 1.0, 1.0])
    np.testing.assert_allclose(y, [alpha * np.expm1(-1 / alpha), 0.0, 2.0])


@pytest.mark.parametrize("alpha", [0.0, 0.25, -1.0])
def test_prelu_has_a_slope_of_its_own_at_zero(alpha):
    layer = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(alpha), dtype="float64")
    h = tf.Variable([[-1.0, -0.0, 0.0, 2.0]], dtype=tf.float64)
    layer(h)
    with tf.GradientTape() as tape, exact_operations():
        y = layer(h)
    np.testing.assert_allclose(y, [[-alpha, 0, 0, 2]])
    np.testing.assert_allclose(tape.gradient(y, h), [[alpha, alpha, alpha, 1]])


def test_hsv_to_rgb_has_values_of_the_original_and_one_side_of_every_kink():
    hsv = np.random.default_rng(0).uniform(size=(200, 3))
    hsv[:7, 0], hsv[:7, 1:] = np.arange(7) / 6, 1.0
    with exact_operations():
        np.testing.assert_array_equal(ops.image.hsv_to_rgb(hsv[None, None]), tf.image.hsv_to_rgb(hsv[None, None]))
        h = tf.Variable(hsv[:6])
        with tf.GradientTape(persistent=True) as tape:
            rgb = tf.unstack(tf.image.hsv_to_rgb(h), axis=-1)
    slopes = np.stack([tape.gradient(colour, h)[:, 0] for colour in rgb], -1)
    np.testing.assert_allclose(np.abs(slopes).sum(1), 6)  # of one colour alone


def test_hypot_of_zeros_and_of_large_numbers():
    h = tf.Variable([0.0, 3e300], dtype=tf.float64)
    with tf.GradientTape() as tape, exact_operations():
        y = ops.hypot(h, tf.constant([0.0, 4e300], tf.float64))
    np.testing.assert_allclose(y, [0.0, 5e300])
    np.testing.assert_allclose(tape.gradient(y, h), [0.0, 0.6])


@pytest.mark.parametrize("size", [2, 3, (2, 3)])
@pytest.mark.parametrize("shape", [(5, 4, 2), (7, 3)])
def test_max_pooling_at_every_position(shape, size):
    size = size if len(shape) == 3 else np.ravel(size)[0]
    x = np.random.default_rng(0).standard_normal((2, *shape))
    pool = lambda h: ops.max_pool(tf.reshape(h, (2, *shape)), size, 1, padding="same")  # noqa: E731
    rng = np.random.default_rng(3)
    value = _value(pool, tf.constant(rng.standard_normal(x.size)))
    v = rng.standard_normal(x.size)
    first, double, forward = _derivatives(value)(x.ravel(), v)
    first_differences, second_differences = _differences(tf.function(value, autograph=False), x.ravel(), v, step=1e-4)
    np.testing.assert_allclose(first, first_differences, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(double, second_differences, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(forward, second_differences, rtol=1e-4, atol=1e-5)
    with exact_operations():
        ours = pool(x.ravel())
    np.testing.assert_array_equal(ours, pool(x.ravel()))


def test_max_pooling_gives_the_first_of_equals_the_derivative():
    x = tf.Variable(tf.ones([1, 4, 4, 1], tf.float64))
    found = []
    for scope in (exact_operations(), pytest.MonkeyPatch.context()):
        with tf.GradientTape() as tape, scope:
            y = ops.max_pool(x, 3, 1, padding="same")
        found.append(tape.gradient(y, x).numpy())
    np.testing.assert_array_equal(*found)


def test_forward_over_backward_is_refused_where_it_is_wrong():
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4, 4, 4)), layers.Conv2D(4, 3, groups=2, activation="tanh"), layers.Flatten(), layers.Dense(1)]
    )
    x = np.random.default_rng(0).standard_normal((1, 4, 4, 4))
    vectors = [np.ones(w.shape) for w in model.trainable_variables]
    with pytest.raises(NtkbenchError, match="Use mode='double_backward'"):
        hvp(model, x, vectors, mode="forward_over_backward")
    hvp(model, x, vectors, mode="double_backward")
