"""Tests of the Keras layers: weights, scales, derivatives and saving."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from ntkbench import layers
from ntkbench.errors import NtkbenchError
from ntkbench.layers import activations, draws
from ntkbench.seeds import seed_for

SMOOTH = sorted(set(activations.TABLE) - {"relu"})


def built(layer, *shape):
    layer.build((None, *shape))
    return layer


def kernel(layer, *shape):
    return np.asarray(built(layer, *shape).kernel)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_preactivation_follows_the_formula(parameterization):
    layer = built(
        layers.Dense(
            5,
            "tanh",
            use_bias=True,
            parameterization=parameterization,
            weight_std=1.5,
            bias_std=0.3,
            seed=7,
            dtype="float64",
        ),
        4,
    )
    weights = np.random.default_rng(seed_for(7, "kernel")).standard_normal((4, 5))
    bias = np.random.default_rng(seed_for(7, "bias")).standard_normal(5)
    x = np.random.default_rng(0).standard_normal((3, 4))
    expected = 1.5 / math.sqrt(4) * x @ weights + 0.3 * bias
    np.testing.assert_allclose(layer.preactivation(x), expected, rtol=1e-13)
    np.testing.assert_allclose(layer(x), np.tanh(expected), rtol=1e-13)
    np.testing.assert_allclose(
        layer.preactivation(x),
        layer.scale * layer.product(x, layer.kernel) + layer.bias_scale * layer.bias,
        rtol=1e-15,
    )
    assert layer.scale == (0.75 if parameterization == "ntk" else 1.0)


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_a_multiplier_keeps_the_function_and_multiplies_the_gradient(parameterization):
    options = {"use_bias": True, "parameterization": parameterization, "bias_std": 0.3, "seed": 7, "dtype": "float64"}
    plain, other = (built(layers.Dense(5, "tanh", multiplier=c, **options), 4) for c in (1.0, 2.5))
    x = tf.constant(np.random.default_rng(0).standard_normal((3, 4)))
    np.testing.assert_allclose(plain(x), other(x), rtol=1e-13)
    gradients = []
    for layer in (plain, other):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x) ** 2)
        gradients.append(tape.gradient(total, [layer.kernel.value, layer.bias.value]))
    for one, two in zip(*gradients, strict=True):
        np.testing.assert_allclose(2.5 * one, two, rtol=1e-12)
    np.testing.assert_allclose(plain.kernel, 2.5 * np.asarray(other.kernel), rtol=1e-15)
    again = layers.Dense.from_config(other.get_config())
    np.testing.assert_array_equal(built(again, 4).kernel, other.kernel)
    for bad in (0, -1.0, math.inf, math.nan):
        with pytest.raises(NtkbenchError, match="multiplier"):
            layers.Dense(5, multiplier=bad)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, "wide"])
def test_a_standard_deviation_is_finite_and_not_negative(bad):
    for make in (layers.Dense, lambda units, **std: layers.Attention(units, 1, **std)):
        with pytest.raises(NtkbenchError, match=f"got weight_std={bad!r}; use a finite number of at least 0"):
            make(5, weight_std=bad)
    with pytest.raises(NtkbenchError, match="Conv2D got bias_std="):
        layers.Conv2D(5, bias_std=bad)


def test_convolution_counts_every_tap_in_its_fan_in():
    layer = built(layers.Conv2D(6, (3, 2), seed=1, dtype="float64"), 8, 8, 4)
    assert layer.scale == pytest.approx(1 / math.sqrt(3 * 2 * 4))
    assert layer.kernel.shape == (3, 2, 4, 6)
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 4))
    z = np.asarray(layer(x))
    patch = x[1, 3:6, 4:6, :]
    np.testing.assert_allclose(z[1, 4, 4], layer.scale * np.einsum("hwc,hwcf->f", patch, layer.kernel), rtol=1e-12)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, (2, 3)])
def test_convolution_announces_its_output_shape(padding, strides):
    layer = layers.Conv2D(2, 3, strides, padding, seed=0)
    assert layer.compute_output_shape((4, 8, 7, 1)) == tuple(layer(np.zeros((4, 8, 7, 1), "float32")).shape)


def test_fan_in_can_be_overridden():
    assert built(layers.Dense(3, fan_in=9, seed=0), 4).scale == pytest.approx(1 / 3)


def test_one_seed_gives_the_same_weights_in_both_precisions():
    double = kernel(layers.Dense(9, seed=5, dtype="float64"), 7)
    single = kernel(layers.Dense(9, seed=5, dtype="float32"), 7)
    np.testing.assert_array_equal(double.astype("float32"), single)
    assert not np.array_equal(double, kernel(layers.Dense(9, seed=6, dtype="float64"), 7))


def test_a_missing_seed_follows_keras():
    keras.utils.set_random_seed(3)
    first = kernel(layers.Dense(4), 4)
    second = kernel(layers.Dense(4), 4)
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(first, kernel(layers.Dense(4), 4))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("parameterization", "variance"), [("ntk", 1.0), ("standard", 2.0**2 / 200)])
def test_variance_of_gaussian_weights(parameterization, variance):
    weights = kernel(layers.Dense(300, parameterization=parameterization, weight_std=2.0, seed=11), 200)
    n = weights.size
    assert np.mean(weights**2) / variance == pytest.approx(1, abs=5 * math.sqrt(2 / n))
    assert np.mean(weights) == pytest.approx(0, abs=5 * math.sqrt(variance / n))


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (4, 9), (9, 4)])
def test_orthogonal_weights(rows, columns):
    w = kernel(layers.Dense(columns, init="orthogonal", seed=2, dtype="float64"), rows)
    gram = w @ w.T if rows <= columns else w.T @ w
    np.testing.assert_allclose(gram, max(rows, columns) * np.eye(min(rows, columns)), atol=1e-12)
    assert np.mean(w**2) == pytest.approx(1)


def test_orthogonal_weights_are_haar():
    """Signs of the first entry are even and its variance is 1/n: without the sign fix it would be one-sided."""
    rng = np.random.default_rng(0)
    corner = np.array([draws.semi_orthogonal(4, 4, rng)[0, 0] for _ in range(2000)]) / 2
    assert abs(corner.mean()) < 5 * math.sqrt(0.25 / 2000)
    assert np.mean(corner**2) == pytest.approx(0.25, abs=0.03)


def test_block_orthogonal_convolution():
    w = kernel(layers.Conv2D(6, 3, init="orthogonal", seed=3, dtype="float64"), 8, 8, 4)
    for tap in w.reshape(-1, 4, 6):
        np.testing.assert_allclose(tap @ tap.T, 6 * np.eye(4), atol=1e-12)
    assert not np.allclose(w[0, 0], w[1, 1])
    assert np.mean(w**2) == pytest.approx(1)


def test_delta_orthogonal_convolution_keeps_the_norm():
    layer = built(layers.Conv2D(4, 3, init="delta-orthogonal", seed=3, dtype="float64"), 8, 8, 4)
    w = np.array(layer.kernel)
    assert np.mean(w**2) == pytest.approx(1)
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 4))
    np.testing.assert_allclose(np.linalg.norm(layer(x), axis=-1), np.linalg.norm(x, axis=-1), rtol=1e-12)
    w[1, 1] = 0
    assert not w.any()


def test_attention_matches_a_plain_formula():
    layer = layers.Attention(6, heads=2, seed=4, dtype="float64")
    x = np.random.default_rng(1).standard_normal((2, 5, 4))
    out = np.asarray(layer(x))
    q, k, v = (np.asarray(part.preactivation(x)) for part in (layer.query, layer.key, layer.value))
    heads = []
    for h in (slice(0, 3), slice(3, 6)):
        scores = np.exp(q[..., h] @ k[..., h].transpose(0, 2, 1) / math.sqrt(3))
        heads.append(scores / scores.sum(-1, keepdims=True) @ v[..., h])
    np.testing.assert_allclose(out, layer.output_projection(np.concatenate(heads, -1)), rtol=1e-12)
    assert len(layer.trainable_variables) == 4


def test_attention_with_inverse_scale_divides_scores_by_the_channels_of_a_head():
    root, inverse = (
        layers.Attention(8, heads=2, scale=scale, seed=4, dtype="float64") for scale in ("root", "inverse")
    )
    x = np.random.default_rng(1).standard_normal((2, 5, 4))
    root(x)
    inverse(x)
    root.query.kernel.assign(root.query.kernel / math.sqrt(4))  # d = 4, and q·k/d = (q/√d)·k/√d
    np.testing.assert_allclose(inverse(x), root(x), rtol=1e-12)
    with pytest.raises(NtkbenchError, match="Unknown scale 'invers' of Attention. Did you mean 'inverse'"):
        layers.Attention(8, scale="invers")


def test_layer_normalization_normalises():
    x = 3 + 2 * np.random.default_rng(1).standard_normal((4, 5, 50))
    normal = np.asarray(layers.LayerNormalization(dtype="float64", affine=False)(x))
    np.testing.assert_allclose(normal.mean(-1), 0, atol=1e-13)
    np.testing.assert_allclose(normal.var(-1), 1, atol=1e-4)
    assert len(built(layers.LayerNormalization(), 5).trainable_variables) == 2


def derivatives(function, variables):
    """Gradient [P] by a tape and Hessian-vector product [P] of function() by two tapes."""

    def flat(tensors):
        return tf.concat([tf.reshape(t, [-1]) for t in tensors], 0)

    def gradient():
        with tf.GradientTape() as tape:
            value = function()
        return flat(tape.gradient(value, variables, unconnected_gradients="zero"))

    def hvp(vector):
        with tf.GradientTape() as outer:
            inner = tf.reduce_sum(gradient() * vector)
        return flat(outer.gradient(inner, variables, unconnected_gradients="zero"))

    return gradient, hvp


def assert_twice_differentiable(layer, *shape):
    """The Hessian-vector product in weights AND input agrees with central differences of the gradient.

    Step 1e-5 in float64: truncation about 1e-10 and rounding about 1e-11 of the gradient, hence rtol 1e-7.
    """
    rng = np.random.default_rng(8)
    x = tf.Variable(rng.standard_normal((2, *shape)))
    out = layer(x)
    probe = rng.standard_normal(out.shape)
    variables = [x, *(v.value for v in layer.trainable_variables)]
    gradient, hvp = derivatives(lambda: tf.reduce_sum(layer(tf.convert_to_tensor(x)) * probe), variables)
    sizes = [int(tf.size(v)) for v in variables]
    vector = rng.standard_normal(sum(sizes))
    vector /= np.linalg.norm(vector)

    def move(step):
        for v, part in zip(variables, np.split(vector, np.cumsum(sizes)[:-1]), strict=True):
            v.assign_add(step * part.reshape(v.shape))

    h = 1e-5
    move(h)
    plus = gradient().numpy()
    move(-2 * h)
    minus = gradient().numpy()
    move(h)
    difference, product = (plus - minus) / (2 * h), hvp(vector).numpy()
    assert np.linalg.norm(difference) > 1e-3
    np.testing.assert_allclose(product, difference, atol=1e-7 * np.linalg.norm(difference))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(3, "tanh", use_bias=True, seed=1, dtype="float64"), (4,)),
        (layers.Dense(3, "tanh", seed=1, dtype="float64"), (5, 4)),
        (layers.Conv2D(3, 3, 2, use_bias=True, activation="gelu", seed=1, dtype="float64"), (6, 6, 2)),
        (layers.Attention(4, 2, seed=1, dtype="float64"), (3, 4)),
        (layers.LayerNormalization(dtype="float64"), (3, 6)),
        (layers.LayerNormalization(affine=False, dtype="float64"), (6,)),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_layers_are_twice_differentiable(layer, shape):
    assert_twice_differentiable(layer, *shape)


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "linear"])
def test_activations_are_twice_differentiable(name):
    assert_twice_differentiable(layers.Activation(name, dtype="float64"), 5)


def test_activation_values():
    x = np.linspace(-2, 2, 9)
    known = {
        "relu": np.maximum(x, 0),
        "silu": x / (1 + np.exp(-x)),
        "gelu": x * [0.5 * math.erfc(-v / math.sqrt(2)) for v in x],
        "quadratic": x**2 / 2,
        "softmax": np.exp(x) / np.exp(x).sum(),
        "linear": x,
    }
    for name, expected in known.items():
        np.testing.assert_allclose(activations.get(name)(tf.constant(x)), expected, rtol=1e-12, atol=1e-14)


def test_a_callable_is_its_own_activation():
    assert activations.get(math.sin) is math.sin
    assert activations.get(None) is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: layers.Dense(3, "tahn"), "Did you mean 'tanh'"),
        (lambda: layers.Dense(0), "units=0"),
        (lambda: layers.Dense(2.5), "units=2.5"),
        (lambda: layers.Dense(3, init="orthogonl"), "orthogonal"),
        (lambda: layers.Dense(3, parameterization="ntkk"), "Did you mean 'ntk'"),
        (lambda: built(layers.Dense(3, init="delta-orthogonal"), 4), "for convolutions"),
        (lambda: built(layers.Dense(3), None), "last axis"),
        (lambda: layers.Attention(6, heads=4), "multiple of 4"),
        (lambda: layers.Conv2D(3, padding="sam"), "Did you mean 'same'"),
        (lambda: layers.Conv2D(3, (1, 2, 3)), "pair"),
    ],
)
def test_bad_arguments_get_a_sentence(wrong, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        wrong()


def test_every_layer_survives_saving(tmp_path):
    x = keras.Input((8, 8, 1))
    h = layers.Conv2D(4, 3, 2, activation="gelu", init="orthogonal", use_bias=True, seed=3)(x)
    h = layers.Attention(4, 2, seed=1, parameterization="standard")(keras.layers.Reshape((16, 4))(h))
    h = keras.layers.Flatten()(layers.LayerNormalization()(h))
    h = layers.Dense(2, keras.activations.mish, weight_std=1.3, seed=2)(h)
    model = keras.Model(x, layers.Scale(2.0)(layers.Activation("quadratic")(h)))
    model.save(tmp_path / "net.keras")
    probe = np.random.default_rng(0).standard_normal((3, 8, 8, 1)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(model(probe), loaded(probe))
    redrawn = keras.Model.from_config(model.get_config())
    np.testing.assert_array_equal(model(probe), redrawn(probe))
