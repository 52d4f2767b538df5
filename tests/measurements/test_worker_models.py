"""The models that the worker measures: each seed's own function, in the precision that its results state."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from measuring import Extended, measured

import ntkbench as nb
from ntkbench.registry.specs import Architecture
from ntkbench.types import Status


def draw():
    return keras.initializers.RandomNormal(seed=1)


def matrix(width, *, input_shape, seed):
    a = np.random.default_rng(seed).standard_normal((input_shape[0], 3)).astype("float32")
    return keras.layers.Lambda(lambda h: h @ tf.cast(a, h.dtype))


def adapted(width, *, input_shape, seed):
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(seed).standard_normal((5, *input_shape)))
    return layer


def activation(width, *, input_shape, seed):
    return keras.layers.Activation(["tanh", "relu", "sigmoid"][seed % 3])


def frozen(width, *, input_shape, seed):
    return keras.layers.Dense(3, kernel_initializer=draw(), trainable=bool(seed % 2))


def results(build, **options):
    known = Extended(Architecture(name="own", target=build))
    return measured("own", 4, known=known, measure=["gradient"], **options)


@pytest.mark.parametrize("first", [matrix, adapted, activation, frozen])
def test_what_seeds_differ_in_beside_weights_is_not_shared(first):
    def build(width, *, input_shape, seed):
        x = keras.Input(input_shape)
        return keras.Model(
            x, keras.layers.Dense(1, kernel_initializer=draw())(first(width, input_shape=input_shape, seed=seed)(x))
        )

    together = [each.values["gradient_norm"].value for each in results(build, seeds=range(6))]
    alone = [results(build, seeds=[seed])[0].values["gradient_norm"].value for seed in range(6)]
    assert together == pytest.approx(alone, rel=1e-6)
    assert len(set(together)) > 1


class Half(keras.layers.Layer):
    def call(self, h):
        return tf.cast(tf.cast(h, "float16"), h.dtype)


class Single(keras.layers.Layer):
    def call(self, h):
        return tf.cast(tf.cast(h, "float32"), h.dtype)


def with_layer(kind):
    def build(width, *, input_shape):
        layers = [keras.layers.Dense(width), kind(), keras.layers.Dense(1)]
        return keras.Sequential([keras.Input(input_shape), *layers])

    return build


@pytest.mark.parametrize(("kind", "precision"), [(Half, "float32"), (Half, "float64"), (Single, "float64")])
def test_numbers_computed_in_less_are_not_stated(kind, precision):
    (found,) = results(with_layer(kind), precision=precision)
    assert found.status == Status.FAILED
    assert f"does not compute in {precision}: layer" in found.message and kind.__name__ in found.message
    assert not found.traceback


def test_float32_inside_is_float32():
    (found,) = results(with_layer(Single), precision="float32")
    assert found.status == Status.OK and found.values["gradient_norm"].precision == "float32"


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float16", "float64"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_models_of_other_policies_are_measured_in_the_precision_asked_for(policy, precision):
    built = []

    def build(width, *, input_shape):
        layers = [keras.layers.Dense(n, "tanh", dtype=policy, kernel_initializer=draw()) for n in (width, 1)]
        built.append(keras.Sequential([keras.Input(input_shape), *layers]))
        return built[-1]

    (found,) = results(build, precision=precision)
    value = found.values["gradient_norm"]
    assert found.status == Status.OK and value.precision == precision
    exact = keras.Sequential(
        [keras.Input((61,), dtype="float64")] + [keras.layers.Dense(n, "tanh", dtype="float64") for n in (4, 1)]
    )
    exact.set_weights([w.astype(np.float64) for w in built[-1].get_weights()])
    from ntkbench.plan.data import load_data
    from ntkbench.registry.current import registry

    x, _ = load_data(registry().get("datasets", "digits"), {}, form="vector", n=4, seed=0)
    expected = np.sqrt(np.mean(np.diag(nb.empirical_ntk(exact, x, method="jacobian"))))
    assert value.value == pytest.approx(expected, rel=1e-10 if precision == "float64" else 1e-5)


def test_inputs_reach_a_float64_model_as_they_are():
    def build(width, *, input_shape):
        x = keras.Input(input_shape)  # of no type that the code names
        types.append(x.dtype)
        return keras.Model(x, keras.layers.Dense(1)(x))

    types = []
    (found,) = results(build, precision="float64")
    assert found.status == Status.OK and set(types) == {"float64"}
    assert keras.config.floatx() == "float32"
