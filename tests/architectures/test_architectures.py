"""Tests of the built-in architectures: every one builds, is determined by its seed, and can be saved."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench.architectures import ntkbench_register_architectures, params
from ntkbench.architectures.dag import draw_graph
from ntkbench.errors import NtkbenchError
from ntkbench.layers import activations
from ntkbench.measurements import BALL, BEND, CONVERGENCE, GD, GRADIENT, HESSIAN, KERNEL, RANDOM
from ntkbench.registry.specs import Architecture

ARCHITECTURES: dict[str, Architecture] = {}
ntkbench_register_architectures(
    lambda name, target, **spec: ARCHITECTURES.update({name: Architecture(name=name, target=target, **spec)})
)
SHAPES = {
    "vector": (61,),
    "image": (8, 8, 1),
    "sequence": (8, 8),
    "ragged": {"values": (8, 8), "mask": (8,)},
}
EVERY = [
    pytest.param(name, form, variant, id=f"{name}-{form}-{'-'.join(map(str, variant.values()))}")
    for name, architecture in ARCHITECTURES.items()
    for form in architecture.inputs
    for variant in architecture.variants
]
INITS = [
    pytest.param(name, init, id=f"{name}-{init}")
    for name, architecture in ARCHITECTURES.items()
    for init in architecture.params["init"].choices
    if init != "gaussian"
]
TWO_COPY = [name for name, architecture in ARCHITECTURES.items() if "two_copy" in architecture.params]


def build(name, width=8, form=None, seed=1, **given):
    architecture = ARCHITECTURES[name]
    shape = SHAPES[form or architecture.inputs[0]]
    options = architecture.resolve(given)
    return architecture.load()(width, input_shape=shape, outputs=architecture.outputs, seed=seed, **options)


def inputs(name, form=None, n=5):
    shape = SHAPES[form or ARCHITECTURES[name].inputs[0]]
    rng = np.random.default_rng(0)
    if form == "ragged":
        return {"values": rng.standard_normal((n, *shape["values"])), "mask": np.arange(8) <= np.arange(n)[:, None]}
    return rng.standard_normal((n, *shape))


def weights(model):
    """Weights by name, without the number that Keras gives to unnamed layers."""
    return {weight.path: np.asarray(weight) for weight in model.weights}


@pytest.fixture
def float64():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(policy)


def test_every_architecture_of_the_suite_is_here():
    assert set(ARCHITECTURES) == {
        *(
            "linear",
            "deep-linear",
            "fc",
            "fc-relu",
            "cnn",
            "resnet",
            "densenet",
            "dag",
            "rnn",
            "attention",
            "mlp-mixer",
        ),
        *("fc-square-output", "fc-softplus-output", "fc-sigmoid-output", "fc-softmax-output"),
        *("fc-bottleneck", "cnn-bottleneck", "linear-bottleneck", "fc-lazy"),
    }


@pytest.mark.parametrize(("name", "form", "variant"), EVERY)
def test_builds_and_is_finite(name, form, variant, float64):
    model = build(name, form=form, **variant)
    y = model(inputs(name, form), training=False)
    assert y.dtype == "float64"
    assert y.shape == (5, ARCHITECTURES[name].outputs)
    assert np.isfinite(y).all()
    assert np.std(y) > 0 or name == "fc-lazy"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_seed_determines_the_weights(name):
    first, again, other = (weights(build(name, seed=seed)) for seed in (1, 1, 2))
    assert first.keys() == again.keys()
    for path, value in first.items():
        np.testing.assert_array_equal(value, again[path])
        assert not np.array_equal(value, other[path])


@pytest.mark.parametrize(("name", "init"), INITS)
def test_every_architecture_has_orthogonal_weights(name, init, float64):
    first, again, other, gaussian = (
        build(name, seed=seed, init=drawn) for seed, drawn in ((1, init), (1, init), (2, init), (1, "gaussian"))
    )
    x = inputs(name)
    assert np.isfinite(first(x, training=False)).all()
    for path, value in weights(first).items():
        np.testing.assert_array_equal(value, weights(again)[path])
        assert not np.array_equal(value, weights(other)[path]) and not np.array_equal(value, weights(gaussian)[path])
        assert np.mean(value**2) == pytest.approx(1, rel=1e-12)
        taps = value.reshape(-1, *value.shape[-2:])
        if init == "delta-orthogonal" and value.ndim == 4:
            assert np.count_nonzero(np.any(taps, axis=(1, 2))) == 1
            taps = value[1, 1][None] / 3
        for tap in taps:
            gram = tap @ tap.T if tap.shape[0] <= tap.shape[1] else tap.T @ tap
            np.testing.assert_allclose(gram, max(tap.shape) * np.eye(len(gram)), atol=1e-11)


@pytest.mark.parametrize("name", ["fc", "cnn", "attention"])
def test_both_precisions_have_the_same_weights(name, float64):
    double = build(name)
    keras.config.set_dtype_policy("float32")
    single = build(name)
    for path, value in weights(double).items():
        np.testing.assert_array_equal(value.astype("float32"), weights(single)[path])
    x = inputs(name)
    np.testing.assert_allclose(double(x), single(x.astype("float32")), atol=1e-5)


def test_another_layer_moves_no_weight():
    shallow, deep = weights(build("fc")), weights(build("fc", depth=3))
    for path in shallow:
        np.testing.assert_array_equal(shallow[path], deep[path])


@pytest.mark.parametrize("name", TWO_COPY)
def test_two_copies_start_at_zero(name):
    model = build(name, two_copy=True)
    np.testing.assert_array_equal(model(inputs(name).astype("float32")), 0)
    assert len(model.weights) == 2 * len(build(name).weights)


def test_two_copies_keep_the_tangent_kernel_of_one(float64):
    import tensorflow as tf

    def kernel(model, x):
        with tf.GradientTape() as tape:
            y = model(x)[:, 0]
        rows = [tf.reshape(j, [len(x), -1]) for j in tape.jacobian(y, [v.value for v in model.trainable_variables])]
        J = tf.concat(rows, axis=1)
        return J @ tf.transpose(J)

    x = inputs("fc")
    np.testing.assert_allclose(kernel(build("fc", two_copy=True), x), kernel(build("fc"), x), rtol=1e-12)


@pytest.mark.parametrize("name", TWO_COPY)
def test_alpha_scales_the_output(name, float64):
    x = inputs(name)
    np.testing.assert_allclose(build(name, alpha=2.5)(x), 2.5 * build(name)(x), rtol=1e-12)


def test_lazy_sweeps_the_scale_of_one_net(float64):
    x = inputs("fc-lazy")
    narrow, wide = build("fc-lazy", 1), build("fc-lazy", 16)
    assert narrow.count_params() == wide.count_params()
    np.testing.assert_array_equal(wide(x), 0)
    for model in (narrow, wide):
        model.get_layer("hidden_1").kernel.assign_add(0.1 * np.ones((61, 64)))
    np.testing.assert_allclose(wide(x), 16 * narrow(x), rtol=1e-12)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_survives_saving(name, tmp_path):
    model = build(name)
    model.save(tmp_path / "net.keras")
    x = inputs(name).astype("float32")
    np.testing.assert_array_equal(model(x), keras.models.load_model(tmp_path / "net.keras")(x))


@pytest.mark.parametrize("name", ["fc", "cnn", "resnet", "densenet", "dag", "rnn", "mlp-mixer"])
def test_outputs_keep_their_size_at_any_width(name, float64):
    """The NTK parameterisation: E f² has a limit. 30 seeds give E f² to √(2/30) = 26 %, so 3 is three errors."""
    x = inputs(name)
    means = [np.mean([np.mean(np.square(build(name, width, seed=s)(x))) for s in range(30)]) for width in (4, 32)]
    assert 1 / 3 < means[0] / means[1] < 3


def test_fc_is_the_formula(float64):
    model, x = build("fc"), inputs("fc")
    u, v, w = (np.asarray(weight) for weight in model.weights)
    expected = np.tanh(np.tanh(x @ u / math.sqrt(61)) @ v / math.sqrt(8)) @ w / math.sqrt(8)
    np.testing.assert_allclose(model(x), expected, rtol=1e-12)


def test_rnn_is_the_recursion(float64):
    model, x = build("rnn"), inputs("rnn")
    kernels = {layer: np.asarray(model.get_layer(layer).kernel) for layer in ("input", "recurrent", "readout")}
    h = np.zeros((5, 8))
    for t in range(8):
        h = np.tanh(h @ kernels["recurrent"] / math.sqrt(8) + x[:, t] @ kernels["input"] / math.sqrt(8))
    np.testing.assert_allclose(model(x), h @ kernels["readout"] / math.sqrt(8), rtol=1e-12)
    assert len(model.trainable_variables) == 3


def test_average_reads_the_mean_of_all_valid_states(float64):
    model = build("rnn", form="ragged", read="average")
    kernels = {layer: np.asarray(model.get_layer(layer).kernel) for layer in ("input", "recurrent", "readout")}
    given = inputs("rnn", "ragged")
    x, mask = given["values"], given["mask"]
    h, total = np.zeros((5, 8)), np.zeros((5, 8))
    for t in range(8):
        h = np.tanh(h @ kernels["recurrent"] / math.sqrt(8) + x[:, t] @ kernels["input"] / math.sqrt(8))
        total += np.where(mask[:, t : t + 1], h, 0)
    mean = total / mask.sum(1, keepdims=True)
    np.testing.assert_allclose(model(given), mean @ kernels["readout"] / math.sqrt(8), rtol=1e-12)
    full = x, np.ones_like(mask)
    dense = build("rnn", read="average")
    np.testing.assert_allclose(model(dict(zip(given, full, strict=True))), dense(x), rtol=1e-12)


def test_average_pooling_reads_the_mean_pixel(float64):
    model, x = build("cnn", pool="average"), inputs("cnn")
    features = keras.Model(model.input, model.get_layer("conv_2").output)(x)
    expected = np.mean(features, axis=(1, 2)) @ np.asarray(model.get_layer("readout").kernel) / math.sqrt(8)
    np.testing.assert_allclose(model(x), expected, rtol=1e-12)


def test_a_growing_number_of_heads_has_eight_channels_each(float64):
    for width, heads in ((8, 1), (32, 4)):
        np.testing.assert_array_equal(
            build("attention", width, heads="grow")(inputs("attention")),
            build("attention", width, heads=heads)(inputs("attention")),
        )
    with pytest.raises(NtkbenchError, match="heads=grow makes heads of 8 channels, which do not divide the width 12"):
        build("attention", 12, heads="grow")


@pytest.mark.parametrize(("width", "k", "units"), [(64, "sqrt", 8), (64, "log", 6), (1, "log", 1), (64, 3, 3)])
def test_a_bottleneck_may_grow(width, k, units):
    assert [layer.units for layer in build("fc-bottleneck", width, k=k).layers[1:]] == [width, units, width, 1]


def test_a_ragged_rnn_reads_the_state_of_the_last_valid_step(float64):
    entry = ARCHITECTURES["rnn"]
    rng = np.random.default_rng(0)
    lengths = [1, 3, 6]
    mask = np.arange(6) < np.array(lengths)[:, None]
    values = rng.standard_normal((3, 6, 4))
    shape = {"values": (6, 4), "mask": (6,)}
    model = entry.load()(8, input_shape=shape, outputs=2, seed=1)
    found = model({"values": values * mask[:, :, None], "mask": mask}).numpy()
    for n, length in enumerate(lengths):
        alone = entry.load()(8, input_shape=(length, 4), outputs=2, seed=1)
        alone.set_weights([w for w in model.get_weights() if length > 1 or w.shape != (8, 8)])
        np.testing.assert_array_equal(alone(values[n : n + 1, :length]).numpy()[0], found[n])
    noise = np.where(mask[:, :, None], values, 1e3 * rng.standard_normal(values.shape))
    np.testing.assert_array_equal(model({"values": noise, "mask": mask}).numpy(), found)
    kernels = [nb.empirical_ntk(model, {"values": x, "mask": mask}) for x in (values * mask[:, :, None], noise)]
    np.testing.assert_array_equal(*kernels)
    norms = [nb.hessian_norm(model, {"values": x, "mask": mask}).value for x in (values * mask[:, :, None], noise)]
    np.testing.assert_array_equal(*norms)


def test_densenet_and_dag_read_whole_layers(float64):
    model, x = build("densenet"), inputs("densenet")
    u, v, w, out = (np.asarray(weight) for weight in model.weights)
    first = np.tanh(x @ u / math.sqrt(61))
    second = np.tanh(first @ v / math.sqrt(8))
    third = np.tanh(np.concatenate([first, second], 1) @ w / math.sqrt(16))
    np.testing.assert_allclose(model(x), np.concatenate([first, second, third], 1) @ out / math.sqrt(24), rtol=1e-12)


@pytest.mark.parametrize("graph_seed", range(20))
def test_the_graph_is_acyclic_with_a_smallest_in_degree_of_one_group(graph_seed):
    parents = draw_graph(6, graph_seed)
    assert parents[0] == []
    assert min(map(len, parents[1:])) == 1
    assert all(earlier < group for group, subset in enumerate(parents) for earlier in subset)


def test_the_graph_depends_on_its_own_seed_only():
    shapes = [[w.shape[0] // 8 for w in build("dag", seed=seed).weights[1:]] for seed in (1, 2)]
    assert shapes[0] == shapes[1]
    assert [len(parents) for parents in draw_graph(5, 0)[1:]] == shapes[0][:4]
    assert len({str(draw_graph(5, graph_seed)) for graph_seed in range(10)}) > 5


def test_bottlenecks_are_narrow():
    assert [w.shape for w in build("fc-bottleneck", k=4).weights] == [(61, 8), (8, 4), (4, 8), (8, 1)]
    assert [w.shape[-1] for w in build("cnn-bottleneck").weights] == [8, 1, 8, 1]


def test_random_features_are_not_trained():
    model = build("linear")
    assert [w.shape for w in model.trainable_variables] == [(8, 1)]
    assert len(model.non_trainable_variables) == 1


def test_nonlinear_outputs_bend_the_same_net(float64):
    x = inputs("fc")
    f = np.asarray(build("fc")(x))
    np.testing.assert_allclose(build("fc-square-output")(x), f**2 / 2, rtol=1e-12)
    np.testing.assert_allclose(build("fc-softplus-output")(x), np.log1p(np.exp(f)), rtol=1e-12)
    np.testing.assert_allclose(build("fc-sigmoid-output")(x), 1 / (1 + np.exp(-f)), rtol=1e-12)
    np.testing.assert_allclose(np.sum(build("fc-softmax-output")(x), axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: build("fc", 0), "width=0"),
        (lambda: build("fc", 2.5), "width=2.5"),
        (lambda: build("attention", 10), "multiple of 4"),
        (lambda: build("fc", form="image"), "vector form"),
        (lambda: build("cnn", form="vector"), r"\(height, width, channels\)"),
        (lambda: build("fc", activation="tahn"), "Did you mean 'tanh'"),
        (lambda: build("fc", depth=0), "depth=0"),
        (lambda: build("deep-linear", activation="tanh"), "choices"),
        (lambda: build("fc", init="delta-orthogonal"), "init"),
        (lambda: build("cnn", init="orthogonl"), "delta-orthogonal"),
        (
            lambda: ARCHITECTURES["fc-softmax-output"].load()(8, input_shape=(61,), seed=0, output="softmax"),
            "outputs=2",
        ),
    ],
)
def test_bad_values_get_a_sentence(wrong, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        wrong()


def test_offered_activations_exist():
    assert set(params.ACTIVATIONS) == set(activations.TABLE) - {"softmax"}


def _values(param):
    return param.choices or (1, 2, 5, *param.words)


def test_theory_speaks_of_measured_quantities_and_names_its_source():
    measured = {
        quantity.name
        for group in (GRADIENT, HESSIAN, BALL, BEND, GD, RANDOM, KERNEL, CONVERGENCE)
        for quantity in group
    }
    words = ("activation", "parameterization", "depth", "groups", "k", "heads", "pool", "read", "scale")
    for architecture in ARCHITECTURES.values():
        swept = {name: _values(architecture.params[name]) for name in words if name in architecture.params}
        for values in itertools.product(*swept.values()):
            claims = architecture.resolved(dict(zip(swept, values, strict=True))).theory
            assert set(claims) <= measured
            assert all(len(claim.source) > 10 and claim.from_width >= 1 for claim in claims.values())
    assert not {"hessian_norm", "kernel_change_gd"} & set(ARCHITECTURES["linear"].theory)
    assert "hessian_norm" not in ARCHITECTURES["fc-sigmoid-output"].theory


NORM, RATIO, WORST, DESCENT = "hessian_norm", "curvature_ratio", "kernel_change_worst", "kernel_change_gd"
RANDOM_CHANGE, GRADIENT_NORM = "kernel_change_random", "gradient_norm"


def linear(**changes):
    return {GRADIENT_NORM: 0, NORM: -0.5, RATIO: -0.5, WORST: -0.5, DESCENT: -1, RANDOM_CHANGE: -1.5} | changes


def kinked(**changes):
    return linear(**{WORST: -1 / 3, DESCENT: None, RANDOM_CHANGE: None} | changes)


STANDARD = {GRADIENT_NORM: 0.5, NORM: 0.5, RATIO: -0.5, WORST: 0, DESCENT: -1, RANDOM_CHANGE: None}
SILENT = dict.fromkeys((NORM, RATIO, WORST, DESCENT, RANDOM_CHANGE))
STAYS = dict.fromkeys((GRADIENT_NORM, NORM, RATIO, WORST, DESCENT), 0)
MEAN_FIELD = {GRADIENT_NORM: -0.5, NORM: -1, RATIO: 0, DESCENT: 0}
MUP = dict.fromkeys((GRADIENT_NORM, NORM, RATIO, WORST, DESCENT), 0) | {RANDOM_CHANGE: None}


@pytest.mark.parametrize(
    ("name", "params", "exponents"),
    [
        ("fc", {}, linear()),
        ("fc", {"depth": 1}, linear(kernel_change_random=-1)),
        ("fc", {"activation": "linear"}, linear()),
        ("fc", {"activation": "quadratic"}, linear()),
        ("fc", {"activation": "relu"}, kinked()),
        ("fc", {"activation": "relu", "depth": 1}, kinked(kernel_change_gd=-0.75)),
        ("fc", {"alpha": 3, "two_copy": True, "init": "orthogonal"}, linear()),
        ("fc", {"parameterization": "standard"}, STANDARD),
        ("fc", {"parameterization": "standard", "activation": "relu"}, STANDARD | {DESCENT: None}),
        ("fc", {"parameterization": "standard", "depth": 1}, STANDARD | {NORM: 0, RATIO: -1, WORST: -0.5, DESCENT: -2}),
        ("fc", {"parameterization": "mean-field"}, MEAN_FIELD | {WORST: -0.5, RANDOM_CHANGE: -1.5}),
        ("fc", {"parameterization": "mean-field", "activation": "relu"}, MEAN_FIELD | {WORST: -1 / 3}),
        ("fc", {"parameterization": "mup"}, MUP),
        ("fc", {"parameterization": "mup", "activation": "relu", "depth": 1}, MUP),
        ("linear", {"parameterization": "mup"}, {GRADIENT_NORM: 0} | SILENT),
        ("rnn", {"parameterization": "mup"}, {GRADIENT_NORM: 0, NORM: 0, RATIO: 0, WORST: None, DESCENT: None}),
        ("fc-relu", {}, kinked(kernel_change_gd=-0.75)),
        ("fc-relu", {"depth": 2}, kinked()),
        ("deep-linear", {"depth": 1}, linear(kernel_change_random=-1)),
        ("cnn", {"activation": "relu", "depth": 1}, kinked()),
        ("resnet", {"depth": 1}, linear()),
        ("resnet", {"parameterization": "standard"}, {GRADIENT_NORM: 0.5} | SILENT),
        ("linear", {"parameterization": "standard"}, {GRADIENT_NORM: 0.5} | SILENT),
        ("linear", {"parameterization": "mean-field"}, {GRADIENT_NORM: -0.5} | SILENT),
        ("rnn", {}, linear(kernel_change_random=None)),
        ("rnn", {"activation": "relu"}, {GRADIENT_NORM: 0} | SILENT),
        ("attention", {"heads": 2}, STAYS),
        ("attention", {"parameterization": "standard"}, {GRADIENT_NORM: 0.5} | SILENT),
        ("attention", {"heads": "grow"}, linear(kernel_change_random=None)),
        ("attention", {"scale": "inverse"}, linear(kernel_change_random=None)),
        ("attention", {"heads": "grow", "activation": "relu"}, linear() | SILENT | {NORM: -0.5, RATIO: -0.5}),
        ("rnn", {"read": "average"}, linear(kernel_change_random=None)),
        ("cnn", {"pool": "average"}, linear(kernel_change_random=None)),
        ("cnn", {"pool": "average", "activation": "relu"}, kinked()),
        ("fc-bottleneck", {"k": "sqrt"}, {GRADIENT_NORM: 0, NORM: -0.25, WORST: -0.25, DESCENT: -0.5}),
        ("fc-bottleneck", {"k": "sqrt", "parameterization": "mean-field"}, {NORM: -0.75, WORST: -0.25, DESCENT: None}),
        ("fc-bottleneck", {"k": "log"}, {GRADIENT_NORM: 0} | SILENT),
        (
            "attention",
            {"scale": "inverse", "parameterization": "mean-field"},
            {GRADIENT_NORM: -0.5, NORM: -1, WORST: -0.5},
        ),
        ("mlp-mixer", {}, STAYS),
        ("mlp-mixer", {"parameterization": "mean-field"}, {NORM: -0.5, RATIO: 0.5, WORST: 0, DESCENT: None}),
        ("fc-bottleneck", {"k": 256}, STAYS),
        ("fc-square-output", {}, STAYS),
        ("fc-square-output", {"parameterization": "standard"}, {GRADIENT_NORM: None} | SILENT),
        ("fc-sigmoid-output", {"parameterization": "mean-field"}, {GRADIENT_NORM: None} | SILENT),
        ("fc-lazy", {"parameterization": "standard"}, {GRADIENT_NORM: 1, WORST: 0, DESCENT: -2}),
        ("fc-lazy", {"activation": "relu"}, {NORM: 1, WORST: 0, DESCENT: None}),
    ],
)
def test_theory_follows_the_parameters(name, params, exponents):
    claims = ARCHITECTURES[name].resolved(params).theory
    found = {key: claims[key].exponent if key in claims else None for key in exponents}
    assert found == pytest.approx(exponents)


def test_claims_speak_of_the_widths_where_they_show():
    def first(name, key, **params):
        return ARCHITECTURES[name].resolved(params).theory[key].from_width

    assert [first("fc-bottleneck", NORM, k=k) for k in (1, 4, 256)] == [8, 32, 2048]
    assert first("fc-bottleneck", GRADIENT_NORM, k=256) == 1 == first("fc", NORM)
    assert first("attention", NORM, heads=8) == 64 and first("attention", WORST) > 1024
    assert first("fc", WORST, parameterization="standard") == 1024


def test_the_bounds_are_bounds():
    bounds = {key for key, claim in ARCHITECTURES["rnn"].theory.items() if claim.kind == "upper bound"}
    assert bounds == {WORST, DESCENT, "kernel_slope"}
    assert all(claim.kind == "rate" for claim in ARCHITECTURES["fc"].theory.values())
    quadratic = ARCHITECTURES["fc"].resolved({"activation": "quadratic"}).theory
    assert quadratic[WORST].kind == quadratic[NORM].kind == "upper bound" and quadratic[GRADIENT_NORM].kind == "rate"


def test_kernel_slope_follows_the_worst_change_of_smooth_networks():
    for name, given in (("fc", {}), ("fc", {"parameterization": "standard"}), ("attention", {}), ("fc-lazy", {})):
        claims = ARCHITECTURES[name].resolved(given).theory
        assert claims["kernel_slope"].exponent == claims[WORST].exponent
        assert claims["kernel_slope"].source == f"derived: the limit R → 0; {claims[WORST].source}"
    assert "kernel_slope" not in ARCHITECTURES["fc-relu"].theory


@pytest.mark.parametrize("name", ["fc", "cnn", "attention", "linear", "fc-square-output"])
def test_the_mean_field_network_is_a_fraction_of_the_ntk_one(float64, name):
    """Same weights; the readout's sum over n inputs is divided by another √n, in front of any output function."""
    plain, mean = build(name), build(name, parameterization="mean-field")
    for one, other in zip(plain.weights, mean.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    x = inputs(name)
    fan_in = next(w.shape[0] for w in reversed(plain.weights) if w.path.startswith("readout"))
    f, g = np.asarray(plain(x)), np.asarray(mean(x))
    power = 2 if name == "fc-square-output" else 1
    np.testing.assert_allclose(g, f / fan_in ** (power / 2), rtol=1e-12)


WITH_MUP = [name for name, entry in ARCHITECTURES.items() if "mup" in entry.params["parameterization"].choices]


@pytest.mark.parametrize("name", WITH_MUP)
def test_maximal_updates_are_mean_field_at_a_learning_rate_that_grows_with_the_width(float64, name):
    """Weights are those of the mean-field network over √m, and steps at η and at mη end with the same function."""
    from ntkbench.training import Trainer

    width = 6
    (mean, mup), x = (build(name, width=width, parameterization=word) for word in ("mean-field", "mup")), inputs(name)
    for one, other in zip(mean.weights, mup.weights, strict=True):
        np.testing.assert_allclose(one, np.sqrt(width) * np.asarray(other), rtol=1e-12)
    y = np.linspace(0.2, 0.8, np.size(mean(x))).reshape(np.shape(mean(x)))
    found = []
    for model, rate in ((mean, 0.3 * width), (mup, 0.3)):
        trainer = Trainer(model, x, y, learning_rate=rate)
        found.append([trainer.outputs(trainer.advance(trainer.start(), steps)) for steps in (0, 1, 5)])
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)
    assert np.abs(found[0][2] - found[0][0]).max() > 1e-4


