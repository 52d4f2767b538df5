"""Networks that are fixed features of the ReLU tangent kernel with a trained linear readout, and their limits."""

import math
from abc import abstractmethod

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import ntkbench as nb
from ntkbench import NtkbenchError, layers
from ntkbench.seeds import seed_for

from .activations import activation_of
from .ntk_sketch import PolynomialSketch
from .polynomial import coefficients
from .random_features import SAMPLING, SKETCHES, sizes_of
from .sketches import COMPLEX, in_dtype
from .tangent import draw_layers, features

psd_kernels = tfp.math.psd_kernels


class FixedFeatures(keras.layers.Layer):
    """Fixed random features of x/√d: [N, d] → [N, m]. All that is drawn is stored as non-trainable weights.

    Args:
        seed: Seed of the features.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, *, seed, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    @abstractmethod
    def draw(self, rng, d):
        """Return the nest of arrays of a map of vectors [d]."""

    @abstractmethod
    def apply(self, drawn, x):
        """Return the features of x: [N, d] → [N, m]."""

    def build(self, input_shape):
        """Draw the map."""

        def stored(array):
            kind = None if array.dtype.kind == "f" else "int32"
            return self.add_weight(
                shape=array.shape,
                initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(array.astype(dtype)),
                dtype=kind,
                trainable=False,
            )

        self.drawn = tf.nest.map_structure(stored, self.draw(np.random.default_rng(self.seed), input_shape[-1]))

    def call(self, x):
        """Return the features of x; those of half precision are computed in float32."""
        dtype = x.dtype if x.dtype in COMPLEX else tf.float32
        scaled = tf.cast(x, dtype) / math.sqrt(x.shape[-1])
        return tf.cast(self.apply(in_dtype(self.drawn, dtype), scaled), x.dtype)

    def get_config(self):
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"seed": self.seed}


@keras.saving.register_keras_serializable("ntkbench_features")
class ReluFeatures(FixedFeatures):
    """The map of `NTKRandomFeatures`.

    Args:
        units: Number of features.
        depth: Number of hidden layers of the kernel's network.
        sketch: "srht" or "count".
        sampling: "gaussian" or "leverage".
        **kwargs: Arguments of `FixedFeatures`.
    """

    def __init__(self, units, *, depth=1, sketch="srht", sampling="gaussian", **kwargs):
        super().__init__(**kwargs)
        self.units, self.depth, self.sketch, self.sampling = units, depth, sketch, sampling

    def draw(self, rng, d):
        """Return the random layers."""
        return draw_layers(rng, d, self.depth, sizes_of(self.units), SKETCHES[self.sketch], SAMPLING[self.sampling])

    def apply(self, drawn, x):
        """Return the features of x."""
        return features(x, drawn, activation_of("relu"))

    def compute_output_shape(self, input_shape):
        """Return [N, m]."""
        return (input_shape[0], sum(sizes_of(self.units)[1:]))

    def get_config(self):
        """Return the constructor's arguments as plain values."""
        given = {"units": self.units, "depth": self.depth, "sketch": self.sketch, "sampling": self.sampling}
        return super().get_config() | given


