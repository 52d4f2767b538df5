"""The model of a cell: its weights follow from the cell, and building it leaves the user's generators alone."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
from attrs import evolve

import ntkbench as nb
from ntkbench.registry.current import registry
from ntkbench.registry.specs import Architecture
from ntkbench.runner.build import _drawing_from, build_model
from ntkbench.runner.worker import sentence
from ntkbench.seeds import seed_for
from ntkbench.types import Cell

UNSEEDED = """
import keras, numpy as np, tensorflow as tf

def model(width, input_shape):
    scale = float(np.random.uniform(1.0, 2.0)) * tf.random.uniform([])
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(width, activation="tanh")(inputs)
    return keras.Model(inputs, scale * keras.layers.Dense(1)(hidden))

def forgetful(width, input_shape, seed):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(width, "tanh", kernel_initializer=keras.initializers.LecunNormal(seed))(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden))

TIMES = open(__file__ + ".times", "a").write("once ")

def unbuilt(width):
    return keras.Sequential([keras.layers.Dense(width, activation="tanh"), keras.layers.Dense(1)])
"""


@pytest.mark.parametrize("function", ["model", "forgetful", "unbuilt"])
def test_a_build_function_that_seeds_nothing_gives_the_same_numbers_again(function, tmp_path):
    (tmp_path / "net.py").write_text(UNSEEDED)

    def values(out, seeds=2):
        words = {"widths": [4, 8], "seeds": seeds, "probes": 2, "measure": "gradient_norm"}
        run = nb.run(f"{tmp_path / 'net.py'}:{function}", **words, out=tmp_path / out)
        return run.frame().set_index(["width", "seed"])["value"]

    first = values("first")
    random.random(), np.random.uniform()
    assert len((tmp_path / "net.py.times").read_text().split()) <= 5, "four models and the first one's trial"
    assert values("second").equals(first)
    assert values("third", seeds=1).to_dict() == {at: value for at, value in first.items() if at[1] == 0}
    assert len(set(first)) == 4, "other widths and seeds draw other weights"


def test_the_users_generators_go_on_where_they_were():
    def drawn():
        return random.random(), np.random.uniform()

    random.seed(1), np.random.seed(1)
    expected = [drawn(), drawn()]
    random.seed(1), np.random.seed(1)
    first = drawn()
    with _drawing_from(2**40 + 3):
        inside = drawn()
    assert [first, drawn()] == expected
    with _drawing_from(2**40 + 3):
        assert drawn() == inside not in expected


SEEDED = """
import random
import keras, numpy as np, tensorflow as tf

def net(width, input_shape, init="glorot_uniform"):
    hidden = keras.layers.Dense(width, "tanh", kernel_initializer=init)
    return keras.Sequential([keras.Input(input_shape), hidden, keras.layers.Dense(1)])

def by_keras(width, *, input_shape, seed):
    keras.utils.set_random_seed(seed)
    return net(width, input_shape)

def by_randomstate(width, *, input_shape, seed):
    draw = np.random.RandomState(seed)
    return net(width, input_shape, lambda shape, dtype=None: tf.constant(draw.randn(*shape) / 8, dtype))

def by_numpy(width, *, input_shape, seed):
    np.random.seed(seed)
    return net(width, input_shape, lambda shape, dtype=None: tf.constant(np.random.randn(*shape) / 8, dtype))

def by_int32(width, *, input_shape, seed):
    key = tf.constant([seed, seed], tf.int32)
    return net(width, input_shape, lambda shape, dtype=None: tf.random.stateless_normal(shape, key, dtype=dtype))

def by_generator(width, *, input_shape, seed):
    draw = tf.random.Generator.from_seed(seed)
    return net(width, input_shape, lambda shape, dtype=None: draw.normal(shape, dtype=dtype))

def by_initializer(width, *, input_shape, seed):
    return net(width, input_shape, keras.initializers.GlorotNormal(seed))

def by_position(width, input_shape, outputs, seed):
    return by_randomstate(width, input_shape=input_shape, seed=np.int32(seed))
