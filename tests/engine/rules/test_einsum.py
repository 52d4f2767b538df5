"""EinsumDense: every kind of axis, ellipses, and biases over any axes."""

from __future__ import annotations

import keras
import pytest
from checking import alone, check, check_rule, functional, normal

from ntkbench.engine.model.casting import dtype_policy
from ntkbench.engine.rules.rule import rule_for

L = keras.layers


def test_einsum_dense():
    def layer():
        return L.EinsumDense("abc,cde->abde", output_shape=(2, 2, 2), bias_axes="de", activation="tanh")

    check(alone(layer, (2, 3)), normal(3, 2, 3))


def test_einsum_dense_with_groups_and_a_bias_of_its_own():
    layer = alone(lambda: L.EinsumDense("abc,bcd->adb", output_shape=(4, 2), bias_axes="d"), (2, 3))
    check(layer, normal(3, 2, 3), kernels=("full", "trace"))


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes", "shape"),
    [
        ("ab,bc->ac", 4, None, (3,)),
        ("abc,cd->abd", (2, 4), "bd", (2, 3)),
        ("abc,cd->abd", (2, 4), "b", (2, 3)),
        ("abc,cd->adb", (4, 2), "d", (2, 3)),
        ("abc,cde->abed", (2, 5, 4), "d", (2, 3)),
        ("abcd,cde->abe", (2, 4), "e", (2, 3, 2)),
        ("abcd,dc->ab", (2,), None, (2, 3, 2)),
        ("abc,bcd->abd", (2, 4), "d", (2, 3)),
        ("abc,bcd->adb", (4, 2), "db", (2, 3)),
        ("abc,bd->abcd", (2, 3, 4), "bd", (2, 3)),
        ("abc,cd->ad", (4,), "d", (2, 3)),
        ("abcd,bde->aceb", (3, 4, 2), "ceb", (2, 3, 2)),
        ("...x,xy->...y", 4, "y", (2, 2, 3)),
        ("ab...,bc->ac...", (4,), "c", (3, 2)),
    ],
)
def test_forms(equation, output_shape, bias_axes, shape):
    check_rule(lambda: L.EinsumDense(equation, output_shape, bias_axes=bias_axes), normal(2, *shape))


@pytest.mark.parametrize("equation", ["ab,bc->ca", "ab,ac->bc", "ab,ab->ab"])
def test_equations_that_mix_samples_have_no_rule(equation):
    with dtype_policy("float64"):
        layer = L.EinsumDense(equation, 3)
        layer.build((3, 3))
    assert rule_for(layer) is None


def test_a_bias_that_keras_adds_along_another_axis():
    """keras.ops.add takes a bias [3, 1] for one along the last axis where that is 3 long: then there is no rule."""
    model = functional((3, 3), lambda x: L.Flatten()(L.EinsumDense("ab...,bc->ac...", (3,), bias_axes="c")(x)))
    check(model, normal(3, 3, 3), complete=False)
