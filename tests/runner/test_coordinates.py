"""Runs with --units and --redraw: any Keras model in the coordinates of its own initialisation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench import layers
from ntkbench.engine.model import InUnits, dtype_policy
from ntkbench.engine.redraw import redraw
from ntkbench.leaderboard.receipt import write_receipt
from ntkbench.runner.build import seed_of
from ntkbench.runner.coordinates import in_coordinates

NET = """
import keras

def build(width, *, input_shape):
    hidden = [keras.layers.Dense(width, "tanh", use_bias=False) for _ in range(2)]
    return keras.Sequential([keras.Input(input_shape), *hidden, keras.layers.Dense(1, use_bias=False)])
"""
KEYS = ("gradient_norm", "hessian_norm", "kernel_slope")


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NET)
    return f"{path}:build"


def values(run):
    return {result.cell.quantities[0]: next(iter(result.values.values())).value for result in run.results}


def test_a_run_equals_the_ntk_parameterisation_of_the_same_network(net, tmp_path):
    words = {"widths": 12, "seeds": 1, "probes": 3, "precision": "float64", "measure": KEYS}
    run = nb.run(net, units="init", redraw="fan-in", out=tmp_path / "run", **words)
    cell = run.results[0].cell
    assert (cell.units, cell.redraw) == ("init", "fan-in")
    with dtype_policy("float64"):
        model = keras.Sequential(
            [
                keras.Input((61,), dtype="float64"),
                *(keras.layers.Dense(n, use_bias=False) for n in (12, 12)),
                keras.layers.Dense(1, use_bias=False),
            ]
        )
        units = redraw(model, seed_of(cell))
        activations = ("tanh", "tanh", None)
        ntk = keras.Sequential(
            [
                keras.Input((61,), dtype="float64"),
                *(layers.Dense(n, a) for n, a in zip((12, 12, 1), activations, strict=True)),
            ]
        )
        for variable, drawn, unit in zip(ntk.trainable_variables, model.trainable_variables, units, strict=True):
            variable.assign(drawn / unit)
    from ntkbench.datasets.digits import load

    x, _ = load(form="vector", n=3, seed=0)
    gradient = np.sqrt(np.diag(nb.empirical_ntk(ntk, x)).mean())
    found = {key: each for result in run.results for key, each in result.values.items()}
    assert found["gradient_norm"].value == pytest.approx(gradient, rel=1e-10)
    norms = nb.hessian_norm(ntk, x, tol=1e-6).value
    assert found["hessian_norm"].value == pytest.approx(norms.mean(), rel=1e-3)


def test_without_the_options_nothing_is_scaled(net, tmp_path):
    words = {"widths": "8", "seeds": 1, "probes": 2, "measure": "gradient_norm"}
    cells = [
        nb.run(net, out=tmp_path / str(number), **words, **options).results[0].cell
        for number, options in enumerate(({}, {"units": "none", "redraw": "none"}, {"units": "init"}))
    ]
    assert cells[0].key == cells[1].key != cells[2].key
    assert not {"units", "redraw"} & cells[0].identity().keys()


def test_a_model_that_is_returned_twice_is_scaled_once():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(50, use_bias=False)])
    x = np.ones((2, 3), "float32")
    before = model(x).numpy()
    first = in_coordinates(model, lambda: x, units="init", redraw="", seed=1)
    again = in_coordinates(model, lambda: x, units="init", redraw="", seed=2)
    assert isinstance(again, InUnits)
    for each in (first, again):
        np.testing.assert_allclose(each(x), before, rtol=1e-5)
        np.testing.assert_allclose(each.trainable_variables[0].numpy().std(), 1, rtol=1e-5)


def test_a_redrawn_model_that_is_returned_twice_is_that_of_its_seed():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(50, use_bias=False)])
    x = np.ones((2, 3), "float32")
    drawn = [
        in_coordinates(model, lambda: x, units="init", redraw="fan-in", seed=seed)(x).numpy() for seed in (1, 2, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert not np.allclose(drawn[0], drawn[1])


def test_trained_gains_of_a_saved_model_start_again(tmp_path):
    norm = keras.layers.LayerNormalization()
    model = keras.Sequential([keras.Input((61,)), keras.layers.Dense(8), norm, keras.layers.Dense(1)])
    norm.gamma.assign(np.linspace(0.5, 3, 8))
    model.save(tmp_path / "net.keras")
    words = {"measure": "gradient_norm", "probes": 2, "seeds": 2, "units": "init", "redraw": "fan-in"}
    run = nb.run(str(tmp_path / "net.keras"), out=tmp_path / "run", **words)
    first, second = (next(iter(result.values.values())).value for result in run.results)
    assert first != second
    norm.gamma.assign(np.ones(8))
    model.save(tmp_path / "net.keras")
    fresh = nb.run(str(tmp_path / "net.keras"), out=tmp_path / "fresh", **words)
    assert [next(iter(r.values.values())).value for r in fresh.results] == [first, second]


def test_what_cannot_be_measured_says_why(net, tmp_path):
    class Module(tf.Module):
        def __call__(self, x):
            return x

    with pytest.raises(nb.NtkbenchError, match="--redraw needs a Keras model, got a Module"):
        in_coordinates(Module(), lambda: None, units="init", redraw="fan-in", seed=1)
    with pytest.raises(nb.NtkbenchError, match="--units is 'inti'. Did you mean 'init'"):
        nb.run(net, units="inti", out=tmp_path / "wrong")
    run = nb.run(
        "fc", widths="inf", seeds=1, probes=2, units="init", measure="gradient_norm", out=tmp_path / "infinite"
    )
    assert {str(result.status) for result in run.results} == {"unsupported"}
    assert "known for its own weights only" in run.results[0].message


def test_tables_name_the_coordinates_and_boards_refuse_them(tmp_path):
    words = {"widths": "4,8", "seeds": 1, "probes": 2, "measure": "gradient_norm"}
    run = nb.run("fc", units="init", redraw="fan-in", out=tmp_path / "run", **words)
    assert "init units · redraw fan-in" in run.table().text()
    with pytest.raises(nb.NtkbenchError, match="measured with --units or --redraw"):
        write_receipt(run, "mine")
    assert run.manifest["theory"] == {}
    own = nb.run("fc", out=tmp_path / "own", **words)
    assert own.manifest["theory"]["fc"]
    assert "units ·" not in own.table().text()
    assert write_receipt(own, "mine")


PAIR = """
import keras, numpy as np
from ntkbench import layers

