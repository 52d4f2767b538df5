"""The ReLU tangent kernel: its closed form, and random features whose inner products approximate it.

The kernel is that of a fully connected network without biases, with L hidden layers and weights of variance 2/fan-in:
K(x, x') = |x||x'| Θ_L(cos) with Θ_0(a) = S_0 = a, S_h = k1(S_{h−1}) and Θ_h = Θ_{h−1} k0(S_{h−1}) + S_h.

Sources: Cho, Saul 2009 for k0 and k1; Han et al. 2021 (arXiv 2104.01351) and Zandieh et al. 2021 (arXiv 2106.07880) for
the features.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ntkbench.kernels.duals import dual_of


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
        step_weights: Weights of the step features [a, m0].
        relu_weights: Weights of the ReLU features [a, m1].
        sketch: Degree-2 sketch of the tangent features with the step features.
    """

    step_weights: Any
    relu_weights: Any
    sketch: Any

    def step(self, phi):
        """Return features whose inner products have the mean k0(cos): [N, m0]."""
        positive = tf.cast(phi @ self.step_weights > 0, phi.dtype)
        return (2 / self.step_weights.shape[1]) ** 0.5 * positive

    def relu(self, phi):
        """Return features whose inner products have the mean |φ||φ'| k1(cos): [N, m1]."""
        return (2 / self.relu_weights.shape[1]) ** 0.5 * tf.nn.relu(phi @ self.relu_weights)

    def product(self, psi, z):
        """Return features whose inner products have the mean ⟨ψ, ψ'⟩⟨z, z'⟩: [N, ms]."""
        return self.sketch(psi, z)


class ExactLayer(NamedTuple):
    """Exact features of one hidden layer for a fixed set of inputs: factors of the layer's kernel matrices [N, N]."""

    def step(self, phi):
        """Return factors of k0(cos): [N, N]."""
        return _factor(2 * _moments(phi)[1])

    def relu(self, phi):
        """Return factors of |φ||φ'| k1(cos): [N, N]."""
        return _factor(2 * _moments(phi)[0])

    def product(self, psi, z):
        """Return factors of ⟨ψ, ψ'⟩⟨z, z'⟩: [N, N]."""
        return _factor(_gram(psi) * _gram(z))


def features(x, layers):
    """Return the features of the tangent kernel of a network: [N, d] → [N, m].

    Args:
        x: Inputs [N, d].
        layers: One `RandomLayer` or `ExactLayer` for each hidden layer.
    """
    phi = psi = x
    for layer in layers:
        z, phi = layer.step(phi), layer.relu(phi)
        psi = tf.concat([phi, layer.product(psi, z)], -1)
    return psi


def exact_features(x, depth):
    """Return exact features of the tangent kernel at a fixed set of inputs, by factorising each layer's kernels.

    Args:
        x: Inputs [N, d].
        depth: Number of hidden layers.

    Returns:
        An array [N, 2N], float64, whose Gram matrix is the kernel of x. Its cost is cubic in N: use it as a reference.
    """
    x = tf.convert_to_tensor(np.asarray(x, np.float64))
    return features(x, [ExactLayer()] * depth).numpy()


def draw_layers(rng, d, depth, sizes, sketch, leverage=False):
    """Draw the random layers of `features`.

    Args:
        rng: NumPy generator.
        d: Size of one input.
        depth: Number of hidden layers.
        sizes: Number of step features, ReLU features and features of the sketch.
        sketch: Class of the degree-2 sketch.
        leverage: Whether to sample the ReLU weights by their leverage scores. With the density |w|² N(0, I) and the
            features ReLU(⟨w, x⟩)/|w|, only the direction of w matters, which is uniform on the sphere.

    Returns:
        A tuple of `RandomLayer`s.
    """
    steps, relus, sketched = sizes
    layers, phi, psi = [], d, d
    for _ in range(depth):
        w0, w1 = rng.standard_normal((phi, steps)), rng.standard_normal((phi, relus))
        if leverage:
            w1 *= phi**0.5 / np.linalg.norm(w1, axis=0)
        layers.append(RandomLayer(w0, w1, sketch.draw(rng, psi, steps, sketched)))
        phi, psi = relus, relus + sketched
    return tuple(layers)


def _gram(features):
    return features @ tf.transpose(features)


def _moments(phi):
    """Return E[relu(u) relu(u')] and E[relu'(u) relu'(u')] of Gaussians with covariance φφᵀ: [N, N] each."""
    gram = _gram(phi)
    variances = tf.linalg.diag_part(gram)
    return dual_of("relu").moments(variances[:, None], variances[None, :], gram)


def _factor(matrix):
    """Return B with B Bᵀ = matrix, for a positive semidefinite matrix that may be singular."""
    values, vectors = tf.linalg.eigh(matrix)
    return vectors * tf.sqrt(tf.maximum(values, 0))
