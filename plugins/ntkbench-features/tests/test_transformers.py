"""The transformers follow scikit-learn's conventions, and their features have the kernel's inner products."""

import pickle

import dask.array
import keras
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import ntkbench as nb
from ntkbench import layers
from ntkbench_features import CNTKSketch, GradientFeatures, NTKRandomFeatures, NTKSketch, NystroemNTK, relu_ntk

X = np.random.default_rng(0).standard_normal((40, 9))
X[3] = 0


def network(input_shape, dtype="float64"):
    """Return a network with two outputs."""
    hidden = [layers.Dense(4, "tanh", seed=1, dtype=dtype), layers.Dense(2, seed=2, dtype=dtype)]
    flatten = keras.layers.Flatten(dtype=dtype)
    return keras.Sequential([keras.Input(input_shape, dtype=dtype), flatten, *hidden])


def single(input_shape):
    """Return the network in float32."""
    return network(input_shape, "float32")


def beyond_float32(estimator):
    """Return the checks of scikit-learn that allow relative errors of 1e-7, which float32 networks may exceed."""
    names = ("check_methods_sample_order_invariance", "check_methods_subset_invariance")
    return dict.fromkeys(names if getattr(estimator, "model", None) is single else (), "rounding of float32")


KINDS = [NTKRandomFeatures, NTKSketch, CNTKSketch, NystroemNTK]


@parametrize_with_checks(
    [
        NTKRandomFeatures(16, depth=2),
        NTKRandomFeatures(16, sketch="count", sampling="leverage"),
        NTKSketch(17, degree=3),
        NTKSketch(17, degree=3, activation="erf"),
        CNTKSketch(17, degree=2),
        NystroemNTK(n_components=8),
        GradientFeatures(network, n_components=5),
        GradientFeatures(single, n_components=5),
    ],
    expected_failed_checks=beyond_float32,
)
def test_scikit_learn(estimator, check):
    check(estimator)


def kernel(x, depth):
    norms = np.linalg.norm(x, axis=1)
    norms[norms == 0] = 1
    u = x / norms[:, None]
    return np.outer(norms, norms) * relu_ntk(u @ u.T, depth) * np.outer(x.any(1), x.any(1))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (NTKRandomFeatures, {}),
        (NTKRandomFeatures, {"depth": 3}),
        (NTKRandomFeatures, {"sketch": "count"}),
        (NTKRandomFeatures, {"sampling": "leverage"}),
        (NTKSketch, {"depth": 2}),
        (NTKSketch, {"depth": 3, "degree": 5}),
    ],
)
def test_the_kernel_of_the_features(kind, options):
    exact = kernel(X, options.get("depth", 1))
    errors = []
    for count in (512, 4096):
        z = [kind(count, random_state=seed, **options).fit_transform(X) for seed in range(3)]
        errors.append(np.mean([np.linalg.norm(f @ f.T - exact) for f in z]) / np.linalg.norm(exact))
    assert errors[1] < 0.15
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_sparse_inputs_and_precision(kind, dtype):
    x = X.astype(dtype)
    whole = kind(n_components=30, random_state=1).fit(x)
    seen = []
    parts = clone(whole).set_params(batch_size=7, progress=seen.append).fit(scipy.sparse.coo_array(x))
    z = whole.transform(x)
    assert z.dtype == dtype and np.isfinite(z).all()
    np.testing.assert_allclose(parts.transform(scipy.sparse.csr_matrix(x)), z, rtol=1e-5, atol=1e-5)
    assert len(seen) == 6 and seen[-1] == 1 and sorted(seen) == seen
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(whole)).transform(x), z)
    assert z.shape[1] == len(whole.get_feature_names_out())
    assert not z[3].any() or kind is NystroemNTK


