"""Check functions of the suite han2021.

Kernels are those of ReLU networks, on 60 Gaussian inputs of size 16 unless a function says otherwise. Times are
processor times.
"""

import functools
from pathlib import Path

import numpy as np
import tensorflow as tf

import ntkbench as nb
from ntkbench import layers
from ntkbench.datasets import diabetes, digits

from . import costs, data
from .activations import activation_of
from .approximation import frobenius_error, spectral_error
from .cntk_sketch import CNTKSketch
from .gradient_features import GradientFeatures
from .polynomial import coefficients
from .random_features import NTKRandomFeatures
from .regression import Comparison, Kernels, covered_ridge
from .ridge import StreamingRidge
from .sketches import TensorSRHT, in_dtype
from .tangent import draw_layers, exact_features, features, k0, k1, relu_ntk

SIZES = (128, 256, 512, 1024, 2048)  # slopes, units and sketched products each
GOLDEN = {
    1: (0.0, -0.057669, 0.318310, 0.942331, 2.0),
    2: (0.318310, 0.343862, 0.685709, 1.351480, 3.0),
    3: (0.685709, 0.742249, 1.060388, 1.737845, 4.0),
}
FEATURES = 4096
ROWS = (1000, 2000, 4000)  # samples of the timings
SIDES = (8, 16, 32)  # of the images


def han2021_file():
    """Return the path of the suite file han2021.toml."""
    return Path(__file__).parent / "han2021.toml"


