"""Equal, zero and opposite inputs: kernels stay positive semidefinite, gradients finite. And TFP's manners."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from sklearn.svm import SVC

from ntkbench import kernels as k
from ntkbench.errors import NtkbenchError

RNG = np.random.default_rng(0)
NAMES = ("relu", "leaky_relu", "abs", "erf", "sin", "cos", "gaussian", "gelu", "quadratic", "tanh", "softplus")


def degenerate(shape=(4,)):
    x = RNG.normal(size=(3, *shape))
    return np.concatenate([x, x[:2], -x[:2], 0 * x[:2], 2 * x[:1]])


def nets():
    for name in NAMES:
        act = k.Activation(name)
        for bias in (0.0, 0.3):
            yield f"{name} {bias}", (4,), [k.Dense(1.2, bias), act, k.Dense(1.2, bias), act, k.Dense()]
    relu = k.Activation("relu")
    image = (4, 4, 1)
    yield "pooled", image, [k.Conv(), relu, k.AveragePooling(), k.Conv(), relu, k.GlobalAveragePooling(), k.Dense()]
    yield "flat", image, [k.Conv(), relu, k.Conv(), relu, k.Flatten(), k.Dense()]
    yield "residual", (4,), [k.Dense(), k.residual(relu, k.Dense()), k.residual(k.Dense(), relu), k.Dense()]
    yield "normal", (4,), [k.Dense(), k.LayerNormalization(), relu, k.LayerNormalization(), k.Dense()]
    yield (
        "attention",
        (3, 2),
        [k.Dense(), k.LinearAttention(), relu, k.SharedAttention(), relu, k.GlobalAveragePooling(), k.Dense()],
    )


CASES = {name: (shape, net) for name, shape, net in nets()}


@pytest.mark.parametrize("name", CASES)
def test_positive_semidefinite_with_finite_gradients(name):
    shape, net = CASES[name]
    kernel = k.InfiniteWidth(net, feature_ndims=len(shape))
    for dtype, slack in (("float64", 1e-12), ("float32", 1e-5)):
        x = tf.constant(degenerate(shape), dtype)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            matrices = kernel.both(x)
            totals = [tf.reduce_sum(m * tf.cast(RNG.normal(size=m.shape), m.dtype)) for m in matrices]
        for matrix, total in zip(matrices, totals, strict=True):
            assert np.isfinite(matrix).all()
            np.testing.assert_array_equal(matrix, np.transpose(matrix))
            eigenvalues = np.linalg.eigvalsh(matrix.numpy().astype("float64"))
            assert eigenvalues[0] >= -slack * eigenvalues[-1]
            assert np.isfinite(tape.gradient(total, x)).all()


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_gradients_are_the_differences(kind):
    """With respect to inputs and both standard deviations, in float64, where the kernel is smooth."""
    x, y = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4))
    weight, bias = (tf.Variable(value, dtype=tf.float64) for value in (1.3, 0.4))
    act = k.Activation("relu")
    kernel = k.InfiniteWidth([k.Dense(weight, bias), act, k.Dense(weight, bias), act, k.Dense(weight)], kind)
    assert {id(v) for v in kernel.trainable_variables} == {id(weight), id(bias)}

    def total(x):
        return tf.reduce_sum(tf.sin(kernel.matrix(x, tf.constant(y))))

    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = total(inputs)
    found = tape.gradient(value, [inputs, weight, bias])
    step = 1e-6
    bump = np.zeros_like(x)
    bump[1, 2] = step
    numeric = (total(tf.constant(x + bump)) - total(tf.constant(x - bump))) / (2 * step)
    np.testing.assert_allclose(found[0][1, 2], numeric, rtol=1e-6)
    for variable, gradient in zip((weight, bias), found[1:], strict=True):
        start = variable.numpy()
        values = []
        for move in (step, -step):
            variable.assign(start + move)
            values.append(total(inputs))
        variable.assign(start)
        np.testing.assert_allclose(gradient, (values[0] - values[1]) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (4, 4, 2)])
def test_batches_of_parameters_and_of_inputs(shape):
    stds = tf.constant([0.7, 1.1, 1.9], tf.float64)
    first = k.Dense if len(shape) == 1 else k.Conv

    def net(std):
        end = [] if len(shape) == 1 else [k.GlobalAveragePooling()]
        return [first(std, 0.1), k.Activation("relu"), *end, k.Dense(std)]

    kernel = k.InfiniteWidth(net(stds), feature_ndims=len(shape))
    assert kernel.batch_shape == (3,)
    x, y = RNG.normal(size=(4, *shape)), RNG.normal(size=(2, *shape))
    found = kernel.matrix(x, y)
    assert found.shape == (3, 4, 2)
    for one, std in zip(found, (0.7, 1.1, 1.9), strict=True):
        np.testing.assert_allclose(one, k.InfiniteWidth(net(std), feature_ndims=len(shape)).matrix(x, y), rtol=1e-12)
    batched = RNG.normal(size=(3, 5, *shape))
    each = [
        k.InfiniteWidth(net(s), feature_ndims=len(shape)).matrix(b, y)
        for s, b in zip((0.7, 1.1, 1.9), batched, strict=True)
    ]
    np.testing.assert_allclose(kernel.matrix(batched, y), each, rtol=1e-12)
    np.testing.assert_allclose(kernel.apply(x[:2], y, example_ndims=1)[1], np.diagonal(found[1, :2]), rtol=1e-12)
    tensor = kernel.tensor(x.reshape(2, 2, *shape), y, 2, 1)
    np.testing.assert_allclose(tensor, np.reshape(found, (3, 2, 2, 2)), rtol=1e-12)


def test_serves_gaussian_processes_and_support_vectors():
    kernel = k.InfiniteWidth([k.Dense(1.4, 0.1), k.Activation("relu"), k.Dense(1.4)], "nngp")
    x = np.random.default_rng(0).normal(size=(12, 4))
    process = tfp.distributions.GaussianProcess(kernel, x, observation_noise_variance=np.float64(0.1))
    assert np.isfinite(process.log_prob(np.sin(x[:, 0])))
    assert (kernel + kernel).matrix(x, x).shape == (12, 12)
    machine = SVC(kernel="precomputed", C=1e3).fit(kernel.matrix(x).numpy(), x[:, 0] > 0)
    assert machine.score(kernel.matrix(x).numpy(), x[:, 0] > 0) == 1.0


RNN = [k.Dense(), k.Recurrence(), k.LastStep(), k.Dense()]


@pytest.mark.parametrize("half", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize(("layers", "ranks"), [([k.Dense(), k.Activation("relu"), k.Dense()], 1), (RNN, k.RAGGED)])
def test_half_precision_is_widened(half, layers, ranks):
    x, kernel = (
        tf.cast(RNG.normal(size=(3, 4, 2)[: 2 if ranks == 1 else 3]), half),
        k.InfiniteWidth(layers, "ntk", ranks),
    )
    wide = kernel.matrix(tf.cast(x, tf.float32))
    for found in (kernel.matrix(x), kernel.matrix(x, tf.identity(x))):
        assert found.dtype == tf.float32
        np.testing.assert_allclose(found, wide, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "float16", "no such", complex])
def test_a_dtype_that_is_not_computed_in_is_refused(dtype):
    with pytest.raises(NtkbenchError, match="it must be 'float32' or 'float64'"):
        k.InfiniteWidth([k.Dense()], dtype=dtype)


@pytest.mark.parametrize("value", ["1", None, 1j, object(), np.array(["a"]), tf.constant("a")])
def test_a_coefficient_that_is_not_real_is_refused(value):
    for field in ("weight_std", "bias_std"):
        with pytest.raises(NtkbenchError, match=f"Dense got {field}=.* it must be a finite real number"):
            k.Dense(**{field: value})


DEVIATIONS = {
    k.Dense: ("weight_std", "bias_std"),
    k.Conv: ("weight_std", "bias_std"),
    k.Recurrence: ("weight_std", "initial_std"),
    k.LinearAttention: ("query_key_std", "value_output_std", "bias_std"),
    k.SharedAttention: ("query_key_std", "value_output_std", "bias_std"),
    k.LayerNormalization: ("epsilon",),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, np.array([1.0, -0.5]), tf.constant([1.0, np.nan])])
@pytest.mark.parametrize(("layer", "fields"), DEVIATIONS.items())
def test_a_standard_deviation_that_cannot_be_is_refused(layer, fields, value):
    for field in fields:
        with pytest.raises(NtkbenchError, match=f"{layer.__name__} got {field}=.* of at least 0"):
            layer(**{field: value})
        layer(**{field: 0.0})


def test_a_factor_that_cannot_be_is_refused():
    for value in (np.nan, np.inf, "2"):
        with pytest.raises(NtkbenchError, match="Scale got alpha=.* finite real number"):
            k.Scale(value)
        with pytest.raises(NtkbenchError, match="got multiplier=.* finite real number"):
            k.Dense(multiplier=value)
    np.testing.assert_allclose(k.InfiniteWidth([k.Dense(), k.Scale(-2.0)]).matrix(np.eye(2)), 4 * np.eye(2) / 2)


@pytest.mark.parametrize("units", [(1, 0), (1, -1), (1, np.nan), (1, "a"), (1, 2, 3)])
def test_numbers_of_units_that_cannot_be_are_refused(units):
    with pytest.raises(NtkbenchError, match="positive number|2 branches has 3"):
        k.InfiniteWidth([k.concatenate([], [k.Dense()], units=units), k.Dense()]).matrix(np.eye(2))


def test_numbers_of_units_may_be_numpys():
    found, expected = (
        k.InfiniteWidth([k.concatenate([], [k.Dense()], units=units), k.Dense()]).matrix(np.eye(2))
        for units in (np.array([1, 3]), (1, 3))
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("activation", ["relu", "erf", "tanh", "gelu", "cos", "softplus", "quadratic"])
def test_weights_of_0_leave_the_biases(activation):
    """cov = σ_b² and ntk = σ_b² of the last layer's bias, whatever the inputs are."""
    layers = [k.Dense(0.0, 0.0), k.Activation(activation), k.Dense(0.0, 0.5)]
    for kernel in k.InfiniteWidth(layers).both(RNG.normal(size=(3, 2))):
        np.testing.assert_allclose(kernel, np.full((3, 3), 0.25), rtol=1e-12)


