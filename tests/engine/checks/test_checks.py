"""Right models pass the checks of their derivatives; wrong ones are found, and the faulty layer is named.

What is right is known from plain operations and Keras's own layers; what is wrong is built wrong on purpose.
"""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from nets import build, probes, sequential
from tensorflow.python.ops.nn_impl import moments as unpatched_moments

import ntkbench as nb
from ntkbench.engine.autodiff import hvp as hvp_module
from ntkbench.engine.checks.derivatives import check_derivatives, in_float64, relative
from ntkbench.engine.checks.guard import require_right_derivatives
from ntkbench.engine.checks.layers import known_right, recorded_calls
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.engine.model.network import Network
from ntkbench.engine.self_test import routes_of, self_test

L = keras.layers


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# -- right models -------------------------------------------------------------------------------------------------


def tied():
    with dtype_policy("float64"):
        shared = L.Dense(5, "tanh")
        x = keras.Input((5,))
        return keras.Model(x, L.Dense(1)(shared(shared(x))))


def frozen():
    model = sequential((5,), lambda: L.Dense(4, "tanh"), lambda: L.Dense(4, "tanh"), lambda: L.Dense(1))
    model.layers[1].trainable = False
    return model


def batch_normalization():
    model = sequential((5,), lambda: L.Dense(4, "tanh"), L.BatchNormalization, lambda: L.Dense(1))
    model.layers[1].moving_variance.assign([0.5, 1.0, 2.0, 3.0])
    return model


def convolution():
    layers = (
        lambda: L.Conv2D(3, 3, activation="gelu"),
        lambda: L.Conv2D(6, 2, groups=3, activation="relu"),
        L.MaxPooling2D,
        L.Flatten,
        lambda: L.Dense(2),
    )
    return sequential((7, 7, 1), *layers)


RIGHT = {
    "dense relu": (lambda: sequential((5,), lambda: L.Dense(9, "relu"), lambda: L.Dense(1)), normal(2, 5)),
    "convolution": (convolution, normal(2, 7, 7, 1)),
    "LayerNormalization": (
        lambda: sequential((5,), lambda: L.Dense(6), L.LayerNormalization, lambda: L.Dense(1, "tanh")),
        normal(2, 5),
    ),
    "GroupNormalization": (
        lambda: sequential((4, 4), lambda: L.GroupNormalization(2), L.Flatten, lambda: L.Dense(1, "tanh")),
        normal(2, 4, 4),
    ),
    "BatchNormalization": (batch_normalization, normal(2, 5)),
    "LSTM": (lambda: sequential((4, 3), lambda: L.LSTM(3), lambda: L.Dense(1)), normal(2, 4, 3)),
    "Embedding": (
        lambda: sequential((4,), lambda: L.Embedding(7, 3), L.Flatten, lambda: L.Dense(1, "tanh"), dtype="int32"),
        np.array([[0, 1, 1, 2], [6, 5, 0, 0]], "int32"),
    ),
    "tied": (tied, normal(2, 5)),
    "frozen": (frozen, normal(2, 5)),
    "linear": (lambda: sequential((5,), lambda: L.Dense(2)), normal(2, 5)),
    "fc": (lambda: build("fc", 8), probes("fc", 2)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_models_pass(name):
    make, x = RIGHT[name]
    net = Network(make())
    test = self_test(net, x)
    assert test.problems == []
    assert test.derivatives.sure and test.precision == "float64"
    assert test.derivatives.repeat == 0.0
    # Differences at a step of 1e-5 or less; what is near TOLERANCE would be a slip of the check itself.
    assert max(test.derivatives.gradient, test.derivatives.hessian, test.derivatives.symmetry) < 1e-6
    require_right_derivatives(net, x, order=2)


def test_the_hessian_of_a_linear_model_is_zero():
    make, x = RIGHT["linear"]
    found = check_derivatives(Network(make()), x)
    assert (found.hessian, found.symmetry, found.problem) == (pytest.approx(0.0, abs=1e-7), 0.0, "")


# -- wrong models -------------------------------------------------------------------------------------------------


class ForeignMoments(L.Layer):
    """Normalises with tf.nn.moments under a name that the engine does not replace."""

    def call(self, x):
        mean, variance = unpatched_moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-3)


class StoppedVariance(L.Layer):
    """Normalises with a stop_gradient on the mean inside the variance: the first derivative is still right."""

    def call(self, x):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - tf.stop_gradient(mean)), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-3)


