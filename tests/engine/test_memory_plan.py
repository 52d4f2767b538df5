"""Memory: what is predicted against what a fresh process takes, and what happens when it does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from nets import build, probes
from peaks import CASES, embedded

import ntkbench as nb
from ntkbench.engine.checks import enter
from ntkbench.engine.hessian import norm as hessian, plan as hessian_plan
from ntkbench.engine.hessian.plan import EXPECTED_STEPS, Sizes, plan
from ntkbench.engine.structure import model_sizes, structure_of

GIB = 2**30


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_predictions_are_right_within_a_factor_of_one_and_a_half(case):
    program = Path(__file__).parents[1] / "kit" / "peaks.py"
    done = subprocess.run([sys.executable, str(program), case], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert 1 / 1.5 <= found["predicted"] / found["measured"] <= 1.5, found


class Normalised(keras.layers.Layer):
    """A layer that normalises its weights: a tensor of their size that does not depend on the sample."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 512))

    def call(self, x):
        return x @ (self.kernel / keras.ops.norm(self.kernel, axis=0))


@pytest.mark.parametrize("layer", [nb.layers.Dense(512, "relu", seed=0), Normalised()])
def test_tensors_of_the_weights_count_once_not_for_every_sample(layer):
    model = keras.Sequential([keras.Input((256,)), layer, nb.layers.Dense(1, seed=1)])
    net, x, _ = enter(model, np.zeros((4, 256), "float32"))
    sizes = model_sizes(net, structure_of(net, x).rules, x)
    assert sizes.activations < 8 * (256 + 512)
    assert sizes.of_weights < 4 * 256 * 512


def test_fewer_samples_side_by_side_where_memory_is_short():
    sizes = Sizes(fixed=2**20, kept=2**24, working=2**24, vector=2**20)
    roomy = plan(sizes, 100, 300, 16 * GIB)
    assert roomy.samples == 16, "a larger basis is no faster"
    tight = plan(sizes, 100, 300, GIB // 4)
    assert 1 <= tight.samples < 16
    assert sizes.bytes(tight.samples, tight.steps) <= GIB // 4
    assert tight.steps >= EXPECTED_STEPS


def test_fewer_steps_where_even_one_sample_is_large():
    sizes = Sizes(fixed=2**20, kept=0, working=2**26, vector=2**27)
    found = plan(sizes, 1, 300, 8 * GIB)
    assert found.samples == 1
    assert 8 <= found.steps < EXPECTED_STEPS
    assert sizes.bytes(1, found.steps) <= 8 * GIB


def test_the_same_norms_in_several_parts(monkeypatch):
    model, x = build("fc"), probes("fc", 5)
    whole = nb.hessian_norm(model, x, tol=1e-8)
    monkeypatch.setattr(hessian_plan, "MAX_BASIS_BYTES", 2 * whole.iterations * 2 * 8 * 60)
    chosen = []
    monkeypatch.setattr(hessian, "plan", lambda *given: chosen.append(hessian_plan.plan(*given)) or chosen[-1])
    parts = nb.hessian_norm(model, x, tol=1e-8)
    assert chosen[0].samples < len(x)
    assert parts.value == pytest.approx(whole.value, rel=1e-6)
    assert parts.converged.all()


def test_what_does_not_fit_is_refused_with_advice():
    with pytest.raises(
        nb.NtkbenchError, match=r"The Hessian of one sample needs .* but the memory budget is .* memory_gib"
    ):
        nb.hessian_norm(embedded(512), np.ones((1, 4), "float32"), memory_gib=0.02)