"""
WAYS = ("keras", "randomstate", "numpy", "int32", "generator", "initializer", "position")


@pytest.mark.parametrize("way", WAYS)
def test_the_seed_of_a_build_function_suits_the_usual_generators(way, tmp_path):
    (tmp_path / "net.py").write_text(SEEDED)
    words = {"widths": [4], "seeds": 2, "probes": 2, "measure": "gradient_norm", "dataset": "gaussian"}
    run = nb.run(f"{tmp_path / 'net.py'}:by_{way}", **words, out=tmp_path / way)
    assert [result.status for result in run.results] == ["ok", "ok"], run.results[0].message
    assert len(set(run.frame()["value"])) == 2, "another seed draws other weights"


def test_a_later_parameter_that_the_cell_lacks_reaches_the_build_function():
    given = []

    def build(width, *, scale, **rest):
        given.append(scale)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])

    entry = Architecture(name="net", target=build, params={"depth": 1, "scale": {"default": 2, "later": True}})
    for scale in (2, 3):
        params = entry.params_of_cells({"scale": scale})
        build_model(entry, Cell("net", params, 4, 0, "digits", {}, "gradient", (), {}, "float32"), (3,), "float32")
    assert given == [2, 3]
    assert entry.params_of_cells({"scale": 2}) == {"depth": 1}


def test_a_registered_function_is_given_31_bits_and_the_built_ins_keep_theirs():
    seeds = {}

    def build(width, *, input_shape, seed):
        seeds[width] = seed
        return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(1)])

    cell = Cell("mine", {}, 4, 0, "digits", {}, "gradient", (), {}, "float32")
    entries = {bits: Architecture(name="mine", target=build, seed_bits=bits) for bits in (31, 63)}
    assert Architecture(name="mine", target=build).seed_bits == 31
    for bits, entry in entries.items():
        build_model(entry, evolve(cell, width=bits), (3,), "float32")
        assert seeds[bits] == seed_for("weights", "mine", {}, bits, 0) >> (63 - bits)
    built_in = [entry for entry in registry().architectures.values() if entry.distribution == "ntkbench"]
    assert built_in and {entry.seed_bits for entry in built_in} == {63}, "their recorded numbers depend on it"


@pytest.mark.parametrize("bits", [0, 64, 31.5, 31.0, True, "31"])
def test_bits_of_a_seed_are_checked(bits):
    with pytest.raises(nb.NtkbenchError, match="seed_bits"):
        Architecture(name="mine", target="package:build", seed_bits=bits)


IMAGES = """
import keras

def net(width, input_shape):
    layers = [keras.layers.Conv2D(width, 3, activation="tanh"), keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(input_shape), *layers])

def declared(width, input_shape, inputs="image"):
    return net(width, input_shape)
"""


def test_a_function_for_images_says_so_or_is_told_how(tmp_path):
    (tmp_path / "net.py").write_text(IMAGES)
    words = {"widths": [4], "seeds": 1, "probes": 2, "measure": "gradient_norm"}
    run = nb.run(f"{tmp_path / 'net.py'}:declared", **words, out=tmp_path / "declared")
    assert [result.status for result in run.results] == ["ok"]
    with pytest.raises(
        nb.NtkbenchError,
        match=r"Each input was passed as vector.* append :inputs=FORM to its name, with the form image or sequence",
    ):
        nb.run(f"{tmp_path / 'net.py'}:net", **words, out=tmp_path / "message")


def test_what_keras_wraps_is_told():
    with pytest.raises(ValueError, match="total size") as caught:
        keras.Sequential([keras.Input((4,)), keras.layers.Reshape((3,))])
    message = sentence(caught.value)
    assert message.startswith("ValueError: calling Reshape.call(): The total size of the tensor must be unchanged")
    assert "\x1b" not in message and "\n" not in message


SEVERAL = """
import keras

def named(width, input_shape):
    x = keras.Input(input_shape)
    h = keras.layers.Dense(width, "tanh", kernel_initializer="ones")(x)
    steep = keras.layers.Dense(1, kernel_initializer="ones")(h)
    return keras.Model(x, {"flat": keras.layers.Dense(1, kernel_initializer="zeros")(h), "steep": 3 * steep})

def own(width, input_shape, output="tanh"):
    x = keras.Input(input_shape)
    return keras.Model(x, keras.layers.Dense(1, output)(x))
"""


def norm(spec, out):
    run = nb.run(spec, widths=[4], seeds=1, probes=2, measure="gradient_norm", dataset="gaussian", out=out)
    return run.frame()["value"].item(), run.frame()["architecture"].item()


@pytest.mark.parametrize("saved", [False, True])
def test_one_of_several_outputs_is_chosen_by_its_name(saved, tmp_path):
    (tmp_path / "net.py").write_text(SEVERAL)
    spec = f"{tmp_path / 'net.py'}:named"
    if saved:
        spec = str(tmp_path / "net.keras")
        namespace = {}
        exec(SEVERAL, namespace)
        namespace["named"](4, (64,)).save(spec)
    flat, steep = norm(f"{spec}:output=flat", tmp_path / "a"), norm(f"{spec}:output=steep", tmp_path / "b")
    assert flat[0] < steep[0] and not np.isclose(*(value for value, _ in (flat, steep)))
    with pytest.raises(nb.NtkbenchError, match="2 separate outputs, .* append.* :output=flat"):
        norm(spec, tmp_path / "c")
    with pytest.raises(nb.NtkbenchError, match="no output 'steeep'"):
        norm(f"{spec}:output=steeep", tmp_path / "d")


def test_a_functions_own_parameter_called_output_stays_its_own(tmp_path):
    (tmp_path / "net.py").write_text(SEVERAL)
    spec = f"{tmp_path / 'net.py'}:own"
    assert norm(f"{spec}:output=linear", tmp_path / "a")[0] != norm(spec, tmp_path / "b")[0]