@tf.custom_gradient
def tanh_with_a_constant_slope(x):
    y = tf.tanh(x)
    slope = tf.stop_gradient(1 - y * y)
    return y, lambda upstream: upstream * slope


class CustomGradient(L.Layer):
    """Has a right gradient whose own derivative is hidden."""

    def call(self, x):
        return tanh_with_a_constant_slope(x)


@tf.custom_gradient
def doubled(x):
    return tf.identity(x), lambda upstream: 2 * upstream


class WrongGradient(L.Layer):
    """Says twice its gradient: no comparison of derivatives with each other would notice."""

    def call(self, x):
        return doubled(x)


class Recomputed(L.Layer):
    """Cannot be differentiated twice."""

    def call(self, x):
        return tf.recompute_grad(tf.tanh)(x)


class Noisy(L.Layer):
    """Ignores training=False."""

    def call(self, x, training=False):
        return x + 0.1 * tf.random.normal(tf.shape(x), dtype=x.dtype)


class PythonNoise(L.Layer):
    """Draws in Python, which a compiled function does only once."""

    def call(self, x):
        return x + np.random.standard_normal()


class TrainingNorm(L.Layer):
    """Uses the statistics of the batch at inference."""

    def __init__(self):
        super().__init__()
        self.norm = L.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)
        self.built = True

    def call(self, x):
        return self.norm(x, training=True)


class Plain(L.Layer):
    """Is right, and nobody can know."""

    def call(self, x):
        return x * tf.sigmoid(x)


