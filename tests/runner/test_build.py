"""The model of a cell: its weights follow from the cell, and building it leaves the user's generators alone."""

from __future__ import annotations

import random

import numpy as np
import pytest

import ntkbench as nb
from ntkbench.runner.build import _drawing_from

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
    with _drawing_from(2**40 + 3, tensorflow=False):
        inside = drawn()
    assert [first, drawn()] == expected
    with _drawing_from(2**40 + 3, tensorflow=False):
        assert drawn() == inside not in expected
