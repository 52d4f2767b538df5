"""Each mistake that a plugin can make fails the check that is there for it, with a sentence that says what to do."""

from __future__ import annotations

import secrets
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench import Curve, CurveSpec, Quantity, kernels, layers
from ntkbench.registry import registry as current_registry, use
from ntkbench.testing.checks import CheckFailure, numbered_tests
from ntkbench.types import Value


@pytest.fixture
def registry(monkeypatch):
    """A registry of built-ins only, that ends with the test."""
    monkeypatch.setenv("NTKBENCH_PLUGINS", "")
    with use(None):
        yield current_registry()


def named(cases):
    """Return a name for each case, the same in every process."""
    return [f"{number} {sentence}" for number, *_, sentence in cases]


def failure(kit, number, **subject):
    """Return the sentence with which check `number` of a subclass of `kit` fails."""
    made = type("Made", (kit,), subject)
    (test,) = [test for test in numbered_tests(made) if test.number == number]
    with pytest.raises(CheckFailure, match=f"^{number} ") as caught:
        test(made())
    message = str(caught.value)
    assert message.endswith((".", "?")) and "\n" not in message
    return message


def net(width, *, input_shape, seed, depth=1, hidden=layers.Dense, output=1, middle=None):
    """A right architecture, with a place for a mistake."""
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = hidden(width, activation="tanh", seed=seed)(x)
    for number in range(1, depth):
        h = hidden(width, activation="tanh", seed=seed + number)(h)
    h = h if middle is None else middle(h)
    return keras.Model(x, layers.Dense(output, seed=seed + 99)(h))


@keras.saving.register_keras_serializable("seeded")
class Wrong(keras.layers.Layer):
    """A layer whose call is a function of this file, by name."""

    def __init__(self, kind, **options):
        super().__init__(**options)
        self.kind = kind

    def call(self, x):
        return FUNCTIONS[self.kind](x)

    def get_config(self):
        return super().get_config() | {"kind": self.kind}


@tf.custom_gradient
def half_gradient(x):
    return tf.sin(x), lambda upstream: upstream * tf.cos(x) / 2


FUNCTIONS = {
    "gradient": half_gradient,
    "hessian": lambda x: x * tf.stop_gradient(tf.reduce_sum(x * x, -1, keepdims=True)),
    "coupled": lambda x: x - tf.reduce_mean(x, 0, keepdims=True),
    "nan": lambda x: x / tf.zeros_like(x) - x / tf.zeros_like(x),
    "dead": lambda x: tf.stop_gradient(x) * 0.0,
}


def wrong(kind):
    return lambda width, *, input_shape, seed: net(width, input_shape=input_shape, seed=seed, middle=Wrong(kind))


def unseeded(width, *, input_shape):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(width, "tanh"), keras.layers.Dense(1)])


def whimsical(width, *, input_shape):
    return net(width, input_shape=input_shape, seed=secrets.randbelow(2**31))


def last_step(width, *, input_shape, seed):
    x = {"values": keras.Input(input_shape["values"], dtype="float64"), "mask": keras.Input((8,), dtype="bool")}
    return keras.Model(x, layers.Dense(1, seed=seed)(layers.Dense(width, "tanh", seed=seed)(x["values"])[:, -1]))


def flattened(width, *, input_shape, seed):
    return net(width, input_shape=input_shape, seed=seed, middle=keras.layers.Flatten())


def keras_seeded(width, *, input_shape, seed):
    def dense(units, number, activation=None):
        start = keras.initializers.RandomNormal(seed=(seed + number) % 2**31)
        return keras.layers.Dense(units, activation, kernel_initializer=start)

    return keras.Sequential([keras.Input(input_shape), dense(width, 0, "tanh"), dense(1, 1)])


def stubborn(width, *, input_shape, seed):
    return net(8, input_shape=input_shape, seed=seed)


def one_seed(width, *, input_shape):
    return net(width, input_shape=input_shape, seed=0)


def steep(width, *, input_shape, seed):
    return net(int(1.1**width) + 1, input_shape=input_shape, seed=seed)


def deaf(width, *, input_shape, seed, depth=1):
    return net(width, input_shape=input_shape, seed=seed)


def limit(depth=1, scale=1.0):
    """Return a function that returns the limit of another depth, with outputs multiplied by a factor."""
    stack = [*[kernels.Dense(), kernels.Activation("tanh")] * depth, kernels.Dense(scale)]
    return lambda: kernels.InfiniteWidth(stack)