IMAGES = [k.Conv(), k.Flatten(), k.Dense()]


@pytest.mark.parametrize(
    ("layers", "ranks", "x1", "x2", "sentence"),
    [
        ([k.Dense()], 1, np.ones(4), None, r"shape \[4\], but .* rank 1; pass an array of rank 2 or more"),
        (IMAGES, 3, np.ones((4, 3)), None, "rank 3; pass an array of rank 4"),
        (RNN, k.RAGGED, np.ones((4, 3)), None, "rank 2; pass an array of rank 3"),
        ([k.Dense()], 1, np.ones((4, 3)), np.ones((4, 2)), r"the shapes \[3\] and \[2\]; both must have the same"),
        (IMAGES, 3, np.ones((2, 4, 4, 1)), np.ones((2, 4, 5, 1)), "both must have the same"),
        (RNN, k.RAGGED, np.ones((2, 4, 2)), np.ones((2, 6, 3)), "both must have the same"),
        ([k.Dense()], 1, np.ones((2, 4, 3)), np.ones((3, 4, 3)), r"shapes \[2\] and \[3\], which do not broadcast"),
        ([k.Dense()], 1, np.ones((4, 3)) + 1j, None, "dtype complex128; kernels are computed of real numbers"),
        ([k.Dense()], 1, np.array([["a"]]), None, "dtype string"),
        ([k.Dense()], 1, np.ma.masked_array(np.ones((2, 2)), np.eye(2)), None, "masked entries; fill them"),
        ([k.Dense()], 1, np.ones((4, 3)), [[1.0], [1.0, 2.0]], "a list, cannot be read as real numbers"),
        ([k.Dense()], 1, tf.sparse.from_dense(np.eye(3)), None, "a SparseTensor, cannot be read"),
        (RNN, k.RAGGED, {"values": np.ones((1, 2, 1)), "mask": [["a", "b"]]}, None, "is no mask"),
        (RNN, k.RAGGED, {"values": np.ones((1, 2, 1)), "mask": [[1.0, np.nan]]}, None, "is no mask"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(layers, ranks, x1, x2, sentence):
    kernel = k.InfiniteWidth(layers, "ntk", ranks)
    for call in (kernel.matrix, kernel.both):
        with pytest.raises(NtkbenchError, match=sentence):
            call(x1, x2)


def test_paired_inputs_that_do_not_fit_are_refused():
    for examples in (0, 1):
        with pytest.raises(NtkbenchError, match=r"shapes \[4\] and \[2\], which do not broadcast"):
            k.InfiniteWidth([k.Dense()]).apply(np.ones((4, 3)), np.ones((2, 3)), example_ndims=examples)


@pytest.mark.parametrize("second", [tf.float32, tf.float64, tf.int32])
def test_the_second_inputs_take_the_dtype_of_the_first(second):
    kernel, x = k.InfiniteWidth([k.Dense(), k.Activation("relu"), k.Dense()]), np.arange(6.0).reshape(2, 3)
    for first in (np.float32, np.float64):
        found = kernel.matrix(x.astype(first), tf.constant(x, second))
        assert found.dtype == first
        np.testing.assert_allclose(found, kernel.matrix(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: k.InfiniteWidth(k.Dense()), "put the layers of the network in a list"),
        (lambda: k.InfiniteWidth([k.Dense()], feature_ndims=0), "feature_ndims=0 is invalid"),
        (lambda: k.InfiniteWidth([k.Dense()], feature_ndims="1"), "feature_ndims='1' is invalid"),
        (lambda: k.InfiniteWidth([k.Dense()], feature_ndims={"x": 2}), "is invalid"),
        (lambda: k.InfiniteWidth([k.Dense(np.ones(2), np.ones(3))]), r"shapes \[2\] and \[3\], which do not broadcast"),
    ],
)
def test_kernels_that_cannot_be_made_are_sentences(make, sentence):
    with pytest.raises(NtkbenchError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (k.Conv(kernel_size=5, padding="valid"), "A window over 5 positions does not fit into 4"),
        (k.Conv(dilation=2, padding="valid"), "A window over 5 positions"),
        (k.AveragePooling(9), "A window over 9 positions"),
        (k.Conv(kernel_size=2.5), "got kernel_size=2.5 for features with 2 spatial axes"),
        (k.Conv(kernel_size=(3, "3")), "got kernel_size="),
        (k.ZeroPadding(((1, 1),)), "for features with 2 spatial axes; pass"),
        (k.ZeroPadding(((1, 1), (-1, 0))), "integers of at least 0"),
    ],
)
def test_windows_that_do_not_fit_are_refused(layer, sentence):
    kernel = k.InfiniteWidth([k.Conv(), layer, k.Flatten(), k.Dense()], feature_ndims=3)
    with pytest.raises(NtkbenchError, match=sentence):
        kernel.matrix(np.ones((1, 4, 4, 1)))


def test_sizes_of_windows_may_be_numbers_of_numpy():
    x = RNG.normal(size=(2, 4, 4, 1))
    one, other = (
        k.InfiniteWidth([k.Conv(kernel_size=size), k.Flatten(), k.Dense()], feature_ndims=3).matrix(x)
        for size in (np.int64(3), 3)
    )
    np.testing.assert_array_equal(one, other)
    with pytest.raises(NtkbenchError, match="pool_size=2 for features with 0 spatial axes"):
        k.InfiniteWidth([k.Dense(), k.AveragePooling(), k.Dense()]).matrix(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("layers", "ranks", "x"),
    [
        ([k.Dense()], 1, np.ones((3, 0))),
        (RNN, 2, np.ones((3, 0, 2))),
        (RNN, k.RAGGED, np.ones((3, 0, 2))),
        (RNN, k.RAGGED, np.ones((3, 4, 0))),
        (RNN, k.RAGGED, {"values": np.ones((3, 0, 2)), "mask": np.ones((3, 0), bool)}),
        ([k.Conv(), k.Flatten(), k.Dense()], 3, np.ones((3, 4, 0, 1))),
    ],
)
def test_empty_inputs_are_refused(layers, ranks, x):
    with pytest.raises(NtkbenchError, match="so each of them is empty"):
        k.InfiniteWidth(layers, "ntk", ranks).matrix(x)


def test_linear_attention_is_the_limit_of_many_heads():
    """A finite block in NumPy: 24 heads of size 24, averaged over draws, against cov' and the tangent kernel's law."""
    steps, d, heads, draws = 3, 24, 24, 60
    x = RNG.normal(size=(2, steps, 5))
    kernel = k.InfiniteWidth(
        [k.LinearAttention(1 / steps), k.GlobalAveragePooling(), k.Dense()], "nngp", feature_ndims=2
    )
    total = np.zeros((2, 2))
    for _ in range(draws):
        out = 0
        for _ in range(heads):
            q, key, value = (x @ RNG.normal(size=(5, d)) / np.sqrt(5) for _ in range(3))
            scores = q @ key.transpose(0, 2, 1) / np.sqrt(d) / steps
            out = out + scores @ value @ RNG.normal(size=(d, 40)) / np.sqrt(d * heads)
        pooled = out.mean(1)
        total += pooled @ pooled.T / 40 / draws
    np.testing.assert_allclose(kernel.matrix(x), total, rtol=0.25, atol=0.05 * np.trace(total))


def test_memory_is_planned():
    from ntkbench.errors import NtkbenchError
    from ntkbench.kernels.blocks import Blocks

    cut = Blocks.plan(64, 64, 256**2, 4, False, 0.25)
    assert cut.rows * cut.columns * 256**2 * 4 * 8 <= 0.25 * 2**30
    assert Blocks.plan(2000, 2000, 1, 4, True, None).rows == 500
    with pytest.raises(NtkbenchError, match="One pair of inputs needs"):
        Blocks.plan(4, 4, 2**16, 8, False, 1e-3)