def kernel(x, y=None, depth=1):
    """Return |x||x'| Θ_L: [N, d], [M, d] → [N, M]."""
    y = x if y is None else y
    sizes = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
    cosine = np.divide(x @ y.T, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    if y is x:
        np.fill_diagonal(cosine, 1)  # without rounding, which the root at cosine 1 amplifies
    return sizes * relu_ntk(cosine, depth)


def inputs(seed, n=60, d=16):
    """Return Gaussian inputs [n, d]."""
    return np.random.default_rng([seed, n, d]).standard_normal((n, d))


@functools.cache
def errors(seed, depth, leverage=False):
    """Return the relative Frobenius and the spectral error at a tenth of the mean diagonal, by the size of each part.

    Returns:
        A dictionary {m: (Frobenius, spectral)}.
    """
    x, found = inputs(seed), {}
    exact = kernel(x, depth=depth)
    ridge = 0.1 * np.mean(np.diag(exact))
    for m in SIZES:
        drawn = draw_layers(np.random.default_rng([seed, m]), x.shape[1], depth, (m, m, m), TensorSRHT, leverage)
        psi = features(tf.constant(x), in_dtype(drawn, tf.float64), activation_of("relu")).numpy()
        gram = psi @ psi.T
        found[m] = frobenius_error(gram, exact), spectral_error(gram, exact, ridge)
    return found


def closed_form(seed):
    """Return the differences of Θ_L at cosines −1, −1/2, 0, 1/2, 1 from their golden values, L = 1, 2, 3."""
    del seed
    cosines = [-1, -0.5, 0, 0.5, 1]
    return [d for depth, wanted in GOLDEN.items() for d in relu_ntk(cosines, depth) - wanted]


def exact_mode(seed):
    """Return the largest deviation of the pipeline with exact features from the closed form, L = 1, 2, 3."""
    x = inputs(seed)
    grams = {depth: exact_features(x, depth) for depth in (1, 2, 3)}
    return [float(np.abs(z @ z.T - kernel(x, depth=depth)).max()) for depth, z in grams.items()]


def unbiased(seed):
    """Return the relative errors of the mean products of 10⁶ slopes and units, for one pair of inputs."""
    rng = np.random.default_rng(seed)
    x = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    layer = draw_layers(rng, 2, 1, (10**6, 10**6, 2), TensorSRHT)[0]
    layer, relu = in_dtype(layer, tf.float64), activation_of("relu")
    slopes, units = (part(tf.constant(x), relu).numpy() for part in (layer.slopes, layer.units))
    return [float(slopes[0] @ slopes[1] / k0(0.5) - 1), float(units[0] @ units[1] / k1(0.5) - 1)]


def rate(seed, depth, leverage=False, which=0):
    """Return an error of `errors` by the number of features."""
    return {m: both[which] for m, both in errors(seed, depth, leverage).items()}


def rate_one(seed):
    """Return {m: relative Frobenius error} for one hidden layer."""
    return rate(seed, 1)


def rate_two(seed):
    """Return {m: relative Frobenius error} for two hidden layers."""
    return rate(seed, 2)


def rate_leverage(seed):
    """Return {m: relative Frobenius error} for one hidden layer and leverage scores."""
    return rate(seed, 1, leverage=True)


def rate_spectral(seed):
    """Return {m: spectral error} for one hidden layer."""
    return rate(seed, 1, which=1)


def depth_costs(seed):
    """Return the error of three hidden layers over that of one, at m = 1024."""
    return [errors(seed, 3)[1024][0] / errors(seed, 1)[1024][0]]


def leverage_is_as_good(seed):
    """Return the error with leverage scores over that with Gaussian weights, mean over m."""
    return [np.mean([errors(seed, 1, True)[m][0] / errors(seed, 1)[m][0] for m in SIZES])]


def spectral_at_2048(seed):
    """Return the spectral errors of one and two hidden layers at m = 2048."""
    return [errors(seed, depth)[2048][1] for depth in (1, 2)]


def scatter_of_the_sketch(seed):
    """Return {size: standard deviation of ⟨sk(x, y), sk(x', y')⟩} over 100 draws of a TensorSRHT."""
    rng = np.random.default_rng(seed)
    x, y = (tf.constant(rng.standard_normal((2, d))) for d in (9, 7))
    found = {}
    for size in (32, 128, 512):
        z = [in_dtype(TensorSRHT.draw(rng, 9, 7, size), tf.float64)(x, y).numpy() for _ in range(100)]
        found[size] = np.std([each[0] @ each[1] for each in z])
    return found


def gradients_need_more(seed):
    """Return the error of gradients of a network with 2,040 weights over that of 2,048 random features."""
    import keras

    x, width, d = inputs(seed), 120, 16
    hidden = layers.Dense(width, "relu", weight_std=np.sqrt(d), seed=2 * seed, dtype="float64")
    readout = layers.Dense(1, weight_std=np.sqrt(2), seed=2 * seed + 1, dtype="float64")
    model = keras.Sequential([keras.Input((d,), dtype="float64"), hidden, readout])
    maps = GradientFeatures(model), NTKRandomFeatures(2048, random_state=seed)
    gradients, random = (frobenius_error(z @ z.T, kernel(x)) for z in (each.fit_transform(x) for each in maps))
    return [gradients / random]


def polynomials_improve(seed):
    """Return the largest error of the polynomial of degree 2q over that of degree q, q = 2, 4, 8 and L = 1, 3."""
    del seed
    grid = np.linspace(-1, 1, 2001)

    def largest(depth, degree):
        values = np.polynomial.polynomial.polyval(grid, coefficients(depth, degree))
        return np.abs(values - relu_ntk(grid, depth)).max()

    return [largest(depth, 2 * q) / largest(depth, q) for depth in (1, 3) for q in (2, 4, 8)]


# -- regression ------------------------------------------------------------------------------------------------------


def compared(task, seed, covered=False):
    """Return the comparison of ridge regression on 4,096 random features with that of the kernel, one hidden layer.

    Args:
        task: The task.
        seed: Seed of the features.
        covered: Whether to use the smallest ridge that the bound on the spectral error covers; by default, it is
            chosen by cross-validation of the exact kernel on the train part.
    """
    (x, _), (x_test, _) = task.train, task.test
    exact = Kernels(kernel(x), kernel(x_test, x))
    map_ = NTKRandomFeatures(FEATURES, random_state=seed)
    z, z_test = map_.fit_transform(x), map_.transform(x_test)
    ridge = covered_ridge(exact.train, FEATURES) if covered else None
    return Comparison(task, exact, Kernels(z @ z.T, z_test @ z.T), ridge)


@functools.cache
def on_digits(seed):
    """Return the comparison on digits at the cross-validated ridge."""
    return compared(digits.load_task(form="vector", seed=seed), seed)


def ridge_diabetes(seed):
    """Return the ratio of mean squared test errors on diabetes."""
    return [compared(diabetes.load_task(form="vector", seed=seed), seed).ratio]


def ridge_digits(seed):
    """Return the ratio of mean squared test errors on digits."""
    return [on_digits(seed).ratio]


def accuracy_digits(seed):
    """Return the ratio of test accuracies on digits."""
    features_, exact = on_digits(seed).errors
    return [(1 - features_) / (1 - exact)]


def dimension_digits(seed):
    """Return the statistical dimension of digits at the cross-validated ridge, over the number of train inputs."""
    found = on_digits(seed)
    return [found.dimension / len(found.targets)]


def covered_digits(seed):
    """Return the ratio of mean squared test errors on digits at the smallest ridge that the bound covers."""
    return [compared(digits.load_task(form="vector", seed=seed), seed, covered=True).ratio]


def ridge_tecator(seed):
    """Return the ratio of mean squared test errors on Tecator."""
    return [compared(data.task_of_tecator(), seed).ratio]


def ridge_phoneme(seed):
    """Return the ratio of mean squared test errors on phoneme."""
    return [compared(data.task_of_keel(seed=seed, table="phoneme", size=1000), seed).ratio]


def ridge_satimage(seed):
    """Return the ratio of mean squared test errors on satimage."""
    return [compared(data.task_of_keel(seed=seed, table="satimage", size=1000), seed).ratio]


def ridge_protein(seed):
    """Return the ratio of mean squared test errors on 1,000 rows of protein."""
    return [compared(data.task_of_uci(seed=seed, table="protein", size=1000), seed).ratio]


def more_samples(seed):
    """Return the test error of features on 20,000 samples over that of the exact kernel on 1,000 of them.

    The samples are scikit-learn's make_friedman1 with noise of variance 1; either ridge is chosen on the 1,000 samples.
    """
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(22_000, 10, noise=1.0, random_state=seed)
    x = (x - 0.5) * np.sqrt(12)
    few = nb.Task((x[:1000], y[:1000]), (x[20_000:], y[20_000:]), "regression")
    of_few = compared(few, seed)
    map_ = NTKRandomFeatures(2048, random_state=seed).fit(x)
    targets = few.targets(y[:, None])
    fitted = StreamingRidge(of_few.ridge).fit(map_.transform(x[:20_000]), targets[:20_000])
    return [few.error(fitted.predict(map_.transform(x[20_000:])), few.test[1]) / of_few.errors[1]]


# -- cost ------------------------------------------------------------------------------------------------------------


@functools.cache
def times(seed):
    """Return the processor time of ridge regression by n: with the exact kernel, and with 1,024 features."""
    return costs.ridge_seconds(ROWS, seed=seed)


def speed_up(seed):
    """Return {n: time with the exact kernel over that with features}."""
    exact, approximate = times(seed)
    return {n: exact[n] / approximate[n] for n in exact}


def crossing(seed):
    """Return the number of samples from which features are faster."""
    return [costs.crossing(*times(seed))]


def cntk_features_by_pixels(seed):
    """Return {pixels: seconds of CNTKSketch per image}."""
    found = {}
    for side in SIDES:
        images = inputs(seed, 2 * SIDES[-1] ** 2 // side**2, side**2)
        sketch = CNTKSketch(201, input_shape=(side, side), depth=2, degree=4, random_state=0).fit(images)
        found[side**2] = costs.processor_seconds(sketch.transform, images) / len(images)
    return found


def cntk_exact_exponent(seed):
    """Return the exponent in the number of pixels of the exact kernel's time per pair of images."""
    limit, found = cntk(), {}
    for side in SIDES:
        count = 2 * SIDES[-1] ** 2 // side**2  # as many pairs of pixels in every matrix
        images = inputs(seed, 2 * count, side**2).reshape(2, count, side, side, 1)
        found[side**2] = costs.processor_seconds(limit.matrix, *images) / count**2
    return [float(np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0])]


def cntk_rate(seed):
    """Return {m: median relative Frobenius error of five CNTKSketches} on six digits, two convolutions."""
    images, _ = digits.load(form="image", n=6, seed=seed)
    exact, found = cntk().matrix(images, images).numpy() / 2, {}
    for m in (51, 201, 801):
        options = {"input_shape": (8, 8), "depth": 2}
        maps = [CNTKSketch(m, random_state=5 * seed + draw, **options) for draw in range(5)]
        found[m] = np.median(
            [frobenius_error(z @ z.T, exact) for z in (each.fit_transform(images.reshape(6, -1)) for each in maps)]
        )
    return found


def cntk():
    """Return the exact kernel of two convolutions of images with one channel; it is twice that of `CNTKSketch`."""
    return nb.kernels.named("convolutional", depth=2, pooled=True, weight_std=np.sqrt(2))
