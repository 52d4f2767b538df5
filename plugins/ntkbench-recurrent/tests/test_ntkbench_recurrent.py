"""ntkbench's checks of the kernel, the kernel against its reference in NumPy, and against finite networks."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
import ntkbench_recurrent
from ntkbench.testing import ArchitectureChecks, DatasetChecks, KernelChecks
from ntkbench_recurrent import networks, reference, rntk, tones

LENGTHS = (1, 3, 5, 4)
SEQUENCES = [np.random.default_rng(n).normal(size=(n, 2)) for n in LENGTHS]
STDS = {"weight_std": 1.3, "input_std": 0.9, "bias_std": 0.3, "output_std": 1.1}


def ragged(sequences):
    """Pad sequences, with numbers that must not matter."""
    steps = max(map(len, sequences)) + 2
    values = np.full((len(sequences), steps, sequences[0].shape[1]), 7.0)
    for row, sequence in zip(values, sequences, strict=True):
        row[: len(sequence)] = sequence
    return {"values": values, "mask": np.arange(steps) < np.array([len(s) for s in sequences])[:, None]}


class TestRecurrent(ArchitectureChecks):
    architecture = "recurrent"


class TestGru(ArchitectureChecks):
    architecture = "gru"


class TestLstm(ArchitectureChecks):
    architecture = "lstm"


class TestTones(DatasetChecks):
    dataset = "tones"


class TestKernel(KernelChecks):
    kernel = "rntk"


DEEP = {"depth": 2, "pooling": "tied", "direction": "bidirectional", "activation": "erf", "initial_std": 0.5}


class TestDeepPooledKernel(KernelChecks):
    kernel = "rntk"
    params = DEEP


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("activation", ["relu", "erf", "linear"])
@pytest.mark.parametrize("pooling", ["none", "untied", "tied"])
def test_the_reference_has_the_same_kernels(depth, activation, pooling):
    """The reference runs the gradients backward, pair by pair; it has no mask."""
    directions = ("forward", "backward", "bidirectional")
    for direction, initial, (kind, frozen) in zip(
        directions, (0.0, 0.7, 0.4), [("ntk", 0), ("ntk", 1), ("nngp", 0)], strict=True
    ):
        params = STDS | {
            "depth": depth,
            "activation": activation,
            "pooling": pooling,
            "direction": direction,
            "initial_std": initial,
            "kind": kind,
            "frozen": frozen,
        }
        expected = reference.matrix(SEQUENCES, **params)
        np.testing.assert_allclose(rntk(**params).matrix(ragged(SEQUENCES)), expected, rtol=1e-10)


def test_tanh_agrees_with_the_reference():
    """The reference uses a two-dimensional quadrature."""
    params = {"activation": "tanh", "bias_std": 0.1, "depth": 2}
    expected = reference.matrix(SEQUENCES[:2], **params)
    np.testing.assert_allclose(rntk(**params).matrix(ragged(SEQUENCES[:2])), expected, rtol=1e-9)


def test_with_all_layers_frozen_the_tangent_kernel_is_the_nngp_kernel():
    frozen, nngp = (rntk(depth=2, **given).matrix(ragged(SEQUENCES)) for given in ({"frozen": 2}, {"kind": "nngp"}))
    np.testing.assert_allclose(frozen, nngp, rtol=1e-13)


def test_both_directions_are_the_sum_of_each():
    x = ragged(SEQUENCES)
    both, *each = (rntk(direction=d).matrix(x).numpy() for d in ("bidirectional", "forward", "backward"))
    np.testing.assert_allclose(both, sum(each), rtol=1e-12)


@pytest.mark.parametrize(
    "given",
    [
        {"depth": 0},
        {"depth": -1},
        {"depth": 1.5},
        {"depth": "2"},
        {"frozen": 2},
        {"frozen": 0.5},
        {"pooling": "mean"},
        {"direction": "sideways"},
        {"activation": "reluu"},
        {"weight_std": math.nan},
        {"input_std": -1.0},
        {"bias_std": math.inf},
        {"output_std": -0.5},
        {"initial_std": math.nan},
    ],
)
def test_a_value_that_is_not_allowed_is_a_sentence(given):
    ((name, value),) = given.items()
    with pytest.raises(nb.NtkbenchError, match=rf"{name}={value!r}|'{value}'"):
        rntk(**given)


def test_more_frozen_layers_than_there_are_cannot_be_planned():
    with pytest.raises(nb.NtkbenchError, match="frozen=2 is out of bounds: it must be at most depth=1"):
        nb.kernels.named("rntk", frozen=2)


@pytest.mark.parametrize("pooling", ["none", "untied", "tied"])
def test_ragged_batches_are_positive_semidefinite(pooling):
    rng = np.random.default_rng(0)
    sequences = [np.cumsum(rng.normal(size=(n, 2)), axis=0) / 3 for n in rng.integers(2, 13, size=60)]
    values = np.linalg.eigvalsh(rntk(pooling=pooling, depth=2, initial_std=0.1).matrix(ragged(sequences)))
    assert values[0] > -1e-10 * values.sum()


@pytest.mark.parametrize(("weight_std", "first", "last"), [(1.2, 0.8, 1.0), (1.6, 0.0, 0.2)])
def test_the_kernel_looks_at_the_last_steps_below_root_two_and_at_the_first_ones_above(weight_std, first, last):
    """The centre of mass of ‖∂Θ(x, x')/∂x_t‖ over the steps."""
    x, y = (tf.constant(np.random.default_rng(seed).normal(size=(10, 50, 1))) for seed in (0, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(rntk(weight_std=weight_std).apply(x, y, example_ndims=1))
    size = np.abs(tape.gradient(total, x)[..., 0])
    centre = (size * np.linspace(0, 1, 50)).sum(1) / size.sum(1)
    assert first < centre.mean() < last


X, _ = tones.load(form="ragged", n=3, seed=0, steps=6)
SHAPE = {"values": (6, 1), "mask": (6,)}


@pytest.mark.parametrize("build", [networks.recurrent, networks.gru, networks.lstm])
def test_networks_skip_masked_steps(build):
    model = build(8, input_shape=SHAPE, seed=1)
    expected = model(X).numpy()
    np.testing.assert_array_equal(model(X | {"values": np.where(X["mask"][..., None], X["values"], 9.0)}), expected)
    for i, length in enumerate(X["mask"].sum(axis=1)):
        alone = build(8, input_shape=(int(length), 1), seed=1)
        np.testing.assert_allclose(alone(X["values"][i : i + 1, :length])[0], expected[i], rtol=1e-5)


@pytest.mark.parametrize("pooling", ["none", "untied", "tied"])
def test_a_network_in_both_directions_is_its_formula(pooling):
    stds = {"weight_std": 1.3, "input_std": 0.9, "bias_std": 0.3, "output_std": 1.1}
    model = networks.recurrent(
        8, input_shape=SHAPE, seed=1, direction="bidirectional", pooling=pooling, activation="tanh", **stds
    )
    weights, expected = model.get_weights(), np.zeros(3)
    by_shape = [[w for w in weights if w.shape == shape] for shape in ((1, 8), (8, 8), (8,))]
    readouts = [w for w in weights if w.shape == ((48 if pooling == "untied" else 8), 1)]
    for way, (u, w, b, v) in enumerate(zip(*by_shape, readouts, strict=True)):
        for i, length in enumerate(X["mask"].sum(axis=1)):
            read, h, states = X["values"][i, :length], np.zeros(8), []
            for x in read[::-1] if way else read:
                h = np.tanh(0.9 * x @ u + 1.3 * h @ w / 8**0.5 + 0.3 * b)
                states.append(h)
            states, scale = np.array(states), 1.1 / 8**0.5
            if pooling == "none":
                expected[i] += scale * states[-1] @ v[:, 0]
            elif pooling == "tied":
                expected[i] += scale * states.mean(axis=0) @ v[:, 0]
            else:
                expected[i] += scale * (states * v.reshape(6, 8)[:length]).sum() / length**0.5
    np.testing.assert_allclose(model(X)[:, 0], expected, rtol=1e-5)


def test_only_public_names_of_ntkbench_are_imported():
    allowed = {"ntkbench", "ntkbench.kernels", "ntkbench.layers", "ntkbench.testing", "ntkbench.training"}
    for path in Path(ntkbench_recurrent.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert {name for name in names if name and name.split(".")[0] == "ntkbench"} <= allowed, path.name


def finite(width, seed, sequences, *, depth, activation, pooling, direction, stds):
    """The tangent kernel of one finite network in the NTK parameterisation, in plain TensorFlow: [N, N]."""
    rng = np.random.default_rng(seed)
    nodes = [1, 2] if direction == "bidirectional" else [1]
    phi = {"relu": tf.nn.relu, "erf": tf.math.erf}[activation]
    steps, weights, total = max(map(len, sequences)), [], []
    for _ in nodes:
        fan_in = sequences[0].shape[1]
        for _ in range(depth):
            shapes = {"w": (width, width), "u": (fan_in, width), "b": (width,)}
            weights.append({name: tf.Variable(rng.normal(size=shape)) for name, shape in shapes.items()})
            fan_in = width
        weights.append({"v": tf.Variable(rng.normal(size=(steps if pooling == "untied" else 1, width)))})
    flat = [each for group in weights for each in group.values()]
    for sequence in sequences:
        with tf.GradientTape() as tape:
            f = 0.0
            for way in range(len(nodes)):
                layers = weights[way * (depth + 1) : (way + 1) * (depth + 1)]
                h = [tf.constant(row[None]) for row in (sequence[::-1] if way else sequence)]
                for layer in layers[:-1]:
                    state, after = tf.zeros((1, width), tf.float64), []
                    for step in h:
                        g = stds["input_std"] / math.sqrt(step.shape[1]) * step @ layer["u"]
                        g += stds["weight_std"] / math.sqrt(width) * state @ layer["w"] + stds["bias_std"] * layer["b"]
                        state = phi(g)
                        after.append(state)
                    h = after
                v, n = stds["output_std"] / math.sqrt(width) * layers[-1]["v"], len(h)
                if pooling == "none":
                    f += tf.reduce_sum(v * h[-1])
                elif pooling == "tied":
                    f += tf.reduce_sum(v * sum(h)) / n
                else:
                    f += tf.reduce_sum(v[:n] * tf.concat(h, 0)) / math.sqrt(n)
        gradients = tape.gradient(f, flat, unconnected_gradients="zero")
        total.append(np.concatenate([np.reshape(tf.convert_to_tensor(g), -1) for g in gradients]))
    return np.array(total) @ np.array(total).T


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "activation", "pooling", "direction"),
    [
        (1, "relu", "none", "forward"),
        (2, "erf", "none", "bidirectional"),
        (2, "relu", "untied", "forward"),
        (1, "erf", "tied", "bidirectional"),
        (3, "erf", "none", "forward"),
    ],
)
def test_finite_networks_approach_the_kernel_as_their_width_grows(depth, activation, pooling, direction):
    """The mean is the kernel, and one network is off by 1/√width."""
    sequences = [np.array([[1.0], [-1.0], [1.0]]), np.array([[math.cos(0.7)], [math.sin(0.7)]])]
    given = {"depth": depth, "activation": activation, "pooling": pooling, "direction": direction}
    limit = rntk(**given, **STDS).matrix(ragged(sequences)).numpy()
    widths, errors = (32, 64, 128, 256), []
    for width in widths:
        found = np.array([finite(width, seed, sequences, stds=STDS, **given) for seed in range(40)])
        errors.append(np.mean(np.linalg.norm(found - limit, axis=(1, 2)) / np.linalg.norm(limit)))
    scatter = 3.5 * found.std(axis=0) / math.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - limit) < scatter + 0.02 * np.abs(limit).max()).all()
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert -0.62 < slope < -0.38


def test_networks_of_many_steps_can_be_built():
    """Keras sorts the layers of a model by recursion."""
    model = networks.lstm(2, input_shape=(250, 1), seed=1)
    assert model(np.ones((1, 250, 1), np.float32)).shape == (1, 1)
