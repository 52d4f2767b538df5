"""The search for the worst direction: kinks, explicit flips, starts, effort and the search's check of itself."""

from __future__ import annotations

import keras
import kinked
import numpy as np
import pytest
import relu_flips
import tensorflow as tf
from attrs import evolve
from keras import ops
from measuring import Extended, cells

from ntkbench.engine.search import kink_share
from ntkbench.layers import Dense
from ntkbench.registry.current import registry
from ntkbench.registry.specs import Architecture
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import KINKED, Settings, Status

SMOOTH = ("tanh", "gelu", "silu", "sin", "softplus", "erf", "quadratic")


def ball(build, width, *, seed=0, probes=8, asked="kernel_change_worst", **spec):
    """Return the context and the values of a cell of the ball measurement: of a build function or a registered name."""
    known = registry() if isinstance(build, str) else Extended(Architecture(name="own", target=build, **spec))
    name = build if isinstance(build, str) else "own"
    cell = cells(name, width, measure=["ball"], seeds=(seed,), known=known, settings=Settings(n_probes=probes))[0]
    cell = evolve(cell, quantities=(asked,))
    worker = GroupWorker([cell], known)
    context = worker.context(cell)
    result = worker.measure(cell, context, 0.0)
    assert result.status is Status.OK, result.message
    return context, {key: value.value for key, value in result.values.items()}


def over_flips(width, probes, seed):
    """Return the change found for one hidden ReLU layer, and that over the change of explicit flips."""
    context, values = ball(kinked.dense("relu"), width, seed=seed, probes=probes)
    hidden, readout = (v.numpy().astype(np.float64) for v in context.network.unflatten(context.theta))
    x = context.x.numpy().astype(np.float64)
    found = values["kernel_change_worst"]
    return found, found / relu_flips.largest_change(x, hidden.T, readout[:, 0])


# -- one hidden ReLU layer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_explicit_flips_are_flips(sign):
    rng = np.random.default_rng(0)
    x, u = rng.standard_normal((3, 20)), rng.standard_normal((200, 20))
    moved = u + relu_flips.flips(x, u, sign, 1.0)
    assert np.linalg.norm(moved - u) <= 1 + 1e-9
    before, after = x @ u.T > 0, x @ moved.T > 0
    flipped = before != after
    assert flipped.sum() > 20 and (after[flipped] == (sign > 0)).mean() > 0.9


@pytest.mark.parametrize("probes", [1, 8])
def test_explicit_flips_of_n_probes_fall_as_the_cube_root_of_n_times_width(probes):
    """N·m·p·δ³/3 = R² for the units with |z| < δ at one of N probes, p = 1/√2π; each changes K_nn by a²/m: p·δ in all.

    docs/laws.md sets this beside what is smooth, which falls as m^(−½) whatever N is.
    """
    rng, width, p = np.random.default_rng(1), 4096, 1 / np.sqrt(2 * np.pi)
    x = rng.standard_normal((probes, 60))
    x *= np.sqrt(60) / np.linalg.norm(x, axis=1, keepdims=True)
    found = relu_flips.largest_change(x, rng.standard_normal((width, 60)), rng.standard_normal(width))
    assert found == pytest.approx(p * (3 / (probes * width * p)) ** (1 / 3), rel=0.2)


@pytest.mark.parametrize("probes", [1, 8])
@pytest.mark.parametrize("width", [64, 512])
def test_finds_what_explicit_flips_find(width, probes):
    assert over_flips(width, probes, seed=0)[1] >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("probes", [1, 8])