class Around(L.Layer):
    """Holds another layer, and is right itself."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return x + self.inner(x)


def nested():
    """Nothing that holds it can be rebuilt from a configuration, so there is no copy in float64."""
    return Around(Around(StoppedVariance()))


def foreign_activation():
    return L.Activation(tanh_with_a_constant_slope)


WRONG = {
    ForeignMoments: ("ForeignMoments", "hessian", "tf.nn.moments"),
    StoppedVariance: ("StoppedVariance", "hessian", "tf.stop_gradient"),
    CustomGradient: ("CustomGradient", "hessian", "tf.custom_gradient"),
    WrongGradient: ("WrongGradient", "gradient", "tf.custom_gradient"),
    Recomputed: ("Recomputed", "no second derivative", "tf.recompute_grad"),
    Noisy: ("Noisy", "stochastic", "only if training"),
    PythonNoise: ("PythonNoise", "stochastic", "only if training"),
    TrainingNorm: ("BatchNormalization", "coupled", "training=False"),
    nested: ("StoppedVariance", "hessian", "tf.stop_gradient"),
    foreign_activation: ("Activation", "hessian", "tf.custom_gradient"),
}


def with_layer(make, precision="float64", activation="tanh"):
    keras.utils.set_random_seed(2)
    with dtype_policy(precision):
        layers = [L.Dense(7, activation), make(), L.Dense(6, activation), L.Dense(1)]
        return keras.Sequential([keras.Input((5,), dtype=precision), *layers])


CASES = [(make, "float64") for make in WRONG] + [(make, "float32") for make in (StoppedVariance, Noisy)]
CASES += [pytest.param(nested, "float32", marks=pytest.mark.slow)]


@pytest.mark.parametrize(("make", "precision"), CASES)
def test_wrong_layers_are_named(make, precision):
    kind, problem, instead = WRONG[make]
    model = with_layer(make, precision)
    x, state = normal(3, 5), [w.copy() for w in model.get_weights()]
    test = self_test(Network(model), x)
    assert [(faulty.kind, faulty.problem) for faulty in test.faulty] == [(kind, problem)]
    assert not test.right and instead in test.problems[0]
    for _ in range(2):  # the second time from memory
        with pytest.raises(nb.NtkbenchError, match=f"cannot be trusted: {kind} '"):
            require_right_derivatives(Network(model), x, order=2)
    assert all(map(np.array_equal, state, model.get_weights()))
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


def test_the_refusal_is_remembered(monkeypatch):
    net = Network(with_layer(StoppedVariance))
    for _ in range(2):
        with pytest.raises(nb.NtkbenchError, match="StoppedVariance .*relative error 0"):
            require_right_derivatives(net, normal(2, 5), order=2)
        monkeypatch.setattr("ntkbench.engine.checks.guard.check_derivatives", None)


def test_the_error_is_that_of_the_dense_hessians():
    """One layer without weights after x·W: what is missing is known in closed form, so the error reported is, too."""

    class HalfSquare(L.Layer):
        def call(self, x):
            return x * tf.stop_gradient(x) / 2 + x * tf.stop_gradient(x) / 2  # x², with the gradient of x²/2

    with dtype_policy("float64"):
        model = keras.Sequential([keras.Input((3,)), L.Dense(1, use_bias=False), HalfSquare()])
    found = check_derivatives(Network(model), normal(1, 3))
    assert found.problem == "gradient"  # ∇f = z·∇z where 2z·∇z is right
    assert found.gradient == pytest.approx(0.5, abs=1e-6)
    assert found.hessian == pytest.approx(1.0, abs=1e-6)  # automatic differentiation finds no second derivative


def test_only_layers_nobody_knows_cost_anything(monkeypatch):
    monkeypatch.setattr("ntkbench.engine.checks.guard.check_derivatives", None)
    require_right_derivatives(Network(convolution()), normal(2, 7, 7, 1), order=2)
    require_right_derivatives(Network(with_layer(Plain)), normal(2, 5), order=2)  # the graph, not the model
    require_right_derivatives(Network(with_layer(lambda: Around(Plain()))), normal(2, 5), order=2)
    require_right_derivatives(Network(AnyModel(0)), normal(2, 4), order=2)


def test_a_wrong_layer_that_hardly_shows_is_found_in_float32():
    """Its share of the model's Hessian is below what differences in float32 resolve; alone it is all there is."""

    class Hidden(keras.Model):  # its own code is unknown and right, and it cannot be rebuilt
        def __init__(self, wrong):
            super().__init__()
            self.first, self.last = L.Dense(30, "tanh"), L.Dense(1)
            self.between = StoppedVariance() if wrong else Plain()

        def call(self, x):
            h = self.first(x)
            return self.last(h + 3e-4 * self.between(h))

    x = normal(2, 5).astype("float32")
    for wrong in (False, True):
        keras.utils.set_random_seed(0)
        model = Hidden(wrong)
        model(x)
        net = Network(model)
        assert check_derivatives(net, x).problem == ""
        if not wrong:
            require_right_derivatives(net, x, order=2)
            continue
        with pytest.raises(nb.NtkbenchError, match="StoppedVariance"):
            require_right_derivatives(net, x, order=2)


def test_alike_layers_are_checked_once(monkeypatch):
    from ntkbench.engine.checks import layers as checks_layers

    class Power(L.Layer):
        def __init__(self, power):
            super().__init__()
            self.power = power

        def call(self, x):
            return x * tf.square(x) if self.power == 3 else x * tf.stop_gradient(x)

    checked = []
    alone = checks_layers._check_alone
    monkeypatch.setattr(
        checks_layers, "_check_alone", lambda call, *args: checked.append(call[0].power) or alone(call, *args)
    )
    with dtype_policy("float64"):
        layers = [L.Dense(4), Power(3), L.Dense(4), Power(3), L.Dense(4), Power(2), L.Dense(1)]
        net = Network(keras.Sequential([keras.Input((5,), dtype="float64"), *layers]))
    assert checks_layers.unknown_layers(net, normal(2, 5)) == "wrong"
    assert sorted(checked) == [2, 3]


