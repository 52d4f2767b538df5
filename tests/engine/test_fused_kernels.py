"""On a GPU, Keras's LSTM and GRU would call cuDNN, whose derivatives are wrong or missing: no measure reaches it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench.engine.model.network import Network
from ntkbench.engine.ops.exact_ops import rnn
from ntkbench.engine.search import gradient_descent


@pytest.fixture
def gpu(monkeypatch):
    """Let Keras believe in a GPU; calls of cuDNN are counted and fail."""
    reached = []

    def cudnn(*args, **kwargs):
        reached.append(1)
        raise AssertionError("cuDNN was called")

    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    for name in ("_cudnn_lstm", "_cudnn_gru"):
        monkeypatch.setattr(rnn, name, cudnn)
    return reached


OTHERS = (("LSTM", "auto"), ("GRU", True))


@pytest.mark.parametrize(
    ("layer", "use_cudnn"),
    [("LSTM", True), ("GRU", "auto"), *(pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS)],
)
def test_cudnn_is_never_reached(layer, use_cudnn, gpu):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, keras.layers.Dense(2)(getattr(keras.layers, layer)(2, use_cudnn=use_cudnn)(inputs)))
    x = np.random.default_rng(0).standard_normal((2, 3, 2)).astype("float32")
    with pytest.raises(AssertionError, match="cuDNN was called"):
        model(x)
    gpu.clear()
    for method in ("auto", "jacobian", "ntk_vector_products"):
        nb.empirical_ntk(model, x, method=method)
    nb.hvp(model, x, [np.ones(v.shape) for v in Network(model).variables])
    nb.hessian_norm(model, x)
    nb.hessian_eigs(model, x, 1)
    net = Network(model)
    gradient_descent(net, net.inputs(x), np.ones(2), net.theta(), max_steps=3)
    assert not gpu
    with pytest.raises(AssertionError, match="cuDNN was called"):
        model(x)


@pytest.mark.parametrize("layer", ["LSTM", "GRU"])
def test_layers_that_insist_on_cudnn_give_the_numbers_of_those_that_do_not(layer):
    models = []
    for use_cudnn in (True, False):
        inputs = keras.Input((3, 2))
        models.append(keras.Model(inputs, getattr(keras.layers, layer)(2, use_cudnn=use_cudnn)(inputs)))
    models[0].set_weights(models[1].get_weights())
    x = np.random.default_rng(0).standard_normal((2, 3, 2)).astype("float32")
    np.testing.assert_allclose(*(nb.empirical_ntk(model, x, method="jacobian") for model in models), rtol=1e-5)
