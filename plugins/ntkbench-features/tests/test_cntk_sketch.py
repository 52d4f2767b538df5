"""The sketch of a convolutional kernel, against the exact kernel and against the kernel of its polynomials."""

import time

import numpy as np
import pytest
import scipy.ndimage

import ntkbench as nb
from ntkbench_features import CNTKSketch, relu_ntk
from ntkbench_features.polynomial import layer_coefficients
from ntkbench_features.tangent import k0, k1

SHAPE = (5, 4, 2)
IMAGES = scipy.ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((10, *SHAPE)), (0, 1, 1, 0))
X = IMAGES.reshape(10, -1)


def patches_mean(s, size, padding):
    """Return means over a filter that moves along both images of a pair: [N, N, h, w, h, w] → the same of patches."""
    before = (size - 1) // 2 if padding == "same" else 0
    after = size - 1 - before if padding == "same" else 0
    s = np.pad(s, [(0, 0)] * 2 + [(before, after)] * 4)
    h, w = (s.shape[axis] - size + 1 for axis in (2, 3))
    taps = [(a, b) for a in range(size) for b in range(size)]
    return sum(s[:, :, a : a + h, b : b + w, a : a + h, b : b + w] for a, b in taps) / size**2


def kernel_by_pairs(images, functions, size=3, padding="same"):
    """Return the kernel with a pair (k1, k0) for every convolution, from all pairs of positions: [N, N]."""
    s = np.einsum("nijc,mklc->nmijkl", images, images)
    theta = np.zeros_like(s)
    for units, slopes in functions:
        s = patches_mean(s, size, padding)
        theta = patches_mean(theta, size, padding) + s
        square = np.einsum("nnijij->nij", s)
        norms = np.sqrt(square[:, None, :, :, None, None] * square[None, :, None, None])
        cosine = np.clip(np.divide(s, norms, out=np.zeros_like(s), where=norms > 0), -1, 1)
        s, theta = norms * units(cosine), theta * slopes(cosine)
    return (s + theta).mean((2, 3, 4, 5))


def polynomials(depth, degree):
    """Return the pairs of functions that the sketch of a depth and degree estimates."""

    def function(c):
        return lambda a: np.polynomial.polynomial.polyval(a, c)

    return [tuple(map(function, layer_coefficients(degree, 0.0 if number else -1.0))) for number in range(depth)]


def exact_kernel(images, depth, padding="same", size=3):
    k = nb.kernels
    hidden = [k.Conv(2**0.5, kernel_size=size, padding=padding), k.Activation("relu")] * depth
    limit = k.InfiniteWidth([*hidden, k.GlobalAveragePooling(), k.Dense(2**0.5)], feature_ndims=3)
    return images.shape[-1] / 2 * limit.matrix(images).numpy()