def test_finds_what_explicit_flips_find_at_every_width(probes):
    for width in (64, 256, 1024, 4096, 8192):
        for seed in range(3):
            assert over_flips(width, probes, seed)[1] >= 0.9, (width, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("probes", [1, 8])
def test_a_relu_layer_falls_as_flips_and_what_is_smooth_together(probes):
    """docs/laws.md: the radius is shared by flips, (N·m)^(−⅓) of them, and what is smooth, m^(−½)."""
    widths = np.array((64, 256, 1024, 4096, 8192))
    share, p = np.linspace(0, 1, 401), 1 / np.sqrt(2 * np.pi)
    flipped = p * (3 / (probes * widths * p)) ** (1 / 3)
    both = flipped[:, None] * (1 - share**2) ** (1 / 3) + 2 * share / np.sqrt(widths)[:, None]
    means = [np.mean([over_flips(width, probes, seed)[0] for seed in range(5)]) for width in widths]
    derived, found = (np.polyfit(np.log(widths), np.log(values), 1)[0] for values in (both.max(1), means))
    assert found == pytest.approx(derived, abs=0.06)


# -- kinks of the output -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [kinked.random_features, kinked.wide_with_output])
@pytest.mark.parametrize("activation", ["relu", kinked.leaky_relu, kinked.absolute])
def test_a_kinked_output_moves_by_half_at_least(build, activation):
    for width in (64, 512):
        _, values = ball(build(activation), width)
        assert values["kernel_change_worst"] >= 0.5 and values["kink_share"] > KINKED


@pytest.mark.slow
@pytest.mark.parametrize("build", [kinked.random_features, kinked.wide_with_output])
@pytest.mark.parametrize("activation", ["relu", kinked.leaky_relu, kinked.absolute])
def test_a_kinked_output_moves_by_half_at_large_width(build, activation):
    for seed in range(2):
        assert ball(build(activation), 4096, seed=seed)[1]["kernel_change_worst"] >= 0.5


# -- kink_share ----------------------------------------------------------------------------------------------------


def share(build, width, seed=0):
    _, values = ball(build, width, seed=seed, asked="kink_share")
    assert set(values) == {"kink_share"}
    return values["kink_share"]


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("activation", SMOOTH)
def test_smooth_networks_have_no_kinks(activation, depth):
    for width in (16, 256):
        assert share(kinked.dense(activation, depth), width) <= KINKED / 2


@pytest.mark.parametrize(
    ("activation", "depth"),
    [
        *((each, 1) for each in kinked.KINKED),
        *(pytest.param(each, 3, marks=pytest.mark.slow) for each in kinked.REACHED),
    ],
)
def test_kinked_activations_have_kinks(activation, depth):
    for width in (16, 256):
        assert share(kinked.dense(activation, depth), width) > KINKED


@pytest.mark.parametrize("activation", kinked.KINKED)
def test_one_kink_in_the_output_of_a_smooth_network_is_seen(activation):
    for width in (16, 256):
        assert share(kinked.wide_with_output(activation), width) > KINKED


@pytest.mark.parametrize("build", [kinked.larger_of_two, kinked.routed])
def test_choices_between_networks_are_kinks(build):
    for width in (16, 256):
        assert share(build, width) > KINKED


@pytest.mark.parametrize(("slope", "depth"), [(8.0, 3), (3.0, 12)])
def test_steep_smooth_networks_have_no_kinks(slope, depth):
    assert share(kinked.dense(lambda h: keras.ops.sin(slope * h), depth), 32) <= KINKED / 2


@pytest.mark.parametrize(
    "activation",
    ["relu", *(pytest.param(f, marks=pytest.mark.slow) for f in (keras.activations.relu6, kinked.leaky_relu))],
)
def test_the_share_of_a_deep_kinked_network_settles_near_one(activation):
    for seed in range(2):
        assert KINKED < share(kinked.dense(activation, 30), 32, seed) <= 1.1


class Jump:
    """A gradient in one weight that jumps by 1 at 1e-6 and overflows beyond 0.1; its second derivative is 0."""

    def gradient_and_product(self, w, c, v):
        return tf.cast(w > 1e-6, w.dtype) / tf.cast(w <= 0.1, w.dtype), tf.zeros_like(w)


def test_kinks_are_seen_where_the_whole_displacement_overflows():
    origin, displacement = tf.zeros([1], tf.float64), tf.ones([1], tf.float64)
    assert kink_share(Jump(), origin, displacement, np.ones(1)) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["attention", "mlp-mixer", "fc-softmax-output", "fc-square-output", "rnn"])
def test_smooth_architectures_have_no_kinks(name):
    assert share(name, 32) <= KINKED / 2


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 3])
def test_kinks_are_told_apart_at_every_width_and_seed(depth):
    for width in (16, 64, 256, 1024):
        for seed in range(3):
            for activation in SMOOTH:
                assert share(kinked.dense(activation, depth), width, seed) <= KINKED / 2, (activation, width, seed)
            for activation in kinked.KINKED if depth == 1 else kinked.REACHED:
                assert share(kinked.dense(activation, depth), width, seed) > KINKED, (activation, width, seed)


# -- the search itself ---------------------------------------------------------------------------------------------


def test_the_worst_change_comes_with_its_check():
    _, values = ball("fc", 32)
    assert set(values) == {"kernel_change_worst", "search_gain", "kink_share"}
    assert 0 <= values["search_gain"] < 0.1


def test_effort_does_not_depend_on_labels():
    plain = ball(kinked.dense("tanh"), 32)[1]
    for labels in ({"linear_output": False}, {"bottleneck": True, "linear_output": False}):
        labelled = ball(kinked.dense("tanh"), 32, **labels)[1]
        assert labelled["kernel_change_worst"] == pytest.approx(plain["kernel_change_worst"], rel=1e-3)


def test_the_same_seed_gives_the_same_numbers():
    for build in (kinked.dense("relu"), kinked.dense("tanh")):
        assert ball(build, 32)[1] == ball(build, 32)[1]


def test_a_network_whose_descent_diverges_is_searched_all_the_same():
    def explosive(width, *, input_shape, seed):
        layers = [Dense(width, "tanh", seed=seed), Dense(1, lambda x: keras.ops.exp(x * x), seed=seed + 1)]
        return keras.Sequential([keras.Input(input_shape), *layers])

    assert ball(explosive, 16, targets=(-1e30, 1e30))[1]["kernel_change_worst"] > 0


def test_hessian_norms_do_not_depend_on_what_was_measured_before():
    known = registry()
    cell = cells("fc", 16, measure=["hessian"], seeds=(0,), known=known, settings=Settings(n_probes=6))[0]
    alone, after = (GroupWorker([cell], known).context(cell) for _ in range(2))
    tops = [abs(sample.top.value) for sample in after.curvatures]
    assert np.array_equal(after.hessian_norms.value, alone.hessian_norms.value)
    assert np.allclose(tops, alone.hessian_norms.value[: len(tops)], rtol=2e-3)


# -- radii at which the network overflows ------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["kernel_change_worst", "linearization_error_worst"])
def test_what_is_not_finite_at_the_radius_is_not_zero(asked, recwarn):
    """Products of infinities and zeros are not numbers, which no search can compare."""
    known = Extended(Architecture(name="own", target=kinked.dense(ops.square, depth=3)))
    settings = Settings(n_probes=2, radius=1e30)
    cell = evolve(cells("own", 8, measure=["ball"], known=known, settings=settings)[0], quantities=(asked,))
    worker = GroupWorker([cell], known)
    (result,) = worker.results()
    assert result.status is Status.DIVERGED, result
    assert "is not finite at radius 1e+30. Choose a smaller --radius." in result.message
    assert not [each for each in recwarn if each.category is RuntimeWarning]
