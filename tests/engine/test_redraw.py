"""Models redrawn by fan-in and measured in units of their initial weights, against the NTK parameterisation."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench import layers
from ntkbench.engine.hessian.bend import bend
from ntkbench.engine.model import InUnits, dtype_policy, in_precision, network
from ntkbench.engine.redraw import calibrate, initial_units, redraw

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def float64():
    with dtype_policy("float64"):
        yield


def fc(parameterization, width=12):
    x = keras.Input((5,), dtype="float64")
    h = x
    for seed in (1, 2):
        h = layers.Dense(width, "tanh", parameterization=parameterization, use_bias=True, seed=seed)(h)
    return keras.Model(x, layers.Dense(2, parameterization=parameterization, seed=3)(h))


def plain(width=12):
    return keras.Sequential(
        [
            keras.Input((5,), dtype="float64"),
            keras.layers.Dense(width, "tanh"),
            keras.layers.Dense(width, "tanh"),
            keras.layers.Dense(2, use_bias=False),
        ]
    )


def both(standard):
    """A model in its own units after a redraw, and ntkbench's NTK parameterisation of the same function."""
    units = redraw(standard, 7)
    values = [v.numpy() for v in standard.trainable_variables]
    scaled, ntk = InUnits(standard, units), fc("ntk")
    for variable, value, unit in zip(ntk.trainable_variables, values, units, strict=True):
        variable.assign(value / unit)
    return scaled, ntk


X = RNG.standard_normal((4, 5))


@pytest.mark.parametrize("standard", [plain, lambda: fc("standard"), lambda: fc("ntk")], ids=["keras", "own", "ntk"])
def test_units_make_the_standard_parameterisation_that_of_the_ntk(standard):
    model, ntk = both(standard())
    np.testing.assert_allclose(model(X), ntk(X), rtol=1e-12)
    for method in ("auto", "structured", "jacobian"):
        kernels = [nb.empirical_ntk(each, X, method=method, outputs="full") for each in (model, ntk)]
        np.testing.assert_allclose(*kernels, rtol=1e-10, atol=1e-12)
    for method in ("auto", "dense"):
        norms = [nb.hessian_norm(each, X, method=method, tol=1e-10).value for each in (model, ntk)]
        np.testing.assert_allclose(*norms, rtol=1e-8)
    vectors = [RNG.standard_normal(v.shape) for v in ntk.trainable_variables]
    for products in zip(*(nb.hvp(each, X, vectors) for each in (model, ntk)), strict=True):
        np.testing.assert_allclose(*products, rtol=1e-10, atol=1e-12)
    for parts in zip(*(vars_of(bend(network(each), tf.constant(X))) for each in (model, ntk)), strict=True):
        np.testing.assert_allclose(*parts, rtol=1e-9)


def vars_of(found):
    return found.gradient, found.hessian_gradient


def test_derivatives_are_those_of_the_scaled_weights():
    """Finite differences of the outputs in the variables that the model shows."""
    model, _ = both(plain())
    net = network(model)
    start, v = net.theta(), tf.constant(RNG.standard_normal(net.size))

    def at(t):
        net.assign(start + t * v)
        return model(X).numpy()

    h = 1e-4
    slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    bent = (at(1e-3) - 2 * at(0) + at(-1e-3)) / 1e-6
    net.assign(start)
    linear = nb.linearize(model)
    parts = [part.numpy() for part in net.unflatten(v)]
    np.testing.assert_allclose(linear(X, parts) - linear(X, [0 * part for part in parts]), slope, rtol=1e-8)
    products = nb.hvp(model, X, parts)
    along = sum(float(np.sum(a * b)) for a, b in zip(products, parts, strict=True))
    np.testing.assert_allclose(along, bent[:, 0].sum(), rtol=1e-5)


def test_a_step_of_gradient_descent_is_one_in_units():
    model, ntk = both(plain())
    for each in (model, ntk):
        each.compile(keras.optimizers.SGD(0.1), "mse")
        each.fit(X, RNG.standard_normal((4, 2)) * 0 + 1, epochs=3, batch_size=4, verbose=0)
    np.testing.assert_allclose(model(X), ntk(X), rtol=1e-10)


SPREADS = {
    "dense": (lambda: [keras.Input((4, 6)), keras.layers.Dense(50)], {"kernel": 1 / math.sqrt(6)}),
    "conv": (lambda: [keras.Input((6, 6, 4)), keras.layers.Conv2D(40, 3)], {"kernel": 1 / math.sqrt(36)}),
    "depthwise": (lambda: [keras.Input((6, 6, 80)), keras.layers.DepthwiseConv2D(3)], {"kernel": 1 / 3}),
    "embedding": (lambda: [keras.Input((4,), dtype="int32"), keras.layers.Embedding(30, 40)], {"embeddings": 1.0}),
    "long embedding": (
        lambda: [keras.Input((4,), dtype="int32"), keras.layers.Embedding(600, 4)],
        {"embeddings": 1.0},
    ),
    "einsum": (
        lambda: [keras.Input((4, 3, 8)), keras.layers.EinsumDense("bthd,hdm->btm", (None, 60))],
        {"kernel": 1 / math.sqrt(24)},
    ),
    "gru": (
        lambda: [keras.Input((4, 5)), keras.layers.GRU(20)],
        {"kernel": 1 / math.sqrt(5), "recurrent_kernel": 1 / math.sqrt(20)},
    ),
}


