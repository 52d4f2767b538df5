"""Normalisations in inference, and PReLU."""

from __future__ import annotations

import keras
import pytest
from checking import alone, check, check_rule, normal

from ntkbench import layers

L = keras.layers


def test_layer_normalization():
    check(alone(L.LayerNormalization, (2, 3)), normal(3, 2, 3), kernels=("full", "trace"))


def test_group_normalization():
    check(alone(lambda: L.GroupNormalization(2), (2, 4)), normal(3, 2, 4))


def test_batch_normalization():
    check(alone(L.BatchNormalization, (2, 3)), normal(3, 2, 3))


def test_rms_normalization():
    check(alone(L.RMSNormalization, (2, 3)), normal(3, 2, 3))


def test_the_layer_normalization_of_ntkbench():
    check(alone(layers.LayerNormalization, (2, 3)), normal(3, 2, 3))


def test_the_group_normalization_of_ntkbench():
    check(alone(lambda: layers.GroupNormalization(2), (2, 4)), normal(3, 2, 4))


@pytest.mark.parametrize("shared", [False, True])
def test_gain(shared):
    check(alone(lambda: layers.Gain(shared), (2, 3)), normal(3, 2, 3))


def test_prelu():
    check(alone(lambda: L.PReLU(shared_axes=[1]), (2, 3)), normal(3, 2, 3))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: L.LayerNormalization(axis=1), (3, 4)),
        (lambda: L.LayerNormalization(axis=(1, 2)), (2, 3, 2)),
        (lambda: L.LayerNormalization(axis=(1, -1)), (2, 3, 4)),
        (lambda: L.LayerNormalization(scale=False), (2, 3)),
        (lambda: L.LayerNormalization(center=False), (3,)),
        (lambda: L.GroupNormalization(2, axis=1), (4, 3)),
        (lambda: L.GroupNormalization(-1, scale=False), (2, 2, 3)),
        (lambda: L.BatchNormalization(axis=1), (3, 4)),
        (lambda: L.BatchNormalization(scale=False), (2, 3)),
        (lambda: L.BatchNormalization(renorm=True, center=False), (2, 3)),
        (lambda: L.RMSNormalization(axis=(1, 2)), (2, 3)),
        (lambda: L.RMSNormalization(axis=1), (3, 3)),  # Keras scales the last axis all the same
        (lambda: layers.GroupNormalization(2), (2, 3, 4)),
        (lambda: layers.GroupNormalization(3), (3,)),
        (lambda: layers.Gain(), (2, 3)),
        (lambda: layers.Gain(start=[1.0, 2.0, -1.0]), (3,)),
        (lambda: layers.Gain(shared=True, start=0.5), (2, 3)),
        (lambda: L.PReLU(), (2, 3)),
        (lambda: L.PReLU(shared_axes=[1, 2]), (2, 3, 2)),
    ],
)
def test_forms(make, shape):
    check_rule(make, normal(2, *shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.LayerNormalization(rms_scaling=True),
        lambda: L.BatchNormalization(center=False, scale=False),
    ],
)
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_what_has_no_rule_is_right_all_the_same(make):
    """Keras's mistaken RMS, and no weights at all."""

    def layer():
        return keras.Sequential([L.Dense(3), make()])

    model = alone(layer, (3, 2))
    has_weights = bool(model.layers[1].layers[1].trainable_variables)
    check(model, normal(3, 3, 2), complete=not has_weights)
