"""Every function of keras.ops, keras.activations and keras.losses in small models: right or refused."""

from __future__ import annotations

import keras
import pytest
from sweep_points import function_points
from sweeping import around_function, judge, sweep
from swept_functions import FUNCTIONS

# What is refused somewhere, by a part of its sentence.
NOT_FINITE, NO_DERIVATIVE, WRONG = "not finite", "TensorFlow cannot", "cannot be trusted"
REFUSED = {
    "abs squared": WRONG,
    "abs times sign": WRONG,
    "bincount": NO_DERIVATIVE,
    "cbrt": NOT_FINITE,
    "cdist of itself": NOT_FINITE,
    "ctc_loss": "TensorFlow",
    "det singular": NO_DERIVATIVE,
    "image.affine_transform": WRONG,
    "image.elastic_transform": WRONG,
    "image.perspective_transform": WRONG,
    "image.resize nearest": "ResizeNearestNeighborGrad",
    "losses.circle": NOT_FINITE,
    "losses.cosine_similarity": NOT_FINITE,
    "losses.ctc": NO_DERIVATIVE,
    "max of squares": WRONG,
    "max_pool overlapping": WRONG,
    "maximum plus minimum": WRONG,
    "nanstd": NOT_FINITE,
    "norm": NOT_FINITE,
    "norm 1": NOT_FINITE,
    "norm 3": NOT_FINITE,
    "norm of matrices": NOT_FINITE,
    "normalize": NOT_FINITE,
    "normalize 1": NOT_FINITE,
    "power of 0": NOT_FINITE,
    "power of 1": NOT_FINITE,
    "relu difference": WRONG,
    "relu leaky by hand": WRONG,
    "slice_update": NO_DERIVATIVE,
    "sort of squares": WRONG,
    "sqrt of a square": NOT_FINITE,
    "squareplus zero": NOT_FINITE,
    "std": NOT_FINITE,
    "stop_gradient": WRONG,
    "vander": NOT_FINITE,
    "view": NO_DERIVATIVE,
}
# These run in the fast suite too.
SAMPLE = ("celu", "fmod", "prod", "relu leaky by hand")


def _right_or_refused(name, *, as_layer, few=False):
    shapes, function = FUNCTIONS[name]
    keras.utils.set_random_seed(1)
    shape = shapes[1] if as_layer else shapes[0]
    model = around_function(function, shape, as_layer=as_layer)
    found = sweep(model, function_points(model, shape, few=few), brief=as_layer)
    judge(found, REFUSED.get(name), somewhere=not few)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_between_trained_layers(name):
    _right_or_refused(name, as_layer=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_a_layer_of_somebodys_own(name):
    _right_or_refused(name, as_layer=True, few=True)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_few_functions(name):
    _right_or_refused(name, as_layer=True)
