"""Backbones of KerasHub, built from their constructors with random weights, through the public functions untouched."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from nets import scrambled

import ntkbench as nb
from ntkbench.engine.model.casting import dtype_policy

hub = pytest.importorskip("keras_hub", reason="keras_hub is not installed")

SIZES = {"vocabulary_size": 11, "num_layers": 1, "num_heads": 2, "hidden_dim": 4, "intermediate_dim": 6, "dropout": 0.0}
LLAMA = {
    "vocabulary_size": 11,
    "num_layers": 1,
    "num_query_heads": 2,
    "num_key_value_heads": 1,
    "hidden_dim": 4,
    "intermediate_dim": 6,
}
TOKENS = np.random.default_rng(0).integers(1, 11, (3, 5))
MASK = np.arange(5) < np.array([[5], [3], [4]])
INPUTS = {"token_ids": TOKENS, "padding_mask": MASK}
BACKBONES = {
    "bert": (lambda: hub.models.BertBackbone(**SIZES, max_sequence_length=5), INPUTS | {"segment_ids": TOKENS % 2}),
    "gpt2": (lambda: hub.models.GPT2Backbone(**SIZES, max_sequence_length=5), INPUTS),
}


@pytest.fixture(params=BACKBONES)
def backbone(request):
    build, x = BACKBONES[request.param]
    with dtype_policy("float64"):
        model = scrambled(build())
    return model, x, "pooled_output" if request.param == "bert" else None


def jacobian(model, x, output):
    """Rows ∂f_o(x_n)/∂w by five-point differences of the outputs along random directions: [N, O, directions]."""
    rng = np.random.default_rng(1)
    start = model.get_weights()
    trained = [any(v is each for each in model.trainable_variables) for v in model.weights]
    directions = [[rng.standard_normal(w.shape) * on for w, on in zip(start, trained, strict=True)] for _ in range(3)]

    def at(direction, t):
        model.set_weights([w + t * v for w, v in zip(start, direction, strict=True)])
        y = model({name: tf.constant(part) for name, part in x.items()}, training=False)
        return np.reshape(y if output is None else y[output], (len(TOKENS), -1))

    h = 1e-4
    found = [(8 * (at(v, h) - at(v, -h)) - (at(v, 2 * h) - at(v, -2 * h))) / (12 * h) for v in directions]
    model.set_weights(start)
    shapes = [v for v, on in zip(range(len(start)), trained, strict=True) if on]
    return np.stack(found, -1), [[direction[i] for i in shapes] for direction in directions]


def test_a_backbone_runs_untouched(backbone):
    model, x, output = backbone
    kernels = [nb.empirical_ntk(model, x, method=method, output_name=output) for method in ("auto", "jacobian")]
    np.testing.assert_allclose(*kernels, rtol=1e-9)
    rows, directions = jacobian(model, x, output)
    linear = nb.linearize(model, output_name=output)
    at_origin = linear(x, [np.zeros(v.shape) for v in model.trainable_variables])
    for number, direction in enumerate(directions):
        rise = linear(x, direction) - at_origin
        np.testing.assert_allclose(rise, rows[..., number], rtol=1e-6, atol=1e-7 * np.abs(rows).max())
    norms = nb.hessian_norm(model, x, output_name=output, tol=1e-6)
    assert norms.converged.all() and (norms.value > 0).all()
    dense = nb.hessian_norm(model, x, output_name=output, method="dense")
    np.testing.assert_allclose(norms.value, dense.value, rtol=1e-5)


def test_a_backbone_that_normalises_in_float32():
    with dtype_policy("float64"):
        model = scrambled(hub.models.LlamaBackbone(**LLAMA))
    kernels = [nb.empirical_ntk(model, INPUTS, method=method) for method in ("auto", "jacobian")]
    np.testing.assert_allclose(*kernels, rtol=1e-6)  # its RMS normalisation casts to float32, whatever the policy
    assert np.isfinite(nb.hessian_norm(model, INPUTS).value).all()


def test_padding_of_a_backbone_changes_no_kernel(backbone):
    model, x, output = backbone
    if output is None:
        pytest.skip("decoders return the states of padded steps too")
    other = x | {"token_ids": np.where(MASK, TOKENS, 10 - TOKENS % 3)}
    kernels = [nb.empirical_ntk(model, each, output_name=output) for each in (x, other)]
    np.testing.assert_allclose(*kernels, rtol=1e-12)