@pytest.mark.parametrize(
    ("layer", "known"),
    [
        (lambda: L.Dense(2, "gelu"), True),
        (lambda: nb.layers.LayerNormalization(), True),
        (lambda: L.Dense(2, activation=tanh_with_a_constant_slope), False),
        (lambda: L.Lambda(lambda x: x), False),
        (Plain, False),
    ],
)
def test_which_layers_are_known(layer, known):
    assert known_right(layer()) == known


def test_operations_between_layers_are_looked_at():
    with dtype_policy("float64"):
        x = keras.Input((5,))
        h = L.Dense(4, "tanh")(x)
        stopped = keras.Model(x, L.Dense(1)(h * keras.ops.stop_gradient(h)))
        plain = keras.Model(x, L.Dense(1)(h * keras.ops.tanh(h)))
    assert not known_right(plain) and not known_right(stopped)
    require_right_derivatives(Network(plain), normal(2, 5), order=2)
    with pytest.raises(nb.NtkbenchError, match="Functional"):
        require_right_derivatives(Network(stopped), normal(2, 5), order=2)


def test_forward_over_backward_is_blamed_where_only_it_is_wrong(monkeypatch):
    """Grouped convolutions are silently wrong forward over backward; `auto` must not take it, and if it did..."""
    monkeypatch.setattr(hvp_module, "forward_safe", lambda net: True)
    test = self_test(Network(convolution()), normal(2, 7, 7, 1))
    assert [faulty.kind for faulty in test.faulty] == ["Conv2D"]
    assert "mode='double_backward'" in test.problems[0]


def test_not_finite_is_said():
    class Root(L.Layer):
        def call(self, x):
            return tf.sqrt(tf.abs(x) * 0)

    test = self_test(Network(with_layer(Root)), normal(2, 5))
    assert test.derivatives.problem == "not finite" and "Root" in test.problems[0]


# -- no right model is refused ------------------------------------------------------------------------------------

ACTIVATIONS = ["relu", "tanh", "gelu", "softplus", "elu", "silu", "leaky_relu", "relu6", "linear", "sigmoid"]


class AnyModel(tf.Module):
    """A random small network in float32 that nobody knows: no casting, kinks, and scales over many orders."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        depth = int(rng.integers(0, 4))
        widths = [4, *rng.integers(1, 60, depth), int(rng.integers(1, 4))]
        scale = 10.0 ** rng.uniform(-3, 1.5)
        self.weights = [
            tf.Variable(scale / np.sqrt(a) * rng.standard_normal((a, b)), dtype=tf.float32)
            for a, b in itertools.pairwise(widths)
        ]
        self.biases = [tf.Variable(tf.zeros([b])) for b in widths[1:]] if rng.random() < 0.5 else []
        self.activation = keras.activations.get(str(rng.choice(ACTIVATIONS)))
        self.pool = depth > 0 and rng.random() < 0.3
        self.factor = float(10.0 ** rng.uniform(-6, 3))

    def __call__(self, x):
        for i, w in enumerate(self.weights):
            x = x @ w + (self.biases[i] if self.biases else 0.0)
            if i < len(self.weights) - 1:
                x = self.activation(x)
                if self.pool:
                    x = tf.maximum(x, tf.roll(x, 1, -1))
        return self.factor * x


@pytest.fixture
def uncompiled():
    """Compiling would take most of the time of many small models."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(10, 110, 10))])
