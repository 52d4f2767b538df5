"""kernel_slope and bend_share: against dense Hessians, a closed form, and a network whose bend sits in two scalars."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from attrs import evolve
from measuring import Extended, cells, measured
from nets import Oracle

import ntkbench as nb
from ntkbench.analysis.bend import bend_of
from ntkbench.analysis.laws import series
from ntkbench.engine.autodiff.hvp import flat_hvp
from ntkbench.engine.hessian.bend import bend
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.engine.model.network import Network
from ntkbench.measurements.bend import MOST_VARIABLES, OTHERS
from ntkbench.registry.specs import Architecture
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import Settings, Status


@keras.saving.register_keras_serializable("test_bend")
class Gain(keras.layers.Layer):
    """alpha · x with one trained scalar, 1 at the start."""

    def build(self, input_shape):
        self.alpha = self.add_weight(shape=(), initializer="ones", name="alpha")

    def call(self, x):
        return self.alpha * x

    def compute_output_shape(self, input_shape):
        return input_shape


def rezero(width, *, input_shape, seed, blocks=2):
    """h ← h + α_l tanh(D h) from α_l = 1 (ReZero: Bachlechner et al. 2020, arXiv 2003.04887)."""
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = nb.layers.Dense(width, seed=seed, name="embed")(x)
    for block in range(1, blocks + 1):
        z = nb.layers.Dense(width, "tanh", seed=seed + block, name=f"block_{block}")(h)
        h = keras.layers.Add(name=f"state_{block}")([h, Gain(name=f"gain_{block}")(z)])
    return keras.Model(x, nb.layers.Dense(1, seed=seed + 99, name="readout")(h))


KNOWN = Extended(Architecture(name="rezero", target=rezero, params={"blocks": 2}))
SCALARS = {"gain_1/alpha", "gain_2/alpha"}


def shares(result, quantity):
    return {key.partition(":")[2]: value.value for key, value in result.values.items() if key.startswith(quantity)}


def expected(gradients, products, sizes):
    """Return kernel_slope, the bend's and the kernel's shares from g and H g of each input: [N, P] each."""

    def parts(vectors):
        squared = [np.sum(part**2) for part in np.split(vectors, np.cumsum(sizes)[:-1], axis=1)]
        return np.array(squared) / np.sum(squared)

    slope = 2 * np.linalg.norm(products, axis=1) / np.linalg.norm(gradients, axis=1) ** 2
    return slope.mean(), parts(products), parts(gradients)


def dense_by_products(ctx, x):
    columns = [flat_hvp(ctx.network)(x, row).numpy() for row in tf.eye(ctx.network.size, dtype=tf.float64)]
    return np.array(columns)


def dense_by_differences(ctx, x):
    return Oracle(ctx.model).hessian(x.numpy())


@pytest.mark.parametrize("dense", [dense_by_products, dense_by_differences])
@pytest.mark.parametrize(
    "name", ["fc", "rezero", pytest.param("fc-square-output", marks=pytest.mark.slow), "attention"]
)
def test_against_the_dense_hessian(name, dense):
    small = Settings(n_probes=2)
    (cell,) = cells(name, 4, measure=["bend"], precision="float64", settings=small, known=KNOWN)
    worker = GroupWorker([cell], KNOWN)
    (result,), ctx = worker.results(), worker.context(cell)
    assert result.status is Status.OK, result.message
    gradients = Oracle(ctx.model).jacobian(ctx.x.numpy())[:, 0]
    products = np.array([dense(ctx, ctx.x[n : n + 1]) @ gradients[n] for n in range(2)])
    slope, bent, kernel = expected(gradients, products, ctx.network.sizes)
    assert result.values["kernel_slope"].value == pytest.approx(slope, rel=1e-8)
    np.testing.assert_allclose(sorted(shares(result, "bend_share").values()), np.sort(bent), rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(sorted(shares(result, "kernel_share").values()), np.sort(kernel), rtol=1e-8)
    order = [shares(result, "variable_size")[each] for each in shares(result, "bend_share")]
    assert order == [ctx.network.sizes[place] for place in np.argsort(-bent, kind="stable")]


def test_one_hidden_layer_has_a_closed_form(context):
    """f = v·tanh(U x/√d)/√m, s² = ‖x‖²/d: H g has the parts v φ'² s²/m and x/√d (φ φ' + v² φ' φ'' s²)/m."""
    ctx = context("fc", 32, depth=1)
    u, v = (w.numpy() for w in ctx.network.variables)
    x, v = ctx.x.numpy(), v[:, 0]
    s2 = (np.linalg.norm(x, axis=1, keepdims=True) ** 2) / x.shape[1]
    phi = np.tanh(x @ u / np.sqrt(x.shape[1]))
    first, second = 1 - phi**2, -2 * phi * (1 - phi**2)
    of_u = s2[:, 0] * np.sum((phi * first + v**2 * first * second * s2) ** 2, 1) / 32**2
    of_v = np.sum((v * first**2 * s2) ** 2, 1) / 32**2
    found = bend(ctx.network, ctx.x)
    np.testing.assert_allclose(found.hessian_gradient, np.stack([of_u, of_v], 1), rtol=1e-10)
    gradient = np.stack([np.sum((v * first) ** 2 * s2, 1), np.sum(phi**2, 1)], 1) / 32
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10)