@pytest.mark.parametrize("kind", KINDS)
def test_the_random_state(kind):
    first, again, other = (kind(n_components=20, random_state=seed).fit_transform(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize(
    ("dtype", "factor"), [("float32", 1e20), ("float32", 1e-20), ("float64", 1e160), ("float64", 1e-160)]
)
@pytest.mark.parametrize(
    "transformer",
    [
        NTKSketch(17, degree=3, depth=2, random_state=0),
        NTKSketch(17, degree=3, depth=2, activation="linear", random_state=0),
        CNTKSketch(17, degree=2, depth=2, input_shape=(3, 3), random_state=0),
        NTKRandomFeatures(16, depth=2, random_state=0),
    ],
)
def test_features_of_homogeneous_networks_scale_with_inputs_of_any_size(transformer, dtype, factor):
    x, factor = X.astype(dtype), np.dtype(dtype).type(factor)
    features = clone(transformer).fit_transform(x)
    scaled = clone(transformer).fit_transform(factor * x)
    assert scaled.dtype == dtype and features.any()
    np.testing.assert_allclose(scaled / factor, features, rtol=1e-3, atol=1e-5 if dtype == "float32" else 1e-12)


def test_a_bounded_activation_takes_inputs_of_any_size():
    sketch = NTKSketch(17, degree=3, activation="erf", random_state=0)
    assert np.isfinite(sketch.fit_transform(1e20 * X.astype("float32"))).all()


def test_a_pipeline_and_a_grid_search():
    steps = make_pipeline(NTKRandomFeatures(64, random_state=0), Ridge()).set_output(transform="pandas")
    search = GridSearchCV(steps, {"ntkrandomfeatures__depth": [1, 2]}, cv=3).fit(X, X[:, 0])
    assert search.best_score_ > 0.5


@pytest.mark.parametrize(
    ("transformer", "words"),
    [
        (NTKRandomFeatures(0), "n_components=0"),
        (NTKRandomFeatures(depth=1.5), "depth=1.5"),
        (NTKRandomFeatures(sketch="srth"), "'srht', 'count'"),
        (NTKRandomFeatures(sampling="uniform"), "'gaussian', 'leverage'"),
        (NTKRandomFeatures(activation="tahn"), "tanh"),
        (NTKRandomFeatures(activation="softmax"), "mixes units"),
        (NTKRandomFeatures(activation="tanh", sampling="leverage"), "activation='relu'"),
        (NTKRandomFeatures(batch_size=0), "batch_size=0"),
        (NTKSketch(degree=1), "degree=1"),
        (NTKSketch(activation="softmax"), "mixes units"),
        (NystroemNTK("fully-conected"), "fully-connected"),
        (NystroemNTK(kernel=3), "kernel=3"),
        (NystroemNTK(input_shape=(3, 4, 1)), "9 entries"),
        (NystroemNTK("convolutional"), "input_shape of 3 integers"),
        (NystroemNTK(input_shape=(3, 3)), "takes inputs with 1 axes"),
        (CNTKSketch(input_shape=9), "input_shape=9 is invalid"),
        (CNTKSketch(input_shape=(-3, -3)), "positive integers"),
        (CNTKSketch(input_shape=(9, None)), "positive integers"),
        (GradientFeatures(network, input_shape=(9.0,)), "positive integers"),
        (GradientFeatures(network, input_shape=(2, 4)), "9 entries"),
        (GradientFeatures(None), "model=None"),
        (NTKRandomFeatures(sketch=["srht"]), "'srht', 'count'"),
        (GradientFeatures(network, n_components=0), "n_components=0"),
    ],
)
def test_invalid_parameters_are_sentences(transformer, words):
    with pytest.raises(nb.NtkbenchError, match=words):
        transformer.fit(X)


def test_nystroem_features_are_exact_at_landmarks():
    x = np.random.default_rng(1).standard_normal((30, 16))
    kernel = nb.kernels.named("convolutional", pooled=True)
    image = x.reshape(-1, 4, 4, 1)
    every = NystroemNTK(kernel, input_shape=(4, 4, 1), n_components=99).fit_transform(x)
    np.testing.assert_allclose(every @ every.T, kernel.matrix(image, image), atol=1e-8)
    few = NystroemNTK("convolutional", {"pooled": True}, input_shape=(4, 4, 1), n_components=12, random_state=0).fit(x)
    z, landmarks = few.transform(x), few.transform(few.landmarks_.reshape(12, 16))
    np.testing.assert_allclose(z @ landmarks.T, kernel.matrix(image, few.landmarks_), atol=1e-8)


def test_gradient_features_have_the_empirical_kernel():
    model = network((3, 3, 1))
    z = GradientFeatures(model, input_shape=(3, 3, 1), batch_size=7).fit_transform(X)
    exact = nb.empirical_ntk(model, X.reshape(-1, 3, 3, 1))
    assert z.shape == (40, 2 * model.count_params())
    np.testing.assert_allclose(z @ z.T, exact, rtol=1e-12, atol=1e-12)
    sketched = [
        GradientFeatures(model, input_shape=(3, 3, 1), n_components=2000, random_state=seed).fit_transform(X)
        for seed in range(2)
    ]
    assert max(np.linalg.norm(f @ f.T - exact) for f in sketched) < 0.1 * np.linalg.norm(exact)


@pytest.mark.parametrize("inputs", ["float32", "float64"])
@pytest.mark.parametrize("weights", ["float32", "float64"])
def test_gradient_features_have_the_precision_of_the_network(inputs, weights):
    model, x = network((9,), weights), X.astype(inputs)
    for n_components in (None, 5):
        transformer = GradientFeatures(model, n_components=n_components).fit(x)
        z = transformer.transform(x)
        assert z.dtype == weights
        error = 1e-5 if weights == "float32" else 1e-12
        np.testing.assert_allclose(transformer.transform(x[::-1])[::-1], z, rtol=error, atol=error)
        lazy = transformer.transform(dask.array.from_array(x, chunks=(30, 9)))
        assert lazy.dtype == lazy.compute().dtype == weights