@keras.saving.register_keras_serializable("ntkbench_features")
class SketchFeatures(FixedFeatures):
    """The map of `NTKSketch`.

    Args:
        units: Number of features; an even number gives one less.
        depth: Number of hidden layers of the kernel's network.
        degree: Degree of the polynomial.
        **kwargs: Arguments of `FixedFeatures`.
    """

    def __init__(self, units, *, depth=1, degree=8, **kwargs):
        super().__init__(**kwargs)
        self.units, self.depth, self.degree = units, depth, degree

    def draw(self, rng, d):
        """Return the sketch."""
        return PolynomialSketch.draw(rng, d, coefficients(self.depth, self.degree), self.units - 1)

    def apply(self, drawn, x):
        """Return the features of x."""
        return drawn(x)

    def compute_output_shape(self, input_shape):
        """Return [N, m]."""
        return (input_shape[0], 2 * ((self.units - 1) // 2) + 1)

    def get_config(self):
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"units": self.units, "depth": self.depth, "degree": self.degree}


def build_features(width, *, input_shape, outputs=1, seed, depth=1, sketch="srht", sampling="gaussian"):
    """Return a trained readout of `width` random features of the ReLU tangent kernel: [N, d] → [N, outputs].

    The tangent kernel approximates |x||x'| Θ_L / d. Source: Zandieh et al. 2021 (arXiv 2106.07880).

    Args:
        width: Number of features.
        input_shape: Shape of one input, (d,).
        outputs: Number of outputs.
        seed: Seed of the features and of the readout.
        depth: Number of hidden layers L of the kernel's network.
        sketch: "srht" or "count".
        sampling: "gaussian" or "leverage".
    """
    map_ = ReluFeatures(max(width, 3), depth=depth, sketch=sketch, sampling=sampling, seed=seed_for(seed, "features"))
    return _with_readout(map_, input_shape, outputs, seed)


def build_sketch(width, *, input_shape, outputs=1, seed, depth=1, degree=8):
    """Return a trained readout of a polynomial sketch of the ReLU tangent kernel: [N, d] → [N, outputs].

    The tangent kernel approximates |x||x'| p(cos) / d with the polynomial p of `ntkbench_features.NTKSketch`.

    Args:
        width: Number of features; an even number gives one less.
        input_shape: Shape of one input, (d,).
        outputs: Number of outputs.
        seed: Seed of the features and of the readout.
        depth: Number of hidden layers L of the kernel's network.
        degree: Degree of the polynomial.
    """
    map_ = SketchFeatures(max(width, 3), depth=depth, degree=degree, seed=seed_for(seed, "features"))
    return _with_readout(map_, input_shape, outputs, seed)


def _with_readout(map_, input_shape, outputs, seed):
    """Return the model x → W·features(x) with W ~ N(0, 1), whose tangent kernel is the features' Gram matrix."""
    if len(input_shape) != 1:
        raise NtkbenchError(f"The features take vectors, but one input has shape {tuple(input_shape)}.")
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = map_(x)
    readout = layers.Dense(outputs, weight_std=math.sqrt(h.shape[-1]), seed=seed_for(seed, "readout"))
    return keras.Model(x, readout(h))


def relu_limit(*, depth):
    """Return the kernel |x||x'| Θ_L / d on vectors [d], of a linear model: without a separate `nngp`."""
    kernel = nb.kernels.named("fully-connected", activation="relu", depth=depth, weight_std=math.sqrt(2))
    return psd_kernels.FeatureTransformed(kernel, lambda x, *_: x * math.sqrt(0.5))


def polynomial_limit(*, depth, degree):
    """Return the kernel |x||x'| p(cos) / d on vectors [d], with the polynomial p of `NTKSketch`."""
    return OfCosine(coefficients(depth, degree))


class OfCosine(psd_kernels.PositiveSemidefiniteKernel):
    """The kernel |x||x'| Σ c_i cosⁱ / d on vectors [d].

    Args:
        coefficients: Coefficients c_0 … c_q ≥ 0.
    """

    def __init__(self, coefficients):
        self.coefficients = tuple(coefficients)
        super().__init__(1, dtype=None, name="OfCosine", parameters={"coefficients": self.coefficients})

    @classmethod
    def _parameter_properties(cls, dtype):
        return {}

    def _batch_shape(self):
        return tf.TensorShape([])

    def _batch_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _apply(self, x1, x2, example_ndims=0):
        sizes = [tf.norm(x, axis=-1) for x in (x1, x2)]
        size = sizes[0] * sizes[1]
        cosine = tf.math.divide_no_nan(tf.reduce_sum(x1 * x2, -1), size)
        return size * self._polynomial(cosine) / x1.shape[-1]

    def _matrix(self, x1, x2):
        size = tf.norm(x1, axis=-1)[..., :, None] * tf.norm(x2, axis=-1)[..., None, :]
        cosine = tf.math.divide_no_nan(tf.matmul(x1, x2, transpose_b=True), size)
        return size * self._polynomial(cosine) / x1.shape[-1]

    def _polynomial(self, cosine):
        return tf.math.polyval([tf.constant(c, cosine.dtype) for c in reversed(self.coefficients)], cosine)