def test_maximal_updates_are_those_of_the_paper(float64):
    """Effective weights N(0, 1/d), N(0, 1/m), N(0, 1/m²) and learning rates mη/d, η, η/m (arXiv 2203.03466)."""
    from ntkbench.training import Trainer

    m, rate, rng = 16, 0.5, np.random.default_rng(0)
    model = build("fc", width=m, parameterization="mup", activation="tanh")
    x, y = rng.standard_normal((7, model.input_shape[1])), rng.standard_normal((7, 1))
    d = x.shape[1]
    trainer = Trainer(model, x, y, learning_rate=rate)
    w = [np.asarray(each) for each in model.weights]
    w = [np.sqrt(m / d) * w[0], w[1], w[2] / np.sqrt(m)]
    for _ in range(3):
        h1 = np.tanh(x @ w[0])
        h2 = np.tanh(h1 @ w[1])
        g3 = (h2 @ w[2] - y) / len(x)
        g2 = (g3 @ w[2].T) * (1 - h2**2)
        g1 = (g2 @ w[1].T) * (1 - h1**2)
        gradients, rates = (x.T @ g1, h1.T @ g2, h2.T @ g3), (rate * m / d, rate, rate / m)
        w = [each - r * g for each, r, g in zip(w, rates, gradients, strict=True)]
    right = np.tanh(np.tanh(x @ w[0]) @ w[1]) @ w[2]
    np.testing.assert_allclose(trainer.outputs(trainer.advance(trainer.start(), 3)), right, rtol=1e-10)


def test_networks_without_maximal_updates_refuse_them():
    with pytest.raises(NtkbenchError, match="mup is not one of the choices"):
        build("attention", parameterization="mup")
    with pytest.raises(NtkbenchError, match="no maximal-update parameterisation"):
        ARCHITECTURES["attention"].load()(8, input_shape=(8, 6), seed=0, parameterization="mup")
    assert {"fc", "cnn", "rnn", "fc-sigmoid-output"} <= set(WITH_MUP)
    assert not {"attention", "mlp-mixer", "fc-bottleneck", "fc-lazy"} & set(WITH_MUP)


def test_registering_loads_no_framework():
    code = "import sys, ntkbench.architectures, ntkbench.datasets; print({'keras', 'numpy'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