ARCHITECTURES = [
    ("A12", net, {"summary": ""}, "has no summary"),
    ("A12", net, {"summary": "a \x1b[31mred net"}, "non-printable"),
    ("A1", "no_such_module:build", {}, "Its author must fix the target"),
    ("A2", lambda: None, {}, "takes no width"),
    ("A2", lambda width, *, shape: None, {}, "requires shape, which is not passed"),
    ("A2", one_seed, {"params": {"depth": 2}}, "declares depth"),
    ("A3", lambda width: 3, {}, "built a int"),
    ("A3", lambda width: 1 / 0, {}, "ZeroDivisionError: division by zero"),
    ("A3", lambda width: sys.exit(3), {}, "tried to end the process"),
    ("A3", wrong("nan"), {}, "not finite for 2 of 2 probes"),
    (
        "A3",
        lambda width, *, input_shape, seed: net(width, input_shape=input_shape, seed=seed, output=2),
        {},
        "2 output",
    ),
    ("A3", net, {"inputs": ["vector", "image"]}, "not finite|returned|outputs|output units|does not take"),
    ("A4", unseeded, {}, "Pass the argument `seed`"),
    ("A5", one_seed, {}, "Every seed gives the same weights"),
    ("A6", stubborn, {}, "Let `width` set the size"),
    ("A6", stubborn, {"grows": False}, "Use the argument `width`"),
    ("A7", deaf, {"params": {"depth": 1}}, "Values of depth other than 1 change nothing"),
    ("A8", wrong("gradient"), {}, "a gradient that is not the derivative of its output"),
    ("A8", wrong("hessian"), {}, "not the derivative"),
    ("A8", wrong("coupled"), {}, "depend on the other inputs of the batch"),
    ("A9", wrong("dead"), {}, "no trainable weight affects the output"),
    ("A10", keras_seeded, {}, "between float32 and float64"),
    ("A11", net, {"theory": {"hesian_norm": {"exponent": -0.5, "source": "us"}}}, "Did you mean 'hessian_norm'"),
    ("A11", net, {"theory": {"hessian_norm": {"exponent": -0.5, "source": " "}}}, "has no source"),
    ("A12", net, {"targets": (1, 1)}, "give two different finite numbers"),
    ("A12", net, {"widths": {"quik": (8, 16)}}, "Did you mean 'quick'"),
    ("A12", net, {"widths": {"quick": (16, 8)}}, "ascending"),
    ("A13", steep, {}, "grow in proportion to width"),
    ("A14", whimsical, {}, "gave different values"),
    ("A15", last_step, {"inputs": "ragged"}, "Use the mask wherever steps are read"),
    ("A16", flattened, {"inputs": "set"}, "Combine them by a sum"),
    ("A17", net, {"limit": limit(depth=2)}, "Return the limit of this network"),
    ("A17", net, {"limit": limit(scale=2**0.5)}, "Return the limit of this network"),
]


@pytest.mark.parametrize(("number", "build", "spec", "sentence"), ARCHITECTURES, ids=named(ARCHITECTURES))
def test_architectures(registry, number, build, spec, sentence):
    registry.register("architectures", "own", build, distribution="test", **{"summary": "a net", **spec})
    found = failure(nb.testing.ArchitectureChecks, number, architecture="own")
    assert any(part in found for part in sentence.split("|")), found


def of_curvature(ctx):
    return float(np.mean(ctx.hessian_norm().value))


def of_gradient(ctx):
    return float(np.sqrt(np.mean(np.diag(ctx.empirical_ntk()))))


QUANTITY = {"name": "q", "symbol": "q", "summary": "a number", "bounds": (0, np.inf)}
MEASUREMENTS = [
    ("M9", of_gradient, {"summary": ""}, {}, "has no summary or no symbol"),
    ("M9", of_gradient, {"symbol": "a\u202eb"}, {}, "non-printable"),
    ("M2", lambda ctx: float("nan"), {}, {}, "returned q = nan"),
    ("M2", lambda ctx: -1.0, {}, {}, "outside its bounds"),
    ("M2", lambda ctx: None, {}, {}, "has no value"),
    ("M3", lambda ctx: np.random.rand(), {}, {}, "Draw random numbers from ctx.rng"),
    ("M4", lambda ctx: (1.0, -1.0), {}, {}, "errors must be finite and not negative"),
    ("M4", lambda ctx: Value(1.0, 0.1, "guess"), {}, {}, "has the unknown error kind 'guess'"),
    ("M5", of_curvature, {"direction": "higher", "unit": "f"}, {"needs": "hessian"}, "does not mean more linear"),
    ("M6", of_gradient, {}, {}, "multiplies it by 2: that is f^1."),
    ("M6", lambda ctx: of_gradient(ctx) ** 2, {"unit": "f"}, {}, "that is f^2."),
    ("M7", lambda ctx: float(ctx.empirical_ntk()[0, 0]), {"unit": "f^2"}, {}, "depends on the order of the probes"),
    ("M8", of_curvature, {"unit": "f"}, {}, "declare needs=['hessian']"),
    ("M8", lambda ctx: ctx.settings.radius, {}, {}, "q depends on ctx.settings.radius"),
    ("M12", of_gradient, {"unit": "f"}, {"at_infinity": True}, "has no attribute 'empirical_ntk'"),
    ("M12", lambda ctx: 1.0 if ctx.width < np.inf else None, {}, {"at_infinity": True}, "returns nothing"),
]


