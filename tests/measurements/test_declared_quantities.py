"""Every built-in measurement returns the quantities that it declares, within their bounds and in their order."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from attrs import evolve
from measuring import FEW, Extended, cells, measured

from ntkbench.engine import context, hessian
from ntkbench.registry.current import registry
from ntkbench.registry.specs import Architecture
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import Status, quantity_of


@pytest.fixture(scope="module")
def results():
    return {result.cell.measurement: result for result in measured("fc")}


@pytest.fixture(scope="module")
def values(results):
    return {key: value for result in results.values() for key, value in result.values.items()}


@pytest.mark.parametrize("name", registry().measurements)
def test_returns_exactly_what_it_declares(results, name):
    result, declared = results[name], {q.key: q for q in registry().measurements[name].quantities}
    assert result.status is Status.OK, result.message
    assert {quantity_of(declared, key) for key in result.values} == set(declared.values())
    for key, value in result.values.items():
        low, high = quantity_of(declared, key).bounds
        assert value.value is not None and low <= value.value <= high, key
        assert value.error is None or (math.isfinite(value.error) and value.error >= 0), key
        assert value.error_kind in ("", "exact", "bound", "statistical", "rounding"), key
        assert value.precision in ("float32", "float64"), key
    outputs = 10 if registry().measurements[name].needs_task else 1
    assert result.n_parameters == 61 * 8 + 8 * 8 + outputs * 8 and result.n_probes == 4


def test_quantities_agree_with_each_other(values):
    v = {key: value.value for key, value in values.items()}
    assert v["hessian_norm"] <= v["hessian_norm:max"]
    assert v["kernel_change_random"] < v["kernel_change_worst"]
    assert v["linearization_error_random"] < v["linearization_error_worst"]
    assert v["lambda_min"] > 0 and 1 <= v["condition"] <= 4 * v["gradient_norm"] ** 2 / v["lambda_min"]
    assert v["final_loss_ratio"] <= 1e-3
    assert 0 < v["relative_weight_change"] < 1 < v["weight_change"]


def test_a_linear_model_does_not_change():
    results = measured("linear", measure=["hessian", "ball", "gd", "random"])
    values = {key: value.value for result in results for key, value in result.values.items()}
    still = [key for key in values if key.startswith(("hessian", "curvature", "kernel_change"))]
    assert len(still) == 7
    for key in still:
        assert values[key] == 0.0, key
    assert values["search_gain"] == values["kink_share"] == 0.0
    # f − f_lin is a difference of two float32 numbers of order 1
    assert values["linearization_error_gd"] <= 1e-5 and values["linearization_error_worst"] <= 1e-5


def test_small_changes_are_confirmed_in_float64():
    tiny = evolve(FEW, radius=0.003)
    small = {"kernel_change_random", "linearization_error_random", "linearization_error_worst", "kernel_change_worst"}
    results = measured("fc", 16, measure=["random", "ball"], settings=tiny)
    found = {key: value for result in results for key, value in result.values.items()}
    exact = measured("fc", 16, measure=["random"], settings=tiny, precision="float64")[0].values
    confirmed = {key for key in small if found[key].precision == "float64"}
    assert {"kernel_change_random", "linearization_error_random", "linearization_error_worst"} <= confirmed
    for key in small:
        assert (found[key].precision == "float64") == (found[key].value < 1e-3), key
    for key, value in exact.items():
        np.testing.assert_allclose(found[key].value, value.value, rtol=1e-5, err_msg=key)


def test_a_small_change_on_the_path_walks_all_of_it_in_float64():
    found = measured("fc-lazy", 256, measure=["gd"], hidden=8)[0]
    assert found.status is Status.OK, found.message
    assert 0 < found.values["kernel_change_gd"].value < 1e-3
    assert {value.precision for value in found.values.values()} == {"float64"}
    again = measured("fc-lazy", 256, measure=["gd"], hidden=8, precision="float64")[0]
    for key, value in again.values.items():
        np.testing.assert_allclose(found.values[key].value, value.value, rtol=1e-6, err_msg=key)


def test_a_confirmation_is_of_the_same_weights():
    """Keras's own initializers draw other numbers in float64, and so may anything else."""

    def stock(width, *, input_shape, seed):
        hidden = keras.layers.Dense(width, "tanh", kernel_initializer=keras.initializers.RandomNormal(0.1, seed=seed))
        last = keras.layers.Dense(1, kernel_initializer=keras.initializers.RandomNormal(0.1, seed=seed + 1))
        return keras.Sequential([keras.Input(input_shape), hidden, last])

    class Plain(tf.Module):
        def __init__(self, size, seed):
            dtype = keras.config.dtype_policy().compute_dtype
            self.w = tf.Variable(0.1 * tf.random.stateless_normal([size, 1], [seed % 2**31, 1], dtype=dtype))

        def __call__(self, x):
            return tf.tanh(x @ self.w)

    for build in (stock, lambda width, *, input_shape, seed: Plain(input_shape[0], seed)):
        known = Extended(Architecture(name="own", target=build))
        cell = cells("own", 8, measure=["random"], known=known)[0]
        context = GroupWorker([cell], known).context(cell)
        exact = context.float64
        assert exact.network.dtype == "float64"
        np.testing.assert_allclose(exact.theta, context.theta, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(exact.kernel, context.kernel, rtol=1e-4)


def test_large_changes_stay_in_float32(values):
    assert values["kernel_change_worst"].precision == values["kernel_change_gd"].precision == "float32"


@pytest.mark.parametrize("name", ["fc", "cnn"])
def test_seeds_that_share_a_network_get_their_own_numbers(name):
    measure = ["gradient", "hessian", "gd", "random"]
    shared = measured(name, 6, measure=measure, seeds=(0, 1))[len(measure) :]
    fresh = measured(name, 6, measure=measure, seeds=(1,))
    for with_others, alone in zip(shared, fresh, strict=True):
        assert with_others.cell == alone.cell and alone.status is Status.OK
        for key, value in alone.values.items():
            np.testing.assert_allclose(with_others.values[key].value, value.value, rtol=1e-6, err_msg=key)


def test_measurements_do_not_disturb_each_other(results):
    alone = measured("fc", measure=["kernel"])[0]
    after_all_others = results["kernel"]
    for key, value in alone.values.items():
        assert after_all_others.values[key].value == pytest.approx(value.value, rel=1e-6), key


def at(cell, radius):
    return evolve(cell, settings={**cell.settings, "radius": radius})


def test_radii_share_what_does_not_depend_on_them(monkeypatch):
    """The cells of a seed walk one path of gradient descent and share Hessians; each is measured at its own radius."""
    calls = []
    for name, module in (("gradient_descent", context), ("norms_and_pairs", hessian)):
        original = getattr(module, name)

        def counted(*args, name=name, original=original, **options):
            calls.append(name)
            return original(*args, **options)

        monkeypatch.setattr(module, name, counted)
    planned = cells("fc", measure=["ball", "gd", "random"])
    both = [at(cell, radius) for cell in planned for radius in (0.003, 0.001, 2.0)]
    found = list(GroupWorker(both, registry()).results())
    assert sorted(calls) == ["gradient_descent", "norms_and_pairs"]
    for result in found:
        (alone,) = GroupWorker([result.cell], registry()).results()
        assert result.cell == alone.cell and result.status is Status.OK
        for key, value in alone.values.items():
            assert result.values[key].precision == value.precision
            np.testing.assert_allclose(result.values[key].value, value.value, rtol=1e-6, err_msg=key)
    # What is small is measured again in float64, at its own radius.
    assert {r.values["kernel_change_random"].precision for r in found if "kernel_change_random" in r.values} == {
        "float32",
        "float64",
    }


def test_cells_that_differ_in_more_than_the_radius_share_nothing():
    few, many = (cells("fc", measure=["gradient"], settings=evolve(FEW, n_probes=n))[0] for n in (2, 4))
    found = list(GroupWorker([few, many, evolve(few, precision="float64")], registry()).results())
    assert [result.n_probes for result in found] == [2, 4, 2]
    assert found[2].values["gradient_norm"].precision == "float64"
