"""Recurrent limits: values of a paper's pair, identities between kernels, and Keras models with and without masks."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

import ntkbench as nb
from ntkbench import kernels as k
from ntkbench.architectures.recurrent import build
from ntkbench.kernels.keras_model import infinite_width
from ntkbench.kernels.pair import KernelPair

LENGTHS = (5, 3, 1, 4)
MASK = np.arange(5) < np.array(LENGTHS)[:, None]
VALUES = np.random.default_rng(0).normal(size=(4, 5, 3))
RAGGED = {"values": VALUES, "mask": MASK}
STDS = {"weight": 1.3, "input": 0.9, "output": 1.1}


def chain(*end, depth=1, activation="relu", bias=0.0, **recurrence):
    """The layers of a recurrent network, with the standard deviations of all Keras models below."""
    cells = [k.Dense(STDS["input"], bias), k.Recurrence(activation, STDS["weight"], **recurrence)] * depth
    return [*cells, *(end or [k.LastStep()]), k.Dense(STDS["output"])]


def kernel(layers, feature_ndims=k.RAGGED, **options):
    return k.InfiniteWidth(layers, feature_ndims=feature_ndims, **options)


# -- values ----------------------------------------------------------------------------------------------------------

# σ_w = √2, σ_u = σ_v = 1, no biases, relu: angle, Θ(x, x') and Θ(x', x') of x = (1, −1, 1), x' = (cos, sin).
PAPER = {
    1: (4.5, [(0.0, 0.246393, 1.5), (0.25, 0.677395, 1.25), (0.5, 0.920992, 1.0), (1.0, 1.243995, 1.5)]),
    2: (6.5, [(0.0, 0.588332, 2.0), (0.25, 0.718228, 1.375), (0.5, 0.661554, 0.75), (1.0, 1.566008, 2.0)]),
}


def paper(angle):
    values = np.array([[1.0, -1.0, 1.0], [math.cos(angle), math.sin(angle), 0.0]])[..., None]
    return values, np.array([[True] * 3, [True, True, False]])


@pytest.mark.parametrize("depth", PAPER)
def test_the_pair_of_the_paper(depth):
    layers = [k.Dense(), k.Recurrence("relu", math.sqrt(2))] * depth
    found = kernel([*layers, k.LastStep(), k.Dense()])
    own, others = PAPER[depth]
    for turns, value, other in others:
        values, mask = paper(math.pi * turns)
        np.testing.assert_allclose(
            found.matrix({"values": values, "mask": mask}), [[own, value], [value, other]], atol=1e-6
        )


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(1, [[4.024454, 0.736155], [0.736155, 1.380400]]), (2, [[4.916624, 0.809214], [0.809214, 1.494114]])],
)
def test_the_pair_of_the_paper_with_biases(depth, expected):
    values, mask = paper(0.7)
    found = kernel(chain(depth=depth, bias=0.3)).matrix({"values": values, "mask": mask})
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_zero_padding_changes_the_kernel_and_is_refused():
    right, mask = paper(0.7)
    left = np.stack([right[0], np.roll(right[1], 1, axis=0)])
    found = kernel(chain(bias=0.3))
    for values, given, expected in (
        (right, mask, 0.736155),
        (right, mask | True, 0.747533),
        (left, mask | True, 0.797222),
    ):
        assert float(found.matrix({"values": values, "mask": given})[0, 1]) == pytest.approx(expected, abs=1e-6)
    for values in (left, right):
        with pytest.raises(nb.NtkbenchError, match="1 of 2 sequences .* with steps of zeros, which looks like padding"):
            found.matrix(values)


def test_zeros_that_are_no_padding_are_taken_as_they_are():
    found = kernel(chain())
    angles = np.linspace(0, 2 * np.pi, 40)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)[..., None]  # the first one ends with a zero
    image = np.zeros((3, 4, 2))  # zeros at both ends, as in images
    image[0, 1], image[1, 1:3], image[2] = 1, 2, 1
    for values in (circle, image, 0 * circle, np.concatenate([circle[1:3], 0 * circle[:1]])):
        whole = {"values": values, "mask": np.ones(values.shape[:2], bool)}
        np.testing.assert_array_equal(found.matrix(values), found.matrix(whole))


# -- identities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "erf"])
@pytest.mark.parametrize("backward", [False, True])
def test_pooled_kernels_are_sums_over_prefixes(activation, backward):
    """f = Σ_t V_t h_t / √T, and f = Σ_t V h_t / T: h_t is the last state of the network on the first t steps."""
    options = {"depth": 2, "activation": activation, "bias": 0.2, "initial_std": 0.5}
    first = [k.Reverse()] if backward else []
    tied = kernel([*first, *chain(k.GlobalAveragePooling(), **options)]).matrix(RAGGED).numpy()
    untied = kernel([*first, *chain(k.Flatten(), **options)]).matrix(RAGGED).numpy()
    values, mask = np.zeros((4, 5, 5, 3)), np.zeros((4, 5, 5), bool)
    for i, n in enumerate(LENGTHS):
        read = VALUES[i, :n][::-1] if backward else VALUES[i, :n]
        for t in range(1, n + 1):
            values[i, t - 1, :t], mask[i, t - 1, :t] = read[:t], True
    of_prefixes = {"values": values.reshape(20, 5, 3), "mask": mask.reshape(20, 5)}
    blocks = kernel(chain(**options)).matrix(of_prefixes).numpy().reshape(4, 5, 4, 5)
    for i, n in enumerate(LENGTHS):
        for j, m in enumerate(LENGTHS):
            block = blocks[i, :n, j, :m]
            assert tied[i, j] == pytest.approx(block.mean(), rel=1e-10)
            assert untied[i, j] == pytest.approx(np.trace(block) / math.sqrt(n * m), rel=1e-10)
    assert np.abs(tied - untied).max() > 0.05 * np.abs(untied).max()


NETWORKS = {
    "last": chain(depth=2, bias=0.1),
    "backward": [k.Reverse(), *chain(initial_std=0.4)],
    "untied": chain(k.Flatten(), activation="erf"),
    "tied": chain(k.GlobalAveragePooling()),
    "both": [k.add(chain(), [k.Reverse(), *chain()])],
    "stacked both": [
        *(k.Dense(), k.concatenate([k.Dense(), k.Recurrence()], [k.Reverse(), k.Dense(), k.Recurrence(), k.Reverse()])),
        *chain(),
    ],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_that_do_not_exist_have_no_influence(name):
    """Bit for bit, whatever stands there and however many there are."""
    found = kernel(NETWORKS[name])
    expected = found.matrix(RAGGED).numpy()
    for values in (np.where(MASK[..., None], VALUES, np.nan), np.where(MASK[..., None], VALUES, 1e30)):
        np.testing.assert_array_equal(found.matrix({"values": values, "mask": MASK}), expected)
    longer = {"values": np.pad(VALUES, [(0, 0), (0, 3), (0, 0)]), "mask": np.pad(MASK, [(0, 0), (0, 3)])}
    np.testing.assert_array_equal(found.matrix(longer), expected)
    np.testing.assert_array_equal(expected, expected.T)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_sequence_has_the_kernel_that_it_has_alone(name):
    """Without a mask, and paired with sequences of another length."""
    found, plain = kernel(NETWORKS[name]), kernel(NETWORKS[name], 2)
    expected = found.matrix(RAGGED).numpy()
    for i, n in enumerate(LENGTHS):
        alone = VALUES[i : i + 1, :n]
        np.testing.assert_allclose(plain.matrix(alone)[0, 0], expected[i, i], rtol=1e-12)
        np.testing.assert_allclose(found.matrix(alone, RAGGED)[0], expected[i], rtol=1e-12)
    paired = found.apply(RAGGED, {part: x[::-1] for part, x in RAGGED.items()}, example_ndims=1)
    np.testing.assert_allclose(paired, np.diagonal(expected[:, ::-1]), rtol=1e-12)


def test_large_matrices_in_blocks_are_those_of_small_ones():
    rng = np.random.default_rng(1)
    x = {"values": rng.normal(size=(230, 20, 2)), "mask": np.arange(20) < rng.integers(3, 21, size=230)[:, None]}
    found = kernel(chain(initial_std=0.3))
    whole = found.matrix(x).numpy()
    blocks = found.copy(memory_gib=2e-3).matrix(x).numpy()
    rows = {part: each[:9] for part, each in x.items()}
    np.testing.assert_allclose(blocks, whole, rtol=1e-12)
    np.testing.assert_allclose(found.matrix(rows, x), whole[:9], rtol=1e-12)
    assert np.linalg.eigvalsh(whole)[0] > 0


def test_a_grid_of_settings_is_one_call_and_gradients_flow_to_them():
    grid = np.array([0.5, 1.0, 1.5])

    def of(weight, initial, bias=0.2):
        layers = [k.Dense(1.0, bias), k.Recurrence("erf", weight, initial), k.GlobalAveragePooling(), k.Dense()]
        return kernel(layers)

    found = of(tf.constant(grid), 0.3).matrix(RAGGED).numpy()
    for row, weight in zip(found, grid, strict=True):
        np.testing.assert_allclose(row, of(weight, 0.3).matrix(RAGGED), rtol=1e-13)

    def total(values):
        return tf.reduce_sum(tf.sin(of(*values).matrix(RAGGED)))

    at = [1.2, 0.4, 0.3]
    variables = [tf.Variable(value, dtype=tf.float64) for value in at]
    with tf.GradientTape() as tape:
        y = total(variables)
    for number, gradient in enumerate(tape.gradient(y, variables)):
        step = 1e-5 * np.eye(3)[number]
        assert float(gradient) == pytest.approx(float(total(at + step) - total(at - step)) / 2e-5, rel=1e-6)


def test_equal_inputs_share_the_state_before_the_first_step():
    twice = {part: np.concatenate([x, x[:1]]) for part, x in RAGGED.items()}
    with_state, without = (kernel(chain(initial_std=s)).matrix(twice).numpy() for s in (0.7, 0.0))
    assert with_state[0, 4] == pytest.approx(with_state[0, 0], rel=1e-12) and with_state[0, 0] > without[0, 0]
    # One linear step: the state enters the covariance of equal inputs only.
    ends = [k.LastStep(), k.Dense()]
    linear = [k.Dense(), k.Recurrence("linear", 2.0, 0.7), *ends]
    found, plain = (k.InfiniteWidth(each, "nngp", 2).matrix(VALUES[:, :1]) for each in (linear, [k.Dense(), *ends]))
    np.testing.assert_allclose(found - plain, 4 * 0.49 * np.eye(4), atol=1e-12)


def test_equal_sequences_share_it_wherever_the_mask_has_their_steps():
    x, steps = np.random.default_rng(2).normal(size=(3, 2)), 6
    masks = np.zeros((3, steps), bool)
    for mask, places in zip(masks, ([0, 1, 2], [3, 4, 5], [0, 2, 5]), strict=True):
        mask[places] = True
    values = np.zeros((3, steps, 2))
    values[masks] = np.tile(x, (3, 1))
    found = kernel(chain(initial_std=0.7)).matrix({"values": values, "mask": masks})
    np.testing.assert_allclose(found, np.full((3, 3), found[0, 0]), rtol=1e-12)


# -- Keras models ----------------------------------------------------------------------------------------------------


def draw(std, seed):
    return keras.initializers.VarianceScaling(std**2, "fan_in", "normal", seed)


def rnn(units=16, activation="relu", **options):
    return L.SimpleRNN(
        units,
        activation,
        kernel_initializer=draw(STDS["input"], None),
        recurrent_initializer=draw(STDS["weight"], None),
        use_bias=False,
        **options,
    )


def dense(std=STDS["output"]):
    return L.Dense(1, kernel_initializer=draw(std, None), use_bias=False)


ROOT2 = math.sqrt(2) * STDS["output"]
SEQUENCES = {"return_sequences": True}
KERAS = {
    "last": (lambda: [rnn(), dense()], chain()),
    "stacked": (lambda: [rnn(**SEQUENCES), rnn(), dense()], chain(depth=2)),
    "pooled": (lambda: [rnn(**SEQUENCES), L.GlobalAveragePooling1D(), dense()], chain(k.GlobalAveragePooling())),
    "backwards": (lambda: [rnn(go_backwards=True), dense()], [k.Reverse(), *chain()]),
    "both": (lambda: [L.Bidirectional(rnn()), dense(ROOT2)], [k.add(chain(), [k.Reverse(), *chain()])]),
    "both pooled": (
        lambda: [L.Bidirectional(rnn(**SEQUENCES)), L.GlobalAveragePooling1D(), dense(ROOT2)],
        [k.add(chain(k.GlobalAveragePooling()), [k.Reverse(), *chain(k.GlobalAveragePooling())])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KERAS)
def test_keras_models_have_the_kernels_of_their_layers(name):
    make, layers = KERAS[name]
    model = keras.Sequential([keras.Input((5, 3)), *make()])
    np.testing.assert_allclose(infinite_width(model).matrix(VALUES), kernel(layers, 2).matrix(VALUES), rtol=1e-12)
    expected = kernel(layers).matrix(RAGGED)
    masked = keras.Sequential([keras.Input((5, 3)), L.Masking(), *make()])
    found = infinite_width(masked).matrix(np.where(MASK[..., None], VALUES, 0.0))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    values, mask = keras.Input((5, 3), name="values"), keras.Input((5,), dtype="bool", name="mask")
    h = values
    for layer in make():
        h = layer(h) if isinstance(layer, L.Dense) else layer(h, mask=mask)
    found = infinite_width(keras.Model({"values": values, "mask": mask}, h)).matrix(RAGGED)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_other_ways_to_write_a_recurrent_network():
    cells = [L.SimpleRNNCell(9, "relu") for _ in range(2)]
    stack = keras.Sequential([keras.Input((5, 3)), L.RNN(cells), L.Dense(1)])
    layers = [L.SimpleRNN(9, "relu", **SEQUENCES), L.SimpleRNN(9, "relu")]
    apart = keras.Sequential([keras.Input((5, 3)), *layers, L.Dense(1)])
    expected = infinite_width(apart).matrix(VALUES)
    np.testing.assert_allclose(infinite_width(stack).matrix(VALUES), expected, rtol=1e-12)
    x = keras.Input((5, 3))
    h, _ = L.SimpleRNN(9, "relu", return_state=True, **SEQUENCES)(x)
    _, state = L.SimpleRNN(9, "relu", return_state=True)(h)
    np.testing.assert_allclose(infinite_width(keras.Model(x, L.Dense(1)(state))).matrix(VALUES), expected, rtol=1e-12)
    forward, backward = L.Bidirectional(rnn(), merge_mode=None)(x)
    both = keras.Model(x, L.Add()([dense()(forward), dense()(backward)]))
    np.testing.assert_allclose(
        infinite_width(both).matrix(VALUES),
        kernel([k.add(chain(), [k.Reverse(), *chain()])], 2).matrix(VALUES),
        rtol=1e-12,
    )


@pytest.mark.parametrize(("activation", "steps"), [("relu", 1), ("relu", 2), ("erf", 5)])
def test_the_architecture_rnn(activation, steps):
    model = build(16, input_shape=(steps, 3), seed=0, activation=activation)
    by_hand = kernel([k.Dense(), k.Recurrence(activation), k.LastStep(), k.Dense()], 2)
    found = infinite_width(model)
    np.testing.assert_allclose(found.matrix(VALUES[:, :steps]), by_hand.matrix(VALUES[:, :steps]), rtol=1e-12)
    assert not found.standard


def test_the_architecture_rnn_on_ragged_sequences():
    model = build(16, input_shape={"values": (5, 3), "mask": (5,)}, seed=0, activation="relu")
    by_hand = kernel([k.Dense(), k.Recurrence("relu"), k.LastStep(), k.Dense()])
    np.testing.assert_allclose(infinite_width(model).matrix(RAGGED), by_hand.matrix(RAGGED), rtol=1e-12)


REFUSED = {
    "LSTM .*: its gates multiply features": lambda: [L.LSTM(4)],
    "GRU .*: its gates multiply features": lambda: [L.Bidirectional(L.GRU(4))],
    "uses the initialiser Identity": lambda: [L.SimpleRNN(4, recurrent_initializer="identity")],
    "has a mask, but the layer that reads it has none": lambda: [L.Masking(), rnn(**SEQUENCES), L.Flatten()],
    "merge_mode='mul'": lambda: [L.Bidirectional(rnn(), merge_mode="mul")],
    "is unrolled: Keras then sets": lambda: [
        *(L.Masking(), L.Bidirectional(rnn(unroll=True, **SEQUENCES)), L.GlobalAveragePooling1D())
    ],
    "has the seed of": lambda: [L.Bidirectional(L.SimpleRNN(4, kernel_initializer=draw(1.0, 1)))],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_known_limit_is_refused_with_the_reason(reason):
    with pytest.raises(k.NoLimit, match=reason):
        infinite_width(keras.Sequential([keras.Input((5, 3)), *REFUSED[reason](), L.Dense(1)]))
    with pytest.raises(k.NoLimit, match="ends with a recurrent layer"):
        infinite_width(keras.Sequential([keras.Input((5, 3)), rnn()]))


def stacked_both(units):
    sequences = {"merge_mode": "concat"}
    return [
        L.Bidirectional(rnn(units, **SEQUENCES), **sequences),
        L.Bidirectional(rnn(units, **SEQUENCES), merge_mode="sum"),
        rnn(units),
        dense(),
    ]


FINITE = {
    "last": lambda n: [rnn(n, unroll=True), dense()],
    "stacked both": stacked_both,
    "both pooled": lambda n: [L.Bidirectional(rnn(n, **SEQUENCES)), L.GlobalAveragePooling1D(), dense(ROOT2)],
    "orthogonal": lambda n: [L.SimpleRNN(n, "relu", unroll=True), L.Dense(1)],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FINITE)
def test_finite_networks_have_the_limit_as_their_mean(name):
    """In the NTK parameterisation a weight of variance v counts v times, and a bias that starts at 0 once."""
    x = tf.constant(np.where(MASK[..., None], VALUES, 0.0), tf.float32)
    model = keras.Sequential([keras.Input((5, 3)), L.Masking(), *FINITE[name](128)])
    weights = model.trainable_weights

    @tf.function
    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            outputs = tf.unstack(model(x)[:, 0])
        return [tape.gradient(output, [weight.value for weight in weights]) for output in outputs]

    kernels = []
    for seed in range(40):
        keras.utils.set_random_seed(seed)
        redraw(model)
        found = gradients()
        total = np.zeros((4, 4))
        for number, weight in enumerate(weights):
            rows = np.stack([np.ravel(of_one[number]) for of_one in found]).astype(np.float64)
            total += rows @ rows.T * (np.mean(np.square(weight)) if len(weight.shape) == 2 else 1)
        kernels.append(total)
    limit = infinite_width(model).matrix(tf.cast(x, tf.float64)).numpy()
    error = np.std(kernels, axis=0) / math.sqrt(len(kernels))
    scale = np.sqrt(np.outer(np.diag(limit), np.diag(limit)))
    assert (np.abs(np.mean(kernels, axis=0) - limit) < 3.5 * error + 0.03 * scale).all()
    assert (error < 0.1 * scale).all()


def redraw(model):
    """Draw all matrices of a model anew."""
    for layer in model._flatten_layers():
        for name, initial in (("kernel", "kernel_initializer"), ("recurrent_kernel", "recurrent_initializer")):
            initializer = getattr(layer, initial, None)
            if initializer is not None and getattr(layer, name, None) is not None:
                fresh = type(initializer).from_config(initializer.get_config())
                getattr(layer, name).assign(fresh(getattr(layer, name).shape))


def test_a_kernel_of_ragged_inputs_has_a_text():
    """TensorFlow asks for it when it warns of many traces of a compiled function."""
    layers = [k.Dense(), k.Recurrence(), k.LastStep(), k.Dense()]
    kernel = k.InfiniteWidth(layers, feature_ndims=k.RAGGED, name="RNTK")
    for each in (kernel, KernelPair(kernel)):
        assert "'RNTK' batch_shape=()" in repr(each) and str(each) == repr(each)