def distance(z, exact):
    return np.linalg.norm(z @ z.T - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize(
    ("depth", "size", "padding"), [(1, 3, "same"), (3, 3, "same"), (2, 2, "same"), (2, 2, "valid")]
)
def test_the_reference_is_the_exact_kernel(depth, size, padding):
    found = kernel_by_pairs(IMAGES, [(k1, k0)] * depth, size, padding)
    np.testing.assert_allclose(found, exact_kernel(IMAGES, depth, padding, size), rtol=1e-6)


def test_one_convolution_is_unbiased_and_its_scatter_falls_like_the_root_of_the_number_of_features():
    pair, draws, sizes = X[:2], 120, (41, 161, 641)
    expected = kernel_by_pairs(IMAGES[:2], polynomials(1, 3))[0, 1]
    spread = []
    for m in sizes:
        sketches = [CNTKSketch(m, input_shape=SHAPE, depth=1, degree=3, random_state=seed) for seed in range(draws)]
        products = np.array([z[0] @ z[1] for z in (each.fit_transform(pair) for each in sketches)])
        assert abs(products.mean() - expected) < 4.5 * products.std() / np.sqrt(draws)
        spread.append(products.std())
    slope, _ = np.polyfit(np.log(sizes), np.log(spread), 1)
    assert slope == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize(("depth", "size", "padding"), [(2, 3, "same"), (2, 2, "valid"), (3, 3, "same")])
def test_deep_networks_converge_to_the_kernel_of_the_polynomials(depth, size, padding):
    """The median error over draws, which are heavy-tailed for few features, falls like the root of their number."""
    expected, sizes, errors = kernel_by_pairs(IMAGES, polynomials(depth, 4), size, padding), (101, 401, 1601), []
    options = {"input_shape": SHAPE, "depth": depth, "degree": 4, "filter_size": size, "padding": padding}
    for m in sizes:
        z = [CNTKSketch(m, random_state=seed, **options).fit_transform(X) for seed in range(12)]
        errors.append(np.median([distance(each, expected) for each in z]))
    slope, _ = np.polyfit(np.log(sizes), np.log(errors), 1)
    assert slope == pytest.approx(-0.5, abs=0.15)
    assert errors[-1] < 0.15


@pytest.mark.parametrize("depth", [1, 2])
def test_the_exact_kernel_is_approximated(depth):
    exact = exact_kernel(IMAGES, depth)
    polynomial = [np.linalg.norm(kernel_by_pairs(IMAGES, polynomials(depth, q)) - exact) for q in (2, 4, 8, 16)]
    assert (np.diff(polynomial) < 0).all()
    assert polynomial[2] < 0.02 * np.linalg.norm(exact)
    z = [CNTKSketch(4001, input_shape=SHAPE, depth=depth, random_state=seed).fit_transform(X) for seed in range(4)]
    assert np.mean([distance(each, exact) for each in z]) < 0.08


def test_images_of_one_pixel_have_the_kernel_of_a_fully_connected_network():
    x = np.random.default_rng(1).standard_normal((20, 6))
    norms = np.linalg.norm(x, axis=1)
    exact = np.outer(norms, norms) * relu_ntk(x @ x.T / np.outer(norms, norms), 2)
    options = {"input_shape": (1, 1, 6), "depth": 2, "filter_size": 1}
    z = [CNTKSketch(4001, random_state=seed, **options).fit_transform(x) for seed in range(4)]
    assert np.mean([distance(each, exact) for each in z]) < 0.13


def test_parts_of_large_images_are_mapped_one_after_another():
    """More than 2048 positions: the map of many images is that of each one."""
    images = np.random.default_rng(2).standard_normal((5, 30 * 24))
    sketch = CNTKSketch(41, input_shape=(30, 24), depth=2, degree=2, random_state=0).fit(images)
    np.testing.assert_allclose(sketch.transform(images), [sketch.transform(each[None])[0] for each in images])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_shape": (5, 4, 3)}, "40 entries"),
        ({"input_shape": (5, 2, 2, 2)}, r"\(h, w, c\)"),
        ({"input_shape": SHAPE, "padding": "valid", "depth": 2}, "5 × 4 pixels are too small for 2 convolutions"),
        ({"padding": "circular"}, "'same', 'valid'"),
        ({"filter_size": 0}, "filter_size=0"),
        ({"depth": 0}, "depth=0"),
        ({"degree": 1}, "degree=1"),
        ({"n_components": 2.5}, "n_components=2.5"),
    ],
)
def test_invalid_parameters_are_sentences(options, words):
    with pytest.raises(nb.NtkbenchError, match=words):
        CNTKSketch(**options).fit(X)


def test_time_is_linear_in_the_number_of_pixels():
    """Processor time from 8 × 8 to 32 × 32 pixels, where the exact kernel's exponent is 2."""
    sides, times = (8, 16, 32), []
    for side in sides:
        images = np.random.default_rng(0).standard_normal((32, side**2))
        sketch = CNTKSketch(101, input_shape=(side, side), depth=2, degree=4, random_state=0).fit(images)
        sketch.transform(images)
        start = time.process_time()
        sketch.transform(images)
        times.append(time.process_time() - start)
    assert np.polyfit(np.log(np.square(sides)), np.log(times), 1)[0] == pytest.approx(1, abs=0.3)
