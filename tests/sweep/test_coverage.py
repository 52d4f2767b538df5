"""The sweep names every layer and every function of the Keras that is installed; a new one fails here."""

from __future__ import annotations

import keras
import pytest
import swept_functions as functions
import swept_layers as layers


def _first_words(names):
    return {name.split()[0] for name in names}


def _without(groups):
    return {name for group in groups.values() for name in group.split()}


def _functions(module):
    return {name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))}


def test_every_layer_is_swept_or_left_out_for_a_reason():
    classes = {name: each for name, each in vars(keras.layers).items() if isinstance(each, type)}
    named = _first_words(layers.LAYERS) | _without(layers.WITHOUT)
    known = {classes[name] for name in named}  # a class may have two names
    assert {name for name, each in classes.items() if each not in known} == set()


@pytest.mark.parametrize(
    ("module", "prefix", "left_out"),
    [
        (keras.ops, "", _without(functions.WITHOUT) | functions.ONLY_FLOAT32),
        (keras.ops.image, "image.", set()),
        (keras.ops.linalg, "", _without(functions.WITHOUT)),
        (keras.ops.nn, "", _without(functions.WITHOUT)),
        (keras.ops.numpy, "", _without(functions.WITHOUT) | functions.ONLY_FLOAT32),
        (keras.activations, "activations.", set(functions.WITHOUT_IN_ACTIVATIONS.split())),
        (keras.losses, "losses.", set(functions.WITHOUT_IN_LOSSES.split())),
    ],
)
def test_every_function_is_swept_or_left_out_for_a_reason(module, prefix, left_out):
    covered = {name.removeprefix(prefix) for name in _first_words(functions.FUNCTIONS) if name.startswith(prefix)}
    missing = _functions(module) - covered - left_out
    classes = {name for name in missing if isinstance(getattr(module, name), type)}
    assert missing - (classes if module is keras.losses else set()) == set()


def test_nothing_is_both_swept_and_left_out():
    assert not _without(functions.WITHOUT) & _first_words(functions.FUNCTIONS)
    assert not _without(layers.WITHOUT) & _first_words(layers.LAYERS)