@pytest.mark.parametrize(("number", "measure", "quantity", "spec", "sentence"), MEASUREMENTS, ids=named(MEASUREMENTS))
def test_measurements(registry, number, measure, quantity, spec, sentence):
    quantities = [Quantity(**{**QUANTITY, **quantity})]
    nb.measurement("own", quantities, **{"summary": "a number", **spec})(lambda ctx: {"q": measure(ctx)})
    assert sentence in failure(nb.testing.MeasurementChecks, number, measurement="own")


def norms(ctx):
    """Squared gradient norms of the probes, ascending."""
    return np.sort(np.diag(ctx.empirical_ntk()))


CURVES = [
    (lambda ctx: None, {}, "curve c is missing on linear and fc-square-output"),
    (lambda ctx: Curve(range(4), norms(ctx) + np.random.rand()), {"unit": "m"}, "changed between two calls"),
    (lambda ctx: Curve(range(4), np.diag(ctx.empirical_ntk())), {}, "depends on the order of the probes"),
    (lambda ctx: Curve(range(4), norms(ctx)), {"unit": "f"}, "has the unit 'f', but doubling the output gives y = "),
    (lambda ctx: Curve(norms(ctx), norms(ctx)), {}, "4 values of x, of which only 0 are common"),
    (lambda ctx: Curve(range(4), norms(ctx)), {"summary": ""}, "has no summary or no symbol"),
    (lambda ctx: Curve(range(4), norms(ctx)), {"x_unit": "a\u202eb"}, "non-printable"),
    (lambda ctx: Curve(range(4), 10 + norms(ctx)), {"bounds": (0.0, 1.0)}, "outside its bounds"),
]


@pytest.mark.parametrize(("measure", "spec", "sentence"), CURVES, ids=[sentence for *_, sentence in CURVES])
def test_curves(registry, measure, spec, sentence):
    curve = CurveSpec(**{"name": "c", "symbol": "c", "x_unit": "rank", "unit": "f^2", "summary": "norms", **spec})
    own = nb.measurement("own", [Quantity(**QUANTITY)], summary="a number", curves=[curve])
    own(lambda ctx: {"q": of_gradient(ctx), "c": measure(ctx)})
    assert sentence in failure(nb.testing.MeasurementChecks, "M11", measurement="own")


def test_numbers_that_change_with_curves(registry):
    curve = CurveSpec("c", "c", "rank", "f^2", summary="norms")

    @nb.measurement("own", [Quantity(**{**QUANTITY, "unit": "f"})], summary="a number", curves=[curve])
    def measure(ctx):
        return {"q": of_gradient(ctx) * (1 + ("c" in ctx.quantities)), "c": Curve(range(4), norms(ctx))}

    assert "q changes when curves are requested" in failure(nb.testing.MeasurementChecks, "M11", measurement="own")


def test_needs_of_curves_are_declared(registry):
    curve = CurveSpec("c", "c", "step", "f^2", summary="losses")

    @nb.measurement("own", [Quantity(**{**QUANTITY, "unit": "f"})], summary="a number", curves=[curve])
    def measure(ctx):
        curves = {"c": Curve([0], [ctx.trajectory.losses[0]])} if "c" in ctx.quantities else {}
        return {"q": of_gradient(ctx), **curves}

    assert "declare needs=['trajectory']" in failure(nb.testing.MeasurementChecks, "M8", measurement="own")


def test_right_curves_pass(registry):
    curve = CurveSpec("c", "c", "rank", "f^2", (0.0, np.inf), summary="squared gradient norms in ascending order")

    @nb.measurement("own", [], summary="curves alone", curves=[curve])
    def measure(ctx):
        return {"c": Curve(range(4), norms(ctx))} if "c" in ctx.quantities else {}

    found = nb.testing.check("own")
    assert [str(each) for each in found if each.status == "failed"] == []


def data(*, form, n, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 6)), np.sign(rng.standard_normal(n))


def from_global(*, form, n, seed):
    return np.random.standard_normal((n, 6)), np.ones(n)


