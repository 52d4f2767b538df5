"""Measures of kernels, distances and landscapes against closed forms, dense matrices and finite differences."""

import keras
import numpy as np
import pytest

import ntkbench as nb
import ntkbench_dynamics as dyn


def positive(rng, m=7, rank=7):
    a = rng.standard_normal((m, rank))
    return a @ a.T


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def network(seed=1, outputs=3, width=5, activation="tanh"):
    """A small float64 network in the standard Keras parameterisation, with biases."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(width, activation, dtype="float64"), keras.layers.Dense(outputs, dtype="float64")]
    return keras.Sequential([keras.Input((4,), dtype="float64"), *layers])


def vector(model):
    return np.concatenate([np.ravel(each) for each in model.get_weights()])


def assign(model, w):
    shapes = [each.shape for each in model.get_weights()]
    ends = np.cumsum([int(np.prod(each)) for each in shapes])[:-1]
    model.set_weights([part.reshape(shape) for part, shape in zip(np.split(w, ends), shapes, strict=True)])


def jacobian(model, x, h=1e-6):
    """The Jacobian [m·O, P] by central differences."""
    w, columns = vector(model), []
    for i in range(len(w)):
        pair = []
        for sign in (1, -1):
            moved = w.copy()
            moved[i] += sign * h
            assign(model, moved)
            pair.append(np.asarray(model(x)).ravel())
        columns.append((pair[0] - pair[1]) / (2 * h))
    assign(model, w)
    return np.stack(columns, axis=1)


# -- kernels -----------------------------------------------------------------------------------------------------------


def test_the_gram_matrix_is_that_of_the_jacobian(rng):
    model, x = network(), rng.standard_normal((6, 4))
    j = jacobian(model, x)
    np.testing.assert_allclose(dyn.gram(model, x), j @ j.T, rtol=1e-6, atol=1e-8)


def test_the_trace_kernel_is_the_sum_over_outputs(rng):
    model, x = network(), rng.standard_normal((6, 4))
    np.testing.assert_allclose(dyn.trace_kernel(dyn.gram(model, x), 3), nb.empirical_ntk(model, x), rtol=1e-10)
    with pytest.raises(nb.NtkbenchError, match="does not belong to 4 outputs"):
        dyn.trace_kernel(np.eye(18), 4)


def test_distances_of_all_pairs_ignore_scale_and_follow_the_definition(rng):
    a, b = positive(rng), positive(rng)
    found = dyn.all_distances([a, b, 3 * a])
    right = 1 - np.trace(a @ b.T) / np.sqrt(np.trace(a @ a.T) * np.trace(b @ b.T))
    np.testing.assert_allclose(found, [[0, right, 0], [right, 0, right], [0, right, 0]], atol=1e-14)


def test_a_small_distance_is_half_the_squared_change_across_the_kernel(rng):
    a, e = positive(rng), positive(rng)
    across = e - np.sum(e * a) / np.sum(a * a) * a
    for size in (1e-3, 1e-5):
        right = np.sum((size * across) ** 2) / np.sum(a**2) / 2
        np.testing.assert_allclose(nb.kernel_distance(a, a + size * e), right, rtol=10 * size * np.linalg.norm(e))


def test_the_velocity_of_a_smooth_path_is_proportional_to_dt(rng):
    a, e = positive(rng), positive(rng)
    fast, slow = (dyn.velocity(a, a + dt * e, dt) for dt in (2e-4, 1e-4))
    np.testing.assert_allclose(fast / slow, 2, rtol=1e-2)
    assert dyn.velocity(a, a, 0.4) == 0
    with pytest.raises(nb.NtkbenchError, match="positive"):
        dyn.velocity(a, a, 0)


def test_alignments_follow_their_definitions(rng):
    a, b = positive(rng), positive(rng)
    np.testing.assert_allclose(dyn.alignment(a, b), np.trace(a @ b) / np.sqrt(np.trace(a @ a) * np.trace(b @ b)))
    h = np.eye(7) - 1 / 7
    hsic = lambda k, other: np.trace(k @ h @ other @ h)  # noqa: E731
    np.testing.assert_allclose(dyn.centred_alignment(a, b), hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b)))
    np.testing.assert_allclose(dyn.centred_alignment(a, 2 * a + 5), 1)
    assert dyn.centred_alignment(a, np.full((7, 7), 0.3)) is None
    assert dyn.alignment(a, np.zeros((7, 7))) is None


def test_the_alignment_with_labels_is_1_for_the_labels_kernel():
    y = np.eye(3)[[0, 0, 1, 2, 2]]
    np.testing.assert_allclose(dyn.alignment(4 * y @ y.T, y @ y.T), 1)


def test_the_effective_rank_counts_equal_eigenvalues(rng):
    q, _ = np.linalg.qr(rng.standard_normal((7, 4)))
    np.testing.assert_allclose(dyn.effective_rank(2.5 * q @ q.T), 4)
    p = np.array([0.5, 0.25, 0.25])
    np.testing.assert_allclose(dyn.effective_rank(np.diag(9 * p)), 2**1.5)
    assert dyn.effective_rank(np.zeros((3, 3))) is None


@pytest.mark.parametrize("bad", [np.ones((2, 3)), np.full((2, 2), np.nan)])
def test_what_is_no_kernel_is_refused(bad):
    with pytest.raises(nb.NtkbenchError):
        dyn.effective_rank(bad)


# -- distances ---------------------------------------------------------------------------------------------------------


def test_distances_of_weights():
    assert dyn.parameter_distance([3.0, 0.0], [0.0, 4.0]) == 5
    np.testing.assert_allclose(dyn.parameter_angle([3.0, 0.0], [0.0, 4.0]), 1)
    np.testing.assert_allclose(dyn.parameter_angle([1.0, 1.0], [2.0, 0.0]), 1 - np.sqrt(0.5))
    assert dyn.parameter_angle([1.0], [0.0]) is None


def test_distances_of_functions(rng):
    f = np.array([[2.0, 1.0], [0.0, 5.0], [1.0, 0.0], [3.0, 3.5]])
    g = np.array([[2.0, 1.0], [5.0, 0.0], [1.0, 0.0], [3.0, 3.5]])
    assert dyn.disagreement(f, g) == 0.25
    probability = 1 / (1 + np.exp(-5))
    np.testing.assert_allclose(dyn.probability_distance(f, g), np.sqrt(2) * (2 * probability - 1) / 4)
    np.testing.assert_allclose(dyn.output_distance(f, g), np.sqrt(50 / np.sum(g**2)))
    np.testing.assert_allclose(dyn.probability_distance(f, g + 7), dyn.probability_distance(f, g))
    with pytest.raises(nb.NtkbenchError, match="one output per class"):
        dyn.disagreement(f[:, :1], g[:, :1])
    with pytest.raises(
        nb.NtkbenchError, match=r"shape \(2, 1\); a distance of probabilities needs one output per class"
    ):
        dyn.probability_distance([[3.0], [-2.0]], [[-3.0], [5.0]])


@pytest.mark.parametrize("factor", [1e160, 1e-200, 1.7e308])
def test_no_scale_changes_alignments_ranks_and_angles(factor, rng):
    a, b = (w @ w.T for w in rng.uniform(-0.3, 0.3, (2, 5, 5)))
    for measure in (dyn.alignment, dyn.centred_alignment):
        np.testing.assert_allclose(measure(factor * a, factor * b), measure(a, b), rtol=1e-9)
    np.testing.assert_allclose(dyn.effective_rank(factor * a), dyn.effective_rank(a), rtol=1e-9)
    np.testing.assert_allclose(dyn.parameter_angle(factor * a[0], b[0]), dyn.parameter_angle(a[0], b[0]), rtol=1e-9)
    np.testing.assert_allclose(
        dyn.parameter_distance(factor * a[0], factor * b[0]), factor * dyn.parameter_distance(a[0], b[0]), rtol=1e-9
    )


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_activation_pattern_is_the_sign_of_the_preactivation(rng, activation):
    model, x = network(activation=activation, width=9), rng.standard_normal((6, 4))
    kernel, bias, *_ = model.get_weights()
    before = dyn.activation_pattern(model, x)
    np.testing.assert_array_equal(before, x @ kernel + bias > 0)
    model.layers[0].kernel.assign(-kernel)
    model.layers[0].bias.assign(-bias)
    assert dyn.pattern_distance(before, dyn.activation_pattern(model, x)) == 1
    assert dyn.pattern_distance(before, before) == 0


def test_a_model_without_signs_has_no_pattern(rng):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softplus"), keras.layers.Dense(1)])
    assert dyn.activation_pattern(model, rng.standard_normal((2, 4))) is None


def test_layers_of_activations_and_images_have_patterns(rng):
    layers = [keras.layers.Conv2D(2, 3), keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.Dense(2, "relu")]
    model = keras.Sequential([keras.Input((5, 5, 1)), *layers])
    assert dyn.activation_pattern(model, rng.standard_normal((3, 5, 5, 1))).shape == (3, 2 * 9)


# -- landscape ---------------------------------------------------------------------------------------------------------


def of_loss(model, x, y, loss):
    f = np.asarray(model(x))
    if loss == "square":
        return np.sum((f - y) ** 2) / (2 * len(f))
    return np.mean(np.log(np.sum(np.exp(f), axis=1)) - f[np.arange(len(f)), y])


def dense_hessian(model, x, y, loss, h=1e-4):
    """The loss Hessian by second differences of the loss itself."""
    w = vector(model)

    def at(*moves):
        moved = w.copy()
        for i, step in moves:
            moved[i] += step
        assign(model, moved)
        return of_loss(model, x, y, loss)

    found = np.zeros((len(w), len(w)))
    for i in range(len(w)):
        for j in range(i + 1):
            signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            total = sum(s * t * at((i, s * h), (j, t * h)) for s, t in signs)
            found[i, j] = found[j, i] = total / (4 * h * h)
    assign(model, w)
    return found


@pytest.mark.parametrize("loss", ["square", "cross_entropy"])
def test_the_sharpness_is_that_of_the_dense_loss_hessian(rng, loss):
    model, x = network(width=2, outputs=2), rng.standard_normal((9, 4))
    y = rng.integers(2, size=9) if loss == "cross_entropy" else rng.standard_normal((9, 2))
    values = np.linalg.eigvalsh(dense_hessian(model, x, y, loss))[::-1]
    hessian = dyn.LossHessian(model, x, y, loss)
    np.testing.assert_allclose(hessian.largest(3), values[:3], rtol=1e-3)
    model.set_weights([1.3 * each for each in model.get_weights()])
    values = np.linalg.eigvalsh(dense_hessian(model, x, y, loss))[::-1]
    np.testing.assert_allclose(hessian.largest(1), values[:1], rtol=1e-3)


def test_the_loss_is_a_mean_over_all_blocks(rng, monkeypatch):
    model, x, y = network(), rng.standard_normal((7, 4)), rng.standard_normal((7, 3))
    v = rng.standard_normal(len(vector(model)))
    whole = dyn.LossHessian(model, x, y).product(v)
    monkeypatch.setattr("ntkbench_dynamics.landscape.BLOCK", 3)
    np.testing.assert_allclose(dyn.LossHessian(model, x, y).product(v), whole, rtol=1e-10)


def test_gradient_descent_diverges_above_the_bound_of_stability(rng):
    """On a quadratic loss the bound is exact, with and without momentum."""
    model = keras.Sequential([keras.Input((4,), dtype="float64"), keras.layers.Dense(1, dtype="float64")])
    x, y = rng.standard_normal((9, 4)), rng.standard_normal((9, 1))
    (sharpness,) = dyn.LossHessian(model, x, y).largest()
    for momentum in (0.0, 0.9):
        losses = {}
        for factor in (0.98, 1.02):
            rate = factor * dyn.stability(1.0, momentum) / sharpness
            trainer = nb.training.Trainer(model, x, y, learning_rate=rate, momentum=momentum)
            start = trainer.start()
            losses[factor] = trainer.loss(trainer.advance(start, 1000)) / trainer.loss(start)
        assert losses[0.98] < 10 and losses[1.02] > 1e3


def test_the_barrier_of_a_known_landscape():
    error = lambda w: float(np.sin(np.pi * w[0] / 2) ** 2 + 0.2 * w[1])  # noqa: E731
    w, v = np.array([2.0, 1.0]), np.array([0.0, 0.0])
    np.testing.assert_allclose(dyn.barrier(error, w, v), 1 + 0.1 - 0.1)
    assert dyn.barrier(error, w, w) == 0
    np.testing.assert_allclose(dyn.barrier(lambda w: w[1], w, v), 0.5)
    with pytest.raises(nb.NtkbenchError, match="at least 3"):
        dyn.barrier(error, w, v, points=2)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, 2, -1], "from -1 to 2"),
        ([0, 1, 2, 3], "from 0 to 3"),
        ([0.0, 1.0, 2.0, 1.0], "float64"),
        ([[0], [1], [2], [1]], r"shape \[4, 1\]"),
        (np.eye(3)[[0, 1, 2, 1]], "float64"),
    ],
)
def test_labels_that_are_no_classes_are_refused(rng, labels, words):
    """A negative label would be counted from the last class, and a column of labels compared with every input."""
    model, x = network(), rng.standard_normal((4, 4))
    trainer = nb.training.Trainer(model, x, np.zeros((4, 3)), learning_rate=0.1)
    with pytest.raises(nb.NtkbenchError, match=words):
        dyn.LossHessian(model, x, labels, "cross_entropy")
    with pytest.raises(nb.NtkbenchError, match=words):
        dyn.share_wrong(trainer, x, labels)(trainer.start().weights)


def test_a_share_of_wrong_samples_needs_classes_and_a_label_for_each(rng):
    x = rng.standard_normal((4, 4))
    for outputs, labels, words in ((1, [0, 0, 0, 0], "one output"), (3, [0, 1], "4 inputs and 2 labels")):
        trainer = nb.training.Trainer(network(outputs=outputs), x, np.zeros((4, outputs)), learning_rate=0.1)
        with pytest.raises(nb.NtkbenchError, match=words):
            dyn.share_wrong(trainer, x, labels)(trainer.start().weights)


def test_arguments_without_a_meaning_are_sentences(rng, tmp_path):
    model, x, y = network(), rng.standard_normal((4, 4)), np.zeros((4, 3))
    trainer = nb.training.Trainer(model, x, y, learning_rate=0.1)
    for words, call in (
        ("outputs=0", lambda: dyn.trace_kernel(np.eye(6), 0)),
        ("outputs=-3", lambda: dyn.trace_kernel(np.eye(6), -3)),
        ("learning_rate=0", lambda: dyn.stability(0)),
        ("k=1.5", lambda: dyn.LossHessian(model, x, y).largest(1.5)),
        ("dt=-1", lambda: dyn.Track(trainer, model, x, 3, tmp_path, dt=-1)),
        ("dt=nan", lambda: dyn.Track(trainer, model, x, 3, tmp_path, dt=np.nan)),
        ("does not exist", lambda: dyn.Track(trainer, model, x, 3, tmp_path / "none")),
        ("4 inputs and 3 targets", lambda: dyn.linear_probe(model, x, y[:3], x)),
    ):
        with pytest.raises(nb.NtkbenchError, match=words):
            call()
