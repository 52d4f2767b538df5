"""Tangent kernels of fully connected networks: ReLU's closed form, and random and exact features of any activation.

The kernel is that of a network without biases and with L hidden layers: Θ_L of S_0 = Θ_0 = ⟨x, x'⟩,
S_h = E[φ(u)φ(u')] and Θ_h = Θ_{h−1} E[φ'(u)φ'(u')] + S_h, where (u, u') are Gaussian with the covariance S_{h−1} of the
two inputs, and φ is normalised (see `activations`). For ReLU, with weights of variance 2/fan-in, it is |x||x'| Θ_L(cos)
with the duals k1 and k0.

Sources: Cho, Saul 2009 for k0 and k1; Han et al. 2021 (arXiv 2104.01351) and Zandieh et al. 2021 (arXiv 2106.07880) for
the features.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from .activations import activation_of


def k0(a):
    """Return the arc-cosine kernel of order 0 at cosines a: 1 at a = 1."""
    return 1 - np.arccos(a) / np.pi


def k1(a):
    """Return the arc-cosine kernel of order 1 at cosines a: 1 at a = 1."""
    return (np.sqrt(1 - a * a) + a * (np.pi - np.arccos(a))) / np.pi


def relu_ntk(cosine, depth):
    """Return Θ_L, the tangent kernel of unit vectors.

    Args:
        cosine: Cosines of the angles between two vectors, any shape.
        depth: Number of hidden layers L.

    Returns:
        An array of the same shape, float64; depth + 1 at cosine 1.
    """
    s = theta = np.clip(np.asarray(cosine, np.float64), -1, 1)
    for _ in range(depth):
        new = np.clip(k1(s), -1, 1)
        theta = theta * k0(s) + new
        s = new
    return theta


class RandomLayer(NamedTuple):
    """Random features of one hidden layer.

    Attributes:
        slope_weights: Weights of the slopes [a, m0].
        unit_weights: Weights of the units [a, m1].
        sketch: Degree-2 sketch of the tangent features with the slopes.
    """

    slope_weights: Any
    unit_weights: Any
    sketch: Any

    def slopes(self, phi, activation):
        """Return features whose inner products have the mean E[φ'(u)φ'(u')]; for ReLU k0(cos): [N, m0]."""
        return activation.slope(phi @ self.slope_weights) / self.slope_weights.shape[1] ** 0.5

    def units(self, phi, activation):
        """Return features whose inner products have the mean E[φ(u)φ(u')]; for ReLU |x||x'| k1(cos): [N, m1]."""
        return activation.value(phi @ self.unit_weights) / self.unit_weights.shape[1] ** 0.5

    def product(self, psi, z):
        """Return features whose inner products have the mean ⟨ψ, ψ'⟩⟨z, z'⟩: [N, ms]."""
        return self.sketch(psi, z)


class ExactLayer(NamedTuple):
    """Exact features of one hidden layer for a fixed set of inputs: factors of the layer's kernel matrices [N, N]."""

    def slopes(self, phi, activation):
        """Return factors of E[φ'(u)φ'(u')]: [N, N]."""
        return _factor(activation.moments(_gram(phi))[1])

    def units(self, phi, activation):
        """Return factors of E[φ(u)φ(u')]: [N, N]."""
        return _factor(activation.moments(_gram(phi))[0])

    def product(self, psi, z):
        """Return factors of ⟨ψ, ψ'⟩⟨z, z'⟩: [N, N]."""
        return _factor(_gram(psi) * _gram(z))


def features(x, layers, activation):
    """Return the features of the tangent kernel of a network: [N, d] → [N, m].

    Args:
        x: Inputs [N, d].
        layers: One `RandomLayer` or `ExactLayer` for each hidden layer.
        activation: An `Activation`.
    """
    phi = psi = x
    for layer in layers:
        z, phi = layer.slopes(phi, activation), layer.units(phi, activation)
        psi = tf.concat([phi, layer.product(psi, z)], -1)
    return psi


def exact_features(x, depth, activation="relu"):
    """Return exact features of the tangent kernel at a fixed set of inputs, by factorising each layer's kernels.

    Args:
        x: Inputs [N, d].
        depth: Number of hidden layers.
        activation: Name of an activation.

    Returns:
        An array [N, 2N], float64, whose Gram matrix is the kernel of x. Its cost is cubic in N: use it as a reference.
    """
    x = tf.convert_to_tensor(np.asarray(x, np.float64))
    return features(x, [ExactLayer()] * depth, activation_of(activation)).numpy()


def draw_layers(rng, d, depth, sizes, sketch, leverage=False):
    """Draw the random layers of `features`.

    Args:
        rng: NumPy generator.
        d: Size of one input.
        depth: Number of hidden layers.
        sizes: Number of slopes, of units, and of features of the sketch.
        sketch: Class of the degree-2 sketch.
        leverage: Whether to sample the weights of ReLU units by their leverage scores. With the density |w|² N(0, I)
            and the features ReLU(⟨w, x⟩)/|w|, only the direction of w matters, which is uniform on the sphere.

    Returns:
        A tuple of `RandomLayer`s.
    """
    slopes, units, sketched = sizes
    layers, phi, psi = [], d, d
    for _ in range(depth):
        w0, w1 = rng.standard_normal((phi, slopes)), rng.standard_normal((phi, units))
        if leverage:
            w1 *= phi**0.5 / np.linalg.norm(w1, axis=0)
        layers.append(RandomLayer(w0, w1, sketch.draw(rng, psi, slopes, sketched)))
        phi, psi = units, units + sketched
    return tuple(layers)


def _gram(features):
    return features @ tf.transpose(features)


def _factor(matrix):
    """Return B with B Bᵀ = matrix, for a positive semidefinite matrix that may be singular."""
    values, vectors = tf.linalg.eigh(matrix)
    return vectors * tf.sqrt(tf.maximum(values, 0))
