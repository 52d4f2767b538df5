"""Recurrent layers: the cells' products at every step, masks, directions, stacks; and what is too long to unroll."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from checking import alone, check, check_factors, check_kernel, functional, is_complete, normal, tokens
from nets import Oracle

from ntkbench.engine.rules import recurrent
from ntkbench.engine.rules.rule import rule_for

L = keras.layers


def sequences(n=3, steps=2):
    return normal(n, steps, 2)


def test_simple_rnn():
    check(alone(lambda: L.SimpleRNN(2), (2, 2)), sequences())


def test_lstm():
    check(alone(lambda: L.LSTM(2, unroll=True), (2, 2)), sequences())


def test_gru():
    check(alone(lambda: L.GRU(2, unroll=True), (2, 2)), sequences())


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.LSTM(2),
        lambda: L.LSTM(2, implementation=1, dropout=0.3, recurrent_dropout=0.2, use_bias=False),
        lambda: L.GRU(2, reset_after=False, go_backwards=True, implementation=1),
        lambda: L.GRU(1, use_bias=False, return_sequences=True, recurrent_dropout=0.2),
        lambda: L.GRU(1, reset_after=False, use_bias=False, unroll=True, go_backwards=True, return_sequences=True),
        lambda: L.RNN([L.LSTMCell(1), L.SimpleRNNCell(2, "relu"), L.GRUCell(1, reset_after=False)]),
        lambda: L.Bidirectional(L.LSTM(1, return_sequences=True), merge_mode="mul"),
        lambda: L.Bidirectional(L.GRU(1), backward_layer=L.SimpleRNN(1, go_backwards=True)),
    ],
)
def test_forms(make):
    check_factors(alone(make, (2, 2)), sequences())


@pytest.mark.filterwarnings("ignore:Layer 'flatten")
@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("zero_output_for_mask", [False, True])
def test_masks(unroll, backwards, zero_output_for_mask):
    """Outputs of an unrolled trace are those of Keras's loop, which treats masks in a way of its own."""
    options = {"zero_output_for_mask": zero_output_for_mask, "go_backwards": backwards, "unroll": unroll}

    def call(x):
        h = L.SimpleRNN(2, return_sequences=True, **options)(L.Embedding(4, 2, mask_zero=True)(x))
        return L.Dense(1)(L.Flatten()(h))

    x = np.array([[1, 2, 0], [0, 0, 3], [0, 2, 0]], "int32")
    check_factors(functional((3,), call, dtype="int32"), x)


@pytest.mark.filterwarnings("ignore:Layer 'flatten")
def test_masked_bidirectional_lstm():
    def call(x):
        h = L.Embedding(4, 1, mask_zero=True)(x)
        h = L.Bidirectional(L.LSTM(1, return_sequences=True))(h)
        return L.Dense(1)(L.Flatten()(h))

    check_factors(functional((3,), call, dtype="int32"), tokens(3, 3, below=3))


def test_settings_are_put_back():
    model = alone(lambda: L.Bidirectional(L.LSTM(1)), (2, 2))
    layers = [model.layers[1].forward_layer, model.layers[1].backward_layer]
    before = [(layer.unroll, layer.use_cudnn, layer.go_backwards) for layer in layers]
    assert is_complete(model, sequences())
    assert [(layer.unroll, layer.use_cudnn, layer.go_backwards) for layer in layers] == before
    assert all("call" not in vars(layer) for layer in model._flatten_layers())


def test_a_sequence_too_long_to_unroll(monkeypatch):
    monkeypatch.setattr(recurrent, "UNROLL_LIMIT", 2)
    model = alone(lambda: L.LSTM(1, dropout=0.5), (3, 2))
    x = sequences(steps=3)
    assert not is_complete(model, x)
    check_kernel(model, x, Oracle(model, compiled=False).jacobian(x, (0, 1)), ("trace",), "auto")


def test_a_stateful_layer_has_no_rule():
    model = keras.Sequential([keras.Input(batch_shape=(1, 2, 2)), L.SimpleRNN(2, stateful=True), L.Dense(1)])
    assert rule_for(model.layers[0]) is None
    assert not is_complete(model, sequences(1).astype("float32"))
