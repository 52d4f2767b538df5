"""What the worker makes of builds and measurements that fail: a result with its reason, and no traceback."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from measuring import measured, of_build, of_measure

from ntkbench.errors import Diverged, NtkbenchError, RegistrationError, Unsupported
from ntkbench.registry.specs import Measurement
from ntkbench.runner import worker
from ntkbench.types import Quantity, Status, Value


def dense(width, *, input_shape):
    layers = [keras.layers.Dense(width, "tanh"), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(input_shape), *layers])


def raises(width):
    raise ValueError("no such\nwidth")


def no_model(width):
    return 3


def not_finite(width, *, input_shape):
    model = dense(width, input_shape=input_shape)
    model.set_weights([np.full(w.shape, np.nan) for w in model.get_weights()])
    return model


def other_inputs(width):
    return keras.Sequential([keras.Input((7,)), keras.layers.Dense(1)])


def one_for_all(width, *, input_shape):
    x = keras.Input(input_shape)
    return keras.Model(x, keras.ops.sum(keras.layers.Dense(1)(x), axis=0, keepdims=True))


def two_outputs(width, *, input_shape):
    x = keras.Input(input_shape)
    return keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])


def not_trained(width, *, input_shape):
    model = dense(width, input_shape=input_shape)
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (raises, "ValueError: no such"),
        (no_model, "own built a int; a build function must return a Keras model"),
        (not_finite, "not finite for 4 of 4 probes"),
        (other_inputs, "own does not accept inputs of shape [61]"),
        (one_for_all, "The model returned 1 outputs for 4 inputs"),
        (two_outputs, "2 separate outputs"),
        (not_trained, "no trainable weights"),
    ],
)
def test_builds(build, sentence):
    results = of_build(build)
    assert len(results) == 2
    for result in results:
        assert result.status is Status.FAILED and not result.values
        assert sentence in result.message
        assert "\n" not in result.message and result.message.endswith((".", "?"))


def test_a_build_that_works():
    assert [result.status for result in of_build(dense)] == [Status.OK] * 2


def fails_with(error):
    def measure(ctx):
        raise error

    return measure


class UnreadableError(Exception):
    def __str__(self):
        return self.absent


class OwnUnreadableError(UnreadableError, NtkbenchError):
    pass


@pytest.mark.parametrize(
    ("measure", "status", "sentence"),
    [
        (fails_with(ZeroDivisionError("by nothing")), Status.FAILED, "ZeroDivisionError: by nothing"),
        (fails_with(UnreadableError()), Status.FAILED, "UnreadableError: its message could not be read, because its"),
        (fails_with(OwnUnreadableError()), Status.FAILED, "could not be read, because its __str__ raised AttributeErr"),
        (fails_with(KeyError()), Status.FAILED, "KeyError: no message"),
        (fails_with(Diverged("It left.")), Status.DIVERGED, "It left."),
        (fails_with(Unsupported("Not here.")), Status.UNSUPPORTED, "Not here."),
        (fails_with(MemoryError()), Status.OOM, "MemoryError"),
        (fails_with(tf.errors.ResourceExhaustedError(None, None, "OOM")), Status.OOM, "ResourceExhausted"),
        (lambda ctx: 0.5, Status.FAILED, "returned a float; it must return a dict"),
        (lambda ctx: {"size": 0.5, "sise": 1}, Status.FAILED, "['sise'], which it does not declare"),
        (lambda ctx: {}, Status.UNSUPPORTED, "has no size for this model"),
        (lambda ctx: {"size": 2}, Status.FAILED, "size = 2, outside its bounds [0, 1]"),
    ],
)
def test_measurements(measure, status, sentence):
    result = of_measure(measure)
    assert result.status is status and not result.values
    assert sentence in result.message and "\n" not in result.message


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (0.5, Value(0.5, None, "", "float32")),
        (np.float32(0.5), Value(0.5, None, "", "float32")),
        ((0.5, 0.1), Value(0.5, 0.1, "statistical", "float32")),
        (Value(0.5, 0.1, "rounding", "float64"), Value(0.5, 0.1, "rounding", "float64")),
        (float("nan"), Value(None, None, "", "float32")),
        ((0.5, float("inf")), Value(0.5, None, "statistical", "float32")),
    ],
)
def test_what_measurements_may_write(given, value):
    result = of_measure(lambda ctx: {"size": given})
    assert result.status is Status.OK and result.values == {"size": value}


@pytest.mark.parametrize("given", [float("nan"), float("inf"), Value(float("nan")), (float("nan"), 0.1)])
def test_a_number_that_is_not_finite_is_told(given):
    result = of_measure(lambda ctx: {"size": given})
    assert result.status is Status.OK and result.values["size"].value is None
    assert result.message.startswith("'own' returned size = ") and result.message.endswith("stored as no value.")
    assert of_measure(lambda ctx: {"size": None}).message == ""


def test_a_failing_seed_leaves_the_others(monkeypatch):
    load = worker.load_data

    def broken_for_seed_0(*args, seed, **kwargs):
        if seed == 0:
            raise OSError("disk")
        return load(*args, seed=seed, **kwargs)

    monkeypatch.setattr(worker, "load_data", broken_for_seed_0)
    first, second = measured("linear", measure=["kernel"], seeds=(0, 1))
    assert first.status is Status.FAILED and "OSError: disk" in first.message
    assert second.cell.seed == 1 and second.status is Status.OK


def test_companions_are_stored_with_what_was_asked_for():
    first, second = (Quantity(name, name, bounds=(0.0, 1.0)) for name in ("first", "second"))
    found = {"first": 0.25, "second": 0.5}
    own = Measurement(
        name="own", target=lambda ctx: found, quantities=[first, second], companions={"first": ("second",)}
    )
    assert set(worker.checked(own, found, ["first"], "float32")) == {"first", "second"}
    assert set(worker.checked(own, found, ["second"], "float32")) == {"second"}
    assert set(worker.checked(own, {"first": 0.25}, ["first"], "float32")) == {"first"}
    with pytest.raises(NtkbenchError, match="outside its bounds"):
        worker.checked(own, {"first": 0.25, "second": 2.0}, ["first"], "float32")
    with pytest.raises(RegistrationError, match="third"):
        Measurement(name="own", target=lambda ctx: found, quantities=[first], companions={"first": ("third",)})