def far(*, form, n, seed):
    return 1e6 * data(form=form, n=n, seed=seed)[0], np.ones(n)


def ragged(*, form, n, seed):
    values = np.random.default_rng(seed).standard_normal((n, 3, 2)) * [[0], [1], [1]]
    return {"values": values, "mask": np.tile([False, True, True], (n, 1))}, np.sign(values[:, 1, 0])


DATASETS = [
    ("D1", "no_such_module:load", {}, "Its author must fix the target"),
    ("D2", data, {"forms": ["vector", "image"]}, "returned inputs [8, 6]"),
    ("D2", ragged, {"forms": "ragged"}, "padding must be on the right"),
    ("D2", lambda *, form, n, seed: ({"a": np.ones((n, 1))}, np.ones(n)), {"forms": "graph"}, "{'nodes': [n, V, F]"),
    ("D3", from_global, {}, "Draw from numpy.random.default_rng(seed)"),
    ("D4", lambda *, form, n: data(form=form, n=n, seed=0), {}, "Every seed gives the same inputs"),
    ("D5", lambda *, form, n, seed: (data(form=form, n=n, seed=seed)[0], np.full(n, 7.0)), {}, "within [-1, 1]"),
    ("D5", lambda *, form, n, seed: (data(form=form, n=n, seed=seed)[0], np.ones(n)), {}, "All targets are equal"),
    ("D6", lambda *, form, n, seed: (np.ones((n, 6)), np.ones(n)), {}, "occurs twice"),
    ("D6", far, {}, "entries of order 1"),
]


@pytest.mark.parametrize(("number", "load", "spec", "sentence"), DATASETS, ids=named(DATASETS))
def test_datasets(registry, number, load, spec, sentence):
    registry.register("datasets", "own", load, distribution="test", summary="numbers", **spec)
    assert sentence in failure(nb.testing.DatasetChecks, number, dataset="own")


@keras.saving.register_keras_serializable("seeded")
class Doubled(keras.layers.Dense):
    """2·(x W) + b."""

    def call(self, x):
        return 2.0 * keras.ops.matmul(x, self.kernel) + self.bias


def rule(**mistake):
    from ntkbench.engine.rules import Product, Rule, matrix, row, with_positions

    class OfDoubled(Rule):
        def __init__(self, layer):
            super().__init__(layer)
            right = {"kernel": matrix(layer.kernel), "bias": row(layer.bias), "scale": 2.0}
            self.products = [Product(**{**right, **mistake})]

        def call(self, apply, x):
            z = apply(self.products[0], with_positions(x, x.shape[-1]))[:, 0]
            return z + self.layer.bias if mistake.get("bias", 0) is None else z

    return OfDoubled


@pytest.mark.parametrize(
    ("number", "mistake", "sentence"),
    [
        ("L1", None, "No rule accepts"),
        ("L2", {"scale": 1.0}, "Fix its call"),
        ("L3", {"bias": None}, "omits weights"),
    ],
)
def test_layer_rules(registry, number, mistake, sentence):
    if mistake is not None:
        registry.register("layer_rules", f"{__name__}:Doubled", rule(**mistake), distribution="test")
    kit = nb.testing.LayerRuleChecks
    assert sentence in failure(kit, number, layer=staticmethod(lambda: Doubled(4)), input_shape=(5,))


def test_the_right_ones_pass(registry):
    nb.architecture("own", summary="a net", params={"depth": 1}, limit=limit())(net)
    right = [Quantity(**{**QUANTITY, "unit": "f", "direction": "lower"})]
    nb.measurement("curvature", right, summary="a number", needs="hessian")(lambda ctx: {"q": of_curvature(ctx)})
    registry.register("datasets", "data", data, distribution="test", summary="numbers")
    registry.register("layer_rules", f"{__name__}:Doubled", rule(), distribution="test")
    inapplicable = {"own": ["A15", "A16"], "curvature": ["M10", "M11", "M12"], "data": ["D7", "D8", "D9"]}
    for name, numbers in inapplicable.items():
        found = nb.testing.check(name)
        assert [str(each) for each in found if each.status == "failed"] == []
        assert [each.number for each in found if each.status == "skipped"] == numbers
        assert len(found) >= 6
    subject = {"layer": staticmethod(lambda: Doubled(4)), "input_shape": (5,)}
    found = list(type("Made", (nb.testing.LayerRuleChecks,), subject).findings("layer"))
    assert [str(each) for each in found if each.status != "ok"] == [] and len(found) == 5


def test_there_are_more_than_twelve_mistakes():
    assert len(ARCHITECTURES) + len(MEASUREMENTS) + len(DATASETS) + 3 >= 50
