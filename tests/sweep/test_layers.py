"""Every layer of keras.layers in small models: right or refused."""

from __future__ import annotations

import pytest
from sweep_points import layer_points
from sweeping import judge, sweep
from swept_layers import LAYERS, ONLY_FLOAT32, inputs_of, model_of

from ntkbench.engine.model import dtype_policy

# What is refused somewhere, by a part of its sentence.
REFUSED = {
    "AutoContrast": "not finite",
    "Dot normalized": "not finite",  # the norm of 0
    "LSTM masked": "Masking 'masking",  # trained weights decide about steps that are 0
    "Masking": "Masking 'masking",
    "MultiHeadAttention masked": "Masking 'masking",
    "Resizing nearest": "ResizeNearestNeighborGrad",
    "SimpleRNN masked": "Masking 'masking",
    "Subtract of relus": "cannot be trusted",
    "UnitNormalization": "not finite",  # the norm of 0
    "UnitNormalization of sequences": "not finite",
}
# These run in the fast suite too.
SAMPLE = ("Embedding padded, pooled", "MaxPooling1D same", "PReLU trained")


def _right_or_refused(name, size):
    with dtype_policy("float64"):
        model = model_of(name, size)
    points = layer_points(model, inputs_of(name, size))
    judge(sweep(model, points, brief=size == 1), REFUSED.get(name))


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ONLY_FLOAT32])
def test_layers_between_trained_layers(name, size):
    _right_or_refused(name, size)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_few_layers(name):
    _right_or_refused(name, 1)
