"""Errors that are stated in float32, mixed_float16 and mixed_bfloat16 cover the true ones.

True is the same function at the same weights, rounded as the policy rounds them, in float64.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from sweep_points import layer_points
from swept_layers import LAYERS, ONLY_FLOAT32, inputs_of, model_of

import ntkbench as nb
from ntkbench import NtkbenchError
from ntkbench.engine.model import dtype_policy, in_precision, network
from ntkbench.measurements.kernel import measure

POLICIES = {"float32": tf.float32, "mixed_float16": tf.float16, "mixed_bfloat16": tf.bfloat16}
# Refused on CPUs, where oneDNN overwrites memory (TensorFlow 2.21); the oracle would run it too.
CRASHES = {(name, "mixed_bfloat16") for name in LAYERS if "ttention" in name or "ttended" in name}
# Keras cannot compute these.
CANNOT_RUN = {
    ("Activation sparsemax", "mixed_float16"),
    ("STFTSpectrogram", "mixed_bfloat16"),
    ("STFTSpectrogram of magnitudes", "mixed_bfloat16"),
}
# Keras cannot copy these, so that there is no oracle; `precision=` refuses them.
WITHOUT_COPY = ("Lambda", "RandomShear")
SAMPLE = (("Dense", "float32"), ("Conv2D", "mixed_bfloat16"))


def _rounded(array, kind):
    array = np.asarray(array)
    return tf.cast(tf.cast(array, kind), tf.float64).numpy() if array.dtype.kind == "f" else array


def _spectrum(model, x):
    """Return what a run states of the kernel's spectrum."""
    kernel = np.asarray(nb.empirical_ntk(model, x), np.float64)
    net = network(model)
    context = SimpleNamespace(kernel=kernel, network=net, inputs=net.inputs(x), precision="float32")
    return kernel, measure(context)["lambda_min"]


def _covered(name, policy):
    with dtype_policy(policy):
        model = model_of(name, 0, "float32")
    x = inputs_of(name, 0)[:1]  # no kinks, where rounding decides between derivatives that differ
    x = np.concatenate([x, x[:, ::-1]])
    model.set_weights(layer_points(model, x)[1].weights)
    if (name, policy) in CANNOT_RUN:
        with pytest.raises(NtkbenchError, match="cannot be called"):
            nb.empirical_ntk(model, x)
        return
    kernel, stated = _spectrum(model, x)
    if name in WITHOUT_COPY:
        with pytest.raises(NtkbenchError, match="could not be rebuilt in float64"):
            in_precision(model, "float64")
        return
    exact = in_precision(model, "float64")
    exact.set_weights([_rounded(w, POLICIES[policy]) for w in model.get_weights()])
    truth, _ = _spectrum(exact, _rounded(x, POLICIES[policy]))
    moved = np.abs(np.linalg.eigvalsh(kernel) - np.linalg.eigvalsh(truth))
    assert moved.max() <= stated.error + 1e-12
    if policy != "float32":
        return  # what is stated of first derivatives; second ones in 8 or 11 bits have no digits to compare
    try:
        norms = nb.hessian_norm(model, x)
    except NtkbenchError:
        return  # no second derivative in this type: refused, with its sentence
    true_norms = nb.hessian_norm(exact, _rounded(x, POLICIES[policy]))
    assert (np.abs(norms.value - true_norms.value) <= norms.error + true_norms.error + 1e-12).all()


CASES = [(name, policy) for name in LAYERS for policy in POLICIES if name not in ONLY_FLOAT32]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "policy"), [case for case in CASES if case not in CRASHES])
def test_stated_errors_cover_the_true_ones(name, policy):
    _covered(name, policy)


@pytest.mark.parametrize(("name", "policy"), SAMPLE)
def test_a_few_stated_errors(name, policy):
    _covered(name, policy)
