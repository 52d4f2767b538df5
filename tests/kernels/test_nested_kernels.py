"""Kernels of several input arrays: checks of the kit, and ensembles."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import ntkbench as nb
from ntkbench import kernels as k
from ntkbench.registry.current import registry, use
from ntkbench.testing import KernelChecks

RNG = np.random.default_rng(0)


class Mean(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """Inner products of the mean steps of sequences; `careless` reads the steps that the mask leaves out."""

    def __init__(self, careless=False):
        self.careless = careless
        super().__init__({"values": 2, "mask": 1}, dtype={"values": None, "mask": tf.bool}, name="Mean")

    def _features(self, x):
        mask = tf.cast(x["mask"], x["values"].dtype)[..., None]
        values = x["values"] if self.careless else x["values"] * mask
        return tf.reduce_sum(values, -2) / tf.reduce_sum(mask, -2)

    def _apply(self, x1, x2, example_ndims=0):
        return tf.reduce_sum(self._features(x1) * self._features(x2), -1)


@pytest.fixture
def mine():
    with use(registry().with_architectures({})) as own:
        own.register("kernels", "mean", Mean, distribution="acme", inputs="ragged", summary="mean steps")
        own.register(
            "kernels", "careless", lambda: Mean(True), distribution="acme", inputs="ragged", summary="all steps"
        )
        yield own


def outcome(name):
    """Return the results of the checks of a kernel: "ok", "skipped" or the sentence of a failure, by number."""
    kit = type("Kit", (KernelChecks,), {"kernel": name})
    return {
        finding.number: finding.status if finding.status != "failed" else finding.message
        for finding in kit.findings(name)
    }


def test_the_kit_checks_kernels_of_masked_sequences(mine):
    assert set(outcome("mean").values()) == {"ok"}
    found = outcome("careless")
    assert "Values of masked steps change the matrix" in found.pop("K7") and set(found.values()) == {"ok"}


def sequences(n):
    lengths = RNG.integers(1, 6, n)
    mask = np.arange(5) < lengths[:, None]
    return {"values": RNG.normal(size=(n, 5, 3)) * mask[..., None], "mask": mask}


def test_ensembles_of_nested_inputs():
    x, new = sequences(9), sequences(5)
    y = RNG.normal(size=9)
    rows = [[v[m].mean(0) for v, m in zip(each["values"], each["mask"], strict=True)] for each in (x, new)]
    a, b = map(np.array, rows)
    weights = np.linalg.solve(a @ a.T + 0.1 * np.eye(9), y)
    found = k.Ensemble(Mean(), x, y, noise=0.1, block=2)
    np.testing.assert_allclose(found.predict(new).mean[:, 0], b @ a.T @ weights, rtol=1e-9)
    assert found.predict(new).covariance.shape == (5, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x["values"], "structure"),
        (lambda x: {"values": x["values"]}, "structure"),
        (lambda x: {**x, "mask": x["mask"][:3]}, "Got 3 or 9 inputs and 9 targets"),
        (lambda x: {**x, "values": x["values"] * np.nan}, "NaN or infinity"),
        (lambda x: {**x, "values": x["values"][0, 0]}, "expected"),
    ],
)
def test_wrong_nests_are_sentences(change, message):
    with pytest.raises(nb.NtkbenchError, match=message):
        k.Ensemble(Mean(), change(sequences(9)), np.ones(9))


def test_new_inputs_must_fit():
    found = k.Ensemble(Mean(), sequences(9), np.ones(9), noise=0.1)
    with pytest.raises(nb.NtkbenchError, match="The inputs have shape"):
        found.predict({**sequences(4), "mask": np.ones((4, 6), bool)})
