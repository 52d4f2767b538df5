"""ntkbench's checks for each network, and tests of their gates."""

import numpy as np
import pytest

import ntkbench as nb
from ntkbench.testing import ArchitectureChecks
from ntkbench_gated import glu, highway, mixture


class TestGlu(ArchitectureChecks):
    architecture = "glu"


class TestSwiGlu(ArchitectureChecks):
    architecture = "swiglu"


class TestHighway(ArchitectureChecks):
    architecture = "highway"


class TestMixture(ArchitectureChecks):
    architecture = "moe"


X = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize(("gate", "function"), [("sigmoid", sigmoid), ("silu", lambda z: z * sigmoid(z))])
def test_glu_is_its_formula(gate, function):
    model = glu.build(8, input_shape=(5,), seed=1, gate=gate, depth=1)
    w, v, out = model.get_weights()
    expected = (X @ w / 5**0.5) * function(X @ v / 5**0.5) @ out / 8**0.5
    np.testing.assert_allclose(model(X), expected, rtol=1e-5)


def test_a_closed_highway_passes_its_input_on():
    model = highway.build(8, input_shape=(5,), seed=1, carry=10.0, depth=2)
    embed, *_, out = model.get_weights()
    np.testing.assert_allclose(model(X), np.tanh(X @ embed / 5**0.5) @ out / 8**0.5, atol=2e-3)


def test_a_mixture_is_the_mean_of_its_experts_where_the_router_is_undecided():
    model = mixture.build(8, input_shape=(5,), seed=1, experts=2)
    router = model.get_layer("router")
    router.set_weights([0 * weight for weight in router.get_weights()])
    predictions = []
    for expert in (1, 2):
        w, out = (model.get_layer(f"{part}_{expert}").get_weights()[0] for part in ("hidden", "expert"))
        predictions.append(np.tanh(X @ w / 5**0.5) @ out / 8**0.5)
    np.testing.assert_allclose(model(X), np.mean(predictions, axis=0), rtol=1e-5)


def test_gates_become_linear_and_routing_does_not(tmp_path):
    """Widths 16 to 256 are enough to distinguish the two exponents."""
    run = nb.run(["glu", "moe"], widths=[16, 64, 256], seeds=4, probes=2, measure="hessian_norm", out=tmp_path / "run")
    laws = run.fits()
    laws = laws[(laws.quantity == "hessian_norm") & (laws.reduction == "mean")].set_index("architecture")
    assert laws.high["glu"] < -0.3
    assert laws.slope["moe"] > -0.2