@pytest.mark.parametrize("case", SPREADS)
def test_kernels_are_drawn_by_their_fan_in(case):
    build, expected = SPREADS[case]
    model = keras.Sequential(build())
    units = redraw(model, 1)
    for variable, unit in zip(model.trainable_variables, units, strict=True):
        drawn = variable.numpy()
        if variable.name == "bias":
            assert unit == 1 and not drawn.any()
            continue
        assert unit == pytest.approx(expected[variable.name], rel=1e-12)
        error = 5 / math.sqrt(2 * drawn.size)
        assert drawn.std() == pytest.approx(unit, rel=error)
        assert abs(drawn.mean()) < 5 * unit / math.sqrt(drawn.size)


def test_the_projection_of_attention_sums_over_heads():
    x = keras.Input((4, 10))
    attention = keras.layers.MultiHeadAttention(num_heads=3, key_dim=5)
    model = keras.Model(x, attention(x, x))
    units = {
        v.path.split("/")[-2]: u for v, u in zip(model.trainable_variables, redraw(model, 1), strict=True) if u != 1
    }
    expected = {"query": 10, "key": 10, "value": 10, "attention_output": 15}
    assert units == pytest.approx({name: 1 / math.sqrt(fan_in) for name, fan_in in expected.items()})


def test_a_draw_depends_on_its_seed_alone():
    first, again, other = plain(), plain(), plain()
    for model, seed in ((first, 1), (again, 1), (other, 2)):
        redraw(model, seed)
    assert all(map(np.array_equal, first.get_weights(), again.get_weights()))
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    with dtype_policy("float32"):
        single = plain()
        redraw(single, 1)
    for low, high in zip(single.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(low, high.astype("float32"))


def test_constants_keep_their_value_and_have_unit_one():
    slopes = keras.layers.PReLU(keras.initializers.Constant(0.25))
    norm = keras.layers.LayerNormalization()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), norm, slopes])
    units = redraw(model, 1)
    assert (norm.gamma.numpy() == 1).all() and not norm.beta.numpy().any()
    assert set(slopes.alpha.numpy()) == {0.25}
    assert units[2:] == [1.0, 1.0, 1.0]


def test_units_without_a_redraw_are_the_standard_deviations():
    model = plain()
    before = model(X).numpy()
    expected = [v.numpy().std() if v.name == "kernel" else 1.0 for v in model.trainable_variables]
    units = initial_units(model)
    assert units == pytest.approx(expected)
    scaled = InUnits(model, units)
    np.testing.assert_allclose(scaled(X), before, rtol=1e-12)
    assert [v.numpy().std() for v in scaled.trainable_variables if v.name == "kernel"] == pytest.approx([1.0] * 3)


class Heads(keras.layers.Layer):
    def build(self, shape):
        self.mix = self.add_weight(shape=(2, shape[-1], 3), name="mix")

    def call(self, x):
        return keras.ops.einsum("nd,hde->ne", x, self.mix)


def test_a_weight_of_unknown_fan_in_is_refused():
    model = keras.Sequential([keras.Input((3,)), Heads(name="heads")])
    with pytest.raises(nb.NtkbenchError, match=r"'mix' \[2, 3, 3\] of the layer 'heads' \(Heads\)") as error:
        redraw(model, 1)
    assert "Register a layer rule" in str(error.value)


def test_batch_normalisation_normalises_the_inputs_it_was_calibrated_at():
    x = RNG.standard_normal((16, 6, 6, 2))
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(8, 3),
            keras.layers.BatchNormalization(name="first", epsilon=1e-9),
            keras.layers.ReLU(),
            keras.layers.Conv2D(8, 3),
            keras.layers.BatchNormalization(name="second", epsilon=1e-9),
        ]
    )
    redraw(model, 1)
    calibrate(model, lambda: x)
    inner = keras.Model(model.inputs, [model.get_layer(name).output for name in ("first", "second")])
    for features in inner(x, training=False):
        values = features.numpy().reshape(-1, 8)
        np.testing.assert_allclose(values.mean(0), 0, atol=1e-9)
        np.testing.assert_allclose(values.std(0), 1, rtol=1e-6)
    assert model.get_layer("first").momentum == 0.99
    flat = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="norm")])
    with pytest.raises(nb.NtkbenchError, match="'norm' cannot be calibrated.*--probes"):
        calibrate(flat, lambda: np.ones((4, 3)))


def test_a_model_in_units_is_copied_to_another_precision():
    with dtype_policy("float32"):
        model = plain()
        scaled = InUnits(model, redraw(model, 3))
    copy = in_precision(scaled, "float64")
    assert isinstance(copy, InUnits) and copy.dtype_policy.name == "float64"
    np.testing.assert_allclose(copy(X), scaled(X.astype("float32")), rtol=1e-5)
    kernels = [nb.empirical_ntk(each, X) for each in (copy, scaled)]
    np.testing.assert_allclose(*kernels, rtol=1e-4)


def test_a_model_in_units_may_be_part_of_another_model():
    inner = plain()
    units = redraw(inner, 1)
    outer = keras.Sequential([keras.Input((5,), dtype="float64"), InUnits(InUnits(inner, units), [0.5] * len(units))])
    outer.add(keras.layers.Dense(1))
    kernels = [nb.empirical_ntk(outer, X, method=method) for method in ("structured", "jacobian")]
    np.testing.assert_allclose(*kernels, rtol=1e-10)
    norms = [nb.hessian_norm(outer, X, method=method, tol=1e-10).value for method in ("auto", "dense")]
    np.testing.assert_allclose(*norms, rtol=1e-8)