def test_the_slope_is_the_limit_of_the_worst_kernel_change():
    """Of one input, in the direction of H g, which no direction of the same length beats to first order."""
    one = Settings(n_probes=1, radius=1e-4)
    (cell,) = cells("fc", 16, measure=["bend"], precision="float64", settings=one)
    (result,) = GroupWorker([cell], KNOWN).results()
    (worst,) = measured("fc", 16, measure=["ball"], precision="float64", settings=one)
    change = worst.values["kernel_change_worst"].value / one.radius
    assert change == pytest.approx(result.values["kernel_slope"].value, rel=1e-3)


def test_two_scalars_bend_a_rezero_network():
    results = measured("rezero", 512, measure=["bend"], seeds=(0, 1, 2), settings=Settings(n_probes=8), known=KNOWN)
    (found,) = map(bend_of, series(evolve(each, cell=evolve(each.cell, label="rezero")) for each in results))
    assert set(found.culprits) == SCALARS
    last = [found.variables[name][1] for name in SCALARS]
    assert sum(each.bend for each in last) > 0.6
    assert sum(each.kernel for each in last) < 0.3
    assert found.reason.startswith("2 scalars (gain_") and found.reason.endswith("of the bend at width 512.")


def test_scalars_of_which_the_output_is_independent_hold_97_percent_of_the_bend():
    """A read-out orthogonal to ∂h/∂α_l leaves the scalars no share of K: then f bends through them almost alone."""
    with dtype_policy("float64"):
        model = rezero(512, input_shape=(61,), seed=7)
    state = keras.Model(model.inputs, model.get_layer("state_2").output)
    x = np.random.default_rng(0).standard_normal((1, 61))

    def state_at(alpha, value):
        alpha.assign(value)
        return state([x]).numpy()[0]

    derivatives = []
    for block in (1, 2):
        alpha = model.get_layer(f"gain_{block}").alpha
        derivatives.append((state_at(alpha, 1 + 1e-4) - state_at(alpha, 1 - 1e-4)) / 2e-4)
        alpha.assign(1.0)
    basis, _ = np.linalg.qr(np.array(derivatives).T)
    kernel = model.get_layer("readout").kernel
    kernel.assign(kernel.numpy() - basis @ (basis.T @ kernel.numpy()))
    net = Network(model)
    found = bend(net, net.inputs(x))
    scalars = [place for place, size in enumerate(net.sizes) if size == 1]
    assert len(scalars) == 2
    assert found.gradient[0, scalars].sum() / found.gradient.sum() < 1e-12
    assert found.hessian_gradient[0, scalars].sum() / found.hessian_gradient.sum() == pytest.approx(0.975, abs=0.02)


def test_nothing_bends_a_linear_model():
    (result,) = measured("linear", measure=["bend"])
    assert result.values["kernel_slope"].value == 0
    assert shares(result, "bend_share") == {"readout/kernel": 0.0}
    assert shares(result, "kernel_share") == {"readout/kernel": 1.0}


def test_of_many_variables_the_small_ones_are_added_up():
    known = Extended(Architecture(name="rezero", target=rezero, params={"blocks": 8}))
    (result,) = measured("rezero", 8, measure=["bend"], known=known, settings=Settings(n_probes=2))
    bent, kernel, sizes = (shares(result, name) for name in ("bend_share", "kernel_share", "variable_size"))
    assert len(bent) == MOST_VARIABLES + 1 and list(bent)[-1] == OTHERS and list(kernel) == list(bent) == list(sizes)
    assert sum(bent.values()) == pytest.approx(1) and sum(kernel.values()) == pytest.approx(1)
    assert sum(sizes.values()) == result.n_parameters
    assert min(value for name, value in bent.items() if name != OTHERS) >= bent[OTHERS] / (18 - MOST_VARIABLES)


def test_one_quantity_alone():
    (cell,) = cells("fc", measure=["bend"])
    (result,) = GroupWorker([evolve(cell, quantities=("bend_share",))], KNOWN).results()
    assert result.values and all(key.startswith("bend_share:") for key in result.values)