def test_no_right_model_is_refused(first, uncompiled):
    for seed in range(first, first + 10):
        x = 10.0 ** np.random.default_rng(seed).uniform(-2, 2) * normal(3, 4, seed=seed)
        require_right_derivatives(Network(AnyModel(seed)), x, order=2)


def test_most_right_models_are_known_to_be_right(uncompiled):
    """A check that never decides would refuse nothing either."""
    sure = [check_derivatives(Network(AnyModel(seed)), normal(2, 4, seed=seed)).sure for seed in range(20)]
    assert sum(sure) >= 17


class WrongModel(tf.Module):
    """A network in float32 that nobody can cast, with a wrong tanh between two right layers."""

    def __init__(self, activation, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.u, self.v = (tf.Variable(rng.standard_normal(s) / 2, dtype=tf.float32) for s in [(4, 9), (9, 8)])
        self.w = tf.Variable(rng.standard_normal((8, 1)), dtype=tf.float32)
        self.activation = keras.activations.get(activation)

    def __call__(self, x):
        return tanh_with_a_constant_slope(self.activation(x @ self.u) @ self.v) @ self.w


def test_most_wrong_models_are_refused_in_float32(uncompiled):
    refused = 0
    for seed, activation in enumerate(ACTIVATIONS):
        try:
            require_right_derivatives(Network(WrongModel(activation, seed)), normal(3, 4, seed=seed), order=2)
        except nb.NtkbenchError as error:
            assert "WrongModel" in str(error)
            refused += 1
    assert refused >= 8  # kinks can forbid to tell


@pytest.mark.parametrize("blank", [True, False])
def test_units_at_their_kink_are_no_fault(blank):
    """Biases of 0 and blank patches put ReLUs at exactly 0, where no difference is a derivative."""
    layers = [keras.Input((6, 6, 1)), L.Conv2D(4, 3, activation="relu"), Plain(), L.Flatten(), L.Dense(1)]
    net = Network(keras.Sequential(layers))
    x = normal(2, 6, 6, 1)
    x[:, :4] *= not blank
    test = self_test(net, x)
    assert test.right and test.derivatives.sure
    require_right_derivatives(net, x, order=2)


def test_wide_relu_in_float32():
    """Kinks lie closer than most steps of float32."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20,)), *(L.Dense(300, "relu") for _ in range(3)), Plain(), L.Dense(1)])
    net, x = Network(model), normal(2, 20).astype("float32")
    assert check_derivatives(net, x).problem == ""
    assert check_derivatives(in_float64(net, x), x).sure
    require_right_derivatives(net, x, order=2)


def test_relative():
    assert relative(np.zeros(2), np.zeros(2)) == 0.0
    assert relative(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(0.5 / np.hypot(3.0, 4.5))
    assert relative(np.array([np.nan]), np.array([np.nan])) == np.inf


def test_recorded_calls_are_those_of_the_model():
    net = Network(with_layer(Plain))
    x = net.inputs(normal(2, 5))
    calls = {layer.name: args for layer, args, _ in recorded_calls(net, x)}
    first, second = net.model.layers[0], net.model.layers[1]
    np.testing.assert_array_equal(calls[second.name][0], first(x))
    assert "call" not in vars(second)


def test_routes_of_a_model_with_its_own_layer():
    found = routes_of(Network(with_layer(Plain)), normal(2, 5))
    kinds = {each.kind: each for each in found.layers}
    assert kinds["Dense"].count == 3 and kinds["Dense"].weights == 42 + 48 + 7
    assert not kinds["Plain"].known and kinds["Dense"].known
    assert found.kernel == "structured" and found.hessian in ("factored", "hvp")


def test_a_refused_hessian_is_a_route(monkeypatch):
    def refused(*_, **__):
        raise nb.NtkbenchError("no")

    monkeypatch.setattr("ntkbench.engine.hessian.hessian_norm", refused)
    assert routes_of(Network(with_layer(StoppedVariance)), normal(2, 5)).hessian == "refused"