def build(width, *, input_shape, seed):
    rng = np.random.default_rng(seed)
    sizes = [*input_shape, width, width, 1]
    x = keras.Input(input_shape, dtype="float64")
    h = x
    for number, units in enumerate(sizes[1:]):
        activation = "tanh" if number < 2 else None
        h = LAYER(units, activation, use_bias=False)(h)
    model = keras.Model(x, h)
    for variable in model.trainable_variables:
        u = rng.standard_normal(variable.shape)
        u -= u.mean()
        variable.assign(FACTOR * u / u.std())
    return model
"""


def test_every_measurement_is_that_of_the_ntk_parameterisation(tmp_path):
    """Two files of one name, so that runs draw the same directions: NTK layers, and Keras layers in units."""
    factors = {"layers.Dense": "1", "keras.layers.Dense": "variable.shape[0] ** -0.5"}
    found = []
    for layer, factor in factors.items():
        folder = tmp_path / layer
        folder.mkdir()
        (folder / "net.py").write_text(PAIR.replace("LAYER", layer).replace("FACTOR", factor))
        run = nb.run(
            f"{folder / 'net.py'}:build",
            widths=8,
            seeds=1,
            probes=3,
            precision="float64",
            measure=(*KEYS, "kernel_change_worst", "kernel_change_random", "kernel_change_gd"),
            units="none" if layer == "layers.Dense" else "init",
            out=folder / "run",
        )
        found.append({key: each.value for result in run.results for key, each in result.values.items()})
    ntk, scaled = found
    assert ntk.keys() == scaled.keys() and len(ntk) >= 6
    for key, value in ntk.items():
        assert scaled[key] == pytest.approx(value, rel=1e-6), key
